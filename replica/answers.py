"""Pure: answers that are faults of themselves: refusals, redirects, errors."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate

from replica.faults import FaultRule
from replica.kinds import Kind, seconds_for
from replica.replies import NOT_FOUND

LOOP = "replica-loop"
"""In the query of an address that always redirects to itself."""

_HTML = ("content-type", "text/html; charset=utf-8")
_NO_STORE = ("cache-control", "private, max-age=0, no-store, no-cache, must-revalidate")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer.

    Attributes:
        status: HTTP status.
        headers: Names in lower case, and values; no Content-Length.
        body: As sent.
        wait_s: Seconds after which the host may be asked again; None: at once.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    wait_s: float | None = None


def refuse(rule: FaultRule, *, url: str, now: float) -> Answer | None:
    """Make the answer of a fault that needs no honest one.

    Args:
        rule: The fault.
        url: The canonical address that was asked.
        now: Seconds since 1970, for a Retry-After that is a date.

    Returns:
        The answer; None when the fault is of another sort.
    """
    seconds = rule.seconds or seconds_for(rule.kind) or 0.0
    if rule.kind is Kind.TOO_MANY_DATE:
        until = math.ceil(now + seconds)  # dates have whole seconds
        return too_many(formatdate(until, usegmt=True), wait_s=until - now)
    if rule.kind is Kind.TOO_MANY_SECONDS:
        return too_many(str(math.ceil(seconds)), wait_s=math.ceil(seconds))
    if rule.kind is Kind.UNAVAILABLE:
        whole = math.ceil(seconds)
        page = _page(503, "Service Temporarily Unavailable")
        return Answer(503, (*page.headers, ("retry-after", str(whole))), page.body, whole)
    if rule.kind in _REDIRECTS:
        return Answer(302, (("location", _REDIRECTS[rule.kind](url)), _NO_STORE), b"")
    if rule.kind is Kind.NOT_FOUND and "fo=json" in url:
        return Answer(404, (("content-type", "application/json"),), json.dumps(NOT_FOUND).encode())
    return _PLAIN.get(rule.kind)


def too_many(retry_after: str | None, *, wait_s: float | None) -> Answer:
    """Make a 429.

    Args:
        retry_after: The header; None leaves it out.
        wait_s: The same in seconds from now.
    """
    page = _page(429, "Too Many Requests")
    after = () if retry_after is None else (("retry-after", retry_after),)
    return Answer(429, (*page.headers, *after), page.body, wait_s)


def loop_back(url: str) -> Answer:
    """Make the redirect of an address to itself."""
    return Answer(302, (("location", url), _NO_STORE), b"")


def _page(status: int, text: str) -> Answer:
    head, body = f"<head><title>{text}</title></head>", f"<body><h1>{text}</h1></body>"
    page = f"<!doctype html><html>{head}{body}</html>"
    return Answer(status, (_HTML, _NO_STORE), page.encode())


def _to_loop(url: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}{LOOP}=1"


_CHALLENGE = Answer(
    403,
    (_HTML, _NO_STORE, ("server", "cloudflare"), ("cf-mitigated", "challenge")),
    b"<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>"
    b"<noscript>Enable JavaScript and cookies to continue</noscript></body></html>",
)
_PLAIN = {
    Kind.TOO_MANY_BARE: too_many(None, wait_s=None),
    Kind.TOO_MANY_MOMENT: Answer(429, (_HTML, _NO_STORE), _CHALLENGE.body),
    Kind.CHALLENGE: _CHALLENGE,
    Kind.FORBIDDEN: _page(403, "Forbidden"),
    Kind.NOT_FOUND: _page(404, "404 Not Found"),
    Kind.ERROR_500: _page(500, "Internal Server Error"),
    Kind.ERROR_502: _page(502, "Bad Gateway"),
    Kind.TOO_BUSY: _page(503, "Server Too Busy"),
    Kind.ERROR_504: _page(504, "Gateway Time-out"),
    Kind.HTML: _page(200, "The Library is being improved"),
}
_REDIRECTS: dict[Kind, Callable[[str], str]] = {
    Kind.REDIRECT_HOST: lambda _: "https://example.org/elsewhere",
    Kind.REDIRECT_HTTP: lambda url: url.replace("https:", "http:", 1),
    Kind.REDIRECT_PRIVATE: lambda _: "https://10.0.0.1/private",
    Kind.REDIRECT_LOOP: _to_loop,
}
