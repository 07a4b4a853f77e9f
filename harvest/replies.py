"""Edge: the items' own replies as they are kept, and the rows that they and the listing make."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harvest.addresses import check_item_id
from harvest.catalog import to_item_rows
from harvest.errors import CatalogError
from harvest.fields import to_mapping
from harvest.ppoc import to_item_reply
from harvest.raw import REUSED_S, RawReply, open_shelf, read_reply, to_stamp
from harvest.records import CatalogRow, CatalogState

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


def read_items(items: Iterable[Sequence[CatalogRow]], *, road: str, raw: Path) -> list[CatalogRow]:
    """Do as `fetch_items` with the replies that are there, without asking anyone.

    Args:
        items: Some or all of `to_items`.
        road: "json" or "pictures".
        raw: Folder of the source's raw replies.
    """
    return [row for rows in items for row in _read_item(rows, road=road, raw=raw)]


def read_own_rows(rows: Sequence[CatalogRow], *, road: str, raw: Path) -> list[CatalogRow]:
    """Read what an item's reply says, if it is there and the record has not changed since.

    Args:
        rows: The listing's, of one item.
        road: "json" or "pictures".
        raw: Folder of the source's raw replies.

    Returns:
        Its rows; none where none of the item's is listed.
    """
    listed = rows[0]
    kept = _find_reply(listed, road=road, raw=raw) if _is_wanted(rows) else None
    if kept is None:
        return []
    try:
        return to_own_rows(kept.data, kept.text, listed=listed, road=road)
    except CatalogError:
        return []


def find_alone(items: Iterable[Sequence[CatalogRow]], *, road: str, raw: Path) -> list[str]:
    """Find the listed items of which there is the listing's word alone.

    Args:
        items: Some or all of `to_items`.
        road: "json" or "pictures".
        raw: Folder of the source's raw replies.

    Returns:
        Their LCCNs, in order.
    """
    return [
        rows[0].item_id
        for rows in items
        if _is_wanted(rows) and not read_own_rows(rows, road=road, raw=raw)
    ]


def is_missing(rows: Sequence[CatalogRow], *, road: str, raw: Path) -> bool:
    """Say whether an item is to be asked for.

    Args:
        rows: The listing's, of one item.
        road: "json" or "pictures".
        raw: Folder of the source's raw replies.
    """
    reply = _find_reply(rows[0], road=road, raw=raw)
    serves = reply is not None and (reply.stamp > 0 or reply.age_s <= REUSED_S)
    return _is_wanted(rows) and not serves


def to_own_rows(data: Any, text: str, *, listed: CatalogRow, road: str) -> list[CatalogRow]:
    """Make the rows of an item's reply.

    Args:
        data: The reply as parsed when it is JSON, else None.
        text: The reply as text.
        listed: A row of the listing, of the item that was asked for.
        road: "json" or "pictures".

    Raises:
        CatalogError: If it is no item's reply, or another item's.
    """
    item_id = listed.item_id
    reply = data if road == "json" else to_item_reply(data, text, item_id=item_id)
    if not to_mapping(to_mapping(reply).get("item")):
        raise CatalogError(f"item {item_id}: expected an object under 'item', got none")
    made = to_item_rows(reply, row=listed.row)
    own = [row for row in made if row.item_id == item_id]
    if not own:
        raise CatalogError(f"item {item_id}: expected its own record, got that of another")
    return own


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


def _read_item(rows: Sequence[CatalogRow], *, road: str, raw: Path) -> list[CatalogRow]:
    """Merge an item's reply, if it is there, with the listing's rows."""
    own = read_own_rows(rows, road=road, raw=raw)
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
