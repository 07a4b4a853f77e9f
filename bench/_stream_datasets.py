"""Peer: Hugging Face datasets, an arrow column of bytes."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
from datasets import Dataset, Features, Value, load_from_disk
from numpy.typing import NDArray

SHAPE = (256, 256, 3)


def write(data: Path) -> None:
    """Write the table; in batches of rows that bytes of 2 GB never share."""
    pictures = np.load(data / "array.npy", mmap_mode="r")
    table = Dataset.from_generator(
        lambda: ({"picture": picture.tobytes()} for picture in pictures),
        features=Features({"picture": Value("binary")}),
        cache_dir=str(data / "arrow-cache"),
        writer_batch_size=100,
    )
    table.save_to_disk(str(data / "arrow"), num_shards=8)


def raw(data: Path) -> Callable[[int], Iterable[NDArray[np.uint8]]]:
    """Open it; a permutation every epoch, and one copy of a batch by arrow."""
    table = load_from_disk(str(data / "arrow")).with_format("arrow")

    def epoch(number: int) -> Iterator[NDArray[np.uint8]]:
        order = np.random.default_rng(number).permutation(len(table))
        for start in range(0, len(order), 64):
            column = table[order[start : start + 64]]["picture"].combine_chunks()
            _, offsets, content = column.buffers()
            first = np.frombuffer(offsets, np.int32)[column.offset]
            stop = np.frombuffer(offsets, np.int32)[column.offset + len(column)]
            yield np.frombuffer(content, np.uint8)[first:stop].reshape(-1, *SHAPE)

    return epoch
