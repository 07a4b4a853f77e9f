"""Pure: how many shards there are, and which of them holds a sample.

A sample's shard is named by the leading bits of its key's hash, its place in the shard by the
rest; so one more scan changes one shard.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

from preprocess.samples import to_layout
from preprocess.split import PAIRS

MAX_BITS: Final = 19
"""As many as the six digits in a shard's name can number."""


def choose_bits(samples: Mapping[str, int], *, size: int, shard_mb: float) -> int:
    """Choose how many leading bits of a key's hash name its shard.

    They are the fewest by which a shard of the fullest split is expected to take at most
    `shard_mb`. Of 256 MB, which params.yaml has, this is the reason. An object store answers after
    0.1 to 0.2 s and then gives a request 85 to 90 MB/s (Amazon S3 User Guide, "Performance design
    patterns"): 256 MB come in 3 s, of which the wait is 6 %, where of 8 MB it would be two thirds.
    A parallel file system such as Lustre keeps a large file on many disks at once, and asks one
    metadata server for every file that is opened. Larger shards have their price: one scan more
    writes, and sends to the store, one of them anew; the ranks of a node, and what is staged for
    them, need several to share out; and a block shuffle draws from a window of them.

    Once the fullest split grows past `shard_mb` times a power of two there is one bit more, and
    every shard is written anew, once; between two such doublings one scan changes one shard.

    Args:
        samples: Their number by split.
        size: Side of a sample in pixels.
        shard_mb: Most that a shard is expected to take, in units of 10^6 bytes.

    Returns:
        0 to 19; as many as that, though shards be larger, where more would be needed.
    """
    fullest = max(
        (count * to_layout(size, paired=split == PAIRS).stride for split, count in samples.items()),
        default=0,
    )
    enough = (bits for bits in range(MAX_BITS) if fullest <= shard_mb * 1e6 * (1 << bits))
    return next(enough, MAX_BITS)


def name_shard(split: str, key: str, *, bits: int) -> str:
    """Name the shard that holds a sample.

    Args:
        split: `train`, `val`, `test` or `pairs`.
        key: Of the sample.
        bits: Leading bits of the key's hash that number the shard.

    Returns:
        Such as "train-000002.tar".
    """
    number = int.from_bytes(to_order(key)[:4]) >> (32 - bits)
    return f"{split}-{number:06d}.tar"


def to_order(key: str) -> bytes:
    """Give what the samples of a shard are sorted by: the hash of the key."""
    return hashlib.sha256(key.encode()).digest()
