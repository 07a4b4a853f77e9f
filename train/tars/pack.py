"""Edge: any WebDataset as shards of our own, which stream without decoding.

The samples keep their order and are those that `train.tars.split` gives: the same LAB bytes,
the same valid boxes, the same splits. Of memory it takes a batch, and for each sample 18 bytes, at
the end 66.

Dimensions: B samples of a batch, S side in pixels.
"""

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import islice, pairwise
from pathlib import Path
from typing import Final

import numpy as np
import torch

from harvest.errors import HarvestError
from harvest.files import put_in_place, whole_file
from harvest.locks import try_hold
from preprocess.index import Described, describe_shard, to_index, write_index
from preprocess.index_faults import MAX_SIZE
from preprocess.samples import MAX_NAME_BYTES, Sample, SampleInfo, to_layout
from preprocess.split import Split
from preprocess.tar import write_tar
from train.errors import DataError
from train.tars.decoding import measure
from train.tars.split import TarSplit, open_tars

_BATCH: Final = 32
"""Samples decoded at once."""


@dataclass(frozen=True, slots=True)
class Packed:
    """What was packed."""

    samples: dict[str, int]
    """Of each split."""
    shards: int
    notices: tuple[str, ...]
    """What was left out, of each split's tars; once where they are the same."""


