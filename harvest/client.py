"""Edge: the one HTTP client of the harvest; limits, retries, blocks, whole files."""

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TypeVar
from urllib.parse import urlsplit

import requests
from requests.exceptions import ChunkedEncodingError, ContentDecodingError, InvalidSchema
from requests.exceptions import ConnectionError as NoConnection
from urllib3.exceptions import HTTPError, MaxRetryError
from urllib3.util import Retry

from harvest.addresses import HOSTS, to_canonical
from harvest.answers import (
    Download,
    Reply,
    find_block,
    is_cacheable,
    is_json,
    to_failure,
    to_wait_s,
)
from harvest.errors import BlockedError, DownloadError, HarvestError
from harvest.files import whole_file
from harvest.pace import Pace
from harvest.redirect import LoopbackAdapter, PacedAdapter

RETRIED_STATUS = (408, 425, 429, 500, 502, 503, 504)
LONGEST_BACKOFF_S = 60.0
MOST_REDIRECTS = 5
_CHUNK_BYTES = 1 << 16
_T = TypeVar("_T")


class _SpoiltAnswerError(Exception):
    """An answer that began well and is not whole; another attempt may be."""


_PASSING = (
    NoConnection,
    requests.Timeout,
    ChunkedEncodingError,
    ContentDecodingError,
    HTTPError,
    _SpoiltAnswerError,
)


@dataclass(frozen=True, slots=True)
class Manners:
    """How a client behaves.

    Attributes:
        user_agent: Names the project and how to reach its operator.
        limits: For each host, limits such as "10/60" that all hold at once.
        retries: How often a request is sent again.
        timeout_s: Longest silence of the server.
        connections: Connections at a time to each host.
        backoff_s: Base of the exponential back-off, which is jittered by as much.
    """

    user_agent: str
    limits: Mapping[str, Sequence[str]]
    retries: int
    timeout_s: float
    connections: int
    backoff_s: float


