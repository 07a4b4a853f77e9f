"""What is staged ahead, in which order, and what is let go."""

import threading
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO

import pytest

from preprocess.index import Shard
from train.afar import ahead as aheads
from train.afar.ahead import Ahead
from train.afar.landing import NoRoomError
from train.errors import DataError


def to_entry(number: int, split: str = "train") -> Shard:
    return Shard(f"{split}-{number:06d}.tar", split, 1, 1, (), 0, 1, f"{split}{number}")


class Stager:
    """Stages when it is let; notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.told: list[str] = []
        self.made: dict[str, BytesIO] = {}
        self.faults: dict[str, Exception] = {}
        self._changed = threading.Condition()
        self._allowed = 0

    def __call__(self, entry: Shard) -> BinaryIO:
        with self._changed:
            self.asked.append(entry.sha256)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._allowed > 0)
            self._allowed -= 1
            if entry.sha256 in self.faults:
                raise self.faults.pop(entry.sha256)
            self.made[entry.sha256] = BytesIO()
            return self.made[entry.sha256]

    def allow(self, count: int) -> None:
        with self._changed:
            self._allowed += count
            self._changed.notify_all()

    def wait_for(self, *, asked: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.asked) >= asked, timeout=30)


@pytest.fixture
def stager(monkeypatch: pytest.MonkeyPatch) -> Stager:
    monkeypatch.setattr(aheads, "THREADS", 1)
    return Stager()


@pytest.fixture
def ahead(stager: Stager) -> Iterator[Ahead]:
    ahead = Ahead(stager, tell=stager.told.append)
    yield ahead
    ahead.stop()
    stager.allow(100)
    ahead.close()


def test_shards_are_staged_in_the_order_of_their_use(ahead: Ahead, stager: Stager) -> None:
    entries = [to_entry(number) for number in (3, 1, 2)]
    ahead.expect(entries)
    stager.allow(2)
    stager.wait_for(asked=3)
    assert stager.asked == ["train3", "train1", "train2"]
    assert ahead.take(entries[0]) is stager.made["train3"]
    assert ahead.take(entries[0]) is None
    assert ahead.take(entries[2]) is None  # still under way


def test_what_was_taken_while_it_came_is_not_held(ahead: Ahead, stager: Stager) -> None:
    ahead.expect([to_entry(1), to_entry(2)])
    stager.wait_for(asked=1)
    assert ahead.take(to_entry(1)) is None
    stager.allow(1)
    stager.wait_for(asked=2)
    assert stager.made["train1"].closed


def test_newer_expectations_replace_those_of_the_same_split(ahead: Ahead, stager: Stager) -> None:
    ahead.expect([to_entry(1), to_entry(2), to_entry(3)])
    ahead.expect([to_entry(1, "val")])
    stager.allow(1)
    stager.wait_for(asked=2)
    ahead.expect([to_entry(3), to_entry(4)])
    assert stager.made["train1"].closed
    stager.allow(4)
    stager.wait_for(asked=5)
    assert stager.asked == ["train1", "train2", "train3", "train4", "val1"]
    assert ahead.kept == {"train3", "train4", "val1"}
    assert stager.made["train2"].closed


def test_no_more_is_held_open_than_the_limit(
    ahead: Ahead, stager: Stager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aheads, "MOST", 2)
    idle, wait = threading.Event(), ahead._changed.wait

    def wait_idle() -> bool:
        idle.set()
        return wait()

    monkeypatch.setattr(ahead._changed, "wait", wait_idle)
    entries = [to_entry(number) for number in range(5)]
    stager.allow(5)
    ahead.expect(entries)
    assert idle.wait(30)
    assert stager.asked == ["train0", "train1"]
    idle.clear()
    ahead.take(entries[0])
    assert idle.wait(30)
    assert stager.asked == ["train0", "train1", "train2"]


def test_a_full_folder_is_tried_again_when_something_was_used(ahead: Ahead, stager: Stager) -> None:
    entries = [to_entry(number) for number in range(3)]
    stager.faults["train1"] = NoRoomError("full")
    stager.allow(3)
    ahead.expect(entries)
    stager.wait_for(asked=2)
    ahead.take(entries[0])
    stager.wait_for(asked=4)
    assert stager.asked == ["train0", "train1", "train1", "train2"]


def test_a_shard_that_cannot_be_had_does_not_stop_the_others(ahead: Ahead, stager: Stager) -> None:
    stager.faults["train0"] = DataError("gone")
    stager.allow(1)
    ahead.expect([to_entry(0), to_entry(1)])
    stager.wait_for(asked=2)
    assert stager.asked == ["train0", "train1"]


def test_an_error_that_nobody_expected_does_not_stop_the_others_either(
    ahead: Ahead, stager: Stager
) -> None:
    stager.faults = {"train0": OSError(5, "odd"), "train1": ValueError("odder")}
    stager.allow(2)
    ahead.expect([to_entry(number) for number in range(3)])
    stager.wait_for(asked=3)
    (said,) = stager.told
    assert "train-000000.tar: OSError: [Errno 5] odd" in said


def test_what_found_no_room_is_staged_when_it_is_expected_again(
    ahead: Ahead, stager: Stager
) -> None:
    stager.allow(1)
    assert ahead.take(to_entry(0)) is None
    ahead.give_back(to_entry(0))
    ahead.expect([to_entry(0)])
    stager.wait_for(asked=1)


def test_nothing_begins_after_the_end(stager: Stager) -> None:
    ahead = Ahead(stager, tell=print)
    stager.allow(10)
    ahead.expect([to_entry(0)])
    stager.wait_for(asked=1)
    ahead.close()
    ahead.expect([to_entry(1)])
    ahead.close()
    assert stager.asked == ["train0"]
    assert all(stream.closed for stream in stager.made.values())
