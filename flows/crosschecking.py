"""Asks the other road for a few items, and says where the two disagree."""

from collections.abc import Sequence
from pathlib import Path

from prefect.artifacts import create_markdown_artifact

from flows.params import Params
from harvest.client import Client
from harvest.crosscheck import Difference, compare_rows
from harvest.items import fetch_own_rows
from harvest.records import CatalogRow, CatalogState
from harvest.replies import to_items

HEAD = "| item | resource | field | json | pictures |\n|---|---|---|---|---|\n"
SAID = 10
"""Differences that the terminal shows; the UI has them all."""


def crosscheck_roads(
    client: Client, params: Params, *, rows: Sequence[CatalogRow], items: int, raw: Path
) -> str:
    """Compare a few items of the catalogue with what the other road says of them.

    Args:
        client: The client.
        params: All settings.
        rows: The catalogue, by the road that `harvest.road` names.
        items: How many items are compared, spread evenly over the catalogue.
        raw: Folder of the source's raw replies.

    Returns:
        What came of it, for the terminal; every difference is in the run's artifact.

    Raises:
        DownloadError: If a reply did not come.
        BlockedError: If the server asks us to stay away.
    """
    ours = choose_items(rows, items)
    other = "pictures" if params.harvest.road == "json" else "json"
    theirs = fetch_own_rows(client, ours, road=other, raw=raw)
    mine = [row for item in ours for row in item]
    sides = (mine, theirs) if other == "pictures" else (theirs, mine)
    differences = compare_rows(*sides)
    lost = len({row.item_id for row in mine} - {row.item_id for row in theirs})
    said = f"{len(ours) - lost} items by both roads: {len(differences) or 'no'} fields differ"
    if lost:
        said += f"; {lost} more did not come by {other}"
    create_markdown_artifact(
        key="crosscheck",
        markdown=HEAD + "\n".join(to_markdown_row(one) for one in differences),
        description=said,
    )
    return "\n".join([said, *(to_line(one) for one in differences[:SAID])])


def choose_items(rows: Sequence[CatalogRow], count: int) -> list[list[CatalogRow]]:
    """Choose so many listed items, spread evenly over the catalogue.

    Args:
        rows: The catalogue.
        count: How many; all, if there are no more.

    Returns:
        For each its rows.
    """
    listed = [
        item for item in to_items(rows) if any(row.state is CatalogState.LISTED for row in item)
    ]
    count = min(count, len(listed))
    return [listed[number * len(listed) // count] for number in range(count)]


def to_line(difference: Difference) -> str:
    """Write a difference as a line of text."""
    where = difference.resource_id or difference.item_id
    return (
        f"  {where} {difference.field}: json {difference.json!r}, pictures {difference.pictures!r}"
    )


def to_markdown_row(difference: Difference) -> str:
    """Write a difference as a row of a table in Markdown."""
    cells = (
        difference.item_id,
        difference.resource_id or "",
        difference.field,
        difference.json,
        difference.pictures,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
