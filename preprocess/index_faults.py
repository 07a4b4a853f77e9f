"""Pure: what an index of shards cannot say: what its size and its splits rule out."""

import re
from typing import TYPE_CHECKING, Final

from preprocess.samples import to_layout
from preprocess.split import PAIRS, Split

if TYPE_CHECKING:
    from preprocess.index import Index, Shard

ZSTD: Final = "zstd"

MAX_SIZE: Final = 1 << 16
"""Side of a sample in pixels that no index may reach."""

_TRAILER: Final = 1024
_RECORD: Final = 10240
"""Tar ends with two empty blocks and is filled up to whole records."""

_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def find_fault(index: "Index") -> str:
    """Hold an index against what its size and splits imply.

    Args:
        index: As it was read; its numbers are numbers and its words words but for `size`,
            `array_sha256` and `compression`.

    Returns:
        What was expected and what came; "" if the index can be right.

    Raises:
        TypeError: If one of those three is of another type.
    """
    if type(index.size) is not int or not 0 < index.size < MAX_SIZE:
        raise TypeError(f"size: got {index.size!r:.80}")
    if not _SHA256.fullmatch(index.array_sha256):
        raise TypeError(f"array_sha256: got {index.array_sha256!r:.80}")
    if index.compression not in (None, ZSTD):
        raise TypeError(f"compression: got {index.compression!r:.80}")
    names = [shard.name for shard in index.shards]
    if names != sorted(set(names)):
        return f"expected distinct shards sorted by name, got {names}"
    for shard in index.shards:
        if fault := _find_fault(shard, index.size):
            return f"{shard.name!r}: {fault}"
    return ""


def _find_fault(shard: "Shard", size: int) -> str:
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
    if others := [member.dtype for member in shard.members if member.dtype != "uint8"]:
        return f"expected arrays of uint8, got {others!r:.80}"
    length = -(-(shard.samples * shard.stride + _TRAILER) // _RECORD) * _RECORD
    if shard.samples < 1 or shard.size_bytes != length:
        return (
            f"expected the bytes that its samples take, got {shard.size_bytes} for "
            f"{shard.samples} of {shard.stride}"
        )
    return "" if _SHA256.fullmatch(shard.sha256) else f"expected a sha256, got {shard.sha256!r:.80}"
