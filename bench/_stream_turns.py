"""Processes that take turns, one core for all: started, told to run, watched, ended."""

import json
import os
import select
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from _stream_peers import Way, python_of

CHILD = Path(__file__).with_name("_stream_child.py")
LOOK_S = 0.02
"""Between two looks at a process's memory."""

_ON = (
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"),
    *("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_DATASETS_DISABLE_PROGRESS_BARS"),
    "DO_NOT_TRACK",
)
"""Of the environment: one thread, and nobody is asked or told anything."""


class ChildError(Exception):
    """A way could not be opened, or ended before it was told to."""


@dataclass
class Child:
    """A way in its process."""

    way: Way
    process: subprocess.Popen[str]
    anon_bytes: int = 0
    """Most anonymous memory that was seen of it."""
    log: Path = field(default_factory=lambda: Path(os.devnull))

    def ask(self, *words: object) -> dict[str, Any]:
        """Give a command and wait for the answer."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(" ".join(map(str, words)) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError as exc:
            raise self._failed() from exc
        return self.listen()

    def listen(self) -> dict[str, Any]:
        """Wait for what it says, and watch its memory meanwhile."""
        assert self.process.stdout is not None
        while not select.select([self.process.stdout], [], [], LOOK_S)[0]:
            self.anon_bytes = max(self.anon_bytes, read_anon_bytes(self.process.pid))
        line = self.process.stdout.readline()
        if not line:
            raise self._failed()
        self.anon_bytes = max(self.anon_bytes, read_anon_bytes(self.process.pid))
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        """Have it end, and wait."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _failed(self) -> ChildError:
        self.process.kill()
        self.process.wait()
        said = self.log.read_text(errors="replace").strip().splitlines()
        return ChildError(said[-1][-300:] if said else "it ended and said nothing")


def start(way: Way, data: Path, *, core: int) -> tuple[Child, dict[str, Any]]:
    """Start a way, and wait for its first batch.

    Raises:
        ChildError: If it does not come.
    """
    log = data / "child.log"
    command = [str(python_of(way.peer)), "-P", str(CHILD), way.module, way.function]
    with log.open("w") as stream:
        process = subprocess.Popen(
            [*command, str(data), str(core)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stream,
            text=True,
            env=_environment(data),
        )
    child = Child(way, process, log=log)
    return child, child.listen()


def write_format(peer: str, module: str, data: Path) -> str:
    """Have a peer write the array in its own format; return why it did not, or nothing."""
    run = subprocess.run(
        [str(python_of(peer)), "-P", str(CHILD), module, "write", str(data)],
        capture_output=True,
        text=True,
        env=_environment(data),
        check=False,
    )
    if not run.returncode:
        return ""
    said = run.stderr.strip().splitlines() or ["nothing"]
    return f"{peer} does not write its format: {said[-1][-300:]}"


def _environment(data: Path) -> dict[str, str]:
    folders = {name: str(data / "tmp") for name in ("HF_HOME", "TMPDIR")}
    return {**os.environ, **dict.fromkeys(_ON, "1"), **folders}


def read_anon_bytes(pid: int | str) -> int:
    """Read the anonymous memory of a process and all that it started; 0 once it is gone."""
    total = 0
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon"):
                total = 1024 * int(line.split()[1])
        tasks = list(Path(f"/proc/{pid}/task").glob("*/children"))
        started = [child for path in tasks for child in path.read_text().split()]
    except (OSError, ProcessLookupError):
        return total
    return total + sum(map(read_anon_bytes, started))


def evict(path: Path) -> None:
    """Drop a file, or all of a folder, from the page cache."""
    for one in [path] if path.is_file() else sorted(path.rglob("*")):
        if one.is_file():
            with one.open("rb") as stream:
                os.fdatasync(stream.fileno())
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
