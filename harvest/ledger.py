"""Edge: what came of every address, in a database outside of what the stages write."""

import sqlite3
import threading
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from filelock import FileLock

from harvest.entries import Entry, EntryState, check_entry
from harvest.errors import HarvestError
from harvest.files import disk_explained

_VERSION = 2
_BUSY_S = 60.0
"""Longest wait for another process's write, which takes milliseconds."""

_COLUMNS = ", ".join(field.name for field in fields(Entry))
_PLACES = ", ".join("?" for _ in fields(Entry))
_CREATE = """
CREATE TABLE files (
    scope TEXT NOT NULL,
    url TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    path TEXT,
    sha256 TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    width INTEGER,
    height INTEGER,
    mtime_ns INTEGER,
    etag TEXT NOT NULL,
    last_modified TEXT NOT NULL,
    modified TEXT NOT NULL,
    fetched_at TEXT NOT NULL,
    seconds REAL NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (scope, url)
) WITHOUT ROWID
"""
# Version 1 knew stored files, and addresses without one, which the server had said to be missing.
_FROM_1 = (
    "ALTER TABLE files ADD COLUMN state TEXT NOT NULL DEFAULT 'stored'",
    "ALTER TABLE files ADD COLUMN reason TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE files ADD COLUMN width INTEGER",
    "ALTER TABLE files ADD COLUMN height INTEGER",
    "ALTER TABLE files ADD COLUMN last_modified TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE files ADD COLUMN modified TEXT NOT NULL DEFAULT ''",
    "UPDATE files SET state = 'missing', reason = 'not_found' WHERE path IS NULL",
)
# Version 1 has no such column, nor has a version 2 from before its release.
_MTIME = "ALTER TABLE files ADD COLUMN mtime_ns INTEGER"
_STEPS = {0: (_CREATE,), 1: _FROM_1, _VERSION: ()}


@dataclass(frozen=True, slots=True)
class Sums:
    """What a source has brought, added up."""

    files: int
    size_bytes: int
    seconds: float
    """Of transfer; downloads at the same time each count."""


class Ledger:
    """The ledger; each entry is on disk before `record` returns, whatever ends the process.

    Threads may share it, and several processes may open the same file. Use it as a context
    manager, or `close` it.
    """

    def __init__(self, path: Path) -> None:
        """Open the ledger, or start one; one of version 1 is brought up to date.

        Args:
            path: Such as .photochrom/ledger.sqlite; missing folders are made.

        Raises:
            HarvestError: If the file is not a ledger of a version that is known here, or the
                disk refuses.
        """
        self._path = path
        self._lock = threading.Lock()
        with disk_explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite does not wait for another process while it changes to WAL.
            with FileLock(path.with_name(f"{path.name}.lock")):
                self._connection = self._connect()

    def __enter__(self) -> "Ledger":
        """Return the ledger."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._connection.close()

    def find(self, scope: str, url: str) -> Entry | None:
        """Look an address up.

        Args:
            scope: Identity of the source; another source's files do not count.
            url: Canonical address.

        Returns:
            What is known of it, or None.

        Raises:
            HarvestError: If the disk refuses, or the entry is none that a ledger holds.
        """
        rows = self._ask(f"SELECT {_COLUMNS} FROM files WHERE scope = ? AND url = ?", scope, url)
        try:
            return _to_entry(rows[0]) if rows else None
        except (ValueError, TypeError) as exc:
            raise HarvestError(
                f"{self._path}: {url}: {exc}; the ledger was written by a later version, or is "
                "damaged: move it away: files that are there are then downloaded again"
            ) from exc

    def record(self, entry: Entry) -> None:
        """Write down what came of an address, in place of what was known before.

        Raises:
            HarvestError: If the disk refuses.
        """
        self._ask(f"INSERT OR REPLACE INTO files ({_COLUMNS}) VALUES ({_PLACES})", *astuple(entry))

    def confirm(self, entry: Entry) -> None:
        """Write down that a stored file was read whole: when it was last written, and its sides.

        Nothing is changed when another file has been recorded meanwhile.

        Args:
            entry: As found, with what was read.

        Raises:
            HarvestError: If the disk refuses.
        """
        self._ask(
            "UPDATE files SET mtime_ns = ?, width = ?, height = ? "
            "WHERE scope = ? AND url = ? AND state = ? AND sha256 = ?",
            *(entry.mtime_ns, entry.width, entry.height),
            *(entry.scope, entry.url, entry.state, entry.sha256),
        )

    def forget(self, scope: str, states: Collection[EntryState]) -> int:
        """Forget what came of some addresses, so that they are asked for again.

        Args:
            scope: Identity of the source.
            states: Those to forget; a stored file is not forgotten but removed.

        Returns:
            How many addresses there were.

        Raises:
            HarvestError: If the disk refuses.
            ValueError: If stored files are among them.
        """
        if EntryState.STORED in states:
            raise ValueError("expected states without a file, got 'stored'; remove the files")
        places = ", ".join("?" for _ in states)
        gone = self._ask(
            f"DELETE FROM files WHERE scope = ? AND state IN ({places}) RETURNING url",
            scope,
            *states,
        )
        return len(gone)

    def sum_up(self, scope: str) -> Sums:
        """Add up what has come from a source.

        Args:
            scope: Identity of the source.

        Raises:
            HarvestError: If the disk refuses.
        """
        (row,) = self._ask(
            "SELECT COUNT(*), COALESCE(SUM(size_bytes), 0), COALESCE(SUM(seconds), 0) "
            "FROM files WHERE scope = ? AND state = ?",
            scope,
            EntryState.STORED,
        )
        return Sums(*row)

    def _connect(self) -> sqlite3.Connection:
        """Open the database, with its tables."""
        with ExitStack() as stack:
            try:
                connection = sqlite3.connect(
                    self._path, check_same_thread=False, timeout=_BUSY_S, isolation_level=None
                )
                stack.callback(connection.close)
                _prepare(connection)
            except sqlite3.Error as exc:
                raise HarvestError(
                    f"{self._path}: not a ledger that can be used ({exc}); see that the disk has "
                    "room and lets it be written; if so, move it away: files that are there are "
                    "then downloaded again"
                ) from exc
            stack.pop_all()
        return connection

    def _ask(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Run one statement, which SQLite commits by itself."""
        try:
            with self._lock:
                return self._connection.execute(statement, values).fetchall()
        except sqlite3.Error as exc:
            raise HarvestError(
                f"{self._path}: the ledger cannot be used ({exc}); see that the disk has room and "
                "lets it be written, and run the stage again"
            ) from exc


def _prepare(connection: sqlite3.Connection) -> None:
    """Make the tables, or bring them up to date, in one transaction."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in _STEPS:
        raise sqlite3.DatabaseError(f"version {version}, expected {_VERSION} or older")
    with _whole(connection):
        for step in _STEPS[version]:
            connection.execute(step)
        columns = connection.execute("PRAGMA table_info(files)").fetchall()
        if "mtime_ns" not in (name for _, name, *_ in columns):
            connection.execute(_MTIME)
        connection.execute(f"PRAGMA user_version={_VERSION}")


@contextmanager
def _whole(connection: sqlite3.Connection) -> Iterator[None]:
    """Make all that the block does visible and durable at once, or nothing of it."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _to_entry(row: tuple[Any, ...]) -> Entry:
    """Make an entry of a row of the table, whose columns are an entry's fields in order."""
    known = dict(zip((field.name for field in fields(Entry)), row, strict=True))
    entry = Entry(**{**known, "state": EntryState(known["state"])})
    check_entry(entry)
    return entry
