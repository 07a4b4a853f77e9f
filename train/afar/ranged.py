"""Edge: files read in ranges: whole, a window of ranges at a time, or a few samples of a shard.

Opens no connection itself; `train/remote.py` hands it what to read with.

Dimensions: B rows of a batch, R bytes of a row.
"""

from collections.abc import Callable
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from preprocess.index import Shard

RANGE: Final = 8 << 20
"""Most bytes of one request."""
LEAST_RANGE: Final = 64 << 10
"""What a request shrinks to while the line breaks in the middle of every one."""
AT_ONCE: Final = 4
"""Requests under way for one file."""

Answer = bytes | BaseException
ReadAll = Callable[[list[int], list[int]], list[Answer]]
"""Reads ranges, given by starts and stops, at once; an error takes the place of its range."""


class Pull:
    """A file read from its first byte to its last; goes on after an error where it stopped."""

    def __init__(self, read: ReadAll, *, size_bytes: int) -> None:
        """Nothing is read yet.

        Args:
            read: Reads ranges.
            size_bytes: Length of the file.
        """
        self._read = read
        self._size = size_bytes
        self._at = 0
        self._step = RANGE

    def __bool__(self) -> bool:
        """Tell whether anything is left to read."""
        return self._at < self._size

    def read(self) -> list[bytes]:
        """Read the next ranges: those that came before the first that failed.

        Raises:
            Exception: What befell the first range, if none came.
        """
        stop = min(self._at + self._step * AT_ONCE, self._size)
        edges = [*range(self._at, stop, self._step), stop]
        answers = to_checked(self._read(edges[:-1], edges[1:]), edges[:-1], edges[1:])
        came = list(takewhile(lambda answer: isinstance(answer, bytes), answers))
        blocks = [answer for answer in came if isinstance(answer, bytes)]
        if len(blocks) == len(answers):
            self._step = min(self._step * 2, RANGE)
        else:
            self._step = max(self._step // 2, LEAST_RANGE)
        self._at += sum(map(len, blocks))
        if not blocks and isinstance(answers[0], BaseException):
            raise answers[0]
        return blocks


class RangedShard:
    """A shard that is not on the disk: its samples are read from afar when they are asked for."""

    afresh = True

    def __init__(
        self, path: Path, entry: Shard, read: Callable[[list[int], list[int]], list[bytes]]
    ) -> None:
        """Nothing is read yet.

        Args:
            path: What it is called in messages.
            entry: What the index says of the shard.
            read: Reads ranges, given by starts and stops, at once; raises DataError.
        """
        self.path = path
        self._stride = entry.stride
        self._read = read

    def take(self, places: NDArray[np.int64], out_BR: NDArray[np.uint8]) -> None:
        """Read rows into `out_BR`, all in one round; see `ShardReader.take`.

        Args:
            places: Places in the shard, (B,).
            out_BR: Takes the rows.

        Raises:
            DataError: If they cannot be read.
        """
        edges = [0, *(np.flatnonzero(np.diff(places) != 1) + 1).tolist(), len(places)]
        runs = list(pairwise(edges))
        starts = [int(places[first]) * self._stride for first, _ in runs]
        stops = [(int(places[last - 1]) + 1) * self._stride for _, last in runs]
        for (first, last), block in zip(runs, self._read(starts, stops), strict=True):
            rows = np.frombuffer(block, np.uint8).reshape(last - first, self._stride)
            out_BR[first:last] = rows

    def check(self) -> None:
        """Nothing is held that could be replaced: a sample is checked by its own hash."""

    def close(self) -> None:
        """Nothing is held."""


def to_checked(answers: list[Answer], starts: list[int], stops: list[int]) -> list[Answer]:
    """Put an error in the place of every answer that is not as long as its range."""
    return [
        ConnectionError(
            f"expected bytes {start} to {stop}, got {len(answer)} that begin with {answer[:60]!r}"
        )
        if isinstance(answer, bytes) and len(answer) != stop - start
        else answer
        for answer, start, stop in zip(answers, starts, stops, strict=True)
    ]
