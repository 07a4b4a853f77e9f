"""Edge: the index of a folder of shards: where every sample lies, and what its bytes sum up to.

It is two files. `index.json` is small, and says of every shard all that it takes to open one with
a `stat`: samples, stride, offsets, shapes, dtypes, length, checksum and split. `index.npy` has a
row for every sample, so that a reader checks the bytes that it uses, when it first uses them,
rather than whole shards before the first.
"""

import hashlib
import io
import json
import operator
import tokenize
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import xxhash
from numpy.typing import NDArray

from harvest.files import write_bytes
from preprocess.errors import ShardError
from preprocess.index_faults import find_fault
from preprocess.samples import JSON_BYTES, from_json, to_layout
from preprocess.split import PAIRS

VERSION: Final = 2
INDEX_NAME: Final = "index.json"
ARRAY_NAME: Final = "index.npy"

SAMPLE_DTYPE: Final = np.dtype([("xxh3", "<u8"), ("valid", "<u2", (4,))])
"""A row of `index.npy`: the XXH3 (64 bits) of a sample's whole stride of bytes, headers and
padding included; and its valid box: top, left, bottom, right."""

Samples = NDArray[np.void]
"""Rows of SAMPLE_DTYPE, (N,)."""


@dataclass(frozen=True, slots=True)
class Member:
    """An array in each sample of a shard."""

    suffix: str
    offset: int
    """Bytes from the sample's start to the array's data."""
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard, as it should be."""

    name: str
    split: str
    samples: int
    stride: int
    """Bytes from one sample to the next."""
    members: tuple[Member, ...]
    json_offset: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Index:
    """All shards of one size, sorted by name."""

    size: int
    shards: tuple[Shard, ...]
    array_sha256: str
    """Of `index.npy`, the file."""
    compression: str | None = None
    """`zstd` where every shard is stored as `<name>.zst`; what is said of it is of the tar."""


@dataclass(frozen=True, slots=True, eq=False)
class Described:
    """A shard, and what the index says of it."""

    shard: Shard
    samples: Samples
    """A row for each sample, by place."""


def describe_shard(path: Path, *, name: str, split: str, samples: int, size: int) -> Described:
    """Describe a shard that was just written.

    Args:
        path: The file, perhaps still under its temporary name.
        name: The name it is going to have.
        split: `train`, `val`, `test` or `pairs`.
        samples: Number of samples in it.
        size: Side of a sample in pixels.

    Returns:
        Its entry in the index, and its samples' rows.

    Raises:
        ShardError: If it is too short for its samples, or one is none.
        OSError: If the file cannot be read.
    """
    layout = to_layout(size, paired=split == PAIRS)
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    shard = Shard(
        name=name,
        split=split,
        samples=samples,
        stride=layout.stride,
        members=tuple(Member(suffix, at, shape, "uint8") for suffix, at, shape in layout.arrays),
        json_offset=layout.json_offset,
        size_bytes=path.stat().st_size,
        sha256=sha256,
    )
    return Described(shard, _sum_up(path, shard))


def _sum_up(path: Path, shard: Shard) -> Samples:
    """Read a shard's samples, and write a row for each."""
    if shard.size_bytes < shard.samples * shard.stride:
        raise ShardError(
            f"{path}: expected {shard.samples} samples of {shard.stride} bytes, got "
            f"{shard.size_bytes} bytes; run photochrom shards again"
        )
    found = np.empty(shard.samples, SAMPLE_DTYPE)
    blocks = np.memmap(path, np.uint8, mode="r", shape=(shard.samples, shard.stride))
    for place, block in enumerate(blocks):
        text = block[shard.json_offset : shard.json_offset + JSON_BYTES].tobytes()
        try:
            box = from_json(text).valid
        except ValueError as exc:
            at = place * shard.stride + shard.json_offset
            raise ShardError(f"{path}: sample {place}, byte {at}: {exc}") from exc
        found[place] = (xxhash.xxh3_64_intdigest(block), box)
    return found


def to_index(size: int, described: Sequence[Described]) -> tuple[Index, Samples]:
    """Put shards that were described together.

    Args:
        size: Side of a sample in pixels.
        described: In any order.

    Returns:
        The index, and the rows of all samples, in its order: what `write_index` takes.
    """
    ordered = sorted(described, key=lambda one: one.shard.name)
    rows = [one.samples for one in ordered]
    samples = np.concatenate([np.empty(0, SAMPLE_DTYPE), *rows])
    sha256 = hashlib.sha256(_to_npy(samples)).hexdigest()
    return Index(size, tuple(one.shard for one in ordered), sha256), samples


