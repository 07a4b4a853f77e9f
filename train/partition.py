"""Pure: which samples each rank sees at each step; arithmetic, with no state.

The order of an epoch is a permutation keyed by seed and epoch, cut into global batches; the
remainder, the last `samples % batch` of the order, waits for another epoch. Each rank takes a
contiguous part of the global batch, in the epoch's order, and reads it sorted. So a run resumes
by one integer, the step, at any world size.

Without a window the order is one permutation of all samples: 12 bytes a sample while it is made,
4 of them kept for each of the last two epochs asked for.

With a window, for data larger than memory, the shards are put in a random order and laid end to
end, that row is cut into windows of so many samples, and each window is shuffled by a key of its
own. A sample then meets only samples of its window, those of a few shards, which are other shards
in every epoch; and a reader needs only the shards of a window or two at a time. So a window of
many shards' samples mixes well, one smaller than a shard hardly at all. Memory grows with the
window and the number of shards, not with the samples. The order is a function of seed, epoch and
the sizes of the shards alone.

Dimensions: N samples, S shards.
"""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]

_WHOLE, _WINDOWS, _SHARDS = 0, 1, 2
"""Streams of random words of an epoch."""


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """The shards of a split; compared by identity, so that what is derived can be cached."""

    starts: Indices
    """Number of each shard's first sample, and N at the end; (S + 1,)."""


