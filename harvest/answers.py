"""Pure: what an answer is, and what its head means for us."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from harvest.errors import (
    BlockedError,
    DownloadError,
    ForbiddenError,
    HarvestError,
    NotFoundError,
)

LONGEST_WAIT_S = 60.0
"""A longer Retry-After is a block (loc.gov's are 5 minutes and 1 hour): we stop and report."""

UNTOLD_BLOCK_S = 3600.0
"""So long a host is left alone that says "too many" and not until when: the longest block that
loc.gov documents (FACTS a7)."""

MOST_REFUSALS = 3
"""403 for so many files in a row, with nothing given between, is a refusal of the client."""

CHALLENGE_MARK = b"Just a moment"
"""Title of the page that stands for a challenge (FACTS a7)."""

_FURTHEST_S = 365 * 86_400
_SECONDS = re.compile(r"^([0-9]+)(?:\.([0-9]*))?$")
_SETTLED = timedelta(seconds=60)
_ETAG = re.compile(r'^(?:W/)?"[!#-~\x80-\xff]*"$')
_WRITE_TO = "LC-Labs@loc.gov"


@dataclass(frozen=True, slots=True)
class Reply:
    """A JSON answer.

    Attributes:
        data: As parsed.
        content: The very bytes.
        cacheable: Whether the server lets it be kept; what it sends under load, it does not.
    """

    data: Any
    content: bytes
    cacheable: bool


@dataclass(frozen=True, slots=True)
class Page:
    """An answer of the older site, which gives web pages and JSON alike.

    Attributes:
        data: As parsed, where it is JSON; else None.
        text: By the charset that it names, else UTF-8; bytes that are none are replaced.
        content: The very bytes.
        cacheable: Whether the server lets it be kept.
    """

    data: Any | None
    text: str
    content: bytes
    cacheable: bool


@dataclass(frozen=True, slots=True)
class Version:
    """What tells one version of a file from another.

    Attributes:
        etag: The server's mark, weak or strong, as it sent it; "" where it sent none.
        last_modified: An HTTP date as the server sent it, or "".
    """

    etag: str
    last_modified: str


@dataclass(frozen=True, slots=True)
class Download:
    """A file that came whole.

    Attributes:
        sha256: Of its bytes, in hex.
        size_bytes: Its size.
        etag: The server's mark of this version, or "".
        last_modified: When the server says that it changed, an HTTP date, or "".
        content_type: As the server said; not to be trusted.
        seconds: How long the last attempt took.
        attempts: Requests it took.
    """

    sha256: str
    size_bytes: int
    etag: str
    last_modified: str
    content_type: str
    seconds: float
    attempts: int


def find_block(
    url: str, status: int, *, headers: Mapping[str, str], now: datetime, beginning: bytes = b""
) -> BlockedError | None:
    """Tell whether an answer means that we must stay away.

    A challenge is one, known by its header or by its page: solving it would be evasion, and
    asking again makes it worse. So is a wait longer than LONGEST_WAIT_S.

    Args:
        url: Canonical address that was asked.
        status: HTTP status.
        headers: By any case, as requests gives them.
        now: The time, with its zone.
        beginning: Of the body, where it is a web page.

    Returns:
        The error to raise, or None.
    """
    challenged = headers.get("cf-mitigated", "").lower() == "challenge"
    if challenged or (status >= 400 and is_html(headers) and CHALLENGE_MARK in beginning):
        return BlockedError(
            f"{url}: HTTP {status}, a challenge instead of an answer; the server takes this "
            f"client for a robot, and asking again makes it worse: wait a day or use another "
            f"network, and if it stays so write to {_WRITE_TO}"
        )
    wait_s = to_wait_s(headers, now=now)
    if status < 400 or wait_s is None or wait_s <= LONGEST_WAIT_S:
        return None
    said = f"{url}: HTTP {status}, to be asked again in {wait_s:.0f} s"
    return _to_block(said, until=now + timedelta(seconds=min(wait_s, _FURTHEST_S)))


def to_refusal(url: str, status: int) -> BlockedError:
    """Make the error of a host that refuses one file after another: it means us, not the files.

    Args:
        url: The last of MOST_REFUSALS addresses in a row.
        status: HTTP status.
    """
    return BlockedError(
        f"{url}: HTTP {status}, and so the {MOST_REFUSALS - 1} before it; the server refuses this "
        f"client: run the stage again later or from another network, and if it stays so write "
        f"to {_WRITE_TO}"
    )


def _to_block(said: str, *, until: datetime) -> BlockedError:
    when = f"{until:%Y-%m-%d %H:%M:%S %Z}"
    return BlockedError(
        f"{said}; run the stage again after {when}, with lower harvest.limits", until=until
    )


def to_wait_s(headers: Mapping[str, str], *, now: datetime) -> float | None:
    """Read Retry-After in either form, seconds or a date.

    A date is the server's, so it is held against the server's own Date where there is one:
    a clock here that runs ahead must not shorten the wait.

    Args:
        headers: By any case, as requests gives them.
        now: The time, with its zone.

    Returns:
        Seconds from `now`, at least 0, rounded up; LONGEST_WAIT_S where it cannot be read, for
        it asks us to wait; None when it is missing.
    """
    value = headers.get("Retry-After", "").strip()
    if not value:
        return None
    if match := _SECONDS.match(value):
        whole, part = match[1].lstrip("0")[:12], (match[2] or "").strip("0")
        return float(int(whole or "0") + bool(part))
    until = to_date(value)
    if until is None:
        return LONGEST_WAIT_S
    return max(0.0, (until - (to_date(headers.get("Date", "")) or now)).total_seconds())


def to_date(value: str) -> datetime | None:
    """Read an HTTP date; None when it is none."""
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)


