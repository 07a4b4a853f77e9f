"""Edge: ask for single items, whose replies say more than the listing does."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harvest.addresses import WWW, check_item_id
from harvest.answers import Page, Reply
from harvest.catalog import to_item_rows
from harvest.client import Client
from harvest.errors import (
    AstrayError,
    CatalogError,
    DisallowedError,
    DownloadError,
    ForbiddenError,
    HarvestError,
    NotFoundError,
    TooLargeError,
)
from harvest.fields import to_mapping
from harvest.ppoc import BASE, to_item_reply
from harvest.raw import REUSED_S, RawReply, keep_reply, open_shelf, read_reply, to_stamp
from harvest.records import CatalogRow, CatalogState

LOOKS = 3
"""How often a reply that failed is asked for in a run."""

MOST_IN_A_ROW = 3
MOST_UNREACHABLE = 0.02
"""Share of replies without an answer that is still a catalogue: the listing's word stands."""

_ALONE = (
    "place",
    "subjects",
    "publisher",
    "print_number",
    "collection_part",
    "rights",
    "call_number",
    "reproduction_number",
    "notes",
    "modified",
)
_TOGETHER = (("title", "title_given"), ("date", "date_from", "date_to"), ("latitude", "longitude"))
"""Fields of which the first says whether the record has them."""


def to_items(rows: Iterable[CatalogRow]) -> list[list[CatalogRow]]:
    """Gather the rows that came of one listing row, in order.

    Args:
        rows: Of the listing.
    """
    gathered: dict[int, list[CatalogRow]] = {}
    for row in rows:
        gathered.setdefault(row.row, []).append(row)
    return list(gathered.values())


def fetch_items(
    client: Client, items: Sequence[Sequence[CatalogRow]], *, road: str, raw: Path
) -> list[CatalogRow]:
    """Put what the items' own replies say in the place of what the listing says.

    An item is not asked for when none of its rows is listed, or when its reply is there and
    the record has not changed since, as the listing tells; where it tells nothing, a reply
    serves for a day. What a reply leaves out, the listing's word fills; where there is no
    reply, that word stands.

    Args:
        client: The client.
        items: Some or all of `to_items`.
        road: "json" or "pictures".
        raw: Folder of the source's raw replies.

    Returns:
        The rows of these items, in order; `mark_repeated` is for all items together.

    Raises:
        DownloadError: If too many replies did not come, or three in a row (`fetch_replies`).
        BlockedError: If the server asks us to stay away.
        StoppedError: If the client was stopped; what came serves the next run.
    """
    fetch_replies(client, items, road=road, raw=raw)
    return read_items(items, road=road, raw=raw)


def fetch_own_rows(
    client: Client, items: Sequence[Sequence[CatalogRow]], *, road: str, raw: Path
) -> list[CatalogRow]:
    """Do as `fetch_items`, and return what the replies themselves say, nothing filled.

    This is what one road is held against the other with.

    Args:
        client: The client.
        items: Some or all of `to_items`, by whichever road.
        road: The road to ask by.
        raw: Folder of the source's raw replies.

    Returns:
        The rows of the items that have a reply of their own; of the others, none.

    Raises:
        DownloadError: As `fetch_items`.
        BlockedError: If the server asks us to stay away.
        StoppedError: If the client was stopped.
    """
    fetch_replies(client, items, road=road, raw=raw)
    return [row for rows in items for row in _read_own_rows(rows, road=road, raw=raw)]


def fetch_replies(
    client: Client, items: Sequence[Sequence[CatalogRow]], *, road: str, raw: Path
) -> dict[str, HarvestError]:
    """Ask for the items whose own replies are not there yet, and keep what comes.

    A reply that fails, though the client has tried what it can, is asked for again when all
    others have come, LOOKS times in all: a 404 of an item that the listing has just named, a
    web page in place of a record, or a redirect elsewhere do pass. Then it is missing until
    the next run.

    Args:
        client: The client.
        items: Some or all of `to_items`.
        road: "json" or "pictures".
        raw: Folder of the source's raw replies.

    Returns:
        Why a reply is missing, by LCCN.

    Raises:
        DownloadError: If MOST_IN_A_ROW replies in a row did not come for want of an answer, or
            more than MOST_UNREACHABLE of all, and more than one: then it is the network, and
            going on makes it worse. What came serves the next run.
        BlockedError: If the server asks us to stay away.
        StoppedError: If the client was stopped.
    """
    wanted = [rows[0] for rows in items if _is_missing(rows, road=road, raw=raw)]
    failed: dict[str, HarvestError] = {}
    for _ in range(LOOKS):
        failed = _ask_for(client, wanted, road=road, raw=raw)
        wanted = [row for row in wanted if row.item_id in failed]
    lost = [error for error in failed.values() if _is_lost(error)]
    if len(lost) > max(1, MOST_UNREACHABLE * len(items)):
        raise DownloadError(
            f"{len(lost)} of {len(items)} items did not come, the last one: {lost[-1]}; what came "
            "is kept: run photochrom catalog again"
        ) from lost[-1]
    return failed


def read_items(items: Iterable[Sequence[CatalogRow]], *, road: str, raw: Path) -> list[CatalogRow]:
    """Do as `fetch_items` with the replies that are there, without asking anyone.

    Args:
        items: Some or all of `to_items`.
        road: "json" or "pictures".
        raw: Folder of the source's raw replies.
    """
    return [row for rows in items for row in _read_item(rows, road=road, raw=raw)]


