"""Edge: what may be asked of a host, and how each kind of answer is read."""

import re
import time
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

import requests

from harvest.answers import (
    Download,
    Page,
    Reply,
    Version,
    is_cacheable,
    is_json,
    to_shown,
    to_validator,
    to_version,
)
from harvest.content import parse_json, to_text
from harvest.errors import DownloadError
from harvest.partial import Partial, Rest, Sink
from harvest.robots import MOST_BYTES as MOST_ROBOTS_BYTES
from harvest.transfer import Body, SpoiltError, find_length, is_plain

MOST_REPLY_BYTES = 64 << 20
"""Ceiling of a JSON reply or a web page, unpacked. A page of the listing is about 1 MB with
everything in it (FACTS a1), some 7 kB a row; the most that we ask for are 150 rows."""

_RANGE = re.compile(r"^bytes (\d{1,18})-(\d{1,18})/(\d{1,18})$")
_T_co = TypeVar("_T_co", covariant=True)


class Question(Protocol[_T_co]):
    """One kind of question; it may be asked several times until the answer is whole."""

    def to_headers(self) -> Mapping[str, str]:
        """Say what to send; called before each attempt."""
        ...

    @property
    def accepted(self) -> Collection[int]:
        """HTTP statuses that `read` understands, of the latest attempt."""
        ...

    def read(self, response: requests.Response, attempts: int) -> _T_co:
        """Read an answer; a SpoiltError lets the question be asked again."""
        ...


@dataclass(frozen=True, slots=True)
class JsonQuestion:
    """Asks for JSON, and takes nothing else."""

    body: Body
    is_doubtful: Callable[[Reply], bool]
    accepted: Collection[int] = (200,)

    def to_headers(self) -> Mapping[str, str]:
        """Say what to send."""
        return {"Accept": "application/json", "Accept-Encoding": "gzip, deflate"}

    def read(self, response: requests.Response, attempts: int) -> Reply:
        """Parse a reply.

        Raises:
            SpoiltError: If it is of another type, such as a web page, is no whole JSON, or
                cannot be right.
        """
        if not is_json(response.headers):
            kind = to_shown(response.headers.get("Content-Type", "no type"))
            raise SpoiltError(f"expected JSON, got {kind}")
        content = b"".join(self.body(response, MOST_REPLY_BYTES))
        reply = Reply(_parse(content), content, is_cacheable(response.headers))
        if self.is_doubtful(reply):
            raise SpoiltError("well formed, and cannot be right")
        return reply


@dataclass(frozen=True, slots=True)
class PageQuestion:
    """Asks the older site, which gives JSON or a web page as it likes."""

    body: Body
    is_doubtful: Callable[[Page], bool]
    accepted: Collection[int] = (200,)

    def to_headers(self) -> Mapping[str, str]:
        """Say what to send."""
        return {
            "Accept": "application/json, text/html;q=0.9, */*;q=0.1",
            "Accept-Encoding": "gzip, deflate",
        }

    def read(self, response: requests.Response, attempts: int) -> Page:
        """Read a page, and parse it where it says that it is JSON.

        Raises:
            SpoiltError: If it says so and is none, or cannot be right.
        """
        content = b"".join(self.body(response, MOST_REPLY_BYTES))
        page = Page(
            data=_parse(content) if is_json(response.headers) else None,
            text=to_text(content, response.headers),
            content=content,
            cacheable=is_cacheable(response.headers),
        )
        if self.is_doubtful(page):
            raise SpoiltError("well formed, and cannot be right")
        return page


@dataclass(frozen=True, slots=True)
class RobotsQuestion:
    """Asks for a robots.txt; where there is none, everything is allowed (RFC 9309 2.3.1.3)."""

    body: Body
    retried: Collection[int]
    """Statuses that another attempt may change."""

    @property
    def accepted(self) -> Collection[int]:
        """200, and what says that there is none."""
        return {200, *range(400, 500)} - set(self.retried)

    def to_headers(self) -> Mapping[str, str]:
        """Say what to send."""
        return {"Accept": "text/plain, */*;q=0.5", "Accept-Encoding": "gzip, deflate"}

    def read(self, response: requests.Response, attempts: int) -> str:
        """Read its beginning; "" where there is none.

        Raises:
            SpoiltError: If it is no text in UTF-8 (RFC 9309 2.3), as UTF-16 is not.
        """
        if response.status_code != 200:
            return ""
        content = b""
        for chunk in self.body(response, MOST_REPLY_BYTES):
            content += chunk
            if len(content) >= MOST_ROBOTS_BYTES:
                break
        if b"\0" in content or content.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
            raise SpoiltError("expected text in UTF-8, got something else")
        return content[:MOST_ROBOTS_BYTES].decode("utf-8-sig", errors="replace")


