"""Edge: the one HTTP client of the harvest; limits, retries, blocks, whole files."""

import random
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import requests
from requests.exceptions import ConnectionError as NoConnection
from urllib3.exceptions import HTTPError, MaxRetryError
from urllib3.util import Retry

from harvest.addresses import HOSTS, to_canonical
from harvest.answers import (
    MOST_REFUSALS,
    Download,
    Page,
    Reply,
    Version,
    find_block,
    is_html,
    to_failure,
    to_refusal,
    to_shown,
    to_wait_s,
)
from harvest.connections import Switch
from harvest.errors import AstrayError, BlockedError, DownloadError, HarvestError
from harvest.manners import Manners
from harvest.pace import Pace, Usage
from harvest.questions import FileQuestion, JsonQuestion, PageQuestion, Question, RobotsQuestion
from harvest.redirect import LoopbackAdapter, PacedAdapter, Session, follow, to_sent
from harvest.robots import Robots
from harvest.transfer import Body, SpoiltError, read_beginning, read_body

RETRIED_STATUS = (408, 425, 429, 500, 502, 503, 504)
LONGEST_BACKOFF_S = 60.0
LONGEST_CONNECT_S = 10.0
_T = TypeVar("_T")
_PASSING = (NoConnection, requests.Timeout, HTTPError, SpoiltError)


