"""Edge: what processes of one checkout tell one another; the kernel frees a killed one's locks."""

import hashlib
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, ReadWriteLock, Timeout

from harvest.errors import HarvestError, StoppedError

STRIPES = 256
"""Locks for all files of a checkout: more would litter, fewer make strangers wait."""

_POLL_S = 0.1
_WRITING = "writing.sqlite"


def to_batch_lock(folder: Path, ids: Sequence[str]) -> Path:
    """Name the lock of a batch, the same in every process.

    Args:
        folder: Of the locks.
        ids: What the batch holds, in order.
    """
    return folder / f"batch-{_hash(chr(0).join(ids))[:16]}.lock"


def to_file_lock(folder: Path, name: str) -> Path:
    """Name the lock of a file that is written; some files share one.

    Args:
        folder: Of the locks.
        name: Of the file, such as "loc/ppmsc/06712v".
    """
    return folder / f"file-{int(_hash(name), 16) % STRIPES:03d}.lock"


@contextmanager
def hold(path: Path, *, stopping: threading.Event) -> Iterator[None]:
    """Hold a lock that no thread of any process holds besides; wait for it.

    Args:
        path: Of the lock; missing folders are made.
        stopping: Ends the wait when it is set.

    Raises:
        StoppedError: If `stopping` was set before the lock was free.
        HarvestError: If the lock cannot be made.
    """
    lock = FileLock(path)
    try:
        with _explained(path):
            lock.acquire(poll_interval=_POLL_S, cancel_check=stopping.is_set)
    except Timeout as exc:
        raise StoppedError(
            f"{path}: stopped while waiting for another process; what came until then is kept"
        ) from exc
    try:
        yield
    finally:
        lock.release()


@contextmanager
def try_hold(path: Path) -> Iterator[bool]:
    """Hold a lock if it is free; yield whether it was.

    Args:
        path: Of the lock; missing folders are made.

    Raises:
        HarvestError: If the lock cannot be made.
    """
    lock = FileLock(path)
    with suppress(Timeout), _explained(path):
        lock.acquire(blocking=False)
    try:
        yield lock.is_locked
    finally:
        lock.release()


@contextmanager
def share(folder: Path) -> Iterator[None]:
    """Say that this thread writes files; any number may at once, and none while one is alone.

    Args:
        folder: Of the locks; it is made if missing.

    Raises:
        HarvestError: If the lock cannot be made.
    """
    with _open(folder) as lock:
        with _explained(folder / _WRITING):
            lock.acquire_read()
        yield


@contextmanager
def try_alone(folder: Path) -> Iterator[bool]:
    """Keep all others from writing files; yield whether none of them does.

    Args:
        folder: Of the locks; it is made if missing.

    Raises:
        HarvestError: If the lock cannot be made.
    """
    with _open(folder) as lock:
        alone = False
        with suppress(Timeout), _explained(folder / _WRITING):
            lock.acquire_write(blocking=False)
            alone = True
        yield alone


@contextmanager
def _open(folder: Path) -> Iterator[ReadWriteLock]:
    """Open the lock between those who write files and one who removes them; close it at last."""
    with _explained(folder / _WRITING):
        lock = ReadWriteLock(folder / _WRITING, is_singleton=False)
    try:
        yield lock
    finally:
        lock.close()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    """Make the folder of a lock, and say what to do when the block cannot use the lock."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except Timeout:
        raise
    except (sqlite3.Error, OSError, ValueError) as exc:  # ValueError: another program's database
        raise HarvestError(
            f"{path}: not a lock that can be used ({exc}); see that the disk has room and lets "
            "it be written, and remove what stands there when nothing of this checkout runs"
        ) from exc


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
