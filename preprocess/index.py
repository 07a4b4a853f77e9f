"""Edge: the index of a folder of shards: where every sample lies."""

import hashlib
import json
import operator
import re
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final

from harvest.files import write_bytes
from preprocess.errors import ShardError
from preprocess.samples import to_layout
from preprocess.split import PAIRS, Split

VERSION: Final = 1
INDEX_NAME: Final = "index.json"

MAX_SIZE: Final = 1 << 16
"""Side of a sample in pixels that no index may reach."""

_TRAILER: Final = 1024
_RECORD: Final = 10240
"""Tar ends with two empty blocks and is filled up to whole records."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


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


def describe_shard(path: Path, *, name: str, split: str, samples: int, size: int) -> Shard:
    """Describe a shard that was just written.

    Args:
        path: The file, perhaps still under its temporary name.
        name: The name it is going to have.
        split: `train`, `val`, `test` or `pairs`.
        samples: Number of samples in it.
        size: Side of a sample in pixels.

    Returns:
        Its entry in the index.

    Raises:
        OSError: If the file cannot be read.
    """
    layout = to_layout(size, paired=split == PAIRS)
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return Shard(
        name=name,
        split=split,
        samples=samples,
        stride=layout.stride,
        members=tuple(Member(suffix, at, shape, "uint8") for suffix, at, shape in layout.arrays),
        json_offset=layout.json_offset,
        size_bytes=path.stat().st_size,
        sha256=sha256,
    )


def write_index(folder: Path, index: Index) -> None:
    """Write the index; the same shards give the same bytes.

    Args:
        folder: Where the shards are.
        index: What they are.

    Raises:
        OSError: If the disk refuses.
    """
    record = {"version": VERSION} | asdict(index)
    write_bytes(folder / INDEX_NAME, (json.dumps(record, indent=1) + "\n").encode())


def read_index(folder: Path) -> Index:
    """Read the index of a folder of shards.

    Args:
        folder: Such as `data/shards/256`.

    Returns:
        The index; the shards themselves are not looked at.

    Raises:
        ShardError: If there is none, or it is of another version or form.
    """
    path = folder / INDEX_NAME
    try:
        record = json.loads(path.read_bytes())
    except FileNotFoundError as exc:
        raise ShardError(f"{path}: expected an index, found none; run photochrom shards") from exc
    except (ValueError, RecursionError) as exc:
        raise ShardError(f"{path}: not JSON ({exc}); run photochrom shards again") from exc
    if not isinstance(record, dict) or record.get("version") != VERSION:
        raise ShardError(f"{path}: expected version {VERSION}; run photochrom shards again")
    try:
        index = Index(record["size"], tuple(_to_shard(entry) for entry in record["shards"]))
        _check(index, path)
    except (KeyError, TypeError, RecursionError) as exc:
        raise ShardError(f"{path}: expected other fields ({exc}); run photochrom shards") from exc
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


def _check(index: Index, path: Path) -> None:
    """Hold an index against what its size and splits imply."""
    if type(index.size) is not int or not 0 < index.size < MAX_SIZE:
        raise TypeError(f"size: got {index.size!r:.80}")
    names = [shard.name for shard in index.shards]
    if names != sorted(set(names)):
        raise ShardError(f"{path}: expected distinct shards sorted by name, got {names}")
    for shard in index.shards:
        if fault := _find_fault(shard, index.size):
            raise ShardError(f"{path}: {shard.name!r}: {fault}; run photochrom shards again")


def _find_fault(shard: Shard, size: int) -> str:
    """Say what a shard's entry should be and is not; "" if it is all."""
    if shard.split not in {*Split, PAIRS}:
        return f"expected a split, got {shard.split!r:.80}"
    if not re.fullmatch(rf"{shard.split}-[0-9]{{6}}\.tar", shard.name):
        return f"expected the name of a shard of {shard.split}, such as {shard.split}-000000.tar"
    layout = to_layout(size, paired=shard.split == PAIRS)
    arrays = tuple((member.suffix, member.offset, member.shape) for member in shard.members)
    found = (shard.stride, shard.json_offset, arrays)
    if found != (layout.stride, layout.json_offset, layout.arrays):
        return f"expected {layout}, got {found}"
    length = -(-(shard.samples * shard.stride + _TRAILER) // _RECORD) * _RECORD
    if shard.samples < 1 or shard.size_bytes != length:
        return (
            f"expected the bytes that its samples take, got {shard.size_bytes} for "
            f"{shard.samples} of {shard.stride}"
        )
    return "" if _SHA256.fullmatch(shard.sha256) else f"expected a sha256, got {shard.sha256!r:.80}"
