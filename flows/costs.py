"""What each stage cost this machine the last time it ran; the report and benchmarks read it."""

import json
import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

from harvest.files import write_bytes

PEAK_UNIT = 1 if sys.platform == "darwin" else 1024
"""Bytes in a unit of ru_maxrss (getrusage(2))."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a stage took."""

    stage: str
    wall_s: float
    """From the start of its process to the end of its flow."""
    own_s: float
    """Of these, in the body of the flow: the stage's own work."""
    cpu_s: float
    """Processor time of its process and of all that it started, pool workers among them."""
    peak_bytes: int
    """Largest resident memory of one process, pool workers left out."""


@dataclass(slots=True)
class Stopwatch:
    """Told when the body of a flow begins and ends."""

    began: float = field(default_factory=time.monotonic)
    ended: float | None = None

    def start(self) -> None:
        """The body begins."""
        self.began, self.ended = time.monotonic(), None

    def stop(self) -> None:
        """The body has ended."""
        self.ended = time.monotonic()


@contextmanager
def measured(folder: Path, stage: str) -> Iterator[Stopwatch]:
    """Write down what the block costs, if it ends well.

    Args:
        folder: Of the costs, .photochrom/costs.
        stage: Whose they are.

    Yields:
        A stopwatch for the body of the flow.
    """
    watch = Stopwatch()
    yield watch
    cost = _sum_up(stage, own_s=(watch.ended or time.monotonic()) - watch.began)
    write_bytes(folder / f"{stage}.json", json.dumps(asdict(cost), indent=1).encode())


def read_costs(folder: Path) -> dict[str, Cost]:
    """Read what the stages cost; those that have not run here, or whose file is torn, are not in.

    Args:
        folder: Of the costs, .photochrom/costs.
    """
    costs = {}
    for path in sorted(folder.glob("*.json")):
        try:
            cost = Cost(**json.loads(path.read_bytes()))
        except (ValueError, TypeError):
            continue  # nothing rests on it: the next run of the stage writes it anew
        costs[cost.stage] = cost
    return costs


def measure(path: Path) -> int:
    """Add up the bytes of a file, or of a folder; what is not there, or vanishes, has none."""
    if path.is_file():
        return path.stat().st_size
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            with suppress(FileNotFoundError):
                total += (Path(folder) / name).lstat().st_size
    return total


def _sum_up(stage: str, *, own_s: float) -> Cost:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Cost(
        stage=stage,
        wall_s=round(time.time() - psutil.Process().create_time(), 3),
        own_s=round(own_s, 3),
        cpu_s=round(sum(one.ru_utime + one.ru_stime for one in used) + _of_living(), 3),
        peak_bytes=max(one.ru_maxrss for one in used) * PEAK_UNIT,
    )


def _of_living() -> float:
    """Sum the processor time of children that still run, and of theirs that have ended.

    Pool workers are children of the fork server, which lives as long as this process.
    """
    seconds = 0.0
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            seconds += times.user + times.system
            seconds += times.children_user + times.children_system
    return seconds
