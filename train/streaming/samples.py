"""Edge: the samples of a split, wherever they are held, as batches on the device.

Dimensions: N samples of the split, B of a batch, S side in pixels, R bytes of a row.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from train.partition import Cover, Partition
from train.streaming.feed import Feed, ToLab
from train.streaming.residence import Residence
from train.streaming.source import Source

_BLOCK = 256
"""Samples that are gathered at once to be held."""


class Samples:
    """A split that batches are read from."""

    def __init__(
        self,
        source: Source,
        *,
        device: torch.device,
        ahead: int,
        to_lab: ToLab | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Read from a source as it is; `hold` is the way to hold it first.

        Args:
            source: Where rows are gathered from.
            device: Where batches go.
            ahead: Batches gathered before they are asked for.
            to_lab: As `Feed` takes it.
            stop: As `Feed` takes it.
        """
        self.device = device
        self.ahead = ahead
        self._source = source
        self._to_lab = to_lab
        self._stop = stop
        self._feed: Feed | None = None
        self._waited_s = 0.0

    @property
    def waited_s(self) -> float:
        """So long batches were waited for, over all feeds."""
        return self._waited_s + (self._feed.waited_s if self._feed else 0)

    @property
    def size(self) -> int:
        """Side of a sample in pixels, S."""
        return self._source.size

    @property
    def starts(self) -> NDArray[np.int64]:
        """Number of each shard's first sample, and N at the end."""
        return self._source.starts

    def __len__(self) -> int:
        return len(self._source)

    def read(self, batches: Iterable[NDArray[np.int64]], *, largest: int) -> Feed:
        """Read batches in turn; one feed at a time.

        Args:
            batches: Numbers of each batch's samples, (B,), which the feed's thread reads.
            largest: Most samples in one.
        """
        self._waited_s = self.waited_s
        self._feed = Feed(
            self._source,
            batches,
            largest=largest,
            device=self.device,
            ahead=self.ahead,
            to_lab=self._to_lab,
            stop=self._stop,
        )
        return self._feed

    def read_steps(self, partition: Partition, steps: range, *, rank: int, world_size: int) -> Feed:
        """Read the batches of one rank, from any step on.

        Args:
            partition: The order of this split.
            steps: Which steps, counted from 0 over the whole run.
            rank: Of this process.
            world_size: Processes of the run.
        """
        # Looked at here: a rank too many is the caller's error, not one of the thread.
        largest = len(partition.rank_batch(steps.start, rank=rank, world_size=world_size))

        def batches() -> Iterator[NDArray[np.int64]]:
            window = None
            for step in steps:
                if (here := partition.window_of(step)) != window:
                    window = here
                    self._source.expect(partition.coming(step))
                yield partition.rank_batch(step, rank=rank, world_size=world_size)

        return self.read(batches(), largest=largest)

    def read_covers(self, covers: Sequence[Cover]) -> Feed:
        """Read one rank's part of a split that is seen once, from `train.partition.cover`."""
        first, last = covers[0].indices[0], covers[-1].indices[-1]
        self._source.expect(self._find_shards(first, last))
        return self.read((one.indices for one in covers), largest=len(covers[0].indices))

    def read_runs(self, runs: Sequence[NDArray[np.int64]]) -> Feed:
        """Read samples that lie together, run by run, each as a batch.

        Args:
            runs: Numbers of samples, each run without a gap and at least one long.
        """

        def batches() -> Iterator[NDArray[np.int64]]:
            for number, run in enumerate(runs):
                near = [self._find_shards(one[0], one[-1]) for one in runs[number : number + 2]]
                self._source.expect(np.unique(np.concatenate(near)))
                yield run

        return self.read(batches(), largest=max(len(run) for run in runs))

    def _find_shards(self, first: np.int64, last: np.int64) -> NDArray[np.int64]:
        """Find the shards that hold the samples from one to another."""
        owners = np.searchsorted(self._source.starts, (first, last), side="right") - 1
        return np.arange(owners[0], owners[1] + 1)


class Waits:
    """Which share of the time batches were waited for."""

    def __init__(self, *splits: Samples) -> None:
        """Begin to count, over all feeds of these splits."""
        self._splits = splits
        self._since = time.monotonic()
        self._before = self._total()

    def take_share(self) -> float:
        """Return the share since the last call, or since counting began; 0 to 1."""
        now, total = time.monotonic(), self._total()
        passed, waited = now - self._since, total - self._before
        self._since, self._before = now, total
        return round(min(1.0, waited / passed), 4) if passed > 0 else 0.0

    def _total(self) -> float:
        return sum(split.waited_s for split in self._splits)


