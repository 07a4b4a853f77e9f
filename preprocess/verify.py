"""Edge: prove that a folder's shards are what its index says."""

import hashlib
import math
import tarfile
from pathlib import Path
from typing import Final

from preprocess.errors import ShardError
from preprocess.index import Index, Shard, read_index
from preprocess.samples import JSON_BYTES, NPY_HEADER_BYTES, from_json

_TRAILER: Final = 10240
"""Tar ends with two empty blocks and is filled up to whole records of this many bytes."""


def verify_shards(folder: Path) -> Index:
    """Prove that a folder's shards are those of its index.

    Size and checksum of every shard are compared, then every sample's place: its members' names,
    order, lengths and offsets, and what its JSON says of itself.

    Args:
        folder: Such as `data/shards/256`.

    Returns:
        The index.

    Raises:
        ShardError: If a shard is missing, foreign or other than it should be.
    """
    index = read_index(folder)
    names = {shard.name for shard in index.shards}
    foreign = sorted(path.name for path in folder.glob("*.tar") if path.name not in names)
    if foreign:
        raise ShardError(f"{folder}: {foreign} are not in the index; run photochrom shards again")
    for shard in index.shards:
        _verify_bytes(folder / shard.name, shard)
        _verify_samples(folder / shard.name, shard, index.size)
    return index


def _verify_bytes(path: Path, shard: Shard) -> None:
    try:
        size_bytes = path.stat().st_size
    except FileNotFoundError as exc:
        raise ShardError(f"{path}: in the index, but not there; run photochrom shards") from exc
    least = shard.samples * shard.stride
    if size_bytes != shard.size_bytes or not least < size_bytes <= least + 2 * _TRAILER:
        raise ShardError(
            f"{path}: expected {shard.size_bytes} bytes with {shard.samples} samples of "
            f"{shard.stride}, got {size_bytes}; run photochrom shards again"
        )
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    if sha256 != shard.sha256:
        raise ShardError(
            f"{path}: expected sha256 {shard.sha256}, got {sha256}: the shard was changed or "
            "damaged; fetch it or run photochrom shards again"
        )


def _verify_samples(path: Path, shard: Shard, size: int) -> None:
    expected = [("json", shard.json_offset, JSON_BYTES)]
    for array in shard.members:
        length = NPY_HEADER_BYTES + math.prod(array.shape)
        expected.append((array.suffix, array.offset - NPY_HEADER_BYTES, length))
    try:
        with tarfile.open(path, "r:") as tar:
            members = tar.getmembers()
    except tarfile.TarError as exc:
        raise ShardError(f"{path}: not a tar ({exc}); run photochrom shards again") from exc
    if len(members) != shard.samples * len(expected):
        raise ShardError(f"{path}: expected {shard.samples} samples, got {len(members)} members")
    with path.open("rb") as stream:
        for place in range(shard.samples):
            start = place * shard.stride
            stream.seek(start + shard.json_offset)
            key = _verify_info(stream.read(JSON_BYTES), path=path, shard=shard, size=size)
            found = members[place * len(expected) : (place + 1) * len(expected)]
            lies = [(member.name, member.offset_data, member.size) for member in found]
            should = [(f"{key}.{suffix}", start + at, size) for suffix, at, size in expected]
            if lies != should:
                raise ShardError(
                    f"{path}: sample {place}: expected members {should}, got {lies}; "
                    "run photochrom shards again"
                )


def _verify_info(text: bytes, *, path: Path, shard: Shard, size: int) -> str:
    """Check what a sample says of itself, and return its key."""
    try:
        info = from_json(text)
    except ValueError as exc:
        raise ShardError(f"{path}: {exc}; run photochrom shards again") from exc
    if (info.split, info.size) != (shard.split, size):
        raise ShardError(
            f"{path}: {info.key}: expected {shard.split} at {size} px, "
            f"got {info.split} at {info.size} px; run photochrom shards again"
        )
    return info.key
