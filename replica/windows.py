"""Limits as a host enforces them, and as a judge counts them: sliding, half-open windows.

Home-made on purpose: what judges the harvest's limiter must not share its code.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Window:
    """So many requests in so many seconds.

    Attributes:
        text: As stated, "20/60/300".
        count: Requests allowed in any [t, t + seconds).
        seconds: Length.
        block_s: How long who exceeds it is refused; None: until the window has room.
    """

    text: str
    count: int
    seconds: float
    block_s: float | None


def to_window(text: str) -> Window:
    """Read a limit.

    Args:
        text: "20/60", requests/seconds, or "20/60/300", with the seconds of a block.

    Raises:
        ValueError: If it is not of this form, or allows nothing.
    """
    count, *rest = text.split("/")
    try:
        seconds, block_s = float(rest[0]), float(rest[1]) if len(rest) == 2 else None
        window = Window(text, int(count), seconds, block_s)
    except (ValueError, IndexError) as exc:
        raise ValueError(_expected(text)) from exc
    positive = window.count > 0 and 0 < seconds < float("inf") and (block_s is None or block_s > 0)
    if len(rest) > 2 or not positive:
        raise ValueError(_expected(text))
    return window


def _expected(text: str) -> str:
    return f"limit {text!r}: expected requests/seconds such as '10/60', or with a block '20/60/300'"


class Turnstile:
    """Counts the requests to each host, and refuses those beyond its windows."""

    def __init__(self, limits: Mapping[str, Sequence[str]]) -> None:
        """Set it up.

        Args:
            limits: Limits by host, such as {"www.loc.gov": ["20/60/300"]}.

        Raises:
            ValueError: If a limit is not of the form.
        """
        self._windows = {host: [to_window(t) for t in texts] for host, texts in limits.items()}
        self._passed: dict[str, list[deque[float]]] = {
            host: [deque() for _ in windows] for host, windows in self._windows.items()
        }
        self._until = dict.fromkeys(self._windows, float("-inf"))

    def admit(self, host: str, t: float) -> float | None:
        """Let a request pass, or refuse it.

        Args:
            host: Which is asked.
            t: Arrival in seconds; must not go backwards for one host.

        Returns:
            None when it may pass, else the seconds after which the host may be asked again.
        """
        if host not in self._windows:
            return None
        if t < self._until[host]:
            return self._until[host] - t
        waits = []
        for window, passed in zip(self._windows[host], self._passed[host], strict=True):
            while passed and t - passed[0] >= window.seconds:
                passed.popleft()
            if len(passed) >= window.count:
                waits.append(window.block_s or passed[0] + window.seconds - t)
        if waits:
            self._until[host] = t + max(waits)
            return max(waits)
        for passed in self._passed[host]:
            passed.append(t)
        return None
