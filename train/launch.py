"""Edge: train on this machine, one process per rank.

Each rank has a pipe from the launcher as its standard input. When the launcher goes, by whatever
signal, the pipe closes and the ranks save and end; no process is left behind.
"""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train.errors import TrainError
from train.progress import read_events
from train.run import PROGRESS, STOPPED, UNEXPECTED

_POLL_S = 0.1
_GRACE_S = 30.0
_LOST_S = 2.0
"""So long a rank that ends by itself takes after the others have noticed."""

_LOG_LINES = 12

Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class _Rank:
    number: int
    process: subprocess.Popen[bytes]
    log: Path


def launch_local(
    run: Path,
    *,
    processes: int,
    threads: int,
    on_progress: Progress,
    stopped: Callable[[], bool] = lambda: False,
) -> None:
    """Train a run here and return when its result is written.

    Args:
        run: The run folder, from `train.run.prepare_run`.
        processes: Ranks to start.
        threads: CPU threads of each.
        on_progress: Called in this thread with every event of `progress.jsonl`.
        stopped: Says whether the run was cancelled; the ranks then save and end.

    Raises:
        TrainError: If a rank fails; the message ends with the last lines of its log. Or if the
            ranks were asked to stop, and did.
    """
    (run / PROGRESS).touch()
    environ = _environ(processes=processes, threads=threads)
    with (run / PROGRESS).open("rb") as progress, contextlib.ExitStack() as stack:
        progress.seek(0, os.SEEK_END)
        ranks: list[_Rank] = []
        stack.callback(_end, ranks)
        for number in range(processes):
            ranks.append(_start(run, number, environ))
        running = True
        while running:
            # First look whether they run, then read: so the last events are not missed.
            running = any(rank.process.poll() is None for rank in ranks)
            for event in read_events(progress):
                on_progress(event)
            _check(ranks)
            if running and stopped():
                raise TrainError("the training was cancelled; its state is saved")
            time.sleep(_POLL_S if running else 0)


def _environ(*, processes: int, threads: int) -> dict[str, str]:
    return os.environ | {
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_find_port()),
        "GLOO_SOCKET_IFNAME": "lo",
        "PYTHONSAFEPATH": "1",
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": str(threads),
        # Waiting threads that spin take the cores of the ranks beside them.
        "OMP_WAIT_POLICY": "PASSIVE",
    }


def _find_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _start(run: Path, number: int, environ: dict[str, str]) -> _Rank:
    log = run / f"rank-{number}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "train", str(run), "--tethered"],
            stdin=subprocess.PIPE,
            stdout=stream,
            stderr=subprocess.STDOUT,
            env=environ | {"RANK": str(number), "LOCAL_RANK": str(number)},
            # Ctrl-C in the terminal is for the launcher, which then ends the ranks in order.
            start_new_session=True,
        )
    return _Rank(number=number, process=process, log=log)


def last_lines(log: Path) -> list[str]:
    """Read the end of a log, whatever its bytes."""
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LOG_LINES:]


def _check(ranks: list[_Rank]) -> None:
    codes = {rank.number: rank.process.poll() for rank in ranks}
    if UNEXPECTED in codes.values():
        # A rank that loses another one did not expect it, and may end before the one that knows.
        _wait(ranks, _LOST_S)
        codes = {rank.number: rank.process.poll() for rank in ranks}
    failed = [rank for rank in ranks if codes[rank.number] not in (None, 0, STOPPED)]
    if failed:
        rank = min(failed, key=lambda one: codes[one.number] == UNEXPECTED)
        code = codes[rank.number]
        why = " (an error that nobody expected)" if code == UNEXPECTED else ""
        raise TrainError(
            f"rank {rank.number} of the training ended with code {code}{why}; "
            f"{rank.log} ends with:\n" + "\n".join(last_lines(rank.log))
        )
    if all(code is not None for code in codes.values()) and STOPPED in codes.values():
        raise TrainError("the training was asked to stop and saved its state; run it again")


def _wait(ranks: list[_Rank], seconds: float) -> None:
    """Return when every rank has ended, or so many seconds are over."""
    deadline = time.monotonic() + seconds
    for rank in ranks:
        with contextlib.suppress(subprocess.TimeoutExpired):
            rank.process.wait(max(0.0, deadline - time.monotonic()))


def _end(ranks: list[_Rank]) -> None:
    """Ask every rank that still runs to save and end, and see to it."""
    for rank in ranks:
        if rank.process.poll() is None:
            rank.process.terminate()
    _wait(ranks, _GRACE_S)
    for rank in ranks:
        if rank.process.poll() is None:
            rank.process.kill()
            rank.process.wait()
        assert rank.process.stdin is not None
        rank.process.stdin.close()