def pack_tars(
    spec: str,
    out: Path,
    *,
    size: int,
    cache: Path,
    shard_bytes: float,
    threads: int,
    on_progress: Callable[[float], None],
) -> Packed:
    """Write the samples of a WebDataset as shards with an index; the folder appears whole.

    A sample's key is its split, its number and what its old key has of letters and digits; its
    `scan_id`, `item_id` and `group_id` are its tar's name and old key, its `view_id` the old key
    (with the split before it where tars name theirs, since such tars may repeat keys), each cut to
    90 bytes by a hash of the rest; its `scan_sha256` is that of the picture's bytes.

    Args:
        spec: As for `train.tars.split.open_tars`; no URL.
        out: Folder of the shards; it must not be there, or be empty.
        size: Side of a sample in pixels, S.
        cache: Folder of the indexes of tars.
        shard_bytes: Most that a shard takes, of samples; a larger sample is one by itself.
        threads: That decode.
        on_progress: Takes the share done, 0 to 1.

    Returns:
        What was packed.

    Raises:
        DataError: If `out` holds something, another process packs to it, or a tar or a picture
            cannot be read.
        OSError: If the disk refuses; then nothing is left behind.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: expected no folder, or an empty one; name another for the shards")
    if not 0 < size < MAX_SIZE:
        raise DataError(f"{size}: expected a side of 1 to {MAX_SIZE - 1} px; see --size")
    with _open_splits(spec, size=size, cache=cache, threads=threads) as splits:
        total = sum(len(split) for split in splits)
        if not total:
            found = next((f" ({split.left_out})" for split in splits if split.left_out), "")
            raise DataError(
                f"{spec}: expected pictures (JPEG, PNG or WebP, or arrays as .npy), found none"
                f"{found}; nothing was written"
            )
        with _whole_folder(out, locks=cache / "locks") as folder:
            described: list[Described] = []
            done = 0
            for split in splits:
                for number, (start, stop) in enumerate(_cut(split, shard_bytes)):
                    path = folder / f"{split.name}-{number:06d}.tar"
                    described.append(_write_shard(path, split, start=start, stop=stop))
                    done += stop - start
                    on_progress(done / total)
            write_index(folder, *to_index(size, described))
        return Packed(
            samples={split.name: len(split) for split in splits},
            shards=len(described),
            notices=tuple(dict.fromkeys(split.left_out for split in splits if split.left_out)),
        )


@contextmanager
def _open_splits(spec: str, *, size: int, cache: Path, threads: int) -> Iterator[list[TarSplit]]:
    splits: list[TarSplit] = []
    try:
        for name in Split:
            split = open_tars(spec, size=size, split=name, cache=cache, threads=threads)
            splits.append(split)
        yield splits
    finally:
        for split in splits:
            split.close()


@contextmanager
def _whole_folder(out: Path, *, locks: Path) -> Iterator[Path]:
    """Give a folder beside `out` that takes its name when the block ends well.

    It always has the same name, so what a killed process left goes when the next one starts.
    """
    out = out.absolute()
    folder = out.with_name(f".{out.name}.part")
    place = hashlib.sha256(os.path.realpath(folder).encode(errors="surrogateescape")).hexdigest()
    with _alone(locks / f"pack-{place[:16]}.lock", out):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            yield folder
            put_in_place(folder, out)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _alone(lock: Path, out: Path) -> Iterator[None]:
    """Keep a second process from writing the same folder."""
    with ExitStack() as stack:
        try:
            free = stack.enter_context(try_hold(lock))
        except HarvestError as exc:
            raise DataError(str(exc)) from exc
        if not free:
            raise DataError(
                f"{out}: expected to pack to it alone, found another process at it; wait until it "
                "ends, or name another folder"
            )
        yield


def _cut(split: TarSplit, shard_bytes: float) -> Iterator[tuple[int, int]]:
    """Cut a split into the samples of its shards: as many as fit, all about as many."""
    stride = to_layout(split.size, paired=False).stride
    shards = -(-len(split) // max(1, int(shard_bytes // stride)))
    bounds = [len(split) * number // shards for number in range(shards + 1)] if shards else []
    yield from pairwise(bounds)


def _write_shard(path: Path, split: TarSplit, *, start: int, stop: int) -> Described:
    """Write samples `start` to `stop` as one shard, with the headers of all our shards."""
    with whole_file(path) as temporary:
        layout = to_layout(split.size, paired=False)
        write_tar(temporary, _make_samples(split, start, stop), name=path.name, layout=layout)
        return describe_shard(
            temporary, name=path.name, split=split.name, samples=stop - start, size=split.size
        )


def _make_samples(split: TarSplit, start: int, stop: int) -> Iterator[Sample]:
    """Decode samples, a batch at a time."""
    rows_BR = np.empty((_BATCH, split.row_bytes), np.uint8)
    valid_B4 = np.empty((_BATCH, 4), np.int64)
    keys = _read_names(split, start)
    for first in range(start, stop, _BATCH):
        count = min(_BATCH, stop - first)
        split.gather(np.arange(first, first + count), rows_BR[:count], valid_B4[:count])
        lab_BSS3 = split.to_lab(torch.from_numpy(rows_BR[:count])).numpy()
        for place, (tar, key) in enumerate(islice(keys, count)):
            top, left, bottom, right = valid_B4[place].tolist()
            box = (top, left, bottom, right)
            yield Sample(_describe(split, first + place, tar, key, box), lab_BSS3[place])


def _read_names(split: TarSplit, start: int) -> Iterator[tuple[str, str]]:
    """Yield the tar's name and the key of every sample from one on; one tar's keys at a time."""
    for number, tar in enumerate(split.tars):
        if split.starts[number + 1] > start:
            skipped = max(0, start - int(split.starts[number]))
            for key in split.keys(number)[skipped:]:
                yield tar.name, key


def _describe(
    split: TarSplit, index: int, tar: str, key: str, valid: tuple[int, int, int, int]
) -> SampleInfo:
    kind, content = split.read(index)
    width, height = measure(kind, content)
    scan_id = _shorten(f"{tar}/{key}")
    named = split.tars[0].split is not None
    slug = re.sub(r"[^A-Za-z0-9_]+", "-", key)[:60].strip("-")
    return SampleInfo(
        key=f"{split.name}-{index:09d}-{slug}".rstrip("-"),
        scan_id=scan_id,
        item_id=scan_id,
        view_id=_shorten(f"{split.name}/{key}" if named else key),
        group_id=scan_id,
        split=split.name,
        view_split=split.name,
        source_width=width,
        source_height=height,
        valid=valid,
        size=split.size,
        scan_sha256=hashlib.sha256(content).hexdigest(),
    )


def _shorten(name: str) -> str:
    """Cut a name to what a sample may hold; a hash of the whole keeps it distinct."""
    encoded = re.sub(r'[\x00-\x1f"\\]', "_", name).encode(errors="replace")
    if len(encoded) <= MAX_NAME_BYTES:
        return encoded.decode()
    mark = hashlib.sha256(encoded).hexdigest()[:16]
    return f"{encoded[: MAX_NAME_BYTES - 17].decode(errors='ignore')}~{mark}"
