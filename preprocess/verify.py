"""Edge: prove that a folder's shards are what its index says."""

import hashlib
import math
import tarfile
from pathlib import Path
from typing import BinaryIO, Final

from preprocess.errors import ShardError
from preprocess.index import Index, Shard, read_index
from preprocess.samples import BLOCK, JSON_BYTES, NPY_HEADER_BYTES, from_json

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
        verify_samples(folder / shard.name, shard)
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


def verify_samples(path: Path, shard: Shard) -> None:
    """Prove that every sample lies where the index says, and says of itself what it should.

    Of each member the header is read, whose own checksum tar keeps, and of each JSON all of it;
    pixels have no checksum but the shard's.

    Args:
        path: The shard.
        shard: Its entry in the index.

    Raises:
        ShardError: At the first sample that does not; it names the place and the byte.
        OSError: If the shard cannot be read.
    """
    expected = [("json", shard.json_offset, JSON_BYTES)]
    for array in shard.members:
        length = NPY_HEADER_BYTES + math.prod(array.shape)
        expected.append((array.suffix, array.offset - NPY_HEADER_BYTES, length))
    with path.open("rb") as stream:
        for place in range(shard.samples):
            start = place * shard.stride
            found = [
                _read_header(stream, start + at, path=path, place=place) for _, at, _ in expected
            ]
            stream.seek(start + shard.json_offset)
            key = _verify_info(stream.read(JSON_BYTES), path=path, shard=shard, place=place)
            should = [(f"{key}.{suffix}", length) for suffix, _, length in expected]
            if found != should:
                raise ShardError(
                    f"{path}: sample {place}, byte {start}: expected members {should}, got "
                    f"{found}; run photochrom shards again"
                )


def _read_header(stream: BinaryIO, at: int, *, path: Path, place: int) -> tuple[str, int]:
    """Read the name and length of the member whose content begins at a byte."""
    stream.seek(at - BLOCK)
    try:
        header = tarfile.TarInfo.frombuf(stream.read(BLOCK), "utf-8", "strict")
    except (tarfile.TarError, UnicodeDecodeError) as exc:
        raise ShardError(
            f"{path}: sample {place}, byte {at - BLOCK}: not a tar ({exc}); "
            "run photochrom shards again"
        ) from exc
    return header.name, header.size


def _verify_info(text: bytes, *, path: Path, shard: Shard, place: int) -> str:
    """Check what a sample says of itself, and return its key."""
    where = f"{path}: sample {place}, byte {place * shard.stride + shard.json_offset}"
    try:
        info = from_json(text)
    except ValueError as exc:
        raise ShardError(f"{where}: {exc}; run photochrom shards again") from exc
    size = shard.members[0].shape[0]
    if (info.split, info.size) != (shard.split, size):
        raise ShardError(
            f"{where}: {info.key}: expected {shard.split} at {size} px, "
            f"got {info.split} at {info.size} px; run photochrom shards again"
        )
    return info.key
