import itertools
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from train.partition import Partition, cover, make_partition, permutation

SAMPLES = st.integers(1, 300)
BATCH = st.integers(1, 64)
SEED = st.integers(0, 2**32 - 1)
WORLD = st.integers(1, 64)
SHARDS = st.lists(st.integers(0, 40), min_size=1, max_size=8).filter(any)
WINDOW = st.none() | st.integers(1, 200)


def partition_shards(shards: list[int], *, batch: int, seed: int, window: int | None) -> Partition:
    starts = np.cumsum([0, *shards])
    return make_partition(int(starts[-1]), batch=batch, seed=seed, window=window, starts=starts)


def read_order(shards: list[int], *, seed: int, window: int | None, epoch: int) -> list[int]:
    """Read an epoch sample by sample: batches of one."""
    partition = partition_shards(shards, batch=1, seed=seed, window=window)
    first = epoch * sum(shards)
    return [int(partition.global_batch(first + place)[0]) for place in range(sum(shards))]


def find_owners(shards: list[int], samples: list[int]) -> NDArray[np.int64]:
    return np.searchsorted(np.cumsum([0, *shards]), samples, side="right") - 1


@given(shards=SHARDS, batch=BATCH, seed=SEED, epoch=st.integers(0, 5), window=WINDOW)
def test_an_epoch_sees_no_sample_twice_and_leaves_the_last_of_its_order(
    shards: list[int], batch: int, seed: int, epoch: int, window: int | None
) -> None:
    samples = sum(shards)
    partition = partition_shards(shards, batch=batch, seed=seed, window=window)
    steps = partition.steps_per_epoch
    batches = [partition.global_batch(epoch * steps + step).tolist() for step in range(steps)]
    seen = [index for batch in batches for index in batch]
    order = read_order(shards, seed=seed, window=window, epoch=epoch)
    assert len(seen) == len(set(seen)) == samples - samples % partition.batch
    assert sorted(order) == list(range(samples))
    assert set(order) - set(seen) == set(order[len(seen) :])
    for step, found in enumerate(batches):
        assert found == sorted(order[step * partition.batch : (step + 1) * partition.batch])


@given(
    shards=SHARDS,
    batch=BATCH,
    seed=SEED,
    window=WINDOW,
    worlds=st.lists(WORLD, min_size=1, max_size=12),
)
def test_a_run_resumed_at_every_step_at_another_world_size_sees_the_same_batches(
    shards: list[int], batch: int, seed: int, window: int | None, worlds: list[int]
) -> None:
    alone = partition_shards(shards, batch=batch, seed=seed, window=window)
    sizes = itertools.cycle(min(world, alone.batch) for world in worlds)
    steps = min(2 * alone.steps_per_epoch + 1, 60)
    for step, world_size in zip(range(steps), sizes, strict=False):
        resumed = partition_shards(shards, batch=batch, seed=seed, window=window)
        parts = [
            resumed.rank_batch(step, rank=rank, world_size=world_size) for rank in range(world_size)
        ]
        lengths = {len(part) for part in parts}
        assert min(lengths) >= 1 and max(lengths) - min(lengths) <= 1
        assert all((np.diff(part) > 0).all() for part in parts)
        assert np.array_equal(np.sort(np.concatenate(parts)), alone.global_batch(step))


@given(samples=SAMPLES, batch=BATCH, step=st.integers(0, 1000), world_size=WORLD)
def test_more_ranks_than_samples_of_a_batch_are_an_error(
    samples: int, batch: int, step: int, world_size: int
) -> None:
    partition = make_partition(samples, batch=batch, seed=0)
    if world_size > partition.batch:
        with pytest.raises(ValueError, match="leaves some of"):
            partition.rank_batch(step, rank=0, world_size=world_size)
    else:
        assert len(partition.rank_batch(step, rank=0, world_size=world_size))


@given(shards=SHARDS, seed=SEED, epoch=st.integers(0, 3), window=st.integers(1, 200))
def test_a_window_holds_the_samples_of_its_place_among_the_shards(
    shards: list[int], seed: int, epoch: int, window: int
) -> None:
    # Windows of one sample cannot be shuffled: they are the shards laid end to end.
    laid = read_order(shards, seed=seed, window=1, epoch=epoch)
    owners = [owner for owner, _ in itertools.groupby(find_owners(shards, laid).tolist())]
    assert sorted(owners) == np.flatnonzero(shards).tolist()
    order = read_order(shards, seed=seed, window=window, epoch=epoch)
    for start in range(0, len(laid), window):
        assert sorted(order[start : start + window]) == sorted(laid[start : start + window])


@given(shards=SHARDS, batch=BATCH, seed=SEED, window=st.integers(1, 200))
def test_what_is_coming_covers_this_window_and_the_next(
    shards: list[int], batch: int, seed: int, window: int
) -> None:
    partition = partition_shards(shards, batch=batch, seed=seed, window=window)
    used = partition.steps_per_epoch * partition.batch
    orders = [read_order(shards, seed=seed, window=window, epoch=epoch) for epoch in range(2)]
    del orders[0][used:]
    coming: dict[int, list[int]] = {}
    for step in range(partition.steps_per_epoch):
        found = partition.coming(step).tolist()
        assert len(set(found)) == len(found)
        assert coming.setdefault(partition.window_of(step), found) == found
        first = step * partition.batch // window * window
        soon = orders[0][first : first + 2 * window]
        if first + window >= used:
            soon = soon + orders[1][:window]
        soon = soon + partition.global_batch(step).tolist()
        assert set(find_owners(shards, soon).tolist()) <= set(found)
    assert list(coming) == sorted(coming)
    assert partition.window_of(partition.steps_per_epoch) > max(coming)


