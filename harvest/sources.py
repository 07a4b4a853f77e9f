"""What a source is: whom we ask, as whom, and how fast.

Where the numbers of `harvest.limits.loc` in params.yaml come from (gathered 2026-11-20; the
published tables disagree between pages and years, and we obey the strictest):

www.loc.gov, "1/6" and "10/60":
    one request at a time, 6 s apart or more: etiquette of the clients that were not blocked
    (github smeet666/mcp-libraryofcongress README 2.1, pieria-art/Pieria tools/loc_grab.py);
    JSON as read in 2026: 10 requests a minute across the site (the same README). Stricter
    than robots.txt (Crawl-delay 5), than 20 in 10 s and 80 a minute for collections, and
    than 10 in 10 s for items (loc.gov, "Working within limits").
tile.loc.gov, "1/3" and "20/60":
    no table names image files; 20 a minute is the strictest that "Working within limits"
    names for anything (newspapers), and what 2026 reports name for each address (a block of
    1 h, HTTP 429, beyond it). "1/3" spreads them.

`sample` has no limits: the replica is ours.
"""

from collections.abc import Mapping
from importlib.metadata import version

from harvest.client import Client, Manners
from harvest.errors import HarvestError
from harvest.pace import to_rates
from harvest.params import HarvestParams

LOC_CONNECTIONS = 1
"""One request at a time to the Library, whatever harvest.workers says."""

BACKOFF_S = {"sample": 0.1, "loc": 2.0}


def open_client(params: HarvestParams, *, redirect: Mapping[str, str] | None) -> Client:
    """Open the client for a source.

    Args:
        params: The `harvest` section.
        redirect: For each canonical host the replica's base; None for the Library itself.

    Raises:
        HarvestError: If the source and `redirect` do not belong together, if `loc` lacks a
            contact, or if a limit allows nothing.
    """
    if (params.source == "loc") != (redirect is None):
        raise HarvestError(
            f"source {params.source!r}: expected {'no replica' if redirect else 'a replica'}; "
            "set harvest.source to sample for the replica, to loc for the Library"
        )
    manners = to_manners(params)
    try:
        for limits in manners.limits.values():
            to_rates(limits)
        return Client(manners, redirect=redirect)
    except ValueError as exc:
        raise HarvestError(f"harvest.limits.{params.source}: {exc}") from exc


def to_manners(params: HarvestParams) -> Manners:
    """Say how a client behaves towards the source.

    Args:
        params: The `harvest` section.

    Raises:
        HarvestError: If `loc` lacks a contact, or has no limits for one of its hosts.
    """
    limits = params.limits.get(params.source, {})
    if params.source == "loc":
        _check_manners(params, limits=limits)
    contact = f"; {params.contact}" if params.contact else ""
    return Manners(
        user_agent=f"photochrom/{version('photochrom')} (photochrom prints data set{contact})",
        limits=limits,
        retries=params.retries,
        timeout_s=params.timeout_s,
        connections=to_workers(params),
        backoff_s=BACKOFF_S[params.source],
    )


def to_workers(params: HarvestParams) -> int:
    """Say how many downloads run at a time: as many as wanted, and as the source allows."""
    return LOC_CONNECTIONS if params.source == "loc" else params.workers


def _check_manners(params: HarvestParams, *, limits: Mapping[str, list[str]]) -> None:
    contact = params.contact or ""
    if not contact.isascii() or not contact.isprintable() or len(contact.strip()) < 5:
        raise HarvestError(
            f"harvest.contact: expected an e-mail address or a URL, got {params.contact!r}; the "
            "Library must be able to write to whoever asks: set harvest.contact in params.yaml, "
            "or --set harvest.contact=you@example.org"
        )
    missing = [host for host in ("www.loc.gov", "tile.loc.gov") if not limits.get(host)]
    if missing:
        raise HarvestError(
            f"harvest.limits.loc: expected limits for {missing}, got none; take those that "
            "harvest/sources.py names"
        )