class Client:
    """Asks the Library's hosts, or a replica in their place, and no other.

    Threads may share it. Use it as a context manager, or `close` it.
    """

    def __init__(self, manners: Manners, *, redirect: Mapping[str, str] | None = None) -> None:
        """Open a session; nothing is sent yet.

        Args:
            manners: How to behave.
            redirect: For each canonical host the replica's base, such as
                {"www.loc.gov": "http://127.0.0.1:8123"}; None asks the Library itself. A
                host without an entry is then refused.

        Raises:
            ValueError: If limits contradict one another, or a base is not on loopback.
        """
        self._timeout_s = manners.timeout_s
        self._policy = Retry(
            total=manners.retries,
            status_forcelist=RETRIED_STATUS,
            backoff_factor=manners.backoff_s,
            backoff_jitter=manners.backoff_s,
            backoff_max=LONGEST_BACKOFF_S,
        )
        hosts = HOSTS if redirect is None else tuple(host for host in HOSTS if host in redirect)
        self._paces = {host: Pace(manners.limits.get(host, ())) for host in hosts}
        self._session = requests.Session()
        self._session.trust_env = redirect is None
        self._session.max_redirects = MOST_REDIRECTS
        self._session.headers["User-Agent"] = manners.user_agent
        self._session.adapters.clear()  # what is not mounted below is refused
        for host, pace in self._paces.items():
            adapter = (
                PacedAdapter(pace, connections=manners.connections)
                if redirect is None
                else LoopbackAdapter(pace, connections=manners.connections, base=redirect[host])
            )
            self._session.mount(f"https://{host}/", adapter)

    def __enter__(self) -> "Client":
        """Return the client."""
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
        """Close all connections and end the limiters."""
        self._session.close()
        for pace in self._paces.values():
            pace.close()

    def get_json(
        self,
        url: str,
        *,
        params: Mapping[str, str | int] | None = None,
        is_doubtful: Callable[[Reply], bool] = lambda _: False,
    ) -> Reply:
        """Ask for JSON.

        Args:
            url: In any form that `to_canonical` knows.
            params: The query.
            is_doubtful: Whether a reply, though well formed, should be asked for again.

        Raises:
            NotFoundError: If the server says 404 or 410.
            BlockedError: If it asks us to stay away.
            DownloadError: If no JSON came after all retries.
        """

        def read(response: requests.Response, _: int) -> Reply:
            if not is_json(response.headers):
                kind = response.headers.get("Content-Type", "no type")
                raise DownloadError(f"{response.url}: expected JSON, got {kind}; try again later")
            content = response.content
            try:
                data = json.loads(content)
            except (ValueError, RecursionError) as exc:
                raise _SpoiltAnswerError(f"no whole JSON in {len(content)} bytes") from exc
            reply = Reply(data, content, is_cacheable(response.headers))
            if is_doubtful(reply):
                raise _SpoiltAnswerError("well formed, and cannot be right")
            return reply

        return self._ask(url, params=params, headers={"Accept": "application/json"}, read=read)

    def download(self, url: str, target: Path) -> Download:
        """Download a file, byte for byte; it appears under `target` whole or not at all.

        Args:
            url: In any form that `to_canonical` knows.
            target: Where it shall stand.

        Raises:
            NotFoundError: If the server says 404 or 410.
            ForbiddenError: If it refuses this file alone.
            BlockedError: If it asks us to stay away.
            DownloadError: If no whole file came after all retries.
        """

        def read(response: requests.Response, attempts: int) -> Download:
            started = time.monotonic()
            sha256, size_bytes = _stream(response, temporary)
            return Download(
                sha256=sha256,
                size_bytes=size_bytes,
                etag=response.headers.get("ETag", ""),
                content_type=response.headers.get("Content-Type", ""),
                seconds=time.monotonic() - started,
                attempts=attempts,
            )

        with whole_file(target) as temporary:
            return self._ask(url, params=None, headers={"Accept-Encoding": "identity"}, read=read)

    def _ask(
        self,
        url: str,
        *,
        params: Mapping[str, str | int] | None,
        headers: Mapping[str, str],
        read: Callable[[requests.Response, int], _T],
    ) -> _T:
        """Ask until the answer is whole, or the retries are spent."""
        canonical = to_canonical(url)
        if canonical is None:
            raise DownloadError(f"{url}: refused; only {' and '.join(HOSTS)} are asked")
        retry = self._policy
        while True:
            error: Exception
            try:
                with self._session.get(
                    canonical,
                    params=dict(params or {}),
                    headers=dict(headers),
                    stream=True,
                    timeout=self._timeout_s,
                ) as response:
                    failure = self._judge(response)
                    if failure is None:
                        return read(response, len(retry.history) + 1)
                    if not retry.is_retry("GET", response.status_code):
                        raise failure
                    error = failure
            except _PASSING as exc:
                error = exc
            except (requests.TooManyRedirects, InvalidSchema) as exc:
                raise DownloadError(f"{canonical}: led astray ({exc}); report it") from exc
            retry = self._next_attempt(retry, canonical, error=error)
            time.sleep(retry.get_backoff_time())

    def _judge(self, response: requests.Response) -> HarvestError | None:
        """Stop at a block; let all threads pause when asked; name any other failure."""
        now = datetime.now(UTC)
        pace = self._paces[urlsplit(response.url).hostname or ""]
        block = find_block(response.url, response.status_code, headers=response.headers, now=now)
        if block is not None:
            pace.block(block)
            raise block
        if response.status_code in RETRIED_STATUS:
            pace.pause(to_wait_s(response.headers, now=now) or 0.0)
        return to_failure(response.url, response.status_code, headers=response.headers)

    def _next_attempt(self, retry: Retry, url: str, *, error: Exception) -> Retry:
        """Count a failed attempt; raise what it means when it was the last one."""
        try:
            return retry.increment("GET", url, error=error)
        except MaxRetryError:
            if isinstance(error, BlockedError):
                self._paces[urlsplit(url).hostname or ""].block(error)
                raise error from None
            raise DownloadError(
                f"{url}: no whole answer in {len(retry.history) + 1} attempts, the last time: "
                f"{error}; run the stage again"
            ) from error


def _stream(response: requests.Response, path: Path) -> tuple[str, int]:
    """Write an answer's body to a file; return its SHA-256 and size."""
    digest, size_bytes = hashlib.sha256(), 0
    with path.open("wb") as file:
        for chunk in response.iter_content(_CHUNK_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
            file.write(chunk)
    promised = response.headers.get("Content-Length", "")
    plain = response.headers.get("Content-Encoding", "identity") == "identity"
    if plain and promised.isdecimal() and int(promised) != size_bytes:
        raise _SpoiltAnswerError(f"got {size_bytes} of {promised} bytes")
    return digest.hexdigest(), size_bytes
