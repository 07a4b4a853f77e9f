"""What is staged ahead, in which order, and what is let go."""

import threading
from collections.abc import Iterator
from io import BytesIO
from typing import BinaryIO

import pytest

from preprocess.index import Shard
from train.errors import DataError
from train.streaming import ahead as aheads
from train.streaming.ahead import Ahead
from train.streaming.landing import NoRoomError


def to_entry(number: int, split: str = "train") -> Shard:
    return Shard(f"{split}-{number:06d}.tar", split, 1, 1, (), 0, 1, f"{split}{number}")


class Stager:
    """Stages when it is let; notes what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
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
    ahead = Ahead(stager)
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
    entries = [to_entry(number) for number in range(5)]
    stager.allow(2)
    ahead.expect(entries)
    stager.wait_for(asked=2)
    assert ahead.take(entries[0]) is not None or stager.asked == ["train0", "train1"]
    stager.allow(1)
    stager.wait_for(asked=3)
    assert stager.asked[:3] == ["train0", "train1", "train2"]


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


def test_nothing_begins_after_the_end(stager: Stager) -> None:
    ahead = Ahead(stager)
    stager.allow(10)
    ahead.expect([to_entry(0)])
    stager.wait_for(asked=1)
    ahead.close()
    ahead.expect([to_entry(1)])
    ahead.close()
    assert stager.asked == ["train0"]
    assert all(stream.closed for stream in stager.made.values())
