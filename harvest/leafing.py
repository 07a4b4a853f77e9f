"""Edge: ask for one page of the collection's listing, and keep the reply as it came."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from harvest.addresses import WWW
from harvest.answers import Page, Reply
from harvest.catalog import to_results
from harvest.client import Client
from harvest.errors import AstrayError, CatalogError, NotFoundError
from harvest.leaves import Leaf, check_length, is_doubtful, is_worse, to_leaf
from harvest.ppoc import BASE, CODE, to_listing
from harvest.raw import Shelf, keep_reply, page_stem, read_reply

COLLECTION = "photochrom-prints"
MOST_LOOKS = 3
"""How often a page that does not fit the others is asked for again, before that is its nature;
and how often one that leads elsewhere is asked for."""

Params = dict[str, str | int]
T = TypeVar("T")


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
        CatalogError: If the reply is no listing, or one that is far too long.
        DownloadError: If no reply came, or none but such ones; not for a 404.
        BlockedError: If the server asks us to stay away.
    """
    pictures = partial(_ask_pictures, promised=promised)
    ask: Callable[..., Reply | Page] = _ask_json if road == "json" else pictures
    try:
        reply = _ask_steadily(partial(ask, client, number, page_size))
    except NotFoundError:
        return before
    page = to_page(reply.data, reply.text if isinstance(reply, Page) else "", road=road)
    leaf = to_leaf(page, road=road) if to_results(page) else None
    if is_worse(leaf, before):
        return before
    if leaf is not None:
        check_length(leaf.pages or number, page_size=page_size)
        is_json = reply.data is not None
        keep_reply(page_stem(shelf.begun, number), reply.content, is_json=is_json)
    return leaf


def read_leaf(shelf: Shelf, number: int, *, road: str) -> Leaf | None:
    """Read a page that an interrupted run left; a damaged one counts as missing.

    Args:
        shelf: Where it is kept.
        number: From 1.
        road: "json" or "pictures".
    """
    try:
        reply = read_reply(page_stem(shelf.begun, number))
        if reply is None:
            return None
        return to_leaf(to_page(reply.data, reply.text, road=road), road=road)
    except CatalogError:
        return None


def to_page(data: Any, text: str, *, road: str) -> Any:
    """Bring a page into the API's shape.

    Args:
        data: The reply as parsed when it is JSON, else None.
        text: The reply as text.
        road: "json" or "pictures".

    Raises:
        CatalogError: If it is no listing.
    """
    return data if road == "json" else to_listing(data, text)


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
