"""Edge: what was downloaded when and how, in a database outside of what the stages write."""

import sqlite3
import threading
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from types import TracebackType

from harvest.errors import HarvestError

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one address in one scope.

    Attributes:
        scope: Identity of the source, such as "loc" or "sample:seed=1:pixels=1024".
        url: Canonical address.
        path: The file below data/; None when the server said that there is none.
        sha256: Of the file, or "".
        size_bytes: Of the file, or 0.
        etag: The server's mark of this version, or "".
        fetched_at: UTC, ISO 8601.
        seconds: How long it took.
        attempts: Requests it took.
    """

    scope: str
    url: str
    path: str | None
    sha256: str
    size_bytes: int
    etag: str
    fetched_at: str
    seconds: float
    attempts: int


@dataclass(frozen=True, slots=True)
class Sums:
    """What a source has brought, added up."""

    files: int
    size_bytes: int
    seconds: float
    """Of transfer; downloads at the same time each count."""


_COLUMNS = ", ".join(field.name for field in fields(Entry))
_PLACES = ", ".join("?" for _ in fields(Entry))
_CREATE = """
CREATE TABLE IF NOT EXISTS files (
    scope TEXT NOT NULL,
    url TEXT NOT NULL,
    path TEXT,
    sha256 TEXT NOT NULL,
    size_bytes INTEGER NOT NULL,
    etag TEXT NOT NULL,
    fetched_at TEXT NOT NULL,
    seconds REAL NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (scope, url)
) WITHOUT ROWID
"""


class Ledger:
    """The ledger; each entry is on disk before `record` returns, whatever ends the process.

    Threads may share it. Use it as a context manager, or `close` it.
    """

    def __init__(self, path: Path) -> None:
        """Open the ledger, or start one.

        Args:
            path: Such as .photochrom/ledger.sqlite; missing folders are made.

        Raises:
            HarvestError: If the file is not a ledger of this version.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, timeout=60.0)
        try:
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            if version not in (0, _VERSION):
                raise sqlite3.DatabaseError(f"version {version}, expected {_VERSION}")
            with self._connection:
                self._connection.execute(_CREATE)
                self._connection.execute(f"PRAGMA user_version={_VERSION}")
        except sqlite3.DatabaseError as exc:
            self._connection.close()
            raise HarvestError(
                f"{path}: not a ledger that can be read ({exc}); move it away: files that are "
                "there are then downloaded again"
            ) from exc

    def __enter__(self) -> "Ledger":
        """Return the ledger."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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
        """
        with self._lock:
            row = self._connection.execute(
                f"SELECT {_COLUMNS} FROM files WHERE scope = ? AND url = ?", (scope, url)
            ).fetchone()
        return None if row is None else Entry(*row)

    def record(self, entry: Entry) -> None:
        """Write down what came of an address, in place of what was known before."""
        with self._lock, self._connection:
            self._connection.execute(
                f"INSERT OR REPLACE INTO files ({_COLUMNS}) VALUES ({_PLACES})", astuple(entry)
            )

    def sum_up(self, scope: str) -> Sums:
        """Add up what has come from a source.

        Args:
            scope: Identity of the source.
        """
        with self._lock:
            row = self._connection.execute(
                "SELECT COUNT(*), COALESCE(SUM(size_bytes), 0), COALESCE(SUM(seconds), 0) "
                "FROM files WHERE scope = ? AND path IS NOT NULL",
                (scope,),
            ).fetchone()
        return Sums(*row)
