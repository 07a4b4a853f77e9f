"""Edge: the times that a pace goes by, and how it waits."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

_STEADY = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def _steady_ms() -> int:
    return time.clock_gettime_ns(_STEADY) // 1_000_000


def _time_of_day() -> datetime:
    return datetime.now(UTC)


def _wait(event: threading.Event, seconds: float) -> bool:
    return event.wait(seconds)


@dataclass(frozen=True, slots=True)
class Clock:
    """A clock; the defaults are the machine's.

    Attributes:
        steady_ms: Milliseconds since the machine started, time asleep included. No one sets
            this clock, so no window is cut short when the time of day is corrected, and all
            processes of a machine read the same.
        time_of_day: With its zone; for what outlives the machine's next start.
        wait: Waits for an event, at most so many seconds; says whether it came.
    """

    steady_ms: Callable[[], int] = _steady_ms
    time_of_day: Callable[[], datetime] = _time_of_day
    wait: Callable[[threading.Event, float], bool] = _wait


MACHINE = Clock()
