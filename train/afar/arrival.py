"""Edge: a file as it arrives: decompressed where it is a compressed copy, and held to the index."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import zstandard
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from preprocess.cold import SUFFIX as PACKED
from preprocess.index import Shard
from train.afar.landing import Landing, SpoiltError
from train.afar.line import to_shown
from train.errors import DataError

_BLOCK: Final = 1 << 20


class Sink(Protocol):
    """Takes the bytes of a file in order."""

    def write(self, block: bytes, /) -> int:
        """Take the next bytes."""

    def restart(self) -> None:
        """Begin again at the first byte."""


@dataclass(frozen=True, slots=True)
class Found:
    """A file afar, as the server describes it."""

    url: str
    """May hold a signature: not to be shown."""
    size_bytes: int | None
    version: str
    """What changes when the file does: entity tag, or time; "" where the server says neither."""
    in_ranges: bool
    kind: str
    """Content type, or ""."""


class Unpacked:
    """Decompresses what it takes, into another sink."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.restart()

    def restart(self) -> None:
        """Begin again at the first byte."""
        self._sink.restart()
        self._writer = zstandard.ZstdDecompressor().stream_writer(
            self._sink,  # type: ignore[arg-type]  # it needs no more than `write`
            write_size=_BLOCK,
            closefd=False,
        )

    def write(self, block: bytes) -> int:
        """Take the next compressed bytes.

        Raises:
            SpoiltError: If they are not zstd; and what the other sink raises.
        """
        try:
            return self._writer.write(block)
        except zstandard.ZstdError as exc:
            raise SpoiltError(f"expected zstd, got {block[:60]!r}") from exc


def receive(
    send: Callable[[Found, Sink], None], found: Found, entry: Shard | None, landing: Landing
) -> None:
    """Write a file to the disk; one that came wrong is fetched once more.

    Args:
        send: Reads a file whole into a sink.
        found: The file afar: the shard, or its compressed copy.
        entry: What the index says of the shard; None where all that is known is the length.
        landing: Takes the bytes.

    Raises:
        DataError: If it came wrong twice; and what `send` and `landing` raise.
    """
    packed = entry is not None and found.url.partition("?")[0].endswith(PACKED)
    sink: Sink = Unpacked(landing) if packed else landing
    twice = Retrying(
        stop=stop_after_attempt(2), retry=retry_if_exception_type(SpoiltError), reraise=True
    )
    try:
        twice(_receive_once, send, found, entry, sink, landing)
    except SpoiltError as exc:
        raise DataError(
            f"{to_shown(found.url)}: {exc}; it was fetched twice; see that the server has the "
            "shards of this index, whole"
        ) from exc


def _receive_once(
    send: Callable[[Found, Sink], None],
    found: Found,
    entry: Shard | None,
    sink: Sink,
    landing: Landing,
) -> None:
    sink.restart()
    fault = ""
    try:
        send(found, sink)
    except SpoiltError as exc:
        fault = f" ({exc})"
    size_bytes = found.size_bytes if entry is None else entry.size_bytes
    wrong = size_bytes not in (None, landing.size) or fault
    if wrong or (entry is not None and entry.sha256 != landing.sha256):
        expected = "" if entry is None else f" of SHA-256 {entry.sha256}"
        kind = f" ({found.kind})" if found.kind else ""
        raise SpoiltError(
            f"expected {size_bytes} bytes{expected}, got {landing.size} of SHA-256 "
            f"{landing.sha256}{fault}, which begin with {landing.head!r}{kind}"
        )
