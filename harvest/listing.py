"""Edge: ask for the collection's listing, page by page, and keep every raw reply."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, Protocol, TypeVar

from harvest.addresses import WWW
from harvest.answers import Page, Reply
from harvest.catalog import mark_repeated, to_results, to_rows
from harvest.client import Client
from harvest.errors import AstrayError, CatalogError, NotFoundError
from harvest.items import fetch_items
from harvest.leaves import (
    Leaf,
    Leaves,
    find_fault,
    find_unsettled,
    is_doubtful,
    is_worse,
    to_leaf,
)
from harvest.ppoc import BASE, CODE, to_listing
from harvest.raw import (
    Shelf,
    begin_listing,
    drop_listing,
    finish_listing,
    keep_reply,
    open_shelf,
    page_stem,
    read_pages,
    read_reply,
)
from harvest.records import CatalogRow
from harvest.replies import read_items, to_items

COLLECTION = "photochrom-prints"
MOST_LOOKS = 3
"""How often a page that does not fit the others is asked for again, before that is its nature;
and how often one that leads elsewhere is asked for."""

OnPage = Callable[[int, int], None]
"""Hears, after each page, how many came and how many there are (0: not known)."""


def fetch_catalog(
    client: Client,
    *,
    road: str,
    page_size: int,
    detail: str,
    raw: Path,
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
        on_page: Hears of every page of the listing.

    Returns:
        The rows of data/catalog.parquet, and how many rows the listing has.

    Raises:
        CatalogError: If the listing is incomplete, or a reply is not what it should be.
        DownloadError: If a reply did not come, be it a page's or an item's (`check_items`).
        BlockedError: If the server asks us to stay away.
        StoppedError: If the client was stopped; what came serves the next run.
    """
    fetch_listing(client, road=road, page_size=page_size, raw=raw, on_page=on_page)
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


