"""Edge: ask for the collection's listing, page by page, and keep every raw reply."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol

from harvest.catalog import mark_repeated, to_catalog
from harvest.client import Client
from harvest.errors import CatalogError
from harvest.items import fetch_items
from harvest.leafing import MOST_LOOKS, fetch_leaf, read_leaf, to_page
from harvest.leaves import Leaf, Leaves, find_fault, find_unsettled
from harvest.raw import (
    Shelf,
    begin_listing,
    drop_listing,
    finish_listing,
    open_shelf,
    read_pages,
)
from harvest.records import CatalogRow
from harvest.replies import read_items, to_items

LEAST_SHARE = 0.9
"""A listing with fewer rows than this share of the last whole one is not believed: what
is not listed any more is removed from the disk."""

OnPage = Callable[[int, int], None]
"""Hears, after each page, how many came and how many there are (0: not known)."""


def fetch_catalog(
    client: Client,
    *,
    road: str,
    page_size: int,
    detail: str,
    raw: Path,
    may_shrink: bool = False,
    on_page: OnPage = lambda _done, _of: None,
) -> tuple[list[CatalogRow], int]:
    """Ask for the whole catalogue.

    Args:
        client: The client.
        road: "json", the API, or "pictures", the older site.
        page_size: Rows a page.
        detail: "listing" takes the listing's word; "item" asks for every listed item too,
            unless its reply is there and the record has not changed since.
        raw: Folder of the source's raw replies, data/catalog/<source>.
        may_shrink: Whether it may have far fewer rows than the last one (LEAST_SHARE), as a
            replica's may, whose items are a setting.
        on_page: Hears of every page of the listing.

    Returns:
        The rows of data/catalog.parquet, and how many rows the listing has.

    Raises:
        CatalogError: If the listing is incomplete, or far shorter than the last one, or a
            reply is not what it should be.
        DownloadError: If a reply did not come, be it a page's or an item's (`check_items`).
        BlockedError: If the server asks us to stay away.
        StoppedError: If the client was stopped; what came serves the next run.
    """
    fetch_listing(
        client, road=road, page_size=page_size, raw=raw, may_shrink=may_shrink, on_page=on_page
    )
    rows, seen = _read_listing(open_shelf(raw, road), road=road)
    if detail == "item":
        rows = mark_repeated(fetch_items(client, to_items(rows), road=road, raw=raw))
    return rows, seen


def read_catalog(raw: Path, road: str, *, detail: str = "item") -> list[CatalogRow]:
    """Rebuild the catalogue from the raw replies, without asking anyone.

    Args:
        raw: Folder of the source's raw replies.
        road: By which they came.
        detail: As it was when they came. "item" takes the items' own replies where they are
            there and their records have not changed since, which is none where none came.

    Raises:
        CatalogError: If there are no pages, or one is no listing.
    """
    rows, _ = _read_listing(open_shelf(raw, road), road=road)
    if detail == "item":
        rows = mark_repeated(read_items(to_items(rows), road=road, raw=raw))
    return rows


def fetch_listing(
    client: Client, *, road: str, page_size: int, raw: Path, may_shrink: bool, on_page: OnPage
) -> None:
    """Ask for all pages of the listing, see that together they are complete, and keep them.

    Pages that an interrupted run left are not asked for again. The number of pages follows
    from `of` and `perpage`; `last` and `total` of the API are not to be trusted. A page is
    asked for again, MOST_LOOKS times, while it shares a row with another one, as happens when
    the catalogue changes meanwhile, or counts other rows in all than the first, or is short
    or missing. A row that stays double is the catalogue's own, and skipped as such.

    Args:
        client: The client.
        road: "json" or "pictures".
        page_size: Rows a page.
        raw: Folder of the source's raw replies.
        may_shrink: As of `fetch_catalog`.
        on_page: Hears of every page.

    Raises:
        CatalogError: If the rows do not add up to what the first page promised, or to far
            less than there were.
        DownloadError: If a page did not come.
        BlockedError: If the server asks us to stay away.
        StoppedError: If the client was stopped.
    """
    shelf = open_shelf(raw, road)
    begin_listing(shelf, {"road": road, "page_size": page_size})
    fetch = partial(fetch_leaf, client, road=road, page_size=page_size, shelf=shelf)

    def ask(number: int, *, promised: bool) -> Leaf | None:
        return read_leaf(shelf, number, road=road) or fetch(number, promised=promised)

    leaves = _ask_all(ask, {}, on_page=on_page)
    if not leaves:
        raise _no_rows(road)
    for _ in range(MOST_LOOKS):
        again = {number: fetch(number, before=leaves[number]) for number in find_unsettled(leaves)}
        leaves = _ask_all(ask, {**leaves, **again}, on_page=on_page)
    fault = find_fault(leaves)
    if fault:
        fault += "; the catalogue changed meanwhile: run photochrom catalog again"
    elif not may_shrink:
        fault = _find_loss(shelf, leaves, road=road)
    if not fault:
        finish_listing(shelf, pages=len(leaves))
        return
    drop_listing(shelf, pages=[1] if None in leaves.values() else list(leaves))
    raise CatalogError(fault)


def _no_rows(road: str) -> CatalogError:
    return CatalogError(
        f"road {road}: expected rows on page 1, got none; look at the collection in a browser"
    )


def _find_loss(shelf: Shelf, leaves: Leaves, *, road: str) -> str:
    """Say how far a listing falls short of the last whole one; one that is damaged had no rows."""
    rows, before = sum(leaf.rows for leaf in leaves.values() if leaf), 0
    with suppress(CatalogError):
        _, before = _read_listing(shelf, road=road)
    if rows >= LEAST_SHARE * before:
        return ""
    return (
        f"expected about {before} rows, as the last listing had, got {rows}; run photochrom "
        f"catalog again later, or, if the collection did shrink, remove {shelf.listing} first"
    )


class Ask(Protocol):
    """Finds a page that was kept, or asks for it; `promised` as of `fetch_leaf`."""

    def __call__(self, number: int, *, promised: bool) -> Leaf | None:
        """Find it."""
        ...


def _ask_all(ask: Ask, known: Leaves, *, on_page: OnPage) -> dict[int, Leaf | None]:
    """Ask for the pages that page 1 promises and that are not known yet.

    Where no page says how many there are, one that brings no row that is new is the end. It
    is asked for twice, for under load an empty page comes that means nothing; so is one that
    is missing, and those behind it are not asked for until it is there.
    """
    leaves = dict(known)
    of = _find_length(leaves)
    while None not in leaves.values() and (of is None or len(leaves) < of):
        number = len(leaves) + 1
        ask_it = partial(ask, number, promised=of is not None or number == 1)
        leaf = ask_it()
        if leaf is None or (of is None and not _brings_rows(leaf, leaves)):
            leaf = ask_it()
            if of is None and not _brings_rows(leaf, leaves):
                break
        leaves[number] = leaf
        of = _find_length(leaves)
        on_page(number, of or 0)
    return {number: leaves[number] for number in sorted(leaves) if number <= (of or len(leaves))}


def _find_length(leaves: Leaves) -> int | None:
    """Return how many pages page 1 promises."""
    first = leaves.get(1)
    return first.pages if first else None


def _brings_rows(leaf: Leaf | None, leaves: Leaves) -> bool:
    known = {row_id for other in leaves.values() if other for row_id in other.ids}
    return leaf is not None and not set(leaf.ids) <= known


def _read_listing(shelf: Shelf, *, road: str) -> tuple[list[CatalogRow], int]:
    """Make the rows of the last whole listing, a page at a time; count the listing's own."""
    replies = read_pages(shelf.listing)
    rows = to_catalog(to_page(reply.data, reply.text, road=road) for reply in replies)
    return rows, rows[-1].row if rows else 0
