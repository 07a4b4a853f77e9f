"""Edge: the tar of a shard; the same samples give the same bytes."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from preprocess.errors import ShardError
from preprocess.samples import Layout, Sample, to_members

_CHUNK: Final = 1 << 26
"""Bytes that tarfile hands on at once, more than any sample has; by its own 16 KiB an array of
512 px takes twice as long to write as to hash."""


def write_tar(path: Path, samples: Iterable[Sample], *, name: str, layout: Layout) -> int:
    """Write samples as a tar with normalised headers.

    Args:
        path: The file, perhaps under a temporary name.
        samples: In the order that they are to have.
        name: The name it is going to have, for messages.
        layout: That every sample has.

    Returns:
        Number of samples.

    Raises:
        ShardError: If samples do not come out at a constant stride.
        OSError: If the disk refuses.
    """
    # Imported here, because webdataset imports torch: 1.7 s that only writing should cost.
    from webdataset import TarWriter

    count = 0
    with (
        path.open("wb") as stream,
        TarWriter(
            stream, user="photochrom", group="photochrom", mode=0o644, mtime=0, encoder=False
        ) as tar,
    ):
        tar.tarstream.copybufsize = _CHUNK
        # Without tarfile's own stream between, which copies all it holds with every 10 KiB.
        tar.tarstream.fileobj = stream
        for sample in samples:
            for suffix, content in to_members(sample):
                # One at a time: TarWriter sorts the members that it is given together.
                tar.write({"__key__": sample.info.key, suffix: content})
            count += 1
            if tar.tarstream.offset != count * layout.stride:
                raise ShardError(
                    f"{name}: {sample.info.key}: expected the sample to end at byte "
                    f"{count * layout.stride}, got {tar.tarstream.offset}; every sample must be as "
                    "long"
                )
    return count
