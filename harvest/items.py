"""Edge: ask for single items, whose replies say more than the listing does."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from harvest.addresses import WWW, check_item_id
from harvest.answers import Page, Reply
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
from harvest.ppoc import BASE
from harvest.raw import keep_reply, open_shelf, to_stamp
from harvest.records import CatalogRow
from harvest.replies import is_missing, read_items, read_own_rows, to_own_rows

LOOKS = 3
"""How often a reply that failed is asked for in a run."""

MOST_IN_A_ROW = 3
"""Replies without an answer, one after the other, that are the network and no item's own matter."""


def fetch_items(
    client: Client, items: Sequence[Sequence[CatalogRow]], *, road: str, raw: Path
) -> list[CatalogRow]:
    """Put what the items' own replies say in the place of what the listing says.

    An item is not asked for when none of its rows is listed, or when its reply is there and
    the record has not changed since, as the listing tells; where it tells nothing, a reply
    serves for a day. What a reply leaves out, the listing's word fills; where the Library
    has no reply to give, that word stands.

    Args:
        client: The client.
        items: Some or all of `to_items`.
        road: "json" or "pictures".
        raw: Folder of the source's raw replies.

    Returns:
        The rows of these items, in order; `mark_repeated` is for all items together.

    Raises:
        DownloadError: If a reply did not come for a reason that passes (`check_items`).
        BlockedError: If the server asks us to stay away.
        StoppedError: If the client was stopped; what came serves the next run.
    """
    check_items(fetch_replies(client, items, road=road, raw=raw))
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
        DownloadError: As `fetch_replies`.
        BlockedError: If the server asks us to stay away.
        StoppedError: If the client was stopped.
    """
    fetch_replies(client, items, road=road, raw=raw)
    return [row for rows in items for row in read_own_rows(rows, road=road, raw=raw)]


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
        Why a reply is missing, by LCCN; `check_items` says whether that may be.

    Raises:
        DownloadError: If MOST_IN_A_ROW replies in a row did not come for want of an answer:
            then it is the network, and going on makes it worse. What came serves the next run.
        BlockedError: If the server asks us to stay away.
        StoppedError: If the client was stopped.
    """
    wanted = [rows[0] for rows in items if is_missing(rows, road=road, raw=raw)]
    failed = _ask_for(client, wanted, road=road, raw=raw, most_in_a_row=MOST_IN_A_ROW)
    for _ in range(LOOKS - 1):
        # Those that failed stand side by side now, and are no sign of the network any more.
        wanted = [row for row in wanted if row.item_id in failed]
        failed = _ask_for(client, wanted, road=road, raw=raw, most_in_a_row=len(wanted) + 1)
    return failed


def check_items(missing: Mapping[str, HarvestError]) -> None:
    """See that no item's own reply is missing for a reason that passes.

    The listing's word may stand for an item that the server does not have, refuses or leads
    away from, and for one of which it says nothing and means it; but not for want of an
    answer, or the catalogue would hang on the day's weather.

    Args:
        missing: Why a reply is missing, by LCCN, of all items.

    Raises:
        DownloadError: If one is.
    """
    lost = {item_id: error for item_id, error in missing.items() if _is_lost(error)}
    if lost:
        first, error = next(iter(lost.items()))
        raise DownloadError(
            f"items without an answer: {len(lost)}, the first one {first} ({error}); what came "
            "is kept: run photochrom catalog again, or, if an item never comes, photochrom "
            "catalog --rebuild, which takes the listing's word for it"
        ) from error


def fetch_item(client: Client, row: CatalogRow, *, road: str, raw: Path) -> None:
    """Ask for a single item and keep the reply.

    Args:
        client: The client.
        row: Of the listing; its `modified` is remembered with the reply.
        road: "json" or "pictures".
        raw: Folder of the source's raw replies.

    Raises:
        CatalogError: If the reply is none of this item, though the server means it.
        DownloadError: If no reply came, or none but such as come under load.
        BlockedError: If the server asks us to stay away.
        StoppedError: If the client was stopped.
        ValueError: If the row's id could name another file.
    """
    item_id = check_item_id(row.item_id)
    reply = _ask(client, row, road=road)
    to_own_rows(reply.data, _to_text(reply), listed=row, road=road)
    stem = open_shelf(raw, road).items / item_id
    is_json = reply.data is not None
    keep_reply(stem, reply.content, is_json=is_json, stamp=to_stamp(row.modified))


def _ask_for(
    client: Client, rows: Sequence[CatalogRow], *, road: str, raw: Path, most_in_a_row: int
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
            if silent == most_in_a_row:
                raise
        else:
            silent = 0
    return failed


def _is_lost(error: HarvestError) -> bool:
    """Say whether an error is for want of an answer, and not an answer in itself."""
    answers = (NotFoundError, ForbiddenError, DisallowedError, AstrayError, TooLargeError)
    return isinstance(error, DownloadError) and not isinstance(error, answers)


def _ask(client: Client, row: CatalogRow, *, road: str) -> Reply | Page:
    """Ask for an item's reply; one that is none and must not be kept comes under load."""

    def doubt(reply: Reply | Page) -> bool:
        try:
            to_own_rows(reply.data, _to_text(reply), listed=row, road=road)
        except CatalogError:
            return not reply.cacheable
        return False

    if road == "json":
        url, params = f"https://{WWW}/item/{row.item_id}/", {"fo": "json", "at": "item,resources"}
        return client.get_json(url, params=params, is_doubtful=doubt)
    url = f"{BASE}item/{row.item_id}/"
    return client.get_page(url, params={"fo": "json"}, is_doubtful=doubt)


def _to_text(reply: Reply | Page) -> str:
    return reply.text if isinstance(reply, Page) else ""
