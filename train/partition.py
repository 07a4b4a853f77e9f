"""Which samples each rank sees at each step: pure arithmetic, with no state.

The order of an epoch is a permutation keyed by seed and epoch, cut into global batches; a
remainder smaller than a batch waits for another epoch. Each rank takes a contiguous part of the
global batch. So a run resumes by one integer, the step, at any world size.
"""

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Partition:
    """The order in which one split is seen."""

    samples: int
    batch: int
    """Samples in a global batch: what was asked for, or all samples where there are fewer."""
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """Whole global batches in an epoch."""
        return self.samples // self.batch

    def epoch(self, step: int) -> int:
        """Return the epoch that a step, counted from 0 over the whole run, falls in."""
        return step // self.steps_per_epoch

    def global_batch(self, step: int) -> NDArray[np.int64]:
        """Return the indices of the samples of a step, over all ranks, whatever their number."""
        epoch, place = divmod(step, self.steps_per_epoch)
        order = permutation(self.samples, seed=self.seed, epoch=epoch)
        return order[place * self.batch : (place + 1) * self.batch]

    def rank_batch(self, step: int, *, rank: int, world_size: int) -> NDArray[np.int64]:
        """Return the part of a step's global batch that one rank sees.

        Parts differ by one sample at most, so what ranks add must be sums, not means.

        Raises:
            ValueError: If the rank is not below the world size, or ranks outnumber the samples
                of a batch.
        """
        if world_size > self.batch:
            raise ValueError(
                f"a batch of {self.batch} samples leaves some of {world_size} ranks with none"
            )
        start, stop = _part(self.batch, rank, world_size)
        return self.global_batch(step)[start:stop]


def make_partition(samples: int, *, batch: int, seed: int) -> Partition:
    """Describe the order of a split.

    Args:
        samples: Number of samples in the split.
        batch: Samples wanted in a global batch; where the split has fewer, all of them are one.
        seed: 0 to 2**32 - 1.

    Raises:
        ValueError: If there are no samples, or the batch is empty.
    """
    if samples < 1 or batch < 1:
        raise ValueError(f"need a sample and a batch of at least 1, got {samples} and {batch}")
    return Partition(samples=samples, batch=min(batch, samples), seed=seed)


@functools.lru_cache(maxsize=2)
def permutation(samples: int, *, seed: int, epoch: int) -> NDArray[np.int64]:
    """Order `samples` indices at random, keyed by seed and epoch.

    The words come straight from the Philox bit generator, whose stream numpy promises to keep
    (it does not promise that of `Generator.permutation`). The array is read-only: the epoch at
    hand is kept, not worked out at every step.
    """
    words = np.random.Philox(key=[seed, epoch]).random_raw(samples)
    order: NDArray[np.int64] = np.argsort(words, kind="stable").astype(np.int64)
    order.setflags(write=False)
    return order


def shares(samples: int, *, rank: int, world_size: int) -> NDArray[np.int64]:
    """Return one rank's part of a split that is seen once, in order; parts may differ by one."""
    start, stop = _part(samples, rank, world_size)
    return np.arange(start, stop, dtype=np.int64)


def _part(count: int, rank: int, world_size: int) -> tuple[int, int]:
    if not 0 <= rank < world_size:
        raise ValueError(f"rank {rank} is not one of {world_size}")
    return count * rank // world_size, count * (rank + 1) // world_size