@dataclass(frozen=True, slots=True)
class Partition:
    """The order in which one split is seen; made by `make_partition`."""

    samples: int
    batch: int
    """Samples in a global batch: what was asked for, or all samples where there are fewer."""
    seed: int
    window: int | None = None
    """Samples that are shuffled together; None is all."""
    row: _Row | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Whole global batches in an epoch."""
        return self.samples // self.batch

    def epoch(self, step: int) -> int:
        """Return the epoch that a step, counted from 0 over the whole run, falls in."""
        return step // self.steps_per_epoch

    def global_batch(self, step: int) -> Indices:
        """Return the samples of a step, over all ranks, whatever their number; sorted."""
        return np.sort(self._part(step, 0, self.batch))

    def rank_batch(self, step: int, *, rank: int, world_size: int) -> Indices:
        """Return the part of a step's global batch that one rank sees.

        Parts differ by one sample at most, so what ranks add must be sums, not means.

        Args:
            step: Counted from 0 over the whole run.
            rank: 0 to `world_size` - 1.
            world_size: Number of ranks; another number at another step is no matter.

        Returns:
            Numbers of samples, int64, ascending.

        Raises:
            ValueError: If the rank is not below the world size, or ranks outnumber the samples
                of a batch.
        """
        if world_size > self.batch:
            raise ValueError(
                f"a batch of {self.batch} samples leaves some of {world_size} ranks with none"
            )
        return np.sort(self._part(step, *_share(self.batch, rank, world_size)))

    def window_of(self, step: int) -> int:
        """Return a number that grows whenever `coming` changes; 0 throughout without a window."""
        if self.window is None:
            return 0
        epoch, place = divmod(step, self.steps_per_epoch)
        windows = -(-self.samples // self.window)
        return epoch * windows + place * self.batch // self.window

    def coming(self, step: int) -> Indices:
        """Return which shards are read next.

        Args:
            step: Counted from 0 over the whole run.

        Returns:
            Ordinals, int64, each once: the shards of the window that the step begins in, of what
            else the steps that begin there read, and of the next window, in the order in which
            they lie in the epoch; without a window all shards, in the order of the split.
        """
        if self.row is None:
            return np.empty(0, np.int64)
        if self.window is None:
            return np.arange(len(self.row.starts) - 1)
        epoch, place = divmod(step, self.steps_per_epoch)
        used = self.steps_per_epoch * self.batch
        number = place * self.batch // self.window
        # Behind the last step that begins in this window, and no further than a step goes.
        behind = -(-((number + 1) * self.window) // self.batch) * self.batch
        stop = -(-min(behind, used) // self.window)
        found = self._touched(epoch, number, max(stop, min(number + 2, -(-used // self.window))))
        if (number + 1) * self.window >= used:
            found = np.concatenate((found, self._touched(epoch + 1, 0, 1)))
        _, first = np.unique(found, return_index=True)
        ordinals: Indices = found[np.sort(first)]
        return ordinals

    def _touched(self, epoch: int, first: int, stop: int) -> Indices:
        """Return the shards with a sample in windows `first` to `stop` of an epoch."""
        assert self.window is not None and self.row is not None
        order, laid = _lay_out(self.row, self.seed, epoch)
        start = np.searchsorted(laid, first * self.window, side="right") - 1
        end = np.searchsorted(laid, min(stop * self.window, self.samples), side="left")
        found = order[start:end][np.diff(laid)[start:end] > 0]
        return found.astype(np.int64)

    def _part(self, step: int, start: int, stop: int) -> Indices:
        """Return places `start` to `stop` of a step's global batch, in the epoch's order."""
        epoch, place = divmod(step, self.steps_per_epoch)
        start, stop = place * self.batch + start, place * self.batch + stop
        if self.window is None or self.row is None:
            order = permutation(self.samples, seed=self.seed, epoch=epoch)
            return order[start:stop].astype(np.int64)
        parts = []
        for number in range(start // self.window, -(-stop // self.window)):
            first = number * self.window
            count = min(self.window, self.samples - first)
            order = _shuffle_window(count, self.seed, epoch, number)
            parts.append(first + order[max(start - first, 0) : stop - first].astype(np.int64))
        return _to_samples(self.row, self.seed, epoch, np.concatenate(parts))


def make_partition(
    samples: int,
    *,
    batch: int,
    seed: int,
    window: int | None = None,
    starts: Indices | None = None,
) -> Partition:
    """Describe the order of a split.

    Args:
        samples: Number of samples in the split, at most 2**32.
        batch: Samples wanted in a global batch; where the split has fewer, all of them are one.
        seed: 0 to 2**32 - 1.
        window: Samples that are shuffled together; None is all.
        starts: Number of each shard's first sample, and `samples` at the end; a window needs it.

    Raises:
        ValueError: If there are no samples, the batch or the window is empty, or `starts` is
            missing or of other samples.
    """
    if not 1 <= samples <= 1 << 32 or batch < 1:
        raise ValueError(
            f"need a sample, 2**32 at most, and a batch of at least 1, got {samples} and {batch}"
        )
    row = None
    if starts is not None:
        row = _Row(np.array(starts, np.int64))
        row.starts.setflags(write=False)
        if len(starts) < 2 or starts[0] or starts[-1] != samples or (np.diff(row.starts) < 0).any():
            raise ValueError(f"expected the starts of shards of {samples} samples, got {starts}")
    if window is not None and (window < 1 or row is None):
        raise ValueError(
            f"a window takes at least 1 sample and the starts of the shards, got {window}"
        )
    return Partition(samples=samples, batch=min(batch, samples), seed=seed, window=window, row=row)


@functools.lru_cache(maxsize=2)
def permutation(samples: int, *, seed: int, epoch: int) -> NDArray[np.uint32]:
    """Order `samples` indices at random, keyed by seed and epoch.

    The words come straight from the Philox bit generator, whose stream numpy promises to keep
    (it does not promise that of `Generator.permutation`). The upper half of each word decides;
    of equal ones, which one pair in 2**32 are, the lower index goes first. The array is read-only:
    the epoch at hand is kept, not worked out at every step.

    Args:
        samples: How many, at most 2**32.
        seed: 0 to 2**32 - 1.
        epoch: Likewise.

    Returns:
        The indices, (N,). Making it takes 12 bytes a sample: a word each, sorted in place with
        the index in its lower half, and the result.
    """
    return _order(samples, key=(seed, epoch), stream=(_WHOLE, 0))


@functools.lru_cache(maxsize=4)
def _shuffle_window(samples: int, seed: int, epoch: int, number: int) -> NDArray[np.uint32]:
    return _order(samples, key=(seed, epoch), stream=(_WINDOWS, number))


def _order(samples: int, *, key: tuple[int, int], stream: tuple[int, int]) -> NDArray[np.uint32]:
    kind, number = stream
    # A stream would meet the next one's after 2**128 words.
    philox = np.random.Philox(key=list(key), counter=[0, 0, number, kind])
    words: NDArray[np.uint64] = philox.random_raw(samples)
    words &= np.uint64(0xFFFFFFFF << 32)
    words |= np.arange(samples, dtype=np.uint32)
    words.sort()
    order = words.astype(np.uint32)
    order.setflags(write=False)
    return order


@functools.lru_cache(maxsize=4)
def _lay_out(row: _Row, seed: int, epoch: int) -> tuple[NDArray[np.uint32], Indices]:
    """Put the shards of an epoch in order; return that, and where each begins and the last ends."""
    order = _order(len(row.starts) - 1, key=(seed, epoch), stream=(_SHARDS, 0))
    laid = np.concatenate(([0], np.cumsum(np.diff(row.starts)[order])))
    return order, laid


def _to_samples(row: _Row, seed: int, epoch: int, places: Indices) -> Indices:
    """Turn places among the shards laid end to end into numbers of samples."""
    order, laid = _lay_out(row, seed, epoch)
    owners = np.searchsorted(laid, places, side="right") - 1
    return places - laid[owners] + row.starts[order[owners]]


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """A batch of a split that is seen once."""

    indices: Indices
    """Numbers of samples, (B,), ascending."""
    real: NDArray[np.bool_]
    """(B,); False where a sample is there only to fill the batch and must not count."""


def cover(samples: int, *, batch: int, rank: int, world_size: int) -> list[Cover]:
    """Lay out one rank's part of a split that is seen once, as in validation.

    Every rank gets as many batches, all full, so that ranks may meet at each; over all of them
    every sample is real exactly once. Parts are contiguous and differ by one sample at most; what
    fills a batch repeats its last sample, or sample 0 where a rank has none.

    Args:
        samples: Number of samples in the split; of 0 there are no batches.
        batch: Samples of one batch on one rank.
        rank: 0 to `world_size` - 1.
        world_size: Number of ranks.

    Raises:
        ValueError: If the batch is empty, or the rank is not below the world size.
    """
    if batch < 1:
        raise ValueError(f"need a batch of at least 1, got {batch}")
    start, stop = _share(samples, rank, world_size)
    most = -(-samples // world_size)
    batches = []
    for first in range(start, start + most, batch):
        wanted = np.arange(first, first + batch)
        last = max(stop - 1, 0)
        batches.append(Cover(indices=np.minimum(wanted, last), real=wanted < stop))
    return batches


def _share(count: int, rank: int, world_size: int) -> tuple[int, int]:
    if not 0 <= rank < world_size:
        raise ValueError(f"rank {rank} is not one of {world_size}")
    return count * rank // world_size, count * (rank + 1) // world_size
