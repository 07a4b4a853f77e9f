"""Edge: when the next request to a host may go out, over all processes that ask it."""

import math
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pyrate_limiter import Rate

from harvest.answers import LONGEST_WAIT_S
from harvest.bucket import (
    LONGEST_WINDOW_MS,
    MINUTE_MS,
    Bucket,
    Stamp,
    hold,
    open_bucket,
    open_lock,
    to_rates,
)
from harvest.clock import MACHINE, Clock
from harvest.errors import BlockedError, HarvestError, StoppedError
from harvest.notice import Board, later

LONGEST_LAG_MS = 100
"""A request goes out at most so long after its stamp, or gets another one. Well below the
default `harvest.guard_s`, which covers this and what the network adds."""

ARRIVAL_POLL_MS = 20
"""Between two looks at whether the request that a window waits for has arrived."""


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of what a host allows is used.

    Attributes:
        host: Canonical.
        sent_last_minute: Requests of the last 60 s, of all processes where the host has limits
            and they share them, else of this client.
        allowed_per_minute: What the strictest limit allows; None without a limit.
        not_before: When the host lets us go on, if it asked us to wait.
    """

    host: str
    sent_last_minute: int
    allowed_per_minute: float | None
    not_before: datetime | None


class Pace:
    """The pace of all who ask one host: its limits, a pause it asked for, a block.

    Threads may share it, and processes the folder. Use it as a context manager, or `close` it.
    """

    def __init__(
        self,
        host: str,
        limits: Sequence[str],
        *,
        guard_s: float,
        folder: Path | None,
        origin: str = "",
        clock: Clock = MACHINE,
    ) -> None:
        """Start a pace.

        Args:
            host: Canonical, such as "www.loc.gov".
            limits: Such as ["1/6", "10/60"], requests in seconds; all hold at once.
            guard_s: How long after its stamp a request may arrive at the host. It counts from
                then on, or from its answer if that comes sooner.
            folder: Where stamps, pauses and blocks are kept; processes that name the same
                folder keep the limits together. None keeps them in memory.
            origin: Base address of a replica in the host's place; "" for the host itself.
                Pauses and blocks of another one are not heeded.
            clock: What to go by.

        Raises:
            ValueError: If the limits contradict one another.
            HarvestError: If the folder holds something that cannot be read.
        """
        self.host = host
        self._clock = clock
        self._guard_ms = round(guard_s * 1000)
        self._stated = to_rates(limits)
        self._stop = threading.Event()
        self._turn = threading.Lock()
        self._sent: deque[int] = deque()
        self._forgotten = self._clock.steady_ms()
        self._path = folder and _make(folder) / f"{host}.sqlite"
        self._board = Board(folder and folder / f"{host}.json", origin)
        self._challenges = self._board.read().challenges
        self._lock = open_lock(self._path)
        self._bucket = self._open() if self._stated else None

    def __enter__(self) -> "Pace":
        """Return the pace."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def approach(self) -> None:
        """Wait until a request may likely go out, and take nothing yet.

        So a connection is opened, or found to have been closed meanwhile, before `wait` makes
        the stamp, and not after.

        Raises:
            BlockedError: If the host has blocked us.
            StoppedError: If `stop` was called.
        """
        while (wait_ms := self._look()) > 0:
            # What a window waits for may turn out to have arrived up to the guard earlier.
            sure_ms = wait_ms - self._guard_ms
            self._sleep((sure_ms if sure_ms > 0 else min(wait_ms, ARRIVAL_POLL_MS)) / 1000)

    def wait(self, prepare: Callable[[], None] = lambda: None) -> Stamp:
        """Wait until a request may go out, and stamp it.

        Args:
            prepare: Done before each attempt to get a stamp, such as opening a connection: a
                stamp must not grow old for it.

        Returns:
            The stamp, for `is_fresh` and `settle`.

        Raises:
            BlockedError: If the host has blocked us, perhaps while another one asked.
            StoppedError: If `stop` was called.
        """
        with self._turn:
            while True:
                self.approach()
                prepare()
                stamp = self._take()
                if stamp is not None and self._look_at_notice() <= 0:
                    return stamp

    def is_fresh(self, stamp: Stamp) -> bool:
        """Say whether a request may still go out under its stamp.

        It may not when the machine slept, or was too busy, between the two.
        """
        return self._clock.steady_ms() - stamp.at_ms <= LONGEST_LAG_MS

    def settle(self, stamp: Stamp) -> None:
        """Note that a request has arrived at the host, because its answer begins to come."""
        if self._bucket is not None:
            with hold(self._lock, lambda: False):
                self._bucket.settle(stamp)

    def pause(self, seconds: float) -> None:
        """Let no one ask before so many seconds have passed.

        Args:
            seconds: At most LONGEST_WAIT_S counts; longer ones are blocks.
        """
        if seconds <= 0:
            return
        not_before = self._clock.time_of_day() + timedelta(seconds=min(seconds, LONGEST_WAIT_S))
        with hold(self._lock, self._stop.is_set):
            self._set(not_before=later(self._board.read().not_before, not_before))

    def block(self, error: BlockedError) -> None:
        """Let no one ask any more; each gets this error instead.

        With a time in `error.until` it holds until then, for later runs too; without one it
        holds for every process that runs now, and a run that is started later may ask again.
        """
        with hold(self._lock, lambda: False):
            notice = self._board.read()
            if error.until is not None and later(notice.until, error.until) == error.until:
                self._set(until=error.until, why=str(error))
            elif error.until is None and notice.challenges <= self._challenges:
                self._set(challenges=notice.challenges + 1, challenge=str(error))

    def slow_down(self, seconds: float) -> None:
        """Leave at least so many seconds between two requests, besides all limits.

        Args:
            seconds: Such as the Crawl-delay of a robots.txt, at most a day.
        """
        rate = Rate(1, min(LONGEST_WINDOW_MS, max(1, round(seconds * 1000))))
        with self._turn:
            self._stated = [*self._stated, rate]
            if self._bucket is None:
                self._bucket = self._open()
            else:
                self._bucket.rates = list(self._stated)

    def usage(self) -> Usage:
        """Say how much of what the host allows is used.

        Raises:
            HarvestError: If the shared state cannot be read.
        """
        since = self._clock.steady_ms() - MINUTE_MS
        bucket = self._bucket
        if bucket is None:
            sent = sum(stamp >= since for stamp in tuple(self._sent))
        else:
            with hold(self._lock, lambda: False):
                sent = bucket.count_since(since)
        notice = self._board.read()
        times = [
            time
            for time in (notice.not_before, notice.until)
            if time and time > self._clock.time_of_day()
        ]
        return Usage(
            host=self.host,
            sent_last_minute=sent,
            allowed_per_minute=min(
                (rate.limit * MINUTE_MS / rate.interval for rate in self._stated), default=None
            ),
            not_before=max(times, default=None),
        )

    def stop(self) -> None:
        """End every wait, now and from now on, with a StoppedError. Any thread may call it."""
        self._stop.set()

    def close(self) -> None:
        """Close the shared state."""
        if self._bucket is not None:
            self._bucket.close()  # type: ignore[no-untyped-call]

    def _open(self) -> Bucket:
        return open_bucket(
            self._path,
            self._stated,
            guard_ms=self._guard_ms,
            lock=self._lock,
            clock=self._clock,
        )

    def _look(self) -> int:
        """Find the milliseconds to wait, at least; raise if waiting has no sense."""
        pause_ms = self._look_at_notice()
        if self._bucket is None:
            return pause_ms
        with hold(self._lock, self._stop.is_set):
            return max(pause_ms, self._bucket.look())

    def _look_at_notice(self) -> int:
        """Find the milliseconds that the host asked us to wait; raise if it blocked us."""
        if self._stop.is_set():
            raise StoppedError(f"{self.host}: stopped; run the stage again to go on")
        notice, now = self._board.read(), self._clock.time_of_day()
        if notice.challenges > self._challenges:
            raise BlockedError(notice.challenge)
        if notice.until is not None and notice.until > now:
            raise BlockedError(notice.why, until=notice.until)
        if notice.not_before is None:
            return 0
        wait_ms = math.ceil((notice.not_before - now) / timedelta(milliseconds=1))
        longest_ms = round(LONGEST_WAIT_S * 1000)
        if wait_ms > longest_ms:  # the time of day was set back since
            self._set(not_before=now + timedelta(milliseconds=longest_ms))
        return min(wait_ms, longest_ms)

    def _set(self, **change: object) -> None:
        """Change the notice; nothing else of it."""
        with hold(self._lock, lambda: False):
            self._board.write(self._board.read().model_copy(update=change))

    def _take(self) -> Stamp | None:
        """Stamp a request now, if the limits allow one."""
        now = self._clock.steady_ms()
        if self._bucket is None:
            self._sent.append(now)
            while self._sent[0] < now - MINUTE_MS:
                self._sent.popleft()
            return Stamp("", now)
        with hold(self._lock, self._stop.is_set):
            if now - self._forgotten > MINUTE_MS:
                self._bucket.forget()
                self._forgotten = now
            return self._bucket.take()

    def _sleep(self, seconds: float) -> None:
        if self._clock.wait(self._stop, seconds):
            raise StoppedError(f"{self.host}: stopped; run the stage again to go on")


def _make(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise HarvestError(
            f"{folder}: the limits of all harvests are kept there, and it cannot be made ({exc})"
        ) from exc
    return folder