class FileQuestion:
    """Asks for a file, or for the rest of one; it appears whole or not at all."""

    def __init__(
        self, target: Path, *, url: str, since: Version | None, most_bytes: int, body: Body
    ) -> None:
        """Ask for nothing yet.

        Args:
            target: Where it shall stand.
            url: Canonical.
            since: The version that is there; it is not sent again. None wants it anyway.
            most_bytes: Ceiling.
            body: How to read.
        """
        self._part = Partial(target, url=url)
        self._since, self._most_bytes, self._body = since, most_bytes, body
        self._rest: Rest | None = None

    @property
    def accepted(self) -> Collection[int]:
        """The file, its rest, that there is no such rest, or that nothing has changed."""
        rest = (206, 304, 412, 416) if self._rest is not None else ()
        return (200, *rest, *((304,) if self._since is not None else ()))

    def to_headers(self) -> Mapping[str, str]:
        """Say what to send, by what is there."""
        headers = {"Accept-Encoding": "identity"}
        if self._since is not None and self._since.etag:
            headers["If-None-Match"] = self._since.etag
        if self._since is not None and self._since.last_modified:
            headers["If-Modified-Since"] = self._since.last_modified
        self._rest = self._part.keep_rest()
        if self._rest is not None:
            headers["Range"] = f"bytes={self._rest.offset}-"
            headers["If-Range"] = self._rest.validator
        return headers

    def read(self, response: requests.Response, attempts: int) -> Download | None:
        """Write what comes to the disk.

        Returns:
            The file; None when that of `since` is the latest.

        Raises:
            SpoiltError: If it is not whole, or the server cannot go on where it ended.
            TooLargeError: If it is larger than the ceiling.
            OSError: If the disk refuses.
        """
        if response.status_code == 304 and self._since is not None:
            self._part.discard()
            return None
        started = time.monotonic()
        sink = self._begin(response) if response.status_code == 200 else self._go_on(response)
        self._part.finish()
        version = to_version(response.headers)
        return Download(
            sha256=sink.sha256,
            size_bytes=sink.size_bytes,
            etag=version.etag,
            last_modified=version.last_modified,
            content_type=response.headers.get("Content-Type", ""),
            seconds=time.monotonic() - started,
            attempts=attempts,
        )

    def settle(self, error: BaseException) -> None:
        """Clear up after a failure; keep only what one can go on with later.

        Args:
            error: What ended the last attempt. A final answer keeps nothing.

        Raises:
            OSError: If the disk refuses.
        """
        final = isinstance(error, DownloadError) and type(error) is not DownloadError
        if final or isinstance(error, OSError):
            self._part.discard()
        else:
            self._part.keep_rest()

    def _begin(self, response: requests.Response) -> Sink:
        """Write the whole file."""
        size = find_length(response) if is_plain(response) else None
        validator = to_validator(response.headers)
        with self._part.begin(validator=validator, size_bytes=size) as sink:
            for chunk in self._body(response, self._most_bytes):
                sink.write(chunk)
        return sink

    def _go_on(self, response: requests.Response) -> Sink:
        """Write the rest of the file, if it is the rest of this one."""
        rest = self._rest
        assert rest is not None
        if not _is_rest(response, rest):
            self._part.discard()
            raise SpoiltError(f"asked for the rest from {rest.offset}, got something else")
        with self._part.go_on(rest) as sink:
            for chunk in self._body(response, self._most_bytes - rest.offset):
                sink.write(chunk)
        if sink.size_bytes != rest.size_bytes:
            self._part.discard()
            raise SpoiltError(f"got {sink.size_bytes} of {rest.size_bytes} bytes")
        return sink


def _is_rest(response: requests.Response, rest: Rest) -> bool:
    """Say whether an answer is the rest that was asked for, of the same version."""
    match = _RANGE.match(response.headers.get("Content-Range", ""))
    if response.status_code != 206 or match is None or not is_plain(response):
        return False
    first, last, size = (int(number) for number in match.groups())
    etag = to_version(response.headers).etag
    same = not etag or not rest.validator.startswith('"') or etag == rest.validator
    return same and (first, last, size) == (rest.offset, rest.size_bytes - 1, rest.size_bytes)


def _parse(content: bytes) -> object:
    try:
        return parse_json(content)
    except ValueError as exc:
        raise SpoiltError(f"no whole JSON in {len(content)} bytes ({exc})") from exc
