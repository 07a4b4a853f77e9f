"""Edge: a line to a server that may be lost for a while: what to wait for, and for how long.

Opens no connection itself; `train/remote.py` hands it what to ask.
"""

import re
import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar
from urllib.parse import urlsplit, urlunsplit

from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    sleep_using_event,
    stop_after_delay,
    stop_any,
    stop_when_event_set,
    wait_random_exponential,
)

from train.errors import DataError, TrainError

_T = TypeVar("_T")
_LONGEST_S: Final = 30.0
"""Between two tries."""
_FIRST_S: Final = 0.5
_FORGOTTEN_S: Final = 90.0
"""An outage of which nothing was heard for so long is over: longer than any wait and a try."""

_QUERY: Final = re.compile(r"\?[^\s'\"<>)]+")
_USER: Final = re.compile(r"//[^/\s@]+@")


class RefusedError(DataError):
    """The server says that a file is not there, or not for us."""


def to_shown(text: str) -> str:
    """Strip from a text with URLs what may be secret: signatures in queries, and passwords."""
    return _USER.sub("//", _QUERY.sub("", text))


def join(url: str, name: str) -> str:
    """Put a file's name after the folder of a URL, before its query."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}"))


Remedy = tuple[type[DataError], str]
"""The error to raise, and what to do about it."""

DENIED: Final[Remedy] = (
    RefusedError,
    "the server refuses this user: give credentials that may read it (AWS_PROFILE, or "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; for HTTP ~/.netrc, or a signed URL)",
)
MISSING: Final[Remedy] = (
    RefusedError,
    "there is no such file there: check train.remote.url, and that the shards are up",
)
ODD: Final[Remedy] = (
    DataError,
    "waiting would not help: check train.remote.url and the settings of the connection",
)


class Line:
    """Asks, and asks again while the network is lost; threads may share it."""

    def __init__(
        self,
        find_remedy: Callable[[BaseException], Remedy | None],
        *,
        wait_s: float,
        tell: Callable[[str], None],
    ) -> None:
        """Nothing is asked yet.

        Args:
            find_remedy: Says what to do about an error that waiting does not mend, None for one
                that may pass.
            wait_s: So long one question waits for a network that is lost.
            tell: Takes the line that it waits, and the line that it goes on.
        """
        self.wait_s = wait_s
        self._find_remedy = find_remedy
        self.closed = threading.Event()
        """Set to end all waiting."""
        self._tell = tell
        self._lock = threading.Lock()
        self._lost_at: float | None = None
        """Since then nothing was answered."""
        self._failed_at = 0.0
        """When the last question of that outage failed."""
        self._told = False
        self._over = stop_any(stop_after_delay(wait_s), stop_when_event_set(self.closed))
        self._retrying = Retrying(
            sleep=sleep_using_event(self.closed),
            stop=self._is_over,
            after=self._lose,
            wait=wait_random_exponential(multiplier=_FIRST_S, max=_LONGEST_S),
            retry=retry_if_exception(lambda exc: self._may_pass(exc)),
            before_sleep=self._wait,
            reraise=True,
        )

    def ask(self, question: Callable[[], _T], url: str) -> _T:
        """Put a question until it is answered.

        Args:
            question: Asks the server; raises the libraries' errors.
            url: What it asks for, to be named in messages.

        Raises:
            RefusedError: If the server says that it is not there, or not for us.
            DataError: If the network stayed away for `wait_s`, or waiting would not help.
            TrainError: What the question raises of these stays as it is.
        """
        began = time.monotonic()
        retrying = self._retrying.copy()
        try:
            answer = retrying(question)
        except TrainError:
            raise
        except Exception as exc:  # the libraries below raise errors of many kinds
            # `from None`: what the libraries say would show the signature of a signed URL.
            raise self._to_error(exc, url, began) from None
        self._go_on(waited_s=time.monotonic() - began, tries=retrying.statistics["attempt_number"])
        return answer

    def _may_pass(self, exc: BaseException) -> bool:
        expected = isinstance(exc, Exception) and not isinstance(exc, TrainError)
        return expected and self._find_remedy(exc) is None

    def _to_error(self, exc: Exception, url: str, began: float) -> DataError:
        shown, said = to_shown(url), to_shown(f"{type(exc).__name__}: {exc}")
        if self.closed.is_set():
            return DataError(f"{shown}: called off")
        remedy = self._find_remedy(exc)
        if remedy is None:
            waited_s = time.monotonic() - min(began, self._lost_at or began)
            self._told = False
            return DataError(
                f"{shown}: no answer for {waited_s:.0f} s (train.remote.wait_s is "
                f"{self.wait_s:g}); the last error was {said}; when the network is back, run "
                "again: what is staged stays, and training resumes"
            )
        kind, advice = remedy
        return kind(f"{shown}: {said}; {advice}")

    def _is_over(self, state: RetryCallState) -> bool:
        """Tell whether to wait no more: who asks late in an outage does not wait as long again."""
        lost_s = time.monotonic() - (self._lost_at or time.monotonic())
        return self._over(state) or lost_s >= self.wait_s

    def _lose(self, state: RetryCallState) -> None:
        now = time.monotonic()
        with self._lock:
            heard = self._failed_at if state.attempt_number == 1 else now
            forgotten = now - heard > min(self.wait_s, _FORGOTTEN_S)
            self._lost_at = now if self._lost_at is None or forgotten else self._lost_at
            self._failed_at = now

    def _wait(self, state: RetryCallState) -> None:
        with self._lock:
            told, self._told = self._told, True
        if not told:
            failed = state.outcome.exception() if state.outcome else None
            said = to_shown(f"{type(failed).__name__}: {failed}")
            self._tell(f"remote shards: {said}; waiting up to {self.wait_s:g} s for the network")

    def _go_on(self, *, waited_s: float, tries: int) -> None:
        with self._lock:
            self._lost_at = None
            # A question that is answered while others wait says nothing of theirs.
            told, self._told = self._told, self._told and tries == 1
        if told and tries > 1:
            self._tell(f"remote shards: the network is back after {waited_s:.0f} s; going on")