def fetch_listing(client: Client, *, road: str, page_size: int, raw: Path, on_page: OnPage) -> None:
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
        on_page: Hears of every page.

    Raises:
        CatalogError: If the rows do not add up to what the first page promised.
        DownloadError: If a page did not come.
        BlockedError: If the server asks us to stay away.
        StoppedError: If the client was stopped.
    """
    shelf = open_shelf(raw, road)
    begin_listing(shelf, {"road": road, "page_size": page_size})
    fetch = partial(fetch_leaf, client, road=road, page_size=page_size, shelf=shelf)

    def ask(number: int, *, promised: bool) -> Leaf | None:
        return _read_leaf(shelf, number, road=road) or fetch(number, promised=promised)

    leaves = _ask_all(ask, {}, on_page=on_page)
    if not leaves:
        raise _no_rows(road)
    for _ in range(MOST_LOOKS):
        again = {number: fetch(number, before=leaves[number]) for number in find_unsettled(leaves)}
        leaves = _ask_all(ask, {**leaves, **again}, on_page=on_page)
    fault = find_fault(leaves)
    if not fault:
        finish_listing(shelf, pages=len(leaves))
        return
    drop_listing(shelf, pages=[1] if None in leaves.values() else list(leaves))
    raise CatalogError(f"{fault}; the catalogue changed meanwhile: run photochrom catalog again")


def fetch_leaf(
    client: Client,
    number: int,
    *,
    road: str,
    page_size: int,
    shelf: Shelf,
    promised: bool = True,
    before: Leaf | None = None,
) -> Leaf | None:
    """Ask for one page of the listing, and keep the reply as it came.

    A page that claims to be empty and must not be cached is what the server sends under
    load, and one with fewer rows than it counts is cut short; such a page is asked for again,
    and so is one that leads elsewhere.

    Args:
        client: The client.
        number: From 1.
        road: "json" or "pictures".
        page_size: Rows a page.
        shelf: Where it is kept, among the pages of the listing that is begun.
        promised: Whether there must be such a page; else an empty one may be the end.
        before: What came of it the last time; it stays when this time shows less.

    Returns:
        The page; None where there is none, or none with rows.

    Raises:
        CatalogError: If the reply is no listing.
        DownloadError: If no reply came, or none but such ones; not for a 404.
        BlockedError: If the server asks us to stay away.
    """
    pictures = partial(_ask_pictures, promised=promised)
    ask: Callable[..., Reply | Page] = _ask_json if road == "json" else pictures
    try:
        reply = _ask_steadily(partial(ask, client, number, page_size))
    except NotFoundError:
        return before
    page = _to_page(reply.data, reply.text if isinstance(reply, Page) else "", road=road)
    leaf = to_leaf(page, road=road) if to_results(page) else None
    if is_worse(leaf, before):
        return before
    if leaf is not None:
        is_json = reply.data is not None
        keep_reply(page_stem(shelf.begun, number), reply.content, is_json=is_json)
    return leaf


def _no_rows(road: str) -> CatalogError:
    return CatalogError(
        f"road {road}: expected rows on page 1, got none; look at the collection in a browser"
    )


Params = dict[str, str | int]
T = TypeVar("T")


class Ask(Protocol):
    """Finds a page that was kept, or asks for it; `promised` as of `fetch_leaf`."""

    def __call__(self, number: int, *, promised: bool) -> Leaf | None:
        """Find it."""
        ...


def _ask_json(client: Client, number: int, page_size: int) -> Reply:
    params: Params = {"fo": "json", "c": page_size, "sp": number, "at": "results,pagination"}

    def doubt(reply: Reply) -> bool:
        return is_doubtful(reply.data, number=number, cacheable=reply.cacheable)

    url = f"https://{WWW}/collections/{COLLECTION}/"
    return client.get_json(url, params=params, is_doubtful=doubt)


def _ask_pictures(client: Client, number: int, page_size: int, *, promised: bool) -> Page:
    params: Params = {"co": CODE, "sp": number, "c": page_size, "st": "grid", "fo": "json"}

    def doubt(reply: Page) -> bool:
        page = to_listing(reply.data, reply.text)
        return promised and is_doubtful(page, number=number, cacheable=reply.cacheable)

    return client.get_page(f"{BASE}search/", params=params, is_doubtful=doubt)


def _ask_steadily(ask: Callable[[], T]) -> T:
    """Ask again where the answer led elsewhere: that may pass."""
    for _ in range(MOST_LOOKS - 1):
        with suppress(AstrayError):
            return ask()
    return ask()


def _ask_all(ask: Ask, known: Leaves, *, on_page: OnPage) -> dict[int, Leaf | None]:
    """Ask for the pages that page 1 promises and that are not known yet.

    Where no page says how many there are, one that brings no row that is new is the end. It
    is asked for twice, for under load an empty page comes that means nothing.
    """
    leaves = dict(known)
    while (of := _find_length(leaves)) is None or len(leaves) < of:
        number = len(leaves) + 1
        ask_it = partial(ask, number, promised=of is not None or number == 1)
        leaf = ask_it()
        if of is None and not _brings_rows(leaf, leaves):
            leaf = ask_it()
            if not _brings_rows(leaf, leaves):
                break
        leaves[number] = leaf
        on_page(number, _find_length(leaves) or 0)
    return {number: leaves[number] for number in sorted(leaves) if number <= (of or len(leaves))}


def _find_length(leaves: Leaves) -> int | None:
    """Return how many pages page 1 promises."""
    first = leaves.get(1)
    return first.pages if first else None


def _brings_rows(leaf: Leaf | None, leaves: Leaves) -> bool:
    known = {row_id for other in leaves.values() if other for row_id in other.ids}
    return leaf is not None and not set(leaf.ids) <= known


def _read_leaf(shelf: Shelf, number: int, *, road: str) -> Leaf | None:
    """Read a page that an interrupted run left; a damaged one counts as missing."""
    try:
        reply = read_reply(page_stem(shelf.begun, number))
        if reply is None:
            return None
        return to_leaf(_to_page(reply.data, reply.text, road=road), road=road)
    except CatalogError:
        return None


def _read_listing(shelf: Shelf, *, road: str) -> tuple[list[CatalogRow], int]:
    """Make the rows of the last whole listing, a page at a time; count the listing's own."""
    rows: list[CatalogRow] = []
    seen = 0
    for reply in read_pages(shelf.listing):
        page = _to_page(reply.data, reply.text, road=road)
        rows += to_rows(page, first_row=seen + 1)
        seen += len(to_results(page))
    return mark_repeated(rows), seen


def _to_page(data: Any, text: str, *, road: str) -> Any:
    """Bring a page into the API's shape."""
    return data if road == "json" else to_listing(data, text)