def write_index(folder: Path, index: Index, samples: Samples) -> None:
    """Write the index; the same shards give the same bytes.

    Args:
        folder: Where the shards are.
        index: What they are.
        samples: A row for each sample, of whose file the index has the checksum.

    Raises:
        OSError: If the disk refuses.
    """
    record = {"version": VERSION} | asdict(index)
    write_bytes(folder / ARRAY_NAME, _to_npy(samples))
    write_bytes(folder / INDEX_NAME, (json.dumps(record, indent=1) + "\n").encode())


def _to_npy(samples: Samples) -> bytes:
    content = io.BytesIO()
    np.lib.format.write_array(content, samples, version=(1, 0), allow_pickle=False)
    return content.getvalue()


def read_samples(folder: Path, index: Index) -> Samples:
    """Read what the index says of every sample.

    Args:
        folder: Such as `data/shards/256`.
        index: Of that folder.

    Returns:
        A row for each sample, in the order of the index's shards and then by place; mapped, and
        read-only.

    Raises:
        ShardError: If the file is missing, cannot be read, or is not the one of the index.
    """
    path = folder / ARRAY_NAME
    again = "run photochrom shards again, or fetch it with its shards"
    try:
        with path.open("rb") as stream:
            sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    except FileNotFoundError as exc:
        raise ShardError(f"{path}: expected beside {INDEX_NAME}, found none; {again}") from exc
    except OSError as exc:
        raise ShardError(f"{path}: cannot be read ({exc.strerror}); {again}") from exc
    if sha256 != index.array_sha256:
        raise ShardError(
            f"{path}: expected sha256 {index.array_sha256} by {INDEX_NAME}, got {sha256}; {again}"
        )
    wanted = sum(shard.samples for shard in index.shards)
    try:
        samples: Samples = np.lib.format.open_memmap(path, mode="r")
    except (ValueError, tokenize.TokenError) as exc:
        raise ShardError(f"{path}: expected an array ({exc}); {again}") from exc
    if samples.dtype != SAMPLE_DTYPE or samples.shape != (wanted,):
        raise ShardError(
            f"{path}: expected {wanted} rows of {SAMPLE_DTYPE.descr}, got {samples.shape} of "
            f"{samples.dtype}; {again}"
        )
    return samples


def read_index(folder: Path, *, compressed: bool = False) -> Index:
    """Read the index of a folder of shards.

    Args:
        folder: Such as `data/shards/256`.
        compressed: Whether the caller reads compressed shards as well.

    Returns:
        The index; the shards themselves are not looked at.

    Raises:
        ShardError: If there is none, it is of another version or form, or its shards are
            compressed and must not be.
    """
    path = folder / INDEX_NAME
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError as exc:
        raise ShardError(f"{path}: expected an index, found none; run photochrom shards") from exc
    except OSError as exc:
        raise ShardError(f"{path}: cannot be read ({exc.strerror}); mend the disk or it") from exc
    except (ValueError, RecursionError) as exc:
        raise ShardError(f"{path}: not JSON ({exc}); run photochrom shards again") from exc
    if not isinstance(record, dict) or record.get("version") != VERSION:
        found = record.get("version") if isinstance(record, dict) else None
        raise ShardError(
            f"{path}: expected version {VERSION}, got {found!r:.80}; run photochrom shards again, "
            "which writes the shards and their index as this version of photochrom reads them"
        )
    try:
        shards = tuple(_to_shard(entry) for entry in record["shards"])
        index = Index(record["size"], shards, record["array_sha256"], record["compression"])
        fault = find_fault(index)
    except (KeyError, TypeError, RecursionError) as exc:
        raise ShardError(f"{path}: expected other fields ({exc}); run photochrom shards") from exc
    if fault:
        raise ShardError(f"{path}: {fault}; run photochrom shards again")
    if index.compression is not None and not compressed:
        raise ShardError(
            f"{path}: expected shards that can be mapped, got a copy for cold storage "
            f"({index.compression}); run `photochrom unpack {folder} FOLDER` and use FOLDER"
        )
    return index


def _to_shard(entry: dict[str, Any]) -> Shard:
    members = tuple(_to_member(member) for member in entry["members"])
    return Shard(**_typed(entry, Shard) | {"members": members})


def _to_member(member: dict[str, Any]) -> Member:
    shape = tuple(operator.index(side) for side in member["shape"])
    return Member(**_typed(member, Member) | {"shape": shape})


def _typed(record: dict[str, Any], kind: type[Shard] | type[Member]) -> dict[str, Any]:
    """See that numbers are numbers and words are words."""
    for field in fields(kind):
        value = record[field.name]
        if field.type in (int, str) and type(value) is not field.type:
            raise TypeError(f"{field.name}: got {value!r:.80}")
    return record
