"""Ends in the UI what a kill ended on the machine: Prefect shows such a run as Running for good."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import psutil

from harvest.files import write_bytes


@dataclass(frozen=True, slots=True)
class Note:
    """Which process is at a run, named by the note's file."""

    path: Path
    pid: int | None = None
    """None where the note is torn."""
    began: float = 0.0


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


def read_notes(folder: Path) -> list[Note]:
    """Read which runs are noted.

    Args:
        folder: Of the notes.
    """
    return [_read(path) for path in folder.glob("*.json")]


def end_dead_runs(folder: Path) -> int:
    """Mark the noted runs as crashed whose process is gone, and take their notes away.

    Args:
        folder: Of the notes.

    Returns:
        How many notes there were of processes that are gone.
    """
    dead = [note for note in read_notes(folder) if not _lives(note)]
    crash_runs(dead, "Its process was killed; what came so far is kept.")
    for note in dead:
        note.path.unlink(missing_ok=True)
    return len(dead)


def crash_runs(notes: Iterable[Note], message: str) -> int:
    """Mark runs as crashed whose process is gone, where their state is not final.

    Args:
        notes: From `read_notes`, maybe from before the processes were ended.
        message: What the UI shall say of it.

    Returns:
        How many were marked.
    """
    dead = [note for note in notes if not _lives(note)]
    if not dead:
        return 0
    # Here, for Prefect takes a second, and reads its environment at that moment.
    from prefect import State, get_client
    from prefect.exceptions import ObjectNotFound
    from prefect.states import Crashed

    crashed: State[None] = Crashed(message=message)
    told = 0
    with get_client(sync_client=True) as client:
        for note in dead:
            # A server that is gone took with it all that it knew.
            with suppress(ObjectNotFound, ValueError):
                run = UUID(note.path.stem)
                state = client.read_flow_run(run).state
                if state is None or not state.is_final():
                    client.set_flow_run_state(run, crashed, force=True)
                    told += 1
    return told


def _read(path: Path) -> Note:
    try:
        pid, began = json.loads(path.read_bytes())
        return Note(path, int(pid), float(began))
    except (OSError, ValueError, TypeError):
        return Note(path)  # a torn note is of a process that was killed over it


def _lives(note: Note) -> bool:
    return note.pid is not None and _began(note.pid) == note.began


def _began(pid: int) -> float | None:
    """Read when a process began, for numbers are given anew; None if it has ended."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except (psutil.Error, ValueError):
        return None  # gone, another user's, or no number of a process
