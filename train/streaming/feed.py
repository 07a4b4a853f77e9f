"""Edge: batches of a source on their way to the device, gathered ahead by one thread.

A thread, not worker processes: the gather lets go of the interpreter's lock, and a batch handed
over between processes costs many times what gathering it does. The thread fills a ring of
buffers, one more than the batches that it may be ahead. Where the device is CUDA, the buffers are
pinned and each has a twin on the device, filled on a stream of its own, so that the copy runs
beside the arithmetic of the step; events say when a twin is full, and when it may be filled
again. Neither side ever waits for the device, but the thread for a copy out of the buffer that it
wants to fill.

Dimensions: B samples of a batch, S side in pixels, R bytes of a row.
"""

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from train.errors import StoppedError
from train.streaming.source import Source

PATIENCE_S = 10.0
"""So long `close` waits for a gather that is under way; launchers kill after 30 s and more."""

_POLL_S = 5.0
"""So often one who waits for a batch looks whether to stop."""

_FACTS = 5
"""Integers that travel with a sample: its valid box, and its number."""

ToLab = Callable[[Tensor, Tensor], Tensor]
"""Rows (B, R) and numbers (B,) of samples, on the device, to samples (B, S, S, 3)."""


@dataclass(frozen=True, slots=True)
class Gathered:
    """The samples of a batch on the device, valid until the next batch is asked for.

    On the CPU they are views of a buffer that is then filled anew; on CUDA the same holds for
    work that is queued by then on the stream of the one who asks.
    """

    lab_BSS3: Tensor
    """uint8: L*255/100, a+128, b+128."""
    valid_B4: Tensor
    """int64: top, left, bottom, right (exclusive) of each picture within its square."""
    samples_B: Tensor
    """int64: their numbers in the split."""


class Feed:
    """An iterator over batches, gathered ahead; close it, or use it as a context manager."""

    def __init__(
        self,
        source: Source,
        batches: Iterable[NDArray[np.int64]],
        *,
        largest: int,
        device: torch.device,
        ahead: int,
        to_lab: ToLab | None = None,
        stop: Callable[[], bool] = lambda: False,
    ) -> None:
        """Start to gather.

        Args:
            source: What is gathered from; by this alone until the feed is closed.
            batches: Numbers of each batch's samples; read by the thread, as it goes.
            largest: Most samples in a batch.
            device: Where the batches go.
            ahead: Batches that are gathered before they are asked for, 1 or more; one more than
                these take memory here, and as much on a CUDA device.
            to_lab: Makes samples of rows; by default `source.to_lab` does.
            stop: Says whether this process was asked to stop.
        """
        self._source = source
        self._stop = stop
        self._batches = batches
        self._to_lab = to_lab or (lambda rows_BR, _: source.to_lab(rows_BR))
        self._free: queue.SimpleQueue[_Slot] = queue.SimpleQueue()
        self._ready: queue.SimpleQueue[_Slot | BaseException] = queue.SimpleQueue()
        self._held: _Slot | None = None
        self._end: BaseException | None = None
        self._closing = threading.Event()
        self.waited_s = 0.0
        """So long the consumer has waited for batches that were not there yet."""
        stream = _make_stream(device) if device.type == "cuda" else None
        self._slots = [
            _Slot(largest, source.row_bytes, device=device, stream=stream) for _ in range(ahead + 1)
        ]
        for slot in self._slots:
            self._free.put(slot)
        self._thread = threading.Thread(
            target=self._gather, args=(stream,), name=f"feed-{source.name}", daemon=True
        )
        self._thread.start()

    def __iter__(self) -> Iterator[Gathered]:
        return self

    def __next__(self) -> Gathered:
        """Return the next batch; the one before it is no longer valid.

        Raises:
            StopIteration: If there is none.
            ValueError: If the feed is closed.
            DataError: If the source failed at this batch.
            StoppedError: If the process was asked to stop and the batch is not there.
        """
        self._give_back()
        if self._end is None:
            started = time.perf_counter()
            try:
                got = self._wait()
            finally:
                self.waited_s += time.perf_counter() - started
            if isinstance(got, _Slot):
                self._held = got
                return got.receive(self._to_lab)
            self._end = got
        raise self._end

    def close(self) -> None:
        """End the thread, and wait for the gather that it may be in; a second call does nothing.

        Where that gather does not end within `PATIENCE_S`, as on a disk that hangs, it is left to
        itself, and does not keep the process: its thread goes on to read from the source, which
        may be closed by then, into buffers that stay and that nobody looks at.
        """
        self._closing.set()
        self._end = ValueError(f"the feed of {self._source.name} is closed")
        self._give_back()
        # It may wait for a buffer: it finds one, and then that it is to end.
        for slot in self._slots[:1]:
            self._free.put(slot)
        self._thread.join(PATIENCE_S)
        if not self._thread.is_alive():
            # What was waited for can be asked for long after; the buffers need not stay so long.
            for slot in self._slots:
                slot.settle()
            self._slots.clear()
            self._free, self._ready = queue.SimpleQueue(), queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _give_back(self) -> None:
        if self._held is not None:
            self._held.release()
            self._free.put(self._held)
            self._held = None

    def _wait(self) -> "_Slot | BaseException":
        stopping = False
        while True:
            try:
                return self._ready.get(timeout=0 if stopping else _POLL_S)
            except queue.Empty:
                if stopping:
                    raise StoppedError(
                        f"told to stop while waiting for samples of {self._source.name}; run it "
                        "again, and it goes on from the last checkpoint"
                    ) from None
                # Once more: a batch may have come just now.
                stopping = self._stop()

    def _gather(self, stream: torch.cuda.Stream | None) -> None:
        """Fill buffers until the batches end, one fails, or the feed is closed."""
        try:
            if stream is not None:
                # A new thread begins at the first GPU, and would take memory there.
                torch.cuda.set_device(stream.device)
            for indices in self._batches:
                slot = self._free.get()
                if self._closing.is_set():
                    return
                slot.fill(self._source, indices)
                self._ready.put(slot)
            self._ready.put(StopIteration())
        except BaseException as exc:
            self._ready.put(exc)


