"""Edge: prove that a folder's shards are what its index says."""

import hashlib
import math
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

import xxhash

from preprocess.cold import TAR_SUFFIXES, open_tar, to_stored
from preprocess.errors import ShardError
from preprocess.index import Index, Samples, Shard, read_index, read_samples
from preprocess.samples import BLOCK, JSON_BYTES, NPY_HEADER_BYTES, SampleInfo, from_json

AGAIN: Final = "; run photochrom shards again"
"""What ends an error, for one who made the shards; others cut it off and say what they must do."""

_PIECE: Final = 1 << 20


def verify_shards(folder: Path) -> Index:
    """Prove that a folder's shards are those of its index, stored as they are or compressed.

    Length and checksum of every shard are compared; every sample's place: its members' names,
    order, lengths and offsets, and what its JSON says of itself; and what `index.npy` says of it.

    Args:
        folder: Such as `data/shards/256`.

    Returns:
        The index.

    Raises:
        ShardError: If a shard is missing, foreign or other than it should be.
    """
    index = read_index(folder, compressed=True)
    samples = read_samples(folder, index)
    names = {to_stored(shard, index) for shard in index.shards}
    found = sorted(path.name for path in folder.iterdir() if path.name.endswith(TAR_SUFFIXES))
    if foreign := [name for name in found if name not in names]:
        raise ShardError(f"{folder}: {foreign} are not in the index{AGAIN}")
    for shard, rows in split_samples(index, samples):
        verify_shard(folder / to_stored(shard, index), shard, rows)
    return index


def split_samples(index: Index, samples: Samples | None) -> Iterator[tuple[Shard, Samples | None]]:
    """Give each shard with the rows of its samples, or with None where there are none."""
    start = 0
    for shard in index.shards:
        yield shard, None if samples is None else samples[start : start + shard.samples]
        start += shard.samples


def verify_shard(path: Path, shard: Shard, samples: Samples | None) -> None:
    """Prove that a shard is the one of the index; it is read once, from front to back.

    Args:
        path: The shard, a tar or its zstd.
        shard: Its entry in the index.
        samples: What `index.npy` says of its samples; None where that file is not to be believed.

    Raises:
        ShardError: At the first sample that is not as it should be, naming place and byte; else
            if the shard's length or checksum is another.
    """
    try:
        with open_tar(path) as stream:
            summed = _Summed(stream)
            verify_samples(summed, shard, samples, where=str(path))
    except FileNotFoundError as exc:
        raise ShardError(f"{path}: in the index, but not there; run photochrom shards") from exc
    if (found := summed.sha256.hexdigest()) != shard.sha256:
        raise ShardError(
            f"{path}: expected sha256 {shard.sha256}, got {found}: the shard was changed or "
            "damaged; fetch it or run photochrom shards again"
        )


class Readable(Protocol):
    """What a tar is read from."""

    def read(self, size: int, /) -> bytes:
        """Read so many bytes, or as many as are left."""


class _Summed:
    """A stream whose bytes are summed up as they are read."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream
        self.sha256 = hashlib.sha256()

    def read(self, size: int, /) -> bytes:
        found = self._stream.read(size)
        self.sha256.update(found)
        return found


def verify_samples(stream: Readable, shard: Shard, samples: Samples | None, *, where: str) -> None:
    """Prove that every sample lies where the index says, and says of itself what it should.

    Args:
        stream: The tar, at its beginning; read to its end.
        shard: Its entry in the index.
        samples: What `index.npy` says of its samples; None where that file is not to be believed.
        where: What to call it in an error.

    Raises:
        ShardError: At the first sample that does not, naming the place and the byte; or if the
            tar has another length.
        OSError: If the tar cannot be read.
    """
    for place in range(shard.samples):
        block = stream.read(shard.stride)
        if len(block) < shard.stride:
            raise ShardError(
                f"{where}: sample {place}, byte {place * shard.stride}: expected {shard.stride} "
                f"bytes, got {len(block)}{AGAIN}"
            )
        if fault := _find_fault(block, shard, place=place, samples=samples):
            raise ShardError(f"{where}: sample {place}, {fault}{AGAIN}")
    length = shard.samples * shard.stride
    while rest := stream.read(_PIECE):
        # Below 64 px one sample more or less may fit into the zeros that a tar is filled up with.
        if rest.strip(b"\0"):
            raise ShardError(
                f"{where}: expected zeros alone behind {shard.samples} samples, from byte "
                f"{shard.samples * shard.stride} on, got more: the shard was damaged, or the index "
                f"counts too few{AGAIN}"
            )
        length += len(rest)
    if length != shard.size_bytes:
        raise ShardError(
            f"{where}: expected {shard.size_bytes} bytes with {shard.samples} samples of "
            f"{shard.stride}, got {length}{AGAIN}"
        )


def _find_fault(block: bytes, shard: Shard, *, place: int, samples: Samples | None) -> str:
    """Say at which byte of the shard a sample is not what it should be, and why; "" if it is."""
    start = place * shard.stride
    expected = [("json", shard.json_offset, JSON_BYTES)]
    for array in shard.members:
        length = NPY_HEADER_BYTES + math.prod(array.shape)
        expected.append((array.suffix, array.offset - NPY_HEADER_BYTES, length))
    found = []
    for _, at, _ in expected:
        try:
            header = tarfile.TarInfo.frombuf(block[at - BLOCK : at], "utf-8", "strict")
        except (tarfile.TarError, UnicodeDecodeError) as exc:
            return f"byte {start + at - BLOCK}: not a tar ({exc})"
        found.append((header.name, header.size))
    try:
        info = from_json(block[shard.json_offset : shard.json_offset + JSON_BYTES])
    except ValueError as exc:
        return f"byte {start + shard.json_offset}: {exc}"
    if fault := _judge_info(info, shard):
        return f"byte {start + shard.json_offset}: {fault}"
    should = [(f"{info.key}.{suffix}", length) for suffix, _, length in expected]
    if found != should:
        return f"byte {start}: expected members {should}, got {found}"
    if samples is None:
        return ""
    xxh3, box = int(samples[place]["xxh3"]), tuple(samples[place]["valid"].tolist())
    if (got := xxhash.xxh3_64_intdigest(block)) != xxh3:
        return f"byte {start}: expected xxh3 {xxh3:016x} by index.npy, got {got:016x}"
    if box != info.valid:
        return f"byte {start}: expected valid {info.valid} in index.npy, got {box}"
    return ""


def _judge_info(info: SampleInfo, shard: Shard) -> str:
    size = shard.members[0].shape[0]
    if (info.split, info.size) == (shard.split, size):
        return ""
    return f"{info.key}: expected {shard.split} at {size} px, got {info.split} at {info.size} px"
