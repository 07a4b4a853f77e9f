"""What a source is: whom we ask, as whom, how fast, and where that is kept.

Where the numbers of `harvest.limits.loc` in params.yaml come from (gathered 2026-11-20; the
published tables disagree between pages and years, and we obey the strictest):

www.loc.gov, "1/6":
    one request at a time, 6 s apart or more: etiquette of the clients that were not blocked
    (github smeet666/mcp-libraryofcongress README 2.1, pieria-art/Pieria tools/loc_grab.py).
    Stricter than robots.txt as reported in 2026 (Crawl-delay 5).
www.loc.gov, "10/60":
    JSON as read in 2026: 10 requests a minute across the site (the same README). Stricter
    than 20 in 10 s and 80 a minute for collections, 10 in 10 s and 200 a minute for items
    (loc.gov, "Working within limits"), and 20 a minute for each address (github
    61828192518). The older site under /pictures/ is outside that API and has no table; it
    is the same host, and keeps the same.
tile.loc.gov, "20/60":
    no table names image files; 20 a minute is the strictest that "Working within limits"
    names for anything (newspapers), and what 2026 reports name for each address (a block of
    1 h, HTTP 429, beyond it).
tile.loc.gov, "1/3":
    the same 20 a minute, spread: a burst is what the tables punish first.

`sample` has no limits: the replica is ours.
"""

import os
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from harvest.addresses import HOSTS
from harvest.bucket import to_rates
from harvest.client import Client
from harvest.errors import HarvestError
from harvest.manners import Manners
from harvest.params import HarvestParams

LOC_CONNECTIONS = 1
"""One request at a time to the Library, whatever harvest.workers says."""

_CONTACT = re.compile(r"[!-~]+@[!-~]+\.[!-~]+|https?://[!-~]{4,}")
"""Printable ASCII alone, for it stands in a header."""

LEAST_GUARD_S = 0.2
"""Twice `pace.LONGEST_LAG_MS`, so that as much is left for the network."""

BACKOFF_S = {"sample": 0.1, "loc": 2.0}


def open_client(
    params: HarvestParams, *, redirect: Mapping[str, str] | None, state: Path | None
) -> Client:
    """Open the client for a source.

    Args:
        params: The `harvest` section.
        redirect: For each canonical host the replica's base; None for the Library itself.
        state: From `to_state`; None keeps limits and blocks in memory, for tests.

    Raises:
        HarvestError: If the source and `redirect` do not belong together, if `loc` lacks a
            contact, if a limit allows nothing, or if the state cannot be used.
    """
    if (params.source == "loc") != (redirect is None):
        raise HarvestError(
            f"source {params.source!r}: expected {'no replica' if redirect else 'a replica'}; "
            "set harvest.source to sample for the replica, to loc for the Library"
        )
    manners = to_manners(params, state=state)
    try:
        for limits in manners.limits.values():
            to_rates(limits)
        return Client(manners, redirect=redirect)
    except ValueError as exc:
        raise HarvestError(f"harvest.limits.{params.source}: {exc}") from exc


def to_state(params: HarvestParams, own: Path) -> Path:
    """Say where the limits of a source are kept.

    The Library counts by address, not by checkout, so all of a user's harvests of it share
    one place, by the XDG Base Directory Specification. A replica belongs to its checkout.

    Args:
        params: The `harvest` section.
        own: The checkout's folder for it, .photochrom/limits.
    """
    if params.source != "loc":
        return own
    given = os.environ.get("XDG_STATE_HOME", "")
    base = Path(given) if Path(given).is_absolute() else Path.home() / ".local" / "state"
    return base / "photochrom" / "limits"


def to_manners(params: HarvestParams, *, state: Path | None) -> Manners:
    """Say how a client behaves towards the source.

    Args:
        params: The `harvest` section.
        state: Where the limits are kept.

    Raises:
        HarvestError: If `loc` lacks a contact, or has no limits for one of its hosts.
    """
    limits = params.limits.get(params.source, {})
    check_contact(params)
    if params.source == "loc":
        _check_limits(limits, guard_s=params.guard_s)
    contact = f"; {params.contact}" if params.contact else ""
    return Manners(
        user_agent=f"photochrom/{version('photochrom')} (photochrom prints data set{contact})",
        limits=limits,
        retries=params.retries,
        timeout_s=params.timeout_s,
        connections=to_workers(params),
        backoff_s=BACKOFF_S[params.source],
        guard_s=params.guard_s,
        state=state,
    )


def to_workers(params: HarvestParams) -> int:
    """Say how many downloads run at a time: as many as wanted, and as the source allows."""
    return LOC_CONNECTIONS if params.source == "loc" else params.workers


def check_contact(params: HarvestParams) -> None:
    """See that the Library could write to whoever asks, before anything is asked.

    Args:
        params: The `harvest` section; a replica needs no contact.

    Raises:
        HarvestError: If it is missing for the Library, or is neither address nor URL.
    """
    if params.contact is None and params.source != "loc":
        return
    if params.contact is None or not _CONTACT.fullmatch(params.contact):
        raise HarvestError(
            f"harvest.contact: expected an e-mail address or a URL, got {params.contact!r}; the "
            "Library must be able to write to whoever asks: set harvest.contact in params.yaml, "
            "or --set harvest.contact=you@example.org"
        )


def _check_limits(limits: Mapping[str, Sequence[str]], *, guard_s: float) -> None:
    missing = [host for host in HOSTS if not limits.get(host)]
    if missing:
        raise HarvestError(
            f"harvest.limits.loc: expected limits for {missing}, got none; take those that "
            "harvest/sources.py names"
        )
    if guard_s < LEAST_GUARD_S:
        raise HarvestError(
            f"harvest.guard_s: expected {LEAST_GUARD_S} s or more for the Library, got {guard_s}; "
            "a request may take as long to get there"
        )
