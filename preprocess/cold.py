"""Edge: shards compressed for cold storage, and back, bit for bit.

A compressed shard is one zstd frame, `<name>.tar.zst`, that any zstd unpacks: with the tar's length
in front and a checksum behind. It can be neither mapped nor read from the middle, so nothing trains
on one; where disk is dear and reading rare, it takes less of it.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import zstandard

from preprocess.errors import ShardError
from preprocess.index import Index, Shard

SUFFIX: Final = ".zst"
TAR_SUFFIXES: Final = (".tar", f".tar{SUFFIX}")
"""Ends of the names that shards have, however they are stored."""

_PIECE: Final = 1 << 20


def to_stored(shard: Shard, index: Index) -> str:
    """Name the file that holds a shard of an index."""
    return shard.name if index.compression is None else shard.name + SUFFIX


def pack_shard(source: Path, target: Path, *, level: int) -> None:
    """Compress a shard; the same bytes, level and version of zstd give the same bytes.

    Args:
        source: The tar.
        target: The file to write.
        level: 1 to 22, of zstd.

    Raises:
        OSError: If the disk refuses.
    """
    packer = zstandard.ZstdCompressor(level=level, write_checksum=True, write_content_size=True)
    size_bytes = source.stat().st_size
    with source.open("rb") as stream, target.open("wb") as sink:
        packer.copy_stream(stream, sink, size=size_bytes)


def unpack_shard(source: Path, target: Path, *, size_bytes: int) -> None:
    """Write the tar that a compressed shard holds; whether it is the right one is not looked at.

    Args:
        source: The shard, compressed.
        target: The tar to write.
        size_bytes: Its length by the index; what claims to be longer is not written on.

    Raises:
        ShardError: If it is not zstd, or longer.
        OSError: If a file cannot be read or the disk refuses.
    """
    left = size_bytes
    with open_tar(source) as stream, target.open("wb") as sink:
        while piece := stream.read(_PIECE):
            left -= len(piece)
            if left < 0:
                raise ShardError(
                    f"{source}: expected a tar of {size_bytes} bytes, got more; fetch it again"
                )
            sink.write(piece)


@contextmanager
def open_tar(path: Path) -> Iterator[io.BufferedReader]:
    """Open a shard as the tar that it holds, to be read from front to back.

    Args:
        path: A tar, or with `.zst` behind its compressed form.

    Yields:
        The tar; one that was cut short ends early.

    Raises:
        ShardError: If the block meets what zstd does not unpack.
        OSError: If the file cannot be read.
    """
    with path.open("rb") as stream:
        if path.suffix != SUFFIX:
            yield stream
            return
        unpacker = zstandard.ZstdDecompressor()
        with unpacker.stream_reader(stream, read_across_frames=True, closefd=False) as tar:
            try:
                yield io.BufferedReader(tar, _PIECE)
            except zstandard.ZstdError as exc:
                raise ShardError(
                    f"{path}: about byte {stream.tell()} of {path.stat().st_size}: expected zstd "
                    f"({exc}): it was changed or damaged; fetch it again"
                ) from exc
