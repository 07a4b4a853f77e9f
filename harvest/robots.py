"""Edge: what each host's robots.txt lets us ask, by RFC 9309; asked for once a day at most."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from protego import Protego
from pydantic import BaseModel, ValidationError

from harvest.bucket import hold, open_lock
from harvest.errors import DisallowedError, DownloadError
from harvest.files import write_bytes

AGENT = "photochrom"
"""Our product token, the name under which a robots.txt may address us (RFC 9309 2.2.1)."""

MOST_BYTES = 500 * 1024
"""More of a robots.txt is not read (RFC 9309 2.5)."""

KEPT = timedelta(hours=24)
"""So long a copy may be used (RFC 9309 2.4)."""

FAILURE_KEPT_S = 60.0
"""So long after it could not be had, nothing is asked and nothing tried."""


class _Copy(BaseModel, frozen=True, extra="forbid"):
    """A robots.txt as it came."""

    origin: str
    """Who gave it: the Library, or a replica at this address."""
    fetched_at: datetime
    text: str


class Rules:
    """What a robots.txt says to us."""

    def __init__(self, text: str) -> None:
        """Read a robots.txt; a line that means nothing is skipped.

        Args:
            text: At most MOST_BYTES of it; "" allows everything.
        """
        self._parsed = Protego.parse(text)

    def allows(self, url: str) -> bool:
        """Say whether an address may be asked."""
        return bool(self._parsed.can_fetch(url, AGENT))

    @property
    def delay_s(self) -> float:
        """Seconds between two requests that it asks for; 0 where it asks for none."""
        return self._parsed.crawl_delay(AGENT) or 0.0


class Robots:
    """The robots.txt of one host. Threads may share it, and processes the folder."""

    def __init__(
        self,
        host: str,
        *,
        origin: str,
        folder: Path | None,
        fetch: Callable[[str], str],
        slow_down: Callable[[float], None],
        is_stopped: Callable[[], bool],
    ) -> None:
        """Ask for nothing yet.

        Args:
            host: Canonical.
            origin: Base address of a replica in its place; "" for the host itself.
            folder: Where a copy is kept; None keeps it in memory.
            fetch: Gives the text under an address; "" where the server has none.
            slow_down: Told the Crawl-delay, where there is one.
            is_stopped: Asked while another process fetches.
        """
        self.url = f"https://{host}/robots.txt"
        self._origin = origin
        self._path = folder and folder / f"{host}.robots.json"
        self._fetch, self._slow_down, self._is_stopped = fetch, slow_down, is_stopped
        self._turn = threading.Lock()
        self._rules: Rules | None = None
        self._learned_s = 0.0
        self._failure: tuple[float, str] | None = None

    def check(self, url: str) -> None:
        """Let an address of this host be asked; before the first one, ask for the rules.

        Args:
            url: Canonical, with its query.

        Raises:
            DisallowedError: If the rules forbid it.
            DownloadError: If the rules could not be had, without which nothing is allowed.
            BlockedError: If the server asks us to stay away.
            StoppedError: If we were asked to stop.
        """
        with self._turn:
            age_s = time.monotonic() - self._learned_s
            if self._rules is None or age_s > KEPT.total_seconds():
                self._rules, self._learned_s = self._learn(), time.monotonic()
            rules = self._rules
        if not rules.allows(url):
            raise DisallowedError(
                f"{url}: {self.url} asks robots not to take it; it is left out: take it by hand, "
                "or write to the Library"
            )

    def _learn(self) -> Rules:
        """Take the copy that is kept, or ask for one; keep the pace that it wants."""
        with hold(open_lock(self._path), self._is_stopped):
            text = self._read()
            if text is None:
                text = self._ask()
                self._write(text)
        rules = Rules(text)
        if rules.delay_s > 0:
            self._slow_down(rules.delay_s)
        return rules

    def _ask(self) -> str:
        if self._failure is not None and time.monotonic() - self._failure[0] < FAILURE_KEPT_S:
            raise DownloadError(self._failure[1])
        try:
            return self._fetch(self.url)
        except DownloadError as exc:
            failure = (
                f"{self.url}: did not come, and without it nothing of this host may be asked "
                f"(RFC 9309 2.3.1.4); run the stage again later ({exc})"
            )
            self._failure = (time.monotonic(), failure)
            raise DownloadError(failure) from exc

    def _read(self) -> str | None:
        """Read the copy that is kept, if it is of today and of this host."""
        if self._path is None:
            return None
        try:
            copy = _Copy.model_validate_json(self._path.read_bytes())
        except (OSError, ValidationError):
            return None
        age = datetime.now(UTC) - copy.fetched_at
        return copy.text if copy.origin == self._origin and timedelta() <= age < KEPT else None

    def _write(self, text: str) -> None:
        if self._path is not None:
            copy = _Copy(origin=self._origin, fetched_at=datetime.now(UTC), text=text)
            write_bytes(self._path, copy.model_dump_json().encode())
