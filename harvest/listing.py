"""Edge: ask for the collection's listing, page by page, and keep every raw reply."""

import gzip
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harvest.addresses import WWW
from harvest.answers import Reply
from harvest.catalog import mark_repeated, to_catalog, to_item_rows, to_results, to_rows
from harvest.client import Client
from harvest.errors import CatalogError, NotFoundError
from harvest.fields import to_mapping, to_size
from harvest.files import write_bytes
from harvest.records import CatalogRow, CatalogState

COLLECTION = "photochrom-prints"
_PAGES = "listing"
_ITEMS = "items"


def fetch_page(client: Client, number: int, *, page_size: int, raw: Path) -> Any | None:
    """Ask for one page of the listing, and keep the reply as it came.

    A page that claims to be empty and must not be cached is what the server sends under
    load; it is asked for again.

    Args:
        client: The client.
        number: From 1.
        page_size: Rows a page.
        raw: Folder of the raw replies, data/catalog/<source>.

    Returns:
        The page as parsed, or None past the end.

    Raises:
        CatalogError: If the reply is no listing, or the listing is empty indeed.
        DownloadError: If no reply came, or none but empty ones.
        BlockedError: If the server asks us to stay away.
    """
    url = f"https://{WWW}/collections/{COLLECTION}/"
    params: dict[str, str | int] = {
        "fo": "json",
        "c": page_size,
        "sp": number,
        "at": "results,pagination",
    }
    try:
        reply = client.get_json(url, params=params, is_doubtful=_is_doubtful)
    except NotFoundError:
        if number == 1:
            raise
        return None
    if to_results(reply.data):
        _keep(raw / _PAGES / f"{number:05d}.json.gz", reply)
        return reply.data
    if _is_past_end(reply.data):
        return None
    raise CatalogError(
        f"{url}: expected rows on page {number}, got none; look at the collection in a browser"
    )


def fetch_listing(client: Client, *, page_size: int, raw: Path) -> Iterator[Any]:
    """Ask for all pages of the listing, and check that together they are complete.

    The number of pages follows from `of` and `perpage`; `last` and `total` of the reply are
    not to be trusted. Raw pages of an earlier, longer listing are removed at the end.

    Args:
        client: The client.
        page_size: Rows a page.
        raw: Folder of the raw replies.

    Yields:
        The pages as parsed, in order.

    Raises:
        CatalogError: If the rows do not add up to what the first page promised.
        DownloadError: If a page did not come.
        BlockedError: If the server asks us to stay away.
    """
    total, pages, rows, number = 0, 1, 0, 0
    while number < pages:
        number += 1
        page = fetch_page(client, number, page_size=page_size, raw=raw)
        if page is None:
            break
        if number == 1:
            total = _count(page, "of")
            pages = math.ceil(total / _count(page, "perpage"))
        rows += len(to_results(page))
        yield page
    if rows != total:
        raise CatalogError(
            f"expected {total} rows, as page 1 said, got {rows} on {number} of {pages} pages; the "
            "catalogue changed meanwhile: run photochrom catalog again"
        )
    for path in (raw / _PAGES).glob("*.json.gz"):
        if int(path.name.split(".")[0]) > pages:
            path.unlink()


def fetch_item(client: Client, item_id: str, *, raw: Path) -> Any:
    """Ask for a single item, whose resources have exact renditions; keep the reply.

    Args:
        client: The client.
        item_id: LCCN.
        raw: Folder of the raw replies.

    Returns:
        The reply as parsed.

    Raises:
        DownloadError: If no reply came.
        BlockedError: If the server asks us to stay away.
    """
    url = f"https://{WWW}/item/{item_id}/"
    reply = client.get_json(url, params={"fo": "json", "at": "item,resources"})
    _keep(raw / _ITEMS / f"{item_id}.json.gz", reply)
    return reply.data


def fetch_catalog(
    client: Client, *, page_size: int, detail: str, raw: Path
) -> tuple[list[CatalogRow], int]:
    """Ask for the whole catalogue.

    Args:
        client: The client.
        page_size: Rows a page.
        detail: "listing" takes the listing's word; "item" asks for every listed item too.
        raw: Folder of the raw replies.

    Returns:
        The rows of data/catalog.parquet, and how many rows the listing has.

    Raises:
        CatalogError: If the listing is incomplete, or a reply is not what it should be.
        DownloadError: If a reply did not come.
        BlockedError: If the server asks us to stay away.
    """
    rows: list[CatalogRow] = []
    seen = 0
    for page in fetch_listing(client, page_size=page_size, raw=raw):
        rows += to_rows(page, first_row=seen + 1)
        seen += len(to_results(page))
    if detail == "item":
        rows = [made for row in _by_number(rows) for made in _fetch_detail(client, row, raw=raw)]
    return mark_repeated(rows), seen


def read_catalog(raw: Path) -> list[CatalogRow]:
    """Rebuild the catalogue from the raw pages of the listing, without asking anyone.

    Args:
        raw: Folder of the raw replies.

    Raises:
        CatalogError: If there are no pages, or one is no listing.
    """
    paths = sorted((raw / _PAGES).glob("*.json.gz"))
    if not paths:
        raise CatalogError(f"{raw}: expected raw pages, found none; run photochrom catalog first")
    return to_catalog(json.loads(gzip.decompress(path.read_bytes())) for path in paths)


def _by_number(rows: list[CatalogRow]) -> list[list[CatalogRow]]:
    """Gather the rows that came of one listing row."""
    gathered: dict[int, list[CatalogRow]] = {}
    for row in rows:
        gathered.setdefault(row.row, []).append(row)
    return list(gathered.values())


def _fetch_detail(client: Client, rows: list[CatalogRow], *, raw: Path) -> list[CatalogRow]:
    """Replace an item's rows by those of its own reply, where it gives any."""
    if not any(row.state is CatalogState.LISTED for row in rows):
        return rows
    try:
        reply = fetch_item(client, rows[0].item_id, raw=raw)
    except NotFoundError:
        return rows
    made = to_item_rows(reply, row=rows[0].row)
    return made if any(row.state is CatalogState.LISTED for row in made) else rows


def _is_past_end(page: Any) -> bool:
    """Say whether an empty page is one behind the last."""
    total, current = _count(page, "of", at_least=0), _count(page, "current")
    return total > 0 and current > math.ceil(total / _count(page, "perpage"))


def _is_doubtful(reply: Reply) -> bool:
    """Say whether a page is empty as the server sends it under load: not to be kept."""
    return not to_results(reply.data) and not reply.cacheable and not _is_past_end(reply.data)


def _keep(path: Path, reply: Reply) -> None:
    """Keep a reply compressed; the same reply gives the same bytes."""
    write_bytes(path, gzip.compress(reply.content, mtime=0))


def _count(page: Any, name: str, *, at_least: int = 1) -> int:
    """Read a number of a page's pagination."""
    pagination: Mapping[str, Any] = to_mapping(to_mapping(page).get("pagination"))
    value = 0 if pagination.get(name) == 0 else to_size(pagination.get(name))
    if value is None or value < at_least:
        raise CatalogError(
            f"expected a count under pagination.{name}, got {pagination.get(name)!r}; run "
            "photochrom catalog again"
        )
    return value
