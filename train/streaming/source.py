"""What samples are gathered from: a split of our shards, or any WebDataset.

Dimensions: N samples of the split, B of a batch, S side in pixels, R bytes of a row.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


class Source(Protocol):
    """The samples of one split, numbered from 0 in the order of their shards."""

    @property
    def name(self) -> str:
        """Of the split, such as `train`."""

    @property
    def size(self) -> int:
        """Side of a sample in pixels, S."""

    @property
    def row_bytes(self) -> int:
        """Bytes of a sample in the buffer that it is gathered into, R."""

    @property
    def starts(self) -> NDArray[np.int64]:
        """Number of each shard's first sample, and N at the end; (shards + 1,)."""

    def __len__(self) -> int:
        """Return the number of samples, N."""

    def gather(
        self,
        indices: NDArray[np.int64],
        rows_BR: NDArray[np.uint8],
        valid_B4: NDArray[np.int64],
    ) -> None:
        """Copy samples into a buffer, in the order asked for; one thread at a time.

        Args:
            indices: Which samples, (B,), each 0 to N - 1; fastest when sorted.
            rows_BR: Takes the rows, contiguous.
            valid_B4: Takes the valid boxes: top, left, bottom, right (exclusive).

        Raises:
            ValueError: If an index lies outside the split, or a buffer is of another shape.
            DataError: If a sample cannot be read or is not what it was; then nothing of the
                buffers may be used.
        """

    def to_lab(self, rows_BR: Tensor) -> Tensor:
        """Turn gathered rows, on any device, into samples: (B, S, S, 3), uint8.

        L*255/100, a+128, b+128; a view of the rows where they hold just that.
        """

    def expect(self, shards: NDArray[np.int64]) -> None:
        """Take note, and return at once, of the shards that are read next, in that order."""

    def close(self) -> None:
        """Let go of every file; nothing can be gathered any more."""
