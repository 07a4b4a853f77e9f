import contextlib
import queue
import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from tests.train.streaming.fakes import FakeSource
from train.errors import DataError, StoppedError
from train.streaming.feed import Feed

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
"""The same tests hold on both; where there is no GPU, the copies to it are not reached."""


def cut(count: int, *, of: int) -> list[NDArray[np.int64]]:
    return [np.arange(start, min(start + of, count)) for start in range(0, count, of)]


def make_feed(source: FakeSource, batches: list[NDArray[np.int64]], *, ahead: int = 2) -> Feed:
    return Feed(source, batches, largest=4, device=DEVICE, ahead=ahead)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("feed-")]


@pytest.mark.parametrize("ahead", [1, 2, 9])
def test_batches_come_in_order_with_their_boxes_and_numbers(ahead: int) -> None:
    source, seen = FakeSource([7, 4]), 0
    with make_feed(source, cut(11, of=4), ahead=ahead) as feed:
        for batch in feed:
            for place, index in enumerate(batch.samples_B.tolist()):
                assert index == seen
                assert np.array_equal(batch.lab_BSS3[place].cpu().numpy(), source.lab(index))
                assert batch.valid_B4[place].tolist() == [index % 2, 0, 4, 4 - index % 3]
                seen += 1
        assert (batch.samples_B.dtype, batch.valid_B4.dtype) == (torch.int64, torch.int64)
        assert len(batch.lab_BSS3) == 3
    assert seen == 11
    assert not threads()


def test_a_batch_stays_as_it_is_until_the_next_is_asked_for() -> None:
    source = FakeSource([400])
    with make_feed(source, cut(400, of=4), ahead=1) as feed:
        first = next(feed)
        for _ in range(2):
            source.done.acquire()
        assert np.array_equal(first.lab_BSS3[0].cpu().numpy(), source.lab(0))


def test_no_more_is_gathered_than_asked_ahead() -> None:
    source = FakeSource([400])
    with make_feed(source, cut(400, of=4), ahead=3) as feed:
        for _ in range(5):
            batch = next(feed)
        assert batch.samples_B[0].item() == 16
        # Five were handed out, and for three more there is room.
        assert len(source.gathered) <= 5 + 3


def test_an_error_of_the_source_comes_at_its_batch_and_stays() -> None:
    source = FakeSource([40], bad=13)
    with make_feed(source, cut(40, of=4), ahead=8) as feed:
        assert [next(feed).samples_B[0].item() for _ in range(3)] == [0, 4, 8]
        for _ in range(2):
            with pytest.raises(DataError, match="sample 13 is damaged"):
                next(feed)
    assert not threads()


def test_an_error_of_the_order_comes_at_its_batch() -> None:
    def batches() -> Iterator[NDArray[np.int64]]:
        yield np.arange(3)
        raise ValueError("no such step")

    with Feed(FakeSource([9]), batches(), largest=3, device=DEVICE, ahead=4) as feed:
        assert len(next(feed).lab_BSS3) == 3
        with pytest.raises(ValueError, match="no such step"):
            next(feed)


def test_the_end_stays_the_end() -> None:
    with make_feed(FakeSource([4]), cut(4, of=4)) as feed:
        assert len(list(feed)) == 1
        assert list(feed) == []


@pytest.mark.parametrize("taken", [0, 1, 5])
def test_a_consumer_that_stops_in_the_middle_leaves_no_thread(taken: int) -> None:
    feed = make_feed(FakeSource([400]), cut(400, of=4))
    for _ in range(taken):
        next(feed)
    feed.close()
    feed.close()
    assert not threads()
    assert not feed._slots
    with pytest.raises(ValueError, match="the feed of train is closed"):
        next(feed)


def test_a_consumer_that_fails_leaves_no_thread() -> None:
    with pytest.raises(KeyboardInterrupt), make_feed(FakeSource([400]), cut(400, of=4)) as feed:
        next(feed)
        raise KeyboardInterrupt
    assert not threads()


def test_closing_waits_for_the_gather_at_hand_and_for_no_other() -> None:
    source, feeds = FakeSource([400]), queue.SimpleQueue[Feed]()

    def wait_until_closing() -> None:
        feed = feeds.get()
        feed._closing.wait()

    source.before = wait_until_closing
    feed = make_feed(source, cut(400, of=4))
    feeds.put(feed)
    feed.close()
    assert not threads()
    assert len(source.gathered) == 1


def test_a_gather_that_hangs_does_not_keep_the_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.streaming.feed.PATIENCE_S", 0.0)
    source, free = FakeSource([400]), threading.Event()
    source.before = free.wait
    feed = make_feed(source, cut(400, of=4))
    feed.close()
    (left,) = (thread for thread in threading.enumerate() if thread.name == "feed-train")
    free.set()
    left.join()
    assert not threads()


