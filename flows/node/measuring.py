"""Edge: what is measured on a node, in seconds, and where."""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from flows.doctor.machine import count_cores
from flows.errors import NodeError
from flows.node.verdict import Kind, Measured, Wish
from preprocess.index import INDEX_NAME
from train.hashes import read_shard_index
from train.streaming import node, node_disk
from train.streaming.node_disk import Files

F = TypeVar("F")

SPELL_S = 0.6
"""So long each thing is measured."""

MOST_THREADS = 16
MOST_FILES = 64
_DECODED = 2048
"""Samples of a foreign tar that are decoded in turn."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where samples are read from."""

    kind: Kind
    path: Path


def find_place(path: Path | None, *, default: Path, own_file: bool) -> Place:
    """Find what is to be measured.

    Args:
        path: What was asked for: a folder of shards, a foreign tar or a folder of such, or with
            `own_file` any folder; None is the checkout's shards, else its disk.
        default: Folder of the checkout's shards.
        own_file: Measure the disk by a file of our own.

    Raises:
        NodeError: If there is nothing of the kind.
    """
    if path is None:
        there = (default / INDEX_NAME).is_file() and not own_file
        above = next(one for one in (default, *default.parents) if one.is_dir())
        return Place(Kind.SHARDS, default) if there else Place(Kind.OWN, above)
    if not path.exists():
        raise NodeError(f"{path}: expected a folder of shards or a tar, found none; see its name")
    if own_file:
        if not path.is_dir():
            raise NodeError(f"{path}: expected a folder to put a file into, found none")
        return Place(Kind.OWN, path)
    if (path / INDEX_NAME).exists():
        return Place(Kind.SHARDS, path)
    if path.is_file() or any(path.glob("*.tar")):
        return Place(Kind.FOREIGN, path)
    raise NodeError(
        f"{path}: expected {INDEX_NAME} of our shards, or tars, found neither; name the folder "
        "that holds them, or measure this disk by a file of its own: --own-file"
    )


def find_size(place: Place, *, otherwise: int) -> int:
    """Find the side of a sample: that of the shards, where there are some.

    Raises:
        DataError: If their index cannot be read.
    """
    return read_shard_index(place.path).size if place.kind is Kind.SHARDS else otherwise


def measure(place: Place, wish: Wish, *, spell_s: float = SPELL_S) -> Measured:
    """Measure a node; takes some seconds.

    Args:
        place: Where samples are read from.
        wish: What the node is to do.
        spell_s: So long each thing is measured.

    Raises:
        TrainError: If the samples are not as their index says, or cannot be read.
        NodeError: If there is no sample.
    """
    cores = count_cores()
    threads = max(1, min(wish.gpus, int(cores), MOST_THREADS))
    memory_free, device_free = node.free_bytes()
    with _open(place, wish.size, spell_s=spell_s) as opened:
        gathered = None
        if place.kind is not Kind.FOREIGN:
            gathered = node.measure_gather(opened.files, threads=threads, spell_s=spell_s)
        row_bytes = 3 * wish.size**2
        copy = functools.partial(node.measure_copy, row_bytes, spell_s=spell_s)
        read = functools.partial(node_disk.measure_disk, opened.files, spell_s=spell_s)
        copy_one, copy_all = _measure_pair(copy, threads)
        disk_one, disk_all = _measure_pair(functools.partial(read, ordered=False), threads)
        return Measured(
            kind=place.kind,
            path=str(place.path),
            cores=cores,
            threads=threads,
            row_bytes=row_bytes,
            stored_bytes=float(opened.files.shards[0][1].stride),
            copy_one=copy_one,
            copy_all=copy_all,
            gather_wall=gathered[0] if gathered else None,
            gather_cpu=gathered[1] if gathered else None,
            decode_cpu=opened.decoded,
            disk_ordered=read(threads=1, ordered=True),
            disk_one=disk_one,
            disk_all=disk_all,
            sent=node.measure_sending(row_bytes, spell_s=spell_s),
            data_bytes=opened.data_bytes,
            samples=opened.samples,
            memory_free=memory_free,
            device_free=device_free,
        )


def _measure_pair(measure_one: Callable[..., float], threads: int) -> tuple[float, float]:
    """Measure with one thread and with all; once where they are the same."""
    one = measure_one(threads=1)
    return one, one if threads == 1 else measure_one(threads=threads)


@dataclass(frozen=True, slots=True)
class _Opened:
    """Files to measure on, and what is known of all samples."""

    files: Files
    samples: int | None
    data_bytes: float | None
    decoded: float | None
    """Samples decoded by CPU second; None but of a foreign set."""


@contextlib.contextmanager
def _open(place: Place, size: int, *, spell_s: float) -> Iterator[_Opened]:
    """Name the files, or make one; of many take some."""
    if place.kind is Kind.OWN:
        with node_disk.own_file(place.path, size=size) as files:
            yield _Opened(files, None, None, None)
    elif place.kind is Kind.SHARDS:
        yield _open_shards(place.path)
    else:
        tars = [place.path] if place.path.is_file() else sorted(place.path.glob("*.tar"))
        rate, mean = node.measure_decoding(tars[0], size=size, most=_DECODED, spell_s=spell_s)
        total = float(sum(tar.stat().st_size for tar in tars))
        files = node_disk.take_for_shards(_some(tars), stride=round(mean))
        yield _Opened(files, round(total / mean), total, rate)


def _open_shards(folder: Path) -> _Opened:
    index = read_shard_index(folder)
    shards = [(folder / entry.name, entry) for entry in index.shards if entry.split == "train"]
    if not shards:
        raise NodeError(f"{folder}: expected samples of train, found none; pull its shards")
    samples = sum(entry.samples for _, entry in shards)
    total = float(samples * shards[0][1].stride)
    return _Opened(Files(tuple(_some(shards))), samples, total, None)


def _some(files: Sequence[F]) -> list[F]:
    """Take files that lie evenly among all."""
    return list(files[:: -(-len(files) // MOST_FILES)])
