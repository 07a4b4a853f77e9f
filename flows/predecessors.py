"""Ends in the UI what a kill ended on the machine: Prefect shows such a run as Running for good."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import UUID

import psutil
from prefect import State, get_client
from prefect.exceptions import ObjectNotFound
from prefect.states import Crashed

from harvest.files import write_bytes


@contextmanager
def noted(folder: Path) -> Iterator[Callable[[UUID], None]]:
    """Note which run this process is at, as long as the block lasts.

    Args:
        folder: Of the notes, .photochrom/runs.

    Yields:
        A function that takes the flow run's id, once it has one.
    """
    notes: list[Path] = []

    def note(run_id: UUID) -> None:
        notes.append(folder / f"{run_id}.json")
        write_bytes(notes[-1], json.dumps([os.getpid(), _began(os.getpid())]).encode())

    try:
        yield note
    finally:
        for path in notes:
            path.unlink(missing_ok=True)


def end_dead_runs(folder: Path) -> int:
    """Mark the runs as crashed whose process is gone.

    Args:
        folder: Of the notes.

    Returns:
        How many there were.
    """
    dead = [note for note in folder.glob("*.json") if not _lives(note)]
    if not dead:
        return 0
    crashed: State[None] = Crashed(message="Its process was killed; what came so far is kept.")
    with get_client(sync_client=True) as client:
        for note in dead:
            # A server that is gone took with it all that it knew.
            with suppress(ObjectNotFound, ValueError):
                client.set_flow_run_state(UUID(note.stem), crashed, force=True)
            note.unlink(missing_ok=True)
    return len(dead)


def _lives(note: Path) -> bool:
    try:
        pid, began = json.loads(note.read_bytes())
    except (OSError, ValueError, TypeError):
        return False  # a torn note is of a process that was killed over it
    return bool(_began(pid) == began)


def _began(pid: int) -> float | None:
    """Read when a process began; numbers are given anew to others."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return None
