"""Edge: how fast this node copies, gathers, decodes and sends samples, each for a moment.

What is measured is what the loader does: rows of shards are copied into batches by the reader
itself, and pictures are decoded as those of a foreign set are.

Dimensions: B samples of a batch, S side in pixels, R bytes of a row.
"""

import contextlib
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import numpy as np
import torch

from preprocess.index import Shard
from preprocess.split import PAIRS, Split
from train.errors import DataError
from train.streaming.node_disk import BATCH, Files
from train.streaming.shard import ShardReader, open_shard
from train.tars.split import open_tars

_RING: Final = 4
"""Buffers, as a feed has with three batches ahead."""
_SOURCE: Final = 16
"""Batches of the source that is copied: far more than a cache holds."""
_LARGEST_BYTES: Final = 16 << 20
"""Of a batch that is copied."""
WARM_BYTES: Final = 1 << 30
"""Of the shards that are read to measure what is in memory."""

Work = Callable[[], int]
"""Does a piece of work once, and returns how many bytes, or samples, that was."""


def run_for(works: Sequence[Work], *, spell_s: float) -> tuple[float, float]:
    """Do each work in a thread of its own, again and again.

    Args:
        works: What each thread does; one runs in this thread.
        spell_s: So long, and every work at least once.

    Returns:
        What was done, by seconds of the clock and by CPU seconds of this process.
    """
    began, spent = time.perf_counter(), time.process_time()

    def repeat(work: Work) -> int:
        done = 0
        while True:
            done += work()
            if time.perf_counter() - began >= spell_s:
                return done

    if len(works) == 1:
        done = repeat(works[0])
    else:
        with ThreadPoolExecutor(len(works)) as pool:
            done = sum(pool.map(repeat, works))
    wall_s, cpu_s = time.perf_counter() - began, time.process_time() - spent
    return done / wall_s, done / max(cpu_s, 1e-9)


def measure_copy(row_bytes: int, *, threads: int, spell_s: float) -> float:
    """Measure how many bytes a second the node copies from memory to memory.

    Args:
        row_bytes: R.
        threads: That copy, each its own.
        spell_s: So long.
    """
    batch_bytes = min(BATCH * row_bytes, _LARGEST_BYTES)

    def make() -> Work:
        source = np.ones((_SOURCE, batch_bytes), np.uint8)
        ring = np.ones((_RING, batch_bytes), np.uint8)

        def work() -> int:
            for number, batch in enumerate(source):
                np.copyto(ring[number % _RING], batch)
            return source.nbytes

        return work

    return run_for([make() for _ in range(threads)], spell_s=spell_s)[0]


def measure_gather(files: Files, *, threads: int, spell_s: float) -> tuple[float, float]:
    """Measure how many samples a second are gathered from shards that lie in memory.

    Args:
        files: Shards; of some of them a gigabyte is read before.
        threads: That gather, each its own batches, each batch from all those shards.
        spell_s: So long.

    Returns:
        Samples by seconds of the clock, and by CPU seconds.

    Raises:
        DataError: If a shard cannot be read.
    """
    with contextlib.ExitStack() as stack:
        works = []
        for number in range(threads):
            readers = []
            for path, entry in files.shards[:BATCH]:
                readers.append((open_shard(path, entry), entry))
                stack.callback(readers[-1][0].close)
            works.append(_gather_from(readers, seed=number))
        return run_for(works, spell_s=spell_s)


def _gather_from(readers: Sequence[tuple[ShardReader, Shard]], *, seed: int) -> Work:
    """Bring rows of shards into memory, and return the work that gathers batches of them."""
    rng = np.random.default_rng(seed)
    stride = readers[0][1].stride
    ring = np.ones((_RING, BATCH, stride), np.uint8)
    most = max(1, WARM_BYTES // stride // len(readers))
    there = [min(entry.samples, most) for _, entry in readers]
    for (reader, _), count in zip(readers, there, strict=True):
        for start in range(0, count, BATCH):
            places = np.arange(start, min(start + BATCH, count))
            reader.take(places, ring[0, : len(places)])
    turn = 0

    def work() -> int:
        nonlocal turn
        turn += 1
        parts = np.array_split(ring[turn % _RING], len(readers))
        for (reader, _), count, part in zip(readers, there, parts, strict=True):
            if len(part):
                reader.take(np.sort(rng.integers(0, count, len(part))), part)
                reader.check()
        return BATCH

    return work


def measure_decoding(tar: Path, *, size: int, most: int, spell_s: float) -> tuple[float, float]:
    """Measure how many samples a CPU second the loader decodes, of one foreign tar.

    Args:
        tar: Its first samples are read, once before, so that they lie in memory.
        size: S.
        most: Samples.
        spell_s: So long.

    Returns:
        Samples by CPU second, and mean bytes of a sample in the tar.

    Raises:
        DataError: If it is no tar, or holds no picture.
    """
    with tempfile.TemporaryDirectory(prefix="bench-node-") as cache:
        for name in (*Split, PAIRS):
            split = open_tars(str(tar), size=size, split=name, cache=Path(cache), threads=1)
            if len(split):
                break
            split.close()
        else:
            raise DataError(f"{tar}: expected samples with a picture, found none; see docs")
        rng = np.random.default_rng(0)
        rows = np.ones((BATCH, split.row_bytes), np.uint8)
        valid = np.empty((BATCH, 4), np.int64)
        there = min(len(split), most)

        def work() -> int:
            some = min(BATCH, there)
            split.gather(np.sort(rng.choice(there, some, replace=False)), rows[:some], valid[:some])
            return some

        work()
        rate = run_for([work], spell_s=spell_s)[1]
        count = len(split)
        split.close()
    return rate, tar.stat().st_size / count


def measure_sending(row_bytes: int, *, spell_s: float) -> float | None:
    """Measure how many bytes a second reach the first GPU while it computes.

    Pinned buffers, a stream of their own, products of matrices beside them.

    Returns:
        None where there is no CUDA device.
    """
    if not torch.cuda.is_available():
        return None
    pinned = torch.empty((BATCH, row_bytes), dtype=torch.uint8, pin_memory=True)
    twin = torch.empty_like(pinned, device="cuda", pin_memory=False)
    factor = torch.randn((4096, 4096), device="cuda", dtype=torch.bfloat16)
    stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def work() -> int:
        factor @ factor
        with torch.cuda.stream(stream):
            for _ in range(8):
                twin.copy_(pinned, non_blocking=True)
        stream.synchronize()
        return 8 * pinned.nbytes

    work()
    torch.cuda.synchronize()
    rate = run_for([work], spell_s=spell_s)[0]
    torch.cuda.synchronize()
    return rate


def count_devices() -> int:
    """Count the CUDA devices of this node."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def free_bytes() -> tuple[int, int | None]:
    """Return the memory at hand of this node, and of its first CUDA device, if there is one."""
    from train.streaming.residence import measure_room

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    room = measure_room(device, processes=1)
    return room.host_bytes, None if room.shared else room.device_bytes
