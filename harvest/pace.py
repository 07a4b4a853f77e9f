"""When the next request to a host may go out."""

import threading
import time
from collections.abc import Sequence

from pyrate_limiter import Limiter, Rate

from harvest.errors import BlockedError


class Pace:
    """The pace of all threads towards one host: its limits, a pause it asked for, a block.

    Use it as a context manager, or `close` it: the limiter runs a thread of its own.
    """

    def __init__(self, limits: Sequence[str]) -> None:
        """Start a pace.

        Args:
            limits: Such as ["1/6", "10/60"], requests in seconds; all hold at once.

        Raises:
            ValueError: If the limits contradict one another.
        """
        rates = to_rates(limits)
        self._limiter = Limiter(rates) if rates else None
        self._lock = threading.Lock()
        self._not_before = 0.0
        self._blocked: BlockedError | None = None

    def __enter__(self) -> "Pace":
        """Return the pace."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def wait(self) -> None:
        """Wait until a request may go out.

        Raises:
            BlockedError: If the host has blocked us, perhaps while another thread asked.
        """
        while True:
            self._check()
            with self._lock:
                pause_s = self._not_before - time.monotonic()
            if pause_s <= 0:
                break
            time.sleep(pause_s)
        if self._limiter is not None:
            self._limiter.try_acquire("request")
        self._check()

    def pause(self, seconds: float) -> None:
        """Let no thread ask before so many seconds have passed."""
        with self._lock:
            self._not_before = max(self._not_before, time.monotonic() + seconds)

    def block(self, error: BlockedError) -> None:
        """Let no thread ask any more; each gets this error instead."""
        with self._lock:
            self._blocked = self._blocked or error

    def close(self) -> None:
        """End the limiter's thread."""
        if self._limiter is not None:
            self._limiter.close()

    def _check(self) -> None:
        with self._lock:
            if self._blocked is not None:
                raise BlockedError(str(self._blocked), until=self._blocked.until)


def to_rates(limits: Sequence[str]) -> list[Rate]:
    """Turn limits into the limiter's rates.

    Args:
        limits: Such as ["1/6", "10/60"].

    Raises:
        ValueError: If one is not of this form, or allows nothing.
    """
    rates = []
    for limit in limits:
        count, _, seconds = limit.partition("/")
        try:
            rates.append(Rate(int(count), round(float(seconds) * 1000)))
        except (ValueError, OverflowError, AssertionError) as exc:
            raise ValueError(
                f"limit {limit!r}: expected requests/seconds such as '10/60'; "
                "correct harvest.limits in params.yaml"
            ) from exc
    return rates