class Client:
    """Asks the Library's hosts, or a replica in their place, and no other; threads may share it."""

    def __init__(self, manners: Manners, *, redirect: Mapping[str, str] | None = None) -> None:
        """Open a session; nothing is sent yet.

        Args:
            manners: How to behave.
            redirect: For each canonical host the replica's base on loopback, a host without
                one being refused; None asks the Library itself.

        Raises:
            ValueError: If limits contradict one another, or a base is not on loopback.
            HarvestError: If the shared state cannot be read.
        """
        self._manners = manners
        self._policy = Retry(
            total=manners.retries,
            status_forcelist=RETRIED_STATUS,
            backoff_factor=manners.backoff_s,
            backoff_jitter=manners.backoff_s,
            backoff_max=LONGEST_BACKOFF_S,
        )
        self._switch = Switch()
        self._body: Body = partial(read_body, silence_s=manners.timeout_s, switch=self._switch)
        self._session = Session()
        self._session.trust_env = redirect is None
        self._session.headers["User-Agent"] = manners.user_agent
        self._session.adapters.clear()  # what is not mounted below is refused
        self._paces: dict[str, Pace] = {}
        self._robots: dict[str, Robots] = {}
        self._refused: defaultdict[str, set[str]] = defaultdict(set)
        for host in HOSTS if redirect is None else [host for host in HOSTS if host in redirect]:
            self._add(host, base=None if redirect is None else redirect[host])

    def __enter__(self) -> "Client":
        """Return the client."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Close all connections and the shared state."""
        self._session.close()
        for pace in self._paces.values():
            pace.close()

    def stop(self) -> None:
        """End every wait, back-off and transfer within about a second, with a StoppedError.

        Any thread may call it; every later request ends the same way. Only the opening of a
        connection is not interrupted, which takes LONGEST_CONNECT_S at most.
        """
        for pace in self._paces.values():
            pace.stop()
        self._switch.throw()

    def usage(self) -> dict[str, Usage]:
        """Say for each host how much of what it allows is used.

        Raises:
            HarvestError: If the shared state cannot be read.
        """
        return {host: pace.usage() for host, pace in self._paces.items()}

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
            StoppedError: If `stop` was called.
            DownloadError: If no JSON came after all retries, or its kinds by what happened.
        """
        return self._ask(self._to_url(url, params), JsonQuestion(self._body, is_doubtful))

    def get_page(
        self,
        url: str,
        *,
        params: Mapping[str, str | int] | None = None,
        is_doubtful: Callable[[Page], bool] = lambda _: False,
    ) -> Page:
        """Ask the older site for a page, which may be JSON or a web page.

        The arguments are those of `get_json`.

        Raises:
            HarvestError: As `get_json`; any page will do in place of JSON.
        """
        return self._ask(self._to_url(url, params), PageQuestion(self._body, is_doubtful))

    def download(
        self, url: str, target: Path, *, since: Version | None = None, most_bytes: int
    ) -> Download | None:
        """Download a file, byte for byte; it appears under `target` whole or not at all.

        A transfer that ended early, by whatever, goes on where it ended when the server can
        do that. The bytes wait in `.NAME.part` and `.NAME.part.json` beside `target`, which
        stay after a stop, a block or retries that were spent, and after nothing else.

        Args:
            url: In any form that `to_canonical` knows.
            target: Where it shall stand; no two at a time may download it.
            since: The version that is there already.
            most_bytes: More is not taken.

        Returns:
            What came; None when `since` is the latest version.

        Raises:
            DownloadError: If no whole file came after all retries; as NotFoundError,
                ForbiddenError, DisallowedError, TooLargeError or AstrayError for good.
            BlockedError: If the server asks us to stay away.
            StoppedError: If `stop` was called.
            OSError: If the disk refuses.
        """
        asked = self._to_url(url, None)
        question = FileQuestion(
            target, url=asked, since=since, most_bytes=most_bytes, body=self._body
        )
        try:
            return self._ask(asked, question)
        except BaseException as exc:
            question.settle(exc)
            raise

    def _add(self, host: str, *, base: str | None) -> None:
        """Take up a host, or the replica in its place."""
        manners, switch = self._manners, self._switch
        limits, origin = manners.limits.get(host, ()), base or ""
        pace = Pace(host, limits, guard_s=manners.guard_s, folder=manners.state, origin=origin)
        self._paces[host] = pace
        self._robots[host] = Robots(
            host,
            origin=origin,
            folder=manners.state,
            fetch=lambda url: self._ask(url, RobotsQuestion(self._body, RETRIED_STATUS)),
            slow_down=pace.slow_down,
            is_stopped=lambda: switch.is_thrown,
        )
        adapter = (
            PacedAdapter(pace, switch=switch, connections=manners.connections)
            if base is None
            else LoopbackAdapter(pace, switch=switch, connections=manners.connections, base=base)
        )
        self._session.mount(f"https://{host}/", adapter)

    def _to_url(self, url: str, params: Mapping[str, str | int] | None) -> str:
        """Bring an address into its canonical form, with its query."""
        canonical = to_canonical(url)
        if canonical is None or urlsplit(canonical).hostname not in self._paces:
            raise AstrayError(f"{url[:500]}: refused; only {' and '.join(self._paces)} are asked")
        try:
            return to_sent(canonical, params)
        except ValueError as exc:
            raise AstrayError(f"{url[:500]}: refused; no address at all ({exc})") from exc

    def _ask(self, url: str, question: Question[_T]) -> _T:
        """Ask until the answer is whole, or the retries are spent."""
        retry = self._policy
        while True:
            self._switch.check()
            error: Exception
            try:
                with self._send(url, question) as response:
                    failure = self._judge(response, question)
                    if failure is None:
                        return question.read(response, len(retry.history) + 1)
                    if not retry.is_retry("GET", response.status_code):
                        raise failure
                    error = failure
            except _PASSING as exc:
                self._switch.check()
                error = exc
            except requests.RequestException as exc:
                raise AstrayError(f"{url}: led astray ({exc}); report it") from exc
            retry = self._next_attempt(retry, url, error=error)
            self._switch.wait(self._find_backoff_s(retry))

    def _send(self, url: str, question: Question[object]) -> requests.Response:
        """Send a request, and follow where it leads within the Library."""
        headers = dict(question.to_headers())
        patience = (min(LONGEST_CONNECT_S, self._manners.timeout_s), self._manners.timeout_s)

        def get(url: str) -> requests.Response:
            if not isinstance(question, RobotsQuestion):
                self._robots[urlsplit(url).netloc].check(url)
            return self._session.get(url, headers=headers, stream=True, timeout=patience)

        return follow(url, get=get, hosts=self._paces)

    def _judge(
        self, response: requests.Response, question: Question[object]
    ) -> HarvestError | None:
        """Stop at a block; let all threads pause when asked; name any other failure."""
        now, url = datetime.now(UTC), response.url
        pace = self._paces[urlsplit(url).netloc]
        status, headers = response.status_code, response.headers
        if status in RETRIED_STATUS:
            pace.pause(to_wait_s(headers, now=now) or 0.0)
        block = find_block(url, status, headers=headers, now=now)
        if block is None and status >= 400 and is_html(headers):  # its page may never end
            beginning = read_beginning(response, silence_s=self._manners.timeout_s)
            block = find_block(url, status, headers=headers, now=now, beginning=beginning)
        block = block or self._count_refusal(response)
        if block is not None:
            pace.block(block)
            raise block
        return to_failure(url, status, headers=headers, now=now, accepted=question.accepted)

    def _count_refusal(self, response: requests.Response) -> BlockedError | None:
        """Tell a host that refuses us from one that refuses a file."""
        host, status = urlsplit(response.url).netloc, response.status_code
        if status < 400:
            self._refused[host].clear()
        elif status in (401, 403):
            self._refused[host].add(response.url)
        refuses_us = len(self._refused[host]) >= MOST_REFUSALS
        return to_refusal(response.url, status) if refuses_us else None

    def _next_attempt(self, retry: Retry, url: str, *, error: Exception) -> Retry:
        """Count a failed attempt; raise what it means when it was the last one."""
        pace = self._paces[urlsplit(url).netloc]
        try:
            following = retry.increment("GET", url, error=error)
        except MaxRetryError:
            if isinstance(error, BlockedError):
                pace.block(error)
                raise error from None
            raise DownloadError(
                f"{url}: no whole answer in {len(retry.history) + 1} attempts, the last time: "
                f"{to_shown(str(error))}; run the stage again"
            ) from error
        if isinstance(error, BlockedError):  # too many requests: of all of us
            pace.pause(self._find_backoff_s(following))
        return following

    def _find_backoff_s(self, retry: Retry) -> float:
        """Give the pause before an attempt; urllib3 makes none before the second one."""
        return retry.get_backoff_time() or self._manners.backoff_s * (1 + random.random())
