"""A source in memory that can fail, be slow, and tell what was asked of it."""

import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from train.errors import DataError

HEADER = 5
"""Bytes before the samples in a row, as the headers of a tar."""


class FakeSource:
    """Samples whose bytes tell their number; shards of given sizes."""

    name = "train"

    def __init__(self, counts: Sequence[int], *, size: int = 4, bad: int | None = None) -> None:
        """Make as many samples in each shard; the one numbered `bad` cannot be read."""
        self.size = size
        self.starts = np.cumsum([0, *counts], dtype=np.int64)
        self.bad = bad
        self.gathered: list[list[int]] = []
        self.expected: list[list[int]] = []
        self.before: Callable[[], object] = lambda: None
        """Called by each gather first."""
        self.done = threading.Semaphore(0)
        """Counts the gathers that are through."""

    @property
    def row_bytes(self) -> int:
        return HEADER + 3 * self.size**2

    def __len__(self) -> int:
        return int(self.starts[-1])

    def lab(self, index: int) -> NDArray[np.uint8]:
        values = np.random.default_rng(index).integers(0, 256, (self.size, self.size, 3))
        return values.astype(np.uint8)

    def gather(
        self,
        indices: NDArray[np.int64],
        rows_BR: NDArray[np.uint8],
        valid_B4: NDArray[np.int64],
    ) -> None:
        self.before()
        self.gathered.append(indices.tolist())
        if indices.min() < 0 or indices.max() >= len(self):
            raise ValueError(f"expected indices 0 to {len(self) - 1}, got {indices}")
        if self.bad in indices:
            raise DataError(f"sample {self.bad} is damaged")
        assert rows_BR.shape == (len(indices), self.row_bytes) and rows_BR.flags.c_contiguous
        assert valid_B4.shape == (len(indices), 4)
        for place, index in enumerate(indices):
            rows_BR[place, HEADER:] = self.lab(int(index)).ravel()
            valid_B4[place] = (index % 2, 0, self.size, self.size - index % 3)
        self.done.release()

    def to_lab(self, rows_BR: Tensor) -> Tensor:
        return rows_BR[:, HEADER:].view(len(rows_BR), self.size, self.size, 3)

    def expect(self, shards: NDArray[np.int64]) -> None:
        self.expected.append(shards.tolist())

    def close(self) -> None:
        pass
