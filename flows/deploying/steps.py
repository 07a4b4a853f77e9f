"""Runs DVC in a child process of a deployed run: its lines to the log, its end with the run's."""

import json
import os
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from flows.deploying.child import CALLED_OFF
from flows.errors import StepError
from flows.server import TOKEN

RUN = "PHOTOCHROM_RUN"
"""In a step's environment: the name of the deployed run, with which its stages' runs are tagged."""

RUN_ID = "PHOTOCHROM_RUN_ID"
"""Beside it: the deployed run's id, on whose page its training is shown too."""

LAST_LINES = 12
"""Of a step that failed, in the run's message."""

WAIT = "--wait-for-lock"
"""DVC's own patience: for its lock on the whole project, while another DVC reads or notes."""

BUSY = ("is busy, it is being blocked by", "Unable to acquire lock")
"""What DVC says, in spite of that, when another DVC runs a stage at the same files: neither for a
stage's files nor for its note of who is at which does `--wait-for-lock` wait."""

BUSY_PAUSE_S = 5.0

TORN = "Unable to read RWLock-file"
"""What DVC says for good, once it was killed while it wrote that file."""

PLAIN = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO",
    "PREFECT_LOGGING_FORMATTERS_STANDARD_FORMAT": "%(message)s",
    "PREFECT_LOGGING_FORMATTERS_STANDARD_FLOW_RUN_FMT": "%(message)s",
    "PREFECT_LOGGING_FORMATTERS_STANDARD_TASK_RUN_FMT": "%(message)s",
}
"""The stages print the log of their own runs, without the time that our log adds anyway."""

NOISE = ("Running hook 'on_", "Hook 'on_", "Finished in state Completed()")
"""Beginnings of lines of Prefect's that say nothing to a person."""

GRACE_S = 25.0
"""What a step gets to end all that it has started; the run itself is killed 30 s after a Cancel."""


def run_dvc(
    words: Sequence[str],
    *,
    root: Path,
    run_name: str,
    run_id: str,
    on_line: Callable[[str], None],
    settings: Mapping[str, str],
) -> None:
    """Run DVC, and again as long as another DVC has the files; end it with this call.

    Args:
        words: Its arguments, such as `repro`, `shards`.
        root: The checkout.
        run_name: Of the deployed run.
        run_id: Of the deployed run.
        on_line: Called with each line that DVC and the stages print.
        settings: Environment variables besides.

    Raises:
        StepError: If DVC or a stage fails; the message holds its last lines.
    """
    environment = {**clean_environment(os.environ), RUN: run_name, RUN_ID: run_id, **settings}
    while True:
        code, last = _run_once(words, root=root, environment=environment, on_line=on_line)
        if code == 0:
            return
        if any(TORN in line for line in last) and _mend(root):
            on_line("A kill has torn DVC's note of who is at which files; it was removed")
            continue
        if not any(said in line for line in last for said in BUSY):
            break
        on_line(f"Another DVC is at these files; trying again in {BUSY_PAUSE_S:.0f} s")
        time.sleep(BUSY_PAUSE_S)
    raise StepError(
        f"dvc {' '.join(words)} ended with code {code} in {root}; mend what its last lines say "
        "and start the run again, which goes on from there:\n" + "\n".join(last)
    )


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Take out of an environment what belongs to the deployed run alone.

    Args:
        environment: Of the run's process.

    Returns:
        Without what Prefect tells a run's process of its run, so that a stage's run is a run of
        its own; without the address of the checkout's own server, which a stage finds by itself,
        and starts again if it was killed.
    """
    own = {name for name in environment if name.startswith("PREFECT__")}
    if TOKEN in environment and environment.get(OWN):
        own.add("PREFECT_API_URL")
    kept = {name: value for name, value in environment.items() if name not in own}
    return {**kept, **PLAIN, "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1"}


OWN = "PHOTOCHROM_OWN_SERVER"
"""In a worker's environment: its server is the checkout's own."""


def _run_once(
    words: Sequence[str],
    *,
    root: Path,
    environment: Mapping[str, str],
    on_line: Callable[[str], None],
) -> tuple[int, list[str]]:
    last: deque[str] = deque(maxlen=LAST_LINES)
    process = subprocess.Popen(
        [sys.executable, "-m", "flows.deploying.child", WAIT, *words],
        cwd=root,
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if (said := line.rstrip()) and not said.startswith(NOISE):
                    last.append(said)
                    on_line(said)
        except BaseException:
            # Cancelled, timed out, Ctrl-C: the child ends its tree when the pipe closes, and as
            # by Ctrl-C where it was told to, so that a job on a cluster is ended too.
            with suppress(OSError):
                process.stdin.write(CALLED_OFF)
            with suppress(OSError):
                process.stdin.close()
            _await(process)
            raise
    return process.returncode, list(last)


def _mend(root: Path) -> bool:
    """Remove DVC's note of who is at which files, if it is torn; say whether it was."""
    note = root / ".dvc" / "tmp" / "rwlock"
    try:
        json.loads(note.read_bytes())
    except ValueError:
        note.unlink(missing_ok=True)
        return True
    except OSError:
        return False
    return False


def _await(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