def to_version(headers: Mapping[str, str]) -> Version:
    """Read the marks of a file's version; what is no mark by RFC 9110 8.8 counts as none."""
    etag, modified = headers.get("ETag", ""), headers.get("Last-Modified", "")
    return Version(
        etag=etag if _ETAG.match(etag) else "",
        last_modified=modified if to_date(modified) is not None else "",
    )


def to_validator(headers: Mapping[str, str]) -> str:
    """Find the mark under which the rest of a file may be asked for later.

    Only a strong one will do (RFC 9110 13.1.5): an ETag that is not weak, or a date of change
    that lay 60 s back when the answer was made (8.8.2.2; RFC 7232 named the 60 s).

    Args:
        headers: Of the answer that brought the beginning.

    Returns:
        A value for If-Range; "" when the server could not go on, or not safely.
    """
    ranges = headers.get("Accept-Ranges", "").lower()
    packed = headers.get("Content-Encoding", "identity").lower() != "identity"
    if packed or not ("bytes" in ranges or "Content-Range" in headers):
        return ""
    version = to_version(headers)
    if version.etag and not version.etag.startswith("W/"):
        return version.etag
    changed, made = to_date(version.last_modified), to_date(headers.get("Date", ""))
    settled = changed is not None and made is not None and made - changed >= _SETTLED
    return version.last_modified if settled else ""


def to_failure(
    url: str,
    status: int,
    *,
    headers: Mapping[str, str],
    now: datetime,
    accepted: Collection[int] = (200,),
) -> HarvestError | None:
    """Turn a status into the error it means.

    Args:
        url: Canonical address that was asked.
        status: HTTP status.
        headers: By any case.
        now: The time, with its zone.
        accepted: Statuses that are no failure here.

    Returns:
        None for a status that is accepted. 429 is a block of UNTOLD_BLOCK_S if it does not pass.
    """
    if status in accepted:
        return None
    if status in (404, 410):
        return NotFoundError(f"{url}: HTTP {status}, nothing under this address")
    if status in (401, 403):
        return ForbiddenError(f"{url}: HTTP {status}, the server does not give this file away")
    if status == 429:
        said = f"{url}: HTTP 429, too many requests, and no end of it after all retries"
        return _to_block(said, until=now + timedelta(seconds=UNTOLD_BLOCK_S))
    kind = to_shown(headers.get("Content-Type", "no type"))
    return DownloadError(f"{url}: expected HTTP 200, got {status} ({kind}); run the stage again")


def to_shown(text: str) -> str:
    """Escape what a server sent for a message: its control characters steer a terminal."""
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def is_html(headers: Mapping[str, str]) -> bool:
    """Say whether an answer is a web page."""
    return headers.get("Content-Type", "").partition(";")[0].strip().lower() == "text/html"


def is_json(headers: Mapping[str, str]) -> bool:
    """Say whether an answer is JSON."""
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def is_cacheable(headers: Mapping[str, str]) -> bool:
    """Say whether the server lets an answer be kept, as it does when it means it."""
    parts = {part.strip().lower() for part in headers.get("Cache-Control", "").split(",")}
    ages = [part.partition("=")[2] for part in parts if part.startswith(("max-age=", "s-maxage="))]
    if parts & {"no-cache", "no-store"}:
        return False
    return any(age.isascii() and age.isdecimal() and age.strip("0") for age in ages)
