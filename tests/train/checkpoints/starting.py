"""Runs that are stopped, and go on or start from one another."""

import json
from typing import Any

from train.job import train_run
from train.run import Run
from train.world import World

ALONE = World(rank=0, local_rank=0, size=1)


def train(run: Run, *, steps: int | None = None) -> None:
    """Train a run to its end, or stop it after so many steps: at a validation, every second."""
    asked = iter([False] * ((steps or 1) - 1) + [True])
    assert train_run(run, ALONE, stop=lambda: next(asked) if steps else False) == (steps is None)


def list_events(run: Run, kind: str) -> list[dict[str, Any]]:
    lines = (run.folder / "progress.jsonl").read_text().splitlines()
    return [event for line in lines if (event := json.loads(line))["event"] == kind]


def list_notes(run: Run) -> list[str]:
    return [event["message"] for event in list_events(run, "note")]


def read_record(run: Run) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((run.folder / "result" / "model.json").read_text())
    return record


def read_weights(run: Run) -> bytes:
    return (run.folder / "result" / "model.safetensors").read_bytes()
