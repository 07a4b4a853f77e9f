import itertools
import threading
from typing import Literal

import numpy as np
import pytest
import torch

from tests.train.conftest import MakeShards
from tests.train.streaming.fakes import FakeSource
from train.data import open_split
from train.errors import DataError, StoppedError
from train.partition import cover, make_partition
from train.streaming.residence import Residence
from train.streaming.samples import Samples, Waits, hold

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
PLACES: tuple[Residence, ...] = ("device", "host", "stream")
READS: tuple[Literal["map", "pread"], ...] = ("map", "pread")


def read_steps(samples: Samples, steps: range, *, window: int | None = None) -> list[bytes]:
    partition = make_partition(len(samples), batch=4, seed=1, window=window, starts=samples.starts)
    with samples.read_steps(partition, steps, rank=1, world_size=2) as feed:
        return [
            b"".join(
                part.cpu().contiguous().numpy().tobytes()
                for part in (batch.lab_BSS3, batch.valid_B4, batch.samples_B)
            )
            for batch in feed
        ]


@pytest.mark.parametrize("window", [None, 5])
def test_batches_are_the_same_wherever_samples_are_held(
    make_shards: MakeShards, window: int | None
) -> None:
    folder, found = make_shards(train=[6, 1, 5]), []
    for residence, read, ahead in itertools.product(PLACES, READS, (1, 3)):
        with open_split(folder, "train", read=read) as split:
            samples = hold(split, residence, device=DEVICE, ahead=ahead)
            found.append(read_steps(samples, range(7), window=window))
    assert len(found[0]) == 7 and len(set(found[0])) > 1
    assert all(one == found[0] for one in found)


@pytest.mark.parametrize("residence", PLACES)
def test_a_feed_goes_on_from_any_step(residence: Residence) -> None:
    samples = hold(FakeSource([6, 5]), residence, device=DEVICE, ahead=2)
    whole = read_steps(samples, range(6))
    for start in range(7):
        assert read_steps(samples, range(start, 6)) == whole[start:]


@pytest.mark.parametrize("residence", PLACES)
def test_a_damaged_sample_stops_at_the_first_reader_of_it(residence: Residence) -> None:
    source = FakeSource([9], bad=4)
    with pytest.raises(DataError, match="sample 4 is damaged"):
        read_steps(hold(source, residence, device=DEVICE, ahead=1), range(20))


@pytest.mark.parametrize("residence", PLACES)
def test_what_is_not_in_the_split_is_an_error(residence: Residence) -> None:
    samples = hold(FakeSource([9]), residence, device=DEVICE, ahead=1)
    with (
        pytest.raises(ValueError, match="expected indices 0 to 8"),
        samples.read([np.array([2, 9])], largest=2) as feed,
    ):
        next(feed)


def test_what_is_held_is_read_once_and_in_order() -> None:
    for residence in ("device", "host"):
        source = FakeSource([300, 0, 5])
        samples = hold(source, residence, device=DEVICE, ahead=1)
        assert source.gathered == [list(range(256)), list(range(256, 305))]
        assert source.expected == [[0, 1, 2]]
        read_steps(samples, range(3))
        assert len(source.gathered) == 2


def test_shards_are_expected_once_a_window() -> None:
    source = FakeSource([4] * 6)
    samples = hold(source, "stream", device=DEVICE, ahead=1)
    partition = make_partition(24, batch=4, seed=1, window=8, starts=source.starts)
    read_steps(samples, range(6), window=8)
    assert source.expected == [partition.coming(step).tolist() for step in (0, 2, 4)]


def test_shards_of_a_share_are_expected_once() -> None:
    source = FakeSource([4] * 6)
    samples = hold(source, "stream", device=DEVICE, ahead=1)
    covers = cover(24, batch=3, rank=1, world_size=3)
    with samples.read_covers(covers) as feed:
        seen = [index for batch in feed for index in batch.samples_B.tolist()]
    assert source.expected == [[2, 3]]
    assert sorted(set(seen)) == list(range(8, 16))


def test_shards_of_runs_are_expected_with_those_of_the_next() -> None:
    source = FakeSource([4] * 6)
    samples = hold(source, "stream", device=DEVICE, ahead=1)
    runs = [np.arange(2, 6), np.arange(8, 11), np.arange(20, 24)]
    with samples.read_runs(runs) as feed:
        assert [batch.samples_B.tolist() for batch in feed] == [run.tolist() for run in runs]
    assert source.expected == [[0, 1, 2], [2, 5], [5]]


def test_waiting_is_counted_over_feeds_as_a_share() -> None:
    samples = hold(FakeSource([9]), "stream", device=DEVICE, ahead=1)
    waits = Waits(samples)
    for _ in range(2):
        before = samples.waited_s
        read_steps(samples, range(2))
        assert samples.waited_s > before
    assert 0 <= waits.take_share() <= 1


@pytest.mark.parametrize("residence", ["device", "stream"])
def test_a_stop_is_heard_wherever_samples_are_read(
    residence: Residence, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.streaming.feed._POLL_S", 0.001)
    monkeypatch.setattr("train.streaming.feed.PATIENCE_S", 0.0)
    source, free = FakeSource([9]), threading.Event()
    source.before = free.wait
    with pytest.raises(StoppedError):
        read_steps(hold(source, residence, device=DEVICE, ahead=1, stop=lambda: True), range(2))
    free.set()


def test_a_rank_too_many_is_said_before_a_thread_starts() -> None:
    samples = hold(FakeSource([9]), "stream", device=DEVICE, ahead=1)
    with pytest.raises(ValueError, match="a batch of 4 samples leaves some of 5 ranks with none"):
        samples.read_steps(make_partition(9, batch=4, seed=0), range(3), rank=4, world_size=5)
