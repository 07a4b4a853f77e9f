"""All who are told how a training goes; none of them can end it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from prefect import get_run_logger

from flows.project import Project
from flows.tracking.board import Board
from flows.tracking.lines import Event, say_event
from flows.tracking.live import LiveFiles
from flows.tracking.wandb_run import WandbRun
from train.params import TrainParams

T = TypeVar("T")

LIVE = "live"
"""Of data/, when the run is whole, and of .photochrom/, while it goes on."""


class Tracker(Protocol):
    """Who takes the events of a run."""

    def take(self, event: Event) -> None:
        """Take one; a step may come twice."""

    def close(self) -> None:
        """End in order."""


class Guarded:
    """A tracker whose faults are told once, and then it is left out."""

    def __init__(self, name: str, start: Callable[[], Tracker]) -> None:
        """Start it.

        Args:
            name: What to call it in the log.
            start: Makes the tracker.
        """
        self._name = name
        self._tracker: Tracker | None = self._try(start)

    def take(self, event: Event) -> None:
        """Hand an event on."""
        if (tracker := self._tracker) is not None:
            self._try(lambda: tracker.take(event))

    def close(self) -> None:
        """End the tracker, if it still works."""
        if (tracker := self._tracker) is not None:
            self._try(tracker.close)

    def _try(self, step: Callable[[], T]) -> T | None:
        try:
            return step()
        except Exception as exc:  # whatever it is, it is no reason to end a training
            self._tracker = None
            get_run_logger().warning(
                "%s fails, and is left out from here on; the training goes on: %s: %s",
                self._name,
                type(exc).__name__,
                exc,
            )
            return None


@contextmanager
def open_trackers(
    project: Project, params: TrainParams, *, key: str, run: Path, board: Board
) -> Iterator[Callable[[Event], None]]:
    """Follow a run with the log, the Prefect UI, DVCLive and, where wanted, Weights & Biases.

    Args:
        project: The checkout.
        params: Settings of the run.
        key: Of the run.
        run: The run folder.
        board: Shows the run in the UI; `flows.watch` publishes it.

    Yields:
        A function that takes each event of the run's progress.jsonl.
    """
    log = get_run_logger()
    trackers = [Guarded("DVCLive", lambda: LiveFiles(project.state / LIVE))]
    if params.wandb is not None:
        begin = partial(WandbRun, params, key=key, run=run, state=project.state)
        trackers.append(Guarded("Weights & Biases", begin))

    def take(event: Event) -> None:
        log.info(say_event(event))
        board.take(event)
        for tracker in trackers:
            tracker.take(event)

    try:
        yield take
    finally:
        for tracker in trackers:
            tracker.close()
        board.close()
