"""Edge: rank 0 saves the run's state while it trains on.

A save copies the state and hands the copy to one thread, which writes it. A save that comes while
the one before is still being written waits for that, so that at most one copy is held.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

from train.checkpoints.checkpoint import Checkpoint, write_checkpoint
from train.checkpoints.snapshot import Block, Snapshot
from train.checkpoints.stored import last_step
from train.errors import CheckpointError
from train.state import TrainState, measure, pack


class Save(Protocol):
    """What saves a run's state."""

    def __call__(self, state: TrainState, *, final: bool) -> None:
        """Save a state; where it is final, and no step comes after it, be done on return."""


@dataclass(frozen=True, slots=True)
class _Call:
    """A save that was asked for."""

    step: int
    began: float
    """When, by the monotonic clock."""
    paused_s: float | None
    """How long training stood still for it; none where it does so until it is written."""


class Saver:
    """Writes a run's checkpoints; made on rank 0 alone."""

    def __init__(
        self,
        folder: Path,
        *,
        keep: int,
        describe: Callable[[int], dict[str, Any]],
        report: Callable[[dict[str, Any]], None],
    ) -> None:
        """Nothing is written yet.

        Args:
            folder: This run's checkpoints; made if missing.
            keep: Checkpoints that stay.
            describe: Says of a step what a checkpoint holds beside the state, for JSON.
            report: Takes events, also from the writing thread.
        """
        self._folder, self._keep = folder, keep
        self._describe, self._report = describe, report
        self._block = Block()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._writing: Future[None] | None = None
        self._saved: int | None = None

    def prepare(self, state: TrainState) -> None:
        """Get memory for copies of a state, beside its first steps."""
        pinned = state.model.table_RK2.is_cuda
        self._writing = self._pool.submit(self._block.prepare, measure(state), pinned=pinned)

    def save(self, state: TrainState, *, final: bool) -> None:
        """Save a state; a step that was saved last is not saved again.

        Args:
            state: All of the run that changes.
            final: Whether nothing is trained after it: return only when it is on the disk.

        Raises:
            CheckpointError: If the disk does not take it, and it is final; one that is not is a
                note, and training goes on.
        """
        began = time.monotonic()
        self._wait()
        if state.step == self._saved:
            return
        packed = pack(state)
        snapshot = self._block.take(packed.tensors)
        facts = packed.facts | self._describe(state.step)
        call = _Call(state.step, began, None if final else time.monotonic() - began)
        self._writing = self._pool.submit(self._write, snapshot, facts, call)
        if final:
            self._wait()

    def _wait(self) -> None:
        """Return when nothing is being written; raise what went wrong in that."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            writing.result()

    def _write(self, snapshot: Snapshot, facts: dict[str, Any], call: _Call) -> None:
        began = time.monotonic()
        try:
            checkpoint = Checkpoint(call.step, snapshot.wait(), facts)
            write_checkpoint(self._folder, checkpoint, keep=self._keep)
        except CheckpointError as exc:
            if call.paused_s is None:
                raise
            self._report({"event": "note", "message": self._excuse(exc)})
            return
        self._saved, ended = call.step, time.monotonic()
        paused_s = ended - call.began if call.paused_s is None else call.paused_s
        times = {"paused_s": paused_s, "took_s": ended - began}
        self._report({"event": "saved", "step": call.step, **times})

    def _excuse(self, exc: CheckpointError) -> str:
        last = last_step(self._folder)
        have = "no step is saved yet" if last is None else f"step {last} is the last that is saved"
        return f"{exc}; {have}; training goes on and tries again at the next validation"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let what is being written come to its end."""
        self._pool.shutdown()
        if kind is None:
            self._wait()
