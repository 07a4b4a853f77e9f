"""Pure: the faults that can be asked for, and the routes on which each makes sense."""

from enum import StrEnum

from replica.routes import JSON_ROUTES, Route


class Kind(StrEnum):
    """What goes wrong. Each has been seen of loc.gov or its like, or is a hostile catalogue's."""

    TOO_MANY_SECONDS = "too_many_seconds"
    """429, Retry-After in seconds."""
    TOO_MANY_DATE = "too_many_date"
    """429, Retry-After as an HTTP date."""
    TOO_MANY_BARE = "too_many_bare"
    """429 without Retry-After."""
    TOO_MANY_MOMENT = "too_many_moment"
    """429 without Retry-After, with the page "Just a moment..."."""
    CHALLENGE = "challenge"
    """403 with cf-mitigated: challenge, and the page "Just a moment..."."""
    FORBIDDEN = "forbidden"
    """403 without a challenge."""
    NOT_FOUND = "not_found"
    """404 where something is."""
    ERROR_500 = "error_500"
    """500, as IIIF answers for a master that is too large."""
    ERROR_502 = "error_502"
    UNAVAILABLE = "unavailable"
    """503 with Retry-After in seconds."""
    TOO_BUSY = "too_busy"
    """503 with an HTML page "Server Too Busy"."""
    ERROR_504 = "error_504"
    EMPTY_PAGE = "empty_page"
    """200, a well-formed page without results that must not be cached."""
    ROWS_MISSING = "rows_missing"
    """A page lacks its last row: the listing changed meanwhile."""
    ROWS_REPEATED = "rows_repeated"
    """A page has its first row again in place of its last."""
    HTML = "html"
    """200 with an HTML page where something else was asked."""
    BROKEN_JSON = "broken_json"
    """200 with JSON that ends in the middle."""
    DEEP_JSON = "deep_json"
    """200 with lists in lists, `amount` levels."""
    WRONG_CHARSET = "wrong_charset"
    """200, Latin-1 declared to be UTF-8."""
    RESET = "reset"
    """The connection is reset before an answer."""
    SILENCE = "silence"
    """Nothing comes for `seconds`; then the connection ends."""
    CUT = "cut"
    """The connection ends in the middle of the body."""
    STALL = "stall"
    """Half of the body comes, then nothing for `seconds`; then the connection ends."""
    TRICKLE = "trickle"
    """The body comes at `amount` bytes a second, for at most `seconds`."""
    GARBAGE = "garbage"
    """A body of the right length that is noise."""
    TRUNCATED = "truncated"
    """Half of a file, served as if it were complete."""
    WRONG_SIZE = "wrong_size"
    """A picture of half the promised width and height."""
    GZIP_BOMB = "gzip_bomb"
    """A gzip-coded body of some 10 MB that unpacks to `amount` MiB."""
    HUGE_LENGTH = "huge_length"
    """A Content-Length of `amount` GB."""
    REDIRECT_HOST = "redirect_host"
    """A redirect to another host."""
    REDIRECT_HTTP = "redirect_http"
    """A redirect to the same address, without TLS."""
    REDIRECT_PRIVATE = "redirect_private"
    """A redirect to a private address."""
    REDIRECT_LOOP = "redirect_loop"
    """A redirect to an address that always redirects to itself."""


FILES = frozenset({Route.FILE, Route.IIIF})
PAGES = frozenset({Route.LISTING, Route.SEARCH})
EVERYWHERE = frozenset(Route) - {Route.ABOUT}

_ONLY = {
    Kind.EMPTY_PAGE: PAGES,
    Kind.ROWS_MISSING: PAGES,
    Kind.ROWS_REPEATED: PAGES,
    Kind.HTML: JSON_ROUTES | FILES,
    Kind.BROKEN_JSON: JSON_ROUTES,
    Kind.DEEP_JSON: JSON_ROUTES,
    Kind.WRONG_CHARSET: JSON_ROUTES,
    Kind.TRUNCATED: FILES,
    Kind.WRONG_SIZE: FILES,
}

_AMOUNTS = {
    Kind.DEEP_JSON: 200,
    Kind.TRICKLE: 64,
    Kind.GZIP_BOMB: 10_240,
    Kind.HUGE_LENGTH: 50,
}

_SECONDS = {
    Kind.TOO_MANY_SECONDS: 1.0,
    Kind.TOO_MANY_DATE: 2.0,
    Kind.UNAVAILABLE: 1.0,
    Kind.SILENCE: 120.0,
    Kind.STALL: 120.0,
    Kind.TRICKLE: 120.0,
    Kind.HUGE_LENGTH: 120.0,
}


def routes_for(kind: Kind) -> frozenset[Route]:
    """Give the routes on which a fault makes sense."""
    return _ONLY.get(kind, EVERYWHERE)


def amount_for(kind: Kind) -> int | None:
    """Give a fault's usual `amount`; None when it has none."""
    return _AMOUNTS.get(kind)


def seconds_for(kind: Kind) -> float | None:
    """Give a fault's usual `seconds`; None when it has none."""
    return _SECONDS.get(kind)