def fetch_item(client: Client, row: CatalogRow, *, road: str, raw: Path) -> None:
    """Ask for a single item and keep the reply.

    Args:
        client: The client.
        row: Of the listing; its `modified` is remembered with the reply.
        road: "json" or "pictures".
        raw: Folder of the source's raw replies.

    Raises:
        CatalogError: If the reply is none of an item.
        DownloadError: If no reply came.
        BlockedError: If the server asks us to stay away.
        StoppedError: If the client was stopped.
        ValueError: If the row's id could name another file.
    """
    item_id = check_item_id(row.item_id)
    reply = _ask(client, item_id, road=road)
    text = reply.text if isinstance(reply, Page) else ""
    _to_reply(reply.data, text, item_id=item_id, road=road)
    stem = open_shelf(raw, road).items / item_id
    is_json = reply.data is not None
    keep_reply(stem, reply.content, is_json=is_json, stamp=to_stamp(row.modified))


def _ask_for(
    client: Client, rows: Sequence[CatalogRow], *, road: str, raw: Path
) -> dict[str, HarvestError]:
    """Ask for items one after another; say which failed, and stop when nothing answers."""
    failed: dict[str, HarvestError] = {}
    silent = 0
    for row in rows:
        try:
            fetch_item(client, row, road=road, raw=raw)
        except (CatalogError, DownloadError) as exc:
            failed[row.item_id] = exc
            silent = silent + 1 if _is_lost(exc) else 0
            if silent == MOST_IN_A_ROW:
                raise
        else:
            silent = 0
    return failed


def _is_lost(error: HarvestError) -> bool:
    """Say whether an error is for want of an answer, and not an answer in itself."""
    answers = (NotFoundError, ForbiddenError, DisallowedError, AstrayError, TooLargeError)
    return isinstance(error, DownloadError) and not isinstance(error, answers)


def _ask(client: Client, item_id: str, *, road: str) -> Reply | Page:
    if road == "json":
        url, params = f"https://{WWW}/item/{item_id}/", {"fo": "json", "at": "item,resources"}
        return client.get_json(url, params=params, is_doubtful=lambda reply: not _has_item(reply))
    return client.get_page(f"{BASE}item/{item_id}/", params={"fo": "json"})


def _has_item(reply: Reply) -> bool:
    return bool(to_mapping(to_mapping(reply.data).get("item")))


def _to_reply(data: Any, text: str, *, item_id: str, road: str) -> Any:
    """Bring an item's reply into the API's shape.

    Raises:
        CatalogError: If it is none.
    """
    reply = data if road == "json" else to_item_reply(data, text, item_id=item_id)
    if not to_mapping(to_mapping(reply).get("item")):
        raise CatalogError(f"item {item_id}: expected an object under 'item', got none")
    return reply


def _is_wanted(rows: Sequence[CatalogRow]) -> bool:
    return any(row.state is CatalogState.LISTED for row in rows)


def _find_reply(row: CatalogRow, *, road: str, raw: Path) -> RawReply | None:
    """Find an item's reply when its record has not changed since; a damaged one is none."""
    try:
        stem = open_shelf(raw, road).items / check_item_id(row.item_id)
        reply = read_reply(stem)
    except (ValueError, CatalogError):
        return None
    return reply if reply is not None and reply.stamp == to_stamp(row.modified) else None


def _is_missing(rows: Sequence[CatalogRow], *, road: str, raw: Path) -> bool:
    """Say whether an item is to be asked for."""
    reply = _find_reply(rows[0], road=road, raw=raw)
    serves = reply is not None and (reply.stamp > 0 or reply.age_s <= REUSED_S)
    return _is_wanted(rows) and not serves


def _read_own_rows(rows: Sequence[CatalogRow], *, road: str, raw: Path) -> list[CatalogRow]:
    """Read what an item's reply says; nothing where there is none, or it is another item's."""
    listed = rows[0]
    kept = _find_reply(listed, road=road, raw=raw) if _is_wanted(rows) else None
    if kept is None:
        return []
    try:
        reply = _to_reply(kept.data, kept.text, item_id=listed.item_id, road=road)
        made = to_item_rows(reply, row=listed.row)
    except CatalogError:
        return []
    return [row for row in made if row.item_id == listed.item_id]


def _read_item(rows: Sequence[CatalogRow], *, road: str, raw: Path) -> list[CatalogRow]:
    """Merge an item's reply, if it is there, with the listing's rows."""
    own = _read_own_rows(rows, road=road, raw=raw)
    if not _is_wanted(own):
        return list(rows)
    named = {row.resource_id for row in own}
    others = [row for row in rows if _is_wanted([row]) and row.resource_id not in named]
    return [*(_fill(row, rows[0]) for row in own), *others]


def _fill(row: CatalogRow, listed: CatalogRow) -> CatalogRow:
    """Fill what an item's reply does not say with what the listing says."""
    groups = [*_TOGETHER, *((name,) for name in _ALONE)]
    missing = [group for group in groups if getattr(row, group[0]) in ("", None, ())]
    fill = {name: getattr(listed, name) for group in missing for name in group}
    return replace(row, **fill) if fill else row
