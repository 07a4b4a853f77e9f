"""The stages of preprocessing as one worker runs them, timed; and how they grow and what they hold.

Times are CPU seconds, of the process and, where there are others, of those it waited for.
"""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from _scans import plan_shards

from harvest.records import Role
from preprocess.crop import CropJob, crop_scans
from preprocess.dedupe import hash_scans
from preprocess.likeness import ScanJob
from preprocess.planning import SampleJob, ShardPlan
from preprocess.shards import make_sample, write_shard

_PER_SHARD = 33
"""Samples of a shard where processes share the work: ten shards, or more."""

_FIRST = """
import sys, time
from pathlib import Path
sys.path[:0] = [{bench!r}]
from _scans import plan_shards
start = time.process_time()
from preprocess.shards import make_sample
(shard,) = plan_shards([Path({path!r})], size=256)
make_sample(shard.jobs[0], data=Path({data!r}))
print(time.process_time() - start)
"""


def timed(work: Callable[[Any], Any], things: Sequence[Any], *, count: int = 0) -> float:
    """Do the work, and return CPU seconds of this process for each thing."""
    start = time.process_time()
    work(things)
    return (time.process_time() - start) / (count or len(things))


def write_all(plans: Sequence[ShardPlan], *, data: Path) -> None:
    """Write shards, as the stage does in one worker."""
    for plan in plans:
        write_shard(plan, data=data, out=data / "out")


def write_checked(plans: Sequence[ShardPlan], *, data: Path) -> None:
    """Write shards, and hash every scan too, as img2dataset does."""
    write_all(plans, data=data)
    for job in (job for plan in plans for job in plan.jobs):
        content = (data / job.colour.path).read_bytes()
        if hashlib.sha256(content).hexdigest() != job.info.scan_sha256:
            raise RuntimeError(f"{job.colour.path}: expected {job.info.scan_sha256}")


def make_all(jobs: Sequence[SampleJob], *, data: Path) -> None:
    """Make samples, and write none."""
    for job in jobs:
        make_sample(job, data=data)


def hash_all(paths: Sequence[Path], *, data: Path) -> None:
    """Hash scans, as the dedupe stage does in one worker."""
    jobs = [ScanJob(path.stem, "item", Role.COLOUR, f"scans/{path.name}") for path in paths]
    hash_scans(jobs, data=data)


def crop_all(paths: Sequence[Path], *, data: Path) -> None:
    """Find prints, as the crop stage does in one worker."""
    jobs = [
        CropJob(path.stem, Role.COLOUR, "view", "group", f"scans/{path.name}", "0" * 64)
        for path in paths
    ]
    crop_scans(jobs, data=data, min_confidence=0.8)


def read_alone(paths: Sequence[Path]) -> None:
    """Read files from the page cache into memory that is there already."""
    for path in paths:
        with path.open("rb", buffering=0) as stream:
            stream.readinto(_buffer(path.stat().st_size))


@lru_cache(maxsize=1)
def _buffer(size: int) -> bytearray:
    return bytearray(size)


def measure_growth(data: Path, paths: Sequence[Path], *, rounds: int) -> list[dict[str, float]]:
    """Write the same shards with one process to as many as there are cores, in turns."""
    plans = plan_shards(paths, size=256, per_shard=_PER_SHARD)
    counts = range(1, (os.cpu_count() or 1) + 1)
    context = get_context("forkserver")
    context.set_forkserver_preload(["preprocess.shards", "webdataset"])
    seen: dict[int, list[tuple[float, float]]] = {count: [] for count in counts}
    for _ in range(rounds):
        for count in counts:
            with ProcessPoolExecutor(count, mp_context=context) as pool:
                # Once each before the clock starts: the workers' start is not what grows.
                list(pool.map(partial(_write_one, data=data), plans[:count]))
                start = time.perf_counter()
                spent = sum(pool.map(partial(_write_one, data=data), plans))
                seen[count].append((time.perf_counter() - start, spent))
    one = min(wall for wall, _ in seen[1])
    return [
        {
            "processes": count,
            "images_a_second": round(len(paths) / min(wall for wall, _ in times), 1),
            "times_one_process": round(one / min(wall for wall, _ in times), 2),
            "cpu_ms_an_image": round(1e3 * min(spent for _, spent in times) / len(paths), 3),
        }
        for count, times in seen.items()
    ]


def _write_one(plan: ShardPlan, *, data: Path) -> float:
    start = time.process_time()
    write_shard(plan, data=data, out=data / "out")
    return time.process_time() - start


def measure_memory(
    small: Path, masters: dict[str, Path], *, size: int
) -> dict[str, dict[str, int]]:
    """Measure what a worker's memory grows by for each master, in a process of its own."""
    script = Path(__file__).with_name("_memory.py")
    found = {}
    for name, path in masters.items():
        command = [sys.executable, str(script), str(small), str(path), str(size)]
        run = subprocess.run(command, capture_output=True, text=True, check=True)
        before, growth = map(int, run.stdout.split())
        found[name] = {"worker_before_mb": before, "peak_growth_mb": growth}
    return found


def measure_first(data: Path, path: Path) -> dict[str, float]:
    """Measure the first sample of a process: without numba's cache, and with it; CPU seconds."""
    cache = data / "numba-cache"
    program = _FIRST.format(bench=str(Path(__file__).parent), path=str(path), data=str(data))
    found = {}
    for name in ("compiled", "from the cache"):
        run = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"NUMBA_CACHE_DIR": str(cache)},
            capture_output=True,
            text=True,
            check=True,
        )
        found[name] = round(float(run.stdout), 2)
    return found
