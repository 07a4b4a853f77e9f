"""Edge: an answer's body as it comes, within its ceiling, and neither cut nor a trickle."""

import time
from collections.abc import Callable, Iterator

import requests
from urllib3.exceptions import HTTPError, ReadTimeoutError

from harvest.connections import PacedConnection, Switch, hurry
from harvest.errors import TooLargeError

LEAST_BYTES_PER_S = 1024
"""Of a body, over `harvest.timeout_s`; less is as good as silence. At this rate the largest
v.jpg (460 kB, FACTS c) takes 8 minutes; no line of our time is that slow."""

BEGINNING_BYTES = 4096
_CHUNK_BYTES = 1 << 16
_MOST_DIGITS = 19


Body = Callable[[requests.Response, int], Iterator[bytes]]
"""Reads a body below a ceiling: `read_body`, bound to a client."""


class SpoiltError(Exception):
    """An answer that began well and is not whole; another attempt may be."""


class Pulse:
    """Tells a transfer from a trickle."""

    def __init__(
        self, *, least_bytes_per_s: float, window_s: float, clock: Callable[[], float]
    ) -> None:
        """Start to measure.

        Args:
            least_bytes_per_s: What a transfer brings at least, on average over a window.
            window_s: Length of a window.
            clock: Gives seconds.
        """
        self._least_bytes = least_bytes_per_s * window_s
        self._window_s = window_s
        self._clock = clock
        self._since = clock()
        self._came = 0

    def beat(self, size_bytes: int) -> None:
        """Count what came.

        Raises:
            SpoiltError: If a window has passed and brought too little.
        """
        self._came += size_bytes
        now = self._clock()
        if now - self._since < self._window_s:
            return
        if self._came < self._least_bytes:
            raise SpoiltError(
                f"a trickle: {self._came} bytes in {now - self._since:.0f} s; expected "
                f"{self._least_bytes:.0f}"
            )
        self._since, self._came = now, 0


def read_beginning(response: requests.Response, *, silence_s: float) -> bytes:
    """Read what a failure begins with, unpacked; what cannot be read is empty.

    Args:
        response: Opened with stream=True; the rest of it is not needed.
        silence_s: How long that may take.

    Raises:
        SpoiltError: If it takes longer.
    """
    try:
        with hurry(_find_connection(response), silence_s):
            return bytes(response.raw.read(BEGINNING_BYTES, decode_content=True))
    except (TimeoutError, ReadTimeoutError) as exc:
        raise SpoiltError(str(exc)) from exc
    except (HTTPError, OSError):
        return b""  # it is a failure in any case; only its page would have told more


def read_body(
    response: requests.Response, most_bytes: int, *, silence_s: float, switch: Switch
) -> Iterator[bytes]:
    """Read a body piece by piece, unpacked.

    Args:
        response: Opened with stream=True.
        most_bytes: Ceiling of what it may promise, and of what comes of it when unpacked.
        silence_s: Over which time less than LEAST_BYTES_PER_S counts as silence.
        switch: Ends the transfer.

    Yields:
        Its bytes.

    Raises:
        TooLargeError: If it is larger than the ceiling; no more is read than that tells.
        SpoiltError: If it is not as long as promised, or only trickles.
        StoppedError: If the switch was thrown.
    """
    promised = find_length(response)
    if promised is None and "Content-Length" in response.headers:
        raise SpoiltError(f"got {response.headers['Content-Length'][:40]!r} for a length")
    if promised is not None and promised > most_bytes:
        raise _too_large(response, most_bytes, f"says that it has {promised}")
    pulse = Pulse(least_bytes_per_s=LEAST_BYTES_PER_S, window_s=silence_s, clock=time.monotonic)
    size_bytes = 0
    connection = _find_connection(response)
    while chunk := _read_some(response, connection, silence_s):
        switch.check()
        size_bytes += len(chunk)
        if size_bytes > most_bytes:
            raise _too_large(response, most_bytes, "goes on")
        pulse.beat(len(chunk))
        yield chunk
    switch.check()  # a connection that was cut may look like an end
    if is_plain(response) and promised is not None and promised != size_bytes:
        raise SpoiltError(f"got {size_bytes} of {promised} bytes")


def find_length(response: requests.Response) -> int | None:
    """Read how many bytes an answer says that it has, as sent; None where it does not say.

    Of a number beyond any ceiling only the beginning is read, which is beyond it too.
    """
    promised = response.headers.get("Content-Length", "")
    if not (promised.isascii() and promised.isdecimal()):
        return None
    return int(promised.lstrip("0")[:_MOST_DIGITS] or "0")


def is_plain(response: requests.Response) -> bool:
    """Say whether an answer comes as it is, and not packed."""
    return response.headers.get("Content-Encoding", "identity").strip().lower() == "identity"


def _find_connection(response: requests.Response) -> PacedConnection:
    """Find what an answer comes over; it has none any more when it was read to its end."""
    connection = response.raw.connection
    assert isinstance(connection, PacedConnection)
    return connection


def _read_some(
    response: requests.Response, connection: PacedConnection, patience_s: float
) -> bytes:
    """Read what has come; wait only where nothing has.

    Bytes may come without end and bring nothing: trailers, or packed pieces that are empty.
    """
    try:
        with hurry(connection, patience_s):
            chunk: bytes | None = response.raw.read1(_CHUNK_BYTES, decode_content=True)
    except TimeoutError as exc:
        raise SpoiltError(str(exc)) from exc
    return chunk or b""


def _too_large(response: requests.Response, most_bytes: int, finding: str) -> TooLargeError:
    return TooLargeError(
        f"{response.url}: expected at most {most_bytes} bytes, and the answer {finding}; look "
        "at it in a browser"
    )
