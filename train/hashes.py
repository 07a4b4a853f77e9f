"""Edge: what the index of the shards says, without torch: a launcher needs no more than that."""

from pathlib import Path

from preprocess.errors import ShardError
from preprocess.index import Index, read_index
from train.errors import DataError


def read_shard_index(folder: Path, *, compressed: bool = False) -> Index:
    """Read the index of the shards.

    Args:
        folder: `data/shards/<size>`.
        compressed: Whether the caller can do with compressed shards.

    Raises:
        DataError: If it is missing or malformed, or its shards are compressed and must not be.
    """
    try:
        return read_index(folder, compressed=compressed)
    except ShardError as exc:
        raise DataError(str(exc)) from exc


def read_hashes(folder: Path) -> dict[str, str]:
    """Read the SHA-256 of every shard, by name, off the index.

    Raises:
        DataError: If the index is missing or malformed.
    """
    return {shard.name: shard.sha256 for shard in read_shard_index(folder, compressed=True).shards}