def _make_stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _make_event() -> torch.cuda.Event:
    return torch.cuda.Event()  # type: ignore[no-untyped-call]


class _Slot:
    """A buffer for one batch, and its twin on the device where that is CUDA."""

    def __init__(
        self,
        largest: int,
        row_bytes: int,
        *,
        device: torch.device,
        stream: torch.cuda.Stream | None,
    ) -> None:
        pinned = stream is not None
        self.rows = torch.empty((largest, row_bytes), dtype=torch.uint8, pin_memory=pinned)
        self.facts = torch.empty(largest * _FACTS, dtype=torch.int64, pin_memory=pinned)
        self.count = 0
        self.twin = _Twin(self, device, stream) if stream is not None else None

    def fill(self, source: Source, indices: NDArray[np.int64]) -> None:
        """Gather a batch, and send it on its way."""
        if self.twin is not None:
            self.twin.copied.synchronize()
        self.count = count = len(indices)
        facts = self.facts[: count * _FACTS].numpy()
        source.gather(indices, self.rows[:count].numpy(), facts[: count * 4].reshape(count, 4))
        facts[count * 4 :] = indices
        if self.twin is not None:
            self.twin.send(self)

    def receive(self, to_lab: ToLab) -> Gathered:
        """Make a batch of what was gathered, on the consumer's stream."""
        rows, facts, count = self.rows, self.facts, self.count
        if self.twin is not None:
            rows, facts = self.twin.rows, self.twin.facts
            torch.cuda.current_stream(rows.device).wait_event(self.twin.copied)
        valid_B4 = facts[: count * 4].view(count, 4)
        samples_B = facts[count * 4 : count * _FACTS]
        return Gathered(
            lab_BSS3=to_lab(rows[:count], samples_B), valid_B4=valid_B4, samples_B=samples_B
        )

    def release(self) -> None:
        """Let the buffer be filled again, when what the consumer has queued is done with it."""
        if self.twin is not None:
            self.twin.used.record(torch.cuda.current_stream(self.twin.rows.device))

    def settle(self) -> None:
        """Wait for a copy that may be under way, before memory goes."""
        if self.twin is not None:
            self.twin.copied.synchronize()


class _Twin:
    """A slot's memory on a CUDA device, filled on a stream of its own."""

    def __init__(self, slot: _Slot, device: torch.device, stream: torch.cuda.Stream) -> None:
        self.stream = stream
        self.rows = torch.empty_like(slot.rows, device=device, pin_memory=False)
        self.facts = torch.empty_like(slot.facts, device=device, pin_memory=False)
        self.copied, self.used = _make_event(), _make_event()
        # The memory may be one that work already queued on the consumer's stream still reads.
        self.used.record(torch.cuda.current_stream(device))

    def send(self, slot: _Slot) -> None:
        """Queue the copy, after what the consumer has queued on this memory."""
        with torch.cuda.stream(self.stream):
            self.stream.wait_event(self.used)
            rows, facts = slot.rows[: slot.count], slot.facts[: slot.count * _FACTS]
            self.rows[: slot.count].copy_(rows, non_blocking=True)
            self.facts[: slot.count * _FACTS].copy_(facts, non_blocking=True)
            self.copied.record(self.stream)
