"""Edge: the stamps of what was sent to a host, kept so that every process sees the same."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any
from uuid import uuid4

from filelock import BaseFileLock, FileLock, Timeout
from pyrate_limiter import Rate, RateItem, SQLiteBucket
from pyrate_limiter.utils import enforce_rate_list

from harvest.clock import MACHINE, Clock
from harvest.errors import HarvestError, StoppedError

MINUTE_MS = 60_000
LONGEST_WINDOW_MS = 86_400_000
LONGEST_GUARD_MS = 10_000
"""Checkouts that share a file may have other limits and guards: none keeps longer ones."""

_LOCK_POLL_S = 0.002


@dataclass(frozen=True, slots=True)
class Stamp:
    """Leave for one request.

    Attributes:
        name: Its own, among all processes.
        at_ms: When it was given, by the steady clock.
    """

    name: str
    at_ms: int


def to_rates(limits: Sequence[str]) -> list[Rate]:
    """Turn limits into the limiter's rates.

    Args:
        limits: Such as ["1/6", "10/60"].

    Raises:
        ValueError: If one is not of this form, allows nothing, or contradicts another.
    """
    rates = []
    for limit in limits:
        count, _, seconds = limit.partition("/")
        try:
            rate = Rate(int(count), round(float(seconds) * 1000))
            if rate.interval > LONGEST_WINDOW_MS:
                raise ValueError("longer than a day")
        except (ValueError, OverflowError, AssertionError) as exc:
            raise ValueError(
                f"limit {limit!r}: expected requests/seconds such as '10/60', within a day; "
                "correct harvest.limits in params.yaml"
            ) from exc
        rates.append(rate)
    if rates:
        enforce_rate_list(sorted(rates, key=lambda rate: rate.interval))
    return rates


class Bucket(SQLiteBucket):
    """pyrate-limiter's bucket on a clock that no one sets, for windows of any kind.

    A window counts arrivals at the host, which no one here sees. A request arrives after its
    stamp and before its answer, so until the answer comes it is entered with the latest moment
    at which it may arrive, `guard_ms` after the stamp; `settle` then draws it back.

    `lock` is held over every look and every stamp: a file's where processes share it.
    """

    clock: Clock = MACHINE
    guard_ms: int = 0

    def now(self) -> int:
        """Read the steady clock, in milliseconds."""
        return self.clock.steady_ms()

    @property
    def rates(self) -> list[Rate]:
        """The windows, shortest first."""
        return self._rates

    @rates.setter
    def rates(self, value: list[Rate]) -> None:
        # The library refuses windows of which one makes another needless. Ours come from a
        # checked list; a Crawl-delay makes some needless, which does no harm:
        # each is counted by itself. Only equal windows must be one.
        strictest: dict[int, Rate] = {}
        for rate in sorted(value, key=lambda rate: -rate.limit):
            strictest[rate.interval] = rate
        self._rates = [strictest[interval] for interval in sorted(strictest)]

    def take(self) -> Stamp | None:
        """Stamp a request now, if every window allows it. To be called with the lock held.

        Returns:
            The stamp; None when a window is full.
        """
        if self.look() > 0:
            return None
        stamp = Stamp(uuid4().hex, self.now())
        if not self.put(RateItem(stamp.name, stamp.at_ms)):
            return None
        self._enter(stamp.at_ms + self.guard_ms, "name = ?", stamp.name)
        return stamp

    def settle(self, stamp: Stamp) -> None:
        """Note that a request has arrived, now or before. To be called with the lock held."""
        now = self.now()
        self._enter(now, "name = ? AND item_timestamp > ?", stamp.name, now)

    def look(self) -> int:
        """Find the milliseconds until every window allows a request; 0 when they do."""
        now = self.now()
        newest = self.peek(0)
        latest = now + LONGEST_GUARD_MS
        if newest is not None and newest.timestamp > latest:
            # Stamps from before the machine started anew. At least `now` has passed since, so
            # that drawing them back can make a wait longer, never shorter.
            self._enter(latest, "item_timestamp > ?", latest)
        waits = [0]
        for rate in self._rates:
            # The request that must have left the window, one millisecond ago or more.
            item = self.peek(rate.limit - 1)
            if item is not None:
                waits.append(item.timestamp + rate.interval + 1 - now)
        return max(waits)

    def forget(self) -> None:
        """Drop stamps that no window needs any more, of whoever shares the file."""
        query = f"DELETE FROM '{self.table}' WHERE item_timestamp < ?"
        self.conn.execute(query, (self.now() - LONGEST_WINDOW_MS - LONGEST_GUARD_MS,))
        self.conn.commit()

    def count_since(self, start_ms: int) -> int:
        """Count the stamps from a time on, by the steady clock."""
        query = f"SELECT COUNT(*) FROM '{self.table}' WHERE item_timestamp >= ?"
        (count,) = self.conn.execute(query, (start_ms,)).fetchone()
        return int(count)

    def _enter(self, at_ms: int, where: str, *values: object) -> None:
        """Give some requests another moment."""
        self.conn.execute(
            f"UPDATE '{self.table}' SET item_timestamp = ? WHERE {where}", (at_ms, *values)
        )
        self.conn.commit()


def open_lock(path: Path | None) -> Any:
    """Make the lock of a bucket, for `hold`.

    Args:
        path: The bucket's; None for one in memory.
    """
    return RLock() if path is None else FileLock(f"{path}.lock")


def open_bucket(
    path: Path | None, rates: Sequence[Rate], *, guard_ms: int, lock: Any, clock: Clock
) -> Bucket:
    """Open a bucket.

    Args:
        path: Such as .photochrom/limits/www.loc.gov.sqlite, shared by all who name it; its
            folder must be there. None keeps it in memory.
        rates: At least one.
        guard_ms: How long after its stamp a request may arrive at the host.
        lock: From `open_lock`.
        clock: Whose steady clock makes the stamps.

    Raises:
        HarvestError: If the file cannot be read or written.
    """
    where = ":memory:" if path is None else str(path)
    try:
        bucket = Bucket.init_from_file(list(rates), db_path=where, use_file_lock=path is not None)
    except (sqlite3.Error, OSError) as exc:
        raise HarvestError(
            f"{where}: not a limiter's file that can be used ({exc}); remove it when no harvest "
            "has run for an hour"
        ) from exc
    assert isinstance(bucket, Bucket)
    bucket.lock, bucket.clock, bucket.guard_ms = lock, clock, guard_ms
    return bucket


@contextmanager
def hold(lock: Any, is_stopped: Callable[[], bool]) -> Iterator[None]:
    """Hold a lock while the block runs.

    Args:
        lock: A `filelock.FileLock` that processes share, or a `threading.RLock`.
        is_stopped: Asked while another process holds the lock.

    Raises:
        StoppedError: If `is_stopped` said so before the lock was free.
        HarvestError: If the lock cannot be had, or the database fails in the block.
    """
    if isinstance(lock, BaseFileLock):
        try:
            lock.acquire(poll_interval=_LOCK_POLL_S, cancel_check=is_stopped)
        except Timeout as exc:
            raise StoppedError(f"stopped while another process held {lock.lock_file}") from exc
        except OSError as exc:
            raise HarvestError(
                f"{lock.lock_file}: not a lock that can be used ({exc.strerror}); see that the "
                "disk has room and lets it be written, and remove what stands there when no "
                "harvest runs"
            ) from exc
    else:
        lock.acquire()
    try:
        yield
    except sqlite3.Error as exc:
        raise HarvestError(
            f"the limiter's file can no longer be used ({exc}); see that its disk has room, and "
            "run the stage again"
        ) from exc
    finally:
        lock.release()