def test_a_stop_is_heard_while_a_batch_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.streaming.feed._POLL_S", 0.001)
    source, free = FakeSource([400]), threading.Event()
    source.before = free.wait
    with Feed(source, cut(400, of=4), largest=4, device=DEVICE, ahead=2, stop=lambda: True) as feed:
        with pytest.raises(StoppedError, match="told to stop while waiting for samples of train"):
            next(feed)
        free.set()
    assert not threads()


def test_a_stop_leaves_what_has_come_to_be_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    source, out, free = FakeSource([400]), threading.Event(), threading.Event()

    def lose_the_third() -> None:
        if len(source.gathered) == 2:
            out.set()
            free.wait()

    monkeypatch.setattr("train.streaming.feed._POLL_S", 0.001)
    source.before = lose_the_third
    with Feed(source, cut(400, of=4), largest=4, device=DEVICE, ahead=3, stop=out.is_set) as feed:
        assert [next(feed).samples_B[0].item() for _ in range(2)] == [0, 4]
        with pytest.raises(StoppedError):
            next(feed)
        free.set()


def test_waiting_is_measured_when_a_batch_is_not_there() -> None:
    source, asked = FakeSource([8]), threading.Event()

    source.before = asked.wait
    with make_feed(source, cut(8, of=4)) as feed:
        assert feed.waited_s == 0
        opener = threading.Timer(0.01, asked.set)
        opener.start()
        next(feed)
        opener.join()
        assert feed.waited_s > 0


class FakeCuda:
    """Streams and events that write down what is asked of them; the copies are done at once."""

    def __init__(self) -> None:
        self.log: list[tuple[str, ...]] = []
        self.main = FakeStream("main", self.log)
        self.events = 0
        self.set: list[tuple[str, torch.device]] = []
        """Which thread has set which device."""

    def current_stream(self, _: torch.device) -> "FakeStream":
        return self.main

    def stream(self, _: "FakeStream") -> contextlib.nullcontext[None]:
        return contextlib.nullcontext()

    def set_device(self, device: torch.device) -> None:
        self.set.append((threading.current_thread().name, device))

    def Stream(self, device: torch.device) -> "FakeStream":  # noqa: N802
        return FakeStream("side", self.log, device)

    def Event(self) -> "FakeEvent":  # noqa: N802
        self.events += 1
        # Made in pairs, one for each buffer.
        names = ("used", "copied")
        return FakeEvent(f"{names[self.events % 2]} {(self.events - 1) // 2}", self.log)


class FakeStream:
    def __init__(
        self, name: str, log: list[tuple[str, ...]], device: torch.device | None = None
    ) -> None:
        self.name, self.log, self.device = name, log, device

    def wait_event(self, event: "FakeEvent") -> None:
        self.log.append((self.name, "waits for", event.name))


class FakeEvent:
    def __init__(self, name: str, log: list[tuple[str, ...]]) -> None:
        self.name, self.log = name, log

    def record(self, stream: FakeStream) -> None:
        self.log.append((stream.name, "records", self.name))

    def synchronize(self) -> None:
        self.log.append(("thread", "waits for", self.name))


class FakeTorch:
    """torch on a machine with a GPU, whose memory is that of the CPU."""

    def __init__(self) -> None:
        self.cuda = FakeCuda()

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)

    def empty(self, *size: Any, dtype: torch.dtype, pin_memory: bool) -> torch.Tensor:
        assert pin_memory
        return torch.empty(*size, dtype=dtype)

    def empty_like(
        self, tensor: torch.Tensor, *, device: torch.device, pin_memory: bool
    ) -> torch.Tensor:
        assert (device.type, pin_memory) == ("cuda", False)
        return torch.empty_like(tensor)


def test_copies_to_a_gpu_wait_for_its_work_and_its_work_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fake, source = FakeTorch(), FakeSource([40])
    monkeypatch.setattr("train.streaming.feed.torch", fake)
    gpu = torch.device("cuda", 1)
    with Feed(source, cut(40, of=4), largest=4, device=gpu, ahead=2) as feed:
        seen = 0
        for batch in feed:
            for place, index in enumerate(batch.samples_B.tolist()):
                assert index == seen
                assert np.array_equal(batch.lab_BSS3[place].numpy(), source.lab(index))
                assert batch.valid_B4[place].tolist() == [index % 2, 0, 4, 4 - index % 3]
                seen += 1
    assert seen == 40
    # Without it, the thread's first touch of CUDA takes memory of the first GPU.
    assert fake.cuda.set == [("feed-train", gpu)]
    for slot in "012":
        said = [" ".join(words) for words in fake.cuda.log if words[-1].endswith(slot)]
        once = [
            f"thread waits for copied {slot}",  # before the buffer is filled anew
            f"side waits for used {slot}",  # before the copy is overwritten
            f"side records copied {slot}",
            f"main waits for copied {slot}",
            f"main records used {slot}",
        ]
        times = (len(said) - 2) // len(once)
        assert times >= 3
        assert said == [once[-1], *once * times, once[0]]
