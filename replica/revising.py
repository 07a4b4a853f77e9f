"""Pure: what the Library changed since an earlier harvest, for a refresh to find."""

from collections.abc import Sequence
from dataclasses import replace

from replica.chance import digest_of
from replica.faults import Revision
from replica.records import FileScan, Row, RowKind


def revise(rows: Sequence[Row], revision: Revision, *, seed: int) -> tuple[Row, ...]:
    """Change some items.

    Args:
        rows: The listing.
        revision: How many, and what of them.
        seed: Decides which.

    Returns:
        The listing in the same order; a revised item says that it was modified later, and its
        generated pictures are, if wanted, the same in other bytes.
    """
    return tuple(_revised(row, revision) if _is_hit(row, revision, seed) else row for row in rows)


def _is_hit(row: Row, revision: Revision, seed: int) -> bool:
    chance = digest_of(f"{seed}/revise/{row.item_id}") / 2**128
    return row.kind is RowKind.ITEM and chance < revision.rate


def _revised(row: Row, revision: Revision) -> Row:
    resources = row.resources
    if revision.new_bytes:
        resources = tuple(
            resource
            if isinstance(resource.scan, FileScan)
            else replace(resource, revision=resource.revision + 1)
            for resource in resources
        )
    return replace(row, revision=row.revision + 1, resources=resources)
