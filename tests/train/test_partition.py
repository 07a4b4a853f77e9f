import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from train.partition import make_partition, permutation, shares

SAMPLES = st.integers(1, 300)
BATCH = st.integers(1, 64)
SEED = st.integers(0, 2**32 - 1)
WORLD = st.integers(1, 64)


@given(samples=SAMPLES, batch=BATCH, seed=SEED, epoch=st.integers(0, 5))
def test_an_epoch_sees_no_sample_twice_and_leaves_less_than_a_batch(
    samples: int, batch: int, seed: int, epoch: int
) -> None:
    partition = make_partition(samples, batch=batch, seed=seed)
    steps = partition.steps_per_epoch
    seen = np.concatenate(
        [partition.global_batch(epoch * steps + step) for step in range(steps)]
    ).tolist()
    assert len(seen) == len(set(seen)) == steps * partition.batch
    assert set(seen) <= set(range(samples))
    assert samples - len(seen) < partition.batch


@given(samples=SAMPLES, batch=BATCH, seed=SEED, step=st.integers(0, 1000), world_size=WORLD)
def test_ranks_together_see_the_same_global_batch_at_any_world_size(
    samples: int, batch: int, seed: int, step: int, world_size: int
) -> None:
    partition = make_partition(samples, batch=batch, seed=seed)
    if world_size > partition.batch:
        with pytest.raises(ValueError, match="leaves some of"):
            partition.rank_batch(step, rank=0, world_size=world_size)
        return
    parts = [
        partition.rank_batch(step, rank=rank, world_size=world_size) for rank in range(world_size)
    ]
    lengths = {len(part) for part in parts}
    assert min(lengths) >= 1 and max(lengths) - min(lengths) <= 1
    assert np.array_equal(np.concatenate(parts), partition.global_batch(step))


@given(samples=SAMPLES, world_size=WORLD)
def test_a_split_seen_once_falls_to_the_ranks_without_gap_or_overlap(
    samples: int, world_size: int
) -> None:
    parts = [shares(samples, rank=rank, world_size=world_size) for rank in range(world_size)]
    assert np.concatenate(parts).tolist() == list(range(samples))


def test_epochs_and_seeds_differ_in_order() -> None:
    orders = {
        tuple(permutation(40, seed=seed, epoch=epoch).tolist())
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(orders) == 9


def test_the_order_is_the_one_it_always_was() -> None:
    # A change here makes every resumed and every repeated run another run.
    assert permutation(8, seed=7, epoch=2).tolist() == [6, 7, 4, 0, 1, 5, 3, 2]


def test_a_batch_larger_than_the_split_is_the_whole_split() -> None:
    partition = make_partition(5, batch=16, seed=0)
    assert partition.batch == 5
    assert sorted(partition.global_batch(3).tolist()) == [0, 1, 2, 3, 4]
    assert partition.epoch(3) == 3


def test_no_samples_is_an_error() -> None:
    with pytest.raises(ValueError, match="need a sample"):
        make_partition(0, batch=4, seed=0)


def test_a_rank_beyond_the_world_is_an_error() -> None:
    with pytest.raises(ValueError, match="rank 2 is not one of 2"):
        shares(10, rank=2, world_size=2)