def hold(
    source: Source,
    residence: Residence,
    *,
    device: torch.device,
    ahead: int,
    stop: Callable[[], bool] = lambda: False,
) -> Samples:
    """Put a split where it is to be held.

    Args:
        source: The split; it stays open, for its rows are turned into samples by it.
        residence: `device` reads all of it onto the device, as samples; `host` into memory, as
            rows, not pinned, for a batch goes through the ring of the feed in any case;
            `stream` reads nothing yet.
        device: Where batches go.
        ahead: Batches gathered before they are asked for.
        stop: Says whether this process was asked to stop.

    Raises:
        DataError: If a sample cannot be read.
        StoppedError: If the process was asked to stop and a batch is not there.
    """
    if residence == "stream" or not len(source):
        return Samples(source, device=device, ahead=ahead, stop=stop)
    source.expect(np.arange(len(source.starts) - 1))
    if residence == "host":
        return Samples(_read_rows(source), device=device, ahead=ahead)
    streamed = Samples(source, device=device, ahead=ahead, stop=stop)
    lab_NSS3, valid_N4 = _read_samples(streamed)
    numbers = _Memory(source, np.empty((len(source), 0), np.uint8), valid_N4)

    def to_lab(_: Tensor, samples_B: Tensor) -> Tensor:
        return lab_NSS3.index_select(0, samples_B)

    return Samples(numbers, device=device, ahead=ahead, to_lab=to_lab)


def blocks(samples: int, *, of: int) -> Iterator[NDArray[np.int64]]:
    """Cut all samples of a split, in order, into batches; the last may be smaller."""
    for start in range(0, samples, of):
        yield np.arange(start, min(start + of, samples))


def _read_samples(
    streamed: Samples,
) -> tuple[Tensor, NDArray[np.int64]]:
    """Read a split onto the device: samples (N, S, S, 3), and valid boxes (N, 4) in memory."""
    shape = (len(streamed), streamed.size, streamed.size, 3)
    lab_NSS3 = torch.empty(shape, dtype=torch.uint8, device=streamed.device)
    valid_N4 = torch.empty((len(streamed), 4), dtype=torch.int64, device=streamed.device)
    start = 0
    with streamed.read(blocks(len(streamed), of=_BLOCK), largest=_BLOCK) as feed:
        for batch in feed:
            stop = start + len(batch.lab_BSS3)
            lab_NSS3[start:stop] = batch.lab_BSS3
            valid_N4[start:stop] = batch.valid_B4
            start = stop
    return lab_NSS3, valid_N4.cpu().numpy()


def _read_rows(source: Source) -> "_Memory":
    """Read a split into memory, as its rows are."""
    rows_NR = np.empty((len(source), source.row_bytes), np.uint8)
    valid_N4 = np.empty((len(source), 4), np.int64)
    for indices in blocks(len(source), of=_BLOCK):
        place = slice(indices[0], indices[-1] + 1)
        source.gather(indices, rows_NR[place], valid_N4[place])
    return _Memory(source, rows_NR, valid_N4)


class _Memory:
    """A source whose rows have been read; none, where its samples lie on the device."""

    def __init__(
        self, source: Source, rows_NR: NDArray[np.uint8], valid_N4: NDArray[np.int64]
    ) -> None:
        self._source = source
        self._rows_NR = rows_NR
        self._valid_N4 = valid_N4

    @property
    def name(self) -> str:
        return self._source.name

    @property
    def size(self) -> int:
        return self._source.size

    @property
    def row_bytes(self) -> int:
        return int(self._rows_NR.shape[1])

    @property
    def starts(self) -> NDArray[np.int64]:
        return self._source.starts

    def __len__(self) -> int:
        return len(self._valid_N4)

    def gather(
        self,
        indices: NDArray[np.int64],
        rows_BR: NDArray[np.uint8],
        valid_B4: NDArray[np.int64],
    ) -> None:
        if len(indices) and not (indices.min() >= 0 and indices.max() < len(self)):
            raise ValueError(f"expected indices 0 to {len(self) - 1}, got {indices}")
        # Clipped, for only then numpy writes into `out` without a copy of its own.
        np.take(self._rows_NR, indices, axis=0, out=rows_BR, mode="clip")
        np.take(self._valid_N4, indices, axis=0, out=valid_B4, mode="clip")

    def to_lab(self, rows_BR: Tensor) -> Tensor:
        return self._source.to_lab(rows_BR)

    def expect(self, shards: NDArray[np.int64]) -> None:
        """Take no note: all has been read."""

    def close(self) -> None:
        """Do nothing: the source itself is closed by who opened it."""