def test_what_is_coming_lies_in_the_order_of_the_epoch() -> None:
    shards = [10] * 12
    partition = partition_shards(shards, batch=10, seed=1, window=20)
    laid = read_order(shards, seed=1, window=1, epoch=0)
    in_order = [owner for owner, _ in itertools.groupby(find_owners(shards, laid).tolist())]
    assert [partition.coming(step).tolist() for step in (0, 1, 2)] == [
        in_order[:4],
        in_order[:4],
        in_order[2:6],
    ]
    assert set(partition.coming(11).tolist()) > set(in_order[10:])


def test_without_a_window_all_shards_are_coming_in_the_order_of_the_split() -> None:
    partition = partition_shards([4, 3, 5], batch=2, seed=0, window=None)
    assert partition.coming(3).tolist() == [0, 1, 2]
    assert {partition.window_of(step) for step in range(30)} == {0}
    assert make_partition(12, batch=2, seed=0).coming(0).tolist() == []


@given(samples=st.integers(0, 300), batch=BATCH, world_size=WORLD)
def test_a_cover_has_every_sample_once_and_as_many_full_batches_on_every_rank(
    samples: int, batch: int, world_size: int
) -> None:
    ranks = [
        cover(samples, batch=batch, rank=rank, world_size=world_size) for rank in range(world_size)
    ]
    assert len({len(batches) for batches in ranks}) == 1
    batches = [one for batches in ranks for one in batches]
    assert all(one.indices.shape == one.real.shape == (batch,) for one in batches)
    assert all(((one.indices >= 0) & (one.indices < samples)).all() for one in batches)
    real = [index for one in batches for index in one.indices[one.real].tolist()]
    assert sorted(real) == list(range(samples))
    assert len(ranks[0]) == math.ceil(math.ceil(samples / world_size) / batch)


@pytest.mark.parametrize("window", [None, 25])
def test_epochs_and_seeds_differ_in_order(window: int | None) -> None:
    orders = {
        tuple(read_order([10, 10, 20], seed=seed, window=window, epoch=epoch))
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(orders) == 9


def test_the_order_is_the_one_it_always_was() -> None:
    # A change here makes every resumed and every repeated run another run.
    assert permutation(8, seed=7, epoch=2).tolist() == [6, 7, 4, 0, 1, 5, 3, 2]
    assert read_order([3, 2, 4], seed=7, window=4, epoch=2) == [6, 8, 5, 7, 3, 4, 1, 0, 2]


def test_the_order_sorts_the_upper_halves_of_words_by_philox() -> None:
    words = np.random.Philox(key=[3, 5]).random_raw(5000) >> np.uint64(32)
    assert np.array_equal(permutation(5000, seed=3, epoch=5), np.argsort(words, kind="stable"))


def test_equal_words_leave_the_lower_index_first(monkeypatch: pytest.MonkeyPatch) -> None:
    class Equal:
        def random_raw(self, count: int) -> NDArray[np.uint64]:
            return np.arange(2**40 + count, 2**40, -1, dtype=np.uint64)

    monkeypatch.setattr(np.random, "Philox", lambda **_: Equal())
    assert permutation(5, seed=123, epoch=456).tolist() == [0, 1, 2, 3, 4]


def test_an_order_takes_12_bytes_a_sample_and_keeps_4() -> None:
    permutation.cache_clear()
    samples = 1_000_000
    tracemalloc.start()
    order = permutation(samples, seed=0, epoch=0)
    kept, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert order.nbytes == 4 * samples
    assert kept < 4.1 * samples and peak < 12.1 * samples


def test_a_windowed_order_takes_memory_for_the_window_alone() -> None:
    starts = np.arange(10_001) * 1000
    tracemalloc.start()
    partition = make_partition(10_000_000, batch=64, seed=0, window=50_000, starts=starts)
    for step in range(0, partition.steps_per_epoch, 10_007):
        partition.rank_batch(step, rank=1, world_size=2)
        partition.coming(step)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3e6


def test_a_batch_larger_than_the_split_is_the_whole_split() -> None:
    partition = make_partition(5, batch=16, seed=0)
    assert partition.batch == 5
    assert partition.global_batch(3).tolist() == [0, 1, 2, 3, 4]
    assert partition.epoch(3) == 3


@pytest.mark.parametrize(("samples", "batch"), [(0, 4), (4, 0), (2**32 + 1, 4)])
def test_no_samples_too_many_or_no_batch_are_an_error(samples: int, batch: int) -> None:
    with pytest.raises(ValueError, match="need a sample"):
        make_partition(samples, batch=batch, seed=0)


@pytest.mark.parametrize("starts", [[0, 5], [1, 4], [0, 3, 2, 4], []])
def test_starts_of_other_samples_are_an_error(starts: list[int]) -> None:
    with pytest.raises(ValueError, match="expected the starts of shards of 4 samples"):
        make_partition(4, batch=1, seed=0, starts=np.array(starts, np.int64))


@pytest.mark.parametrize(("window", "starts"), [(0, [0, 4]), (3, None)])
def test_a_window_needs_a_sample_and_the_shards(window: int, starts: list[int] | None) -> None:
    with pytest.raises(ValueError, match="a window takes at least 1 sample"):
        make_partition(
            4, batch=1, seed=0, window=window, starts=None if starts is None else np.array(starts)
        )


def test_a_cover_without_a_batch_is_an_error() -> None:
    with pytest.raises(ValueError, match="a batch of at least 1"):
        cover(4, batch=0, rank=0, world_size=1)


def test_a_rank_beyond_the_world_is_an_error() -> None:
    with pytest.raises(ValueError, match="rank 2 is not one of 2"):
        cover(10, batch=1, rank=2, world_size=2)
