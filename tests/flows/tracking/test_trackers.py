import logging
from pathlib import Path
from typing import Any

import pytest

from flows.project import Project
from flows.tracking import trackers
from flows.tracking.trackers import Guarded, open_trackers
from tests.flows.tracking.test_live import FIRST, SECOND, read
from tests.train.conftest import MakeParams, make_params

__all__ = ["make_params"]


class Board:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.closed = False

    def take(self, event: Any) -> None:
        self.events.append(event)

    def close(self) -> None:
        self.closed = True


class Broken:
    """Fails at its second event."""

    def __init__(self, *_: object, **__: object) -> None:
        self.taken = 0

    def take(self, event: Any) -> None:
        self.taken += 1
        if self.taken > 1:
            raise RuntimeError("no room")

    def close(self) -> None:
        raise AssertionError("a tracker that fails is left alone")


@pytest.fixture(autouse=True)
def _log(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(trackers, "get_run_logger", logging.getLogger)
    caplog.set_level("INFO")


def test_a_tracker_that_fails_is_told_of_once_and_ends_nothing(
    make_params: MakeParams,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(trackers, "WandbRun", Broken)
    board: Any = Board()
    params, project = make_params(wandb="offline"), Project(tmp_path)
    with open_trackers(project, params, key="key", run=tmp_path, board=board) as take:
        for event in (FIRST, SECOND, SECOND, SECOND):
            take(event)
    said = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert said == [
        "Weights & Biases fails, and is left out from here on; the training goes on: "
        "RuntimeError: no room"
    ]
    assert len(board.events) == 4 and board.closed
    assert read(tmp_path / ".photochrom" / "live")["plots/metrics/val_dE00.tsv"].count(b"\n") == 3


def test_a_tracker_that_does_not_start_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    def start() -> Broken:
        raise OSError("no room")

    tracker = Guarded("DVCLive", start)
    tracker.take(FIRST)
    tracker.close()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
