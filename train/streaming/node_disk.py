"""Edge: how fast a disk gives the samples of shards, measured for a moment.

Cached pages are dropped before, and what is read is read as the loader does: by pread, whole
samples.
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from preprocess.index import Shard
from preprocess.samples import to_layout
from train.errors import DataError
from train.streaming.shard import ReadShard, open_file, pread_file

BATCH: Final = 64
OWN_BYTES = 512 << 20
"""Of a file of our own; a tenth of what is free, where that is less."""


@dataclass(frozen=True, slots=True)
class Files:
    """Shards to measure on."""

    shards: tuple[tuple[Path, Shard], ...]


def measure_disk(files: Files, *, threads: int, ordered: bool, spell_s: float) -> float:
    """Measure how many bytes a second come from the disk, cached pages dropped before.

    Args:
        files: Shards; what others read meanwhile, or a cache behind the disk, is measured too.
        threads: That read, each its own part.
        ordered: Whether rows are read in their order; else one by one at random.
        spell_s: So long; less where all is read sooner, so that nothing is read twice.

    Raises:
        DataError: If a shard cannot be read.
    """
    drop_pages(files)
    rows = [
        (number, place) for number, (_, s) in enumerate(files.shards) for place in range(s.samples)
    ]
    if not ordered:
        np.random.default_rng(0).shuffle(rows)
    each = -(-len(rows) // threads)
    with contextlib.ExitStack() as stack:
        works = []
        for start in range(0, len(rows), each):
            works.append(_read_rows(files, rows[start : start + each], stack, ordered=ordered))
        began = time.perf_counter()

        def read(work: Iterator[int]) -> int:
            done = 0
            for size in work:
                done += size
                if time.perf_counter() - began >= spell_s:
                    break
            return done

        with ThreadPoolExecutor(threads) as pool:
            done = sum(pool.map(read, works))
        return done / (time.perf_counter() - began)


def _read_rows(
    files: Files, rows: Sequence[tuple[int, int]], stack: contextlib.ExitStack, *, ordered: bool
) -> Iterator[int]:
    """Read rows by pread, in a batch each time where they are in order; yield bytes."""
    stride = files.shards[0][1].stride
    buffer = np.ones((BATCH if ordered else 1, stride), np.uint8)
    readers: dict[int, ReadShard] = {}
    for start in range(0, len(rows), len(buffer)):
        some = rows[start : start + len(buffer)]
        number = some[0][0]
        places = [place for owner, place in some if owner == number]
        if number not in readers:
            path, entry = files.shards[number]
            readers[number] = pread_file(open_file(path), path, entry)
            stack.callback(readers[number].close)
        readers[number].take(np.array(places), buffer[: len(places)])
        yield len(places) * stride


def drop_pages(files: Files) -> None:
    """Have the system forget what it holds of the files; a file system in memory cannot."""
    if hasattr(os, "posix_fadvise"):
        for path, _ in files.shards:
            with open_file(path) as stream:
                os.fsync(stream.fileno())
                os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@contextlib.contextmanager
def own_file(folder: Path, *, size: int) -> Iterator[Files]:
    """Write a file with the layout of a shard, which is removed at the end.

    Args:
        folder: On the disk that is measured.
        size: Side of a sample in pixels, S.

    Raises:
        DataError: If the folder has no room for 64 samples, or cannot be written to.
    """
    layout = to_layout(size, paired=False)
    try:
        room = os.statvfs(folder)
        samples = min(OWN_BYTES, room.f_bavail * room.f_frsize // 10) // layout.stride
        if samples < BATCH:
            raise DataError(
                f"{folder}: expected room for {BATCH} samples of {size} px in a tenth of what is "
                "free; make room, or name another folder"
            )
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".bench-node-") as stream:
            noise = np.random.default_rng(0).bytes(layout.stride)
            for _ in range(samples):
                stream.write(noise)
            stream.flush()
            yield take_for_shards([Path(stream.name)], stride=layout.stride)
    except OSError as exc:
        raise DataError(
            f"{folder}: a file to measure with cannot be written ({exc}); name a folder that you "
            "may write to"
        ) from exc


def take_for_shards(paths: Sequence[Path], *, stride: int) -> Files:
    """Take any files for shards of rows, so that they can be read as such.

    Args:
        paths: Of files that are not empty.
        stride: Bytes of a row.
    """
    shards = []
    for path in paths:
        size_bytes = path.stat().st_size
        row = min(stride, size_bytes)
        entry = Shard(
            name=path.name,
            split="train",
            samples=size_bytes // row,
            stride=row,
            members=(),
            json_offset=0,
            size_bytes=size_bytes,
            sha256="",
        )
        shards.append((path, entry))
    return Files(tuple(shards))
