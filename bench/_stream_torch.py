"""Peer: a torch Dataset over a memory map, which gathers a batch at once."""

import collections
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

torch.set_num_threads(1)


class Pictures(Dataset[torch.Tensor]):
    """The array, mapped."""

    def __init__(self, path: Path) -> None:
        self.pictures = np.load(path, mmap_mode="r")

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitems__(self, indices: list[int]) -> torch.Tensor:
        """Gather a batch."""
        return torch.from_numpy(np.take(self.pictures, indices, axis=0))


def memmap(data: Path) -> Callable[[int], Iterable[torch.Tensor]]:
    """Open the array; every epoch is a permutation of it."""
    pictures = Pictures(data / "array.npy")
    loader = DataLoader(pictures, batch_size=64, shuffle=True, collate_fn=lambda batch: batch)
    return lambda _: loader


def memmap_held(data: Path) -> Callable[[int], Iterable[torch.Tensor]]:
    """Open the array likewise, and hold the last six batches, as those who work ahead do."""
    epochs = memmap(data)
    held: collections.deque[torch.Tensor] = collections.deque(maxlen=6)

    def epoch(number: int) -> Iterator[torch.Tensor]:
        for batch in epochs(number):
            held.append(batch)
            yield batch

    return epoch
