"""Pure: what must be remembered of a listing's pages to see whether they belong together."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harvest.catalog import to_results
from harvest.errors import CatalogError
from harvest.fields import to_mapping, to_size, to_texts
from harvest.plan import COLLECTION_ROWS, GRID_ROWS

MOST_TIMES = 8
"""A listing may have so many times the collection's rows: room for the 40,000 items that a
replica may show, and an end for a server that counts on for ever."""


@dataclass(frozen=True, slots=True)
class Leaf:
    """What is remembered of a page.

    Attributes:
        ids: What its rows say who they are, in order; rows that do not say are left out.
        rows: How many rows it has.
        of: Rows of the whole listing, as this page says; None where it does not.
        pages: Pages of the whole listing, or None.
    """

    ids: tuple[str, ...]
    rows: int
    of: int | None
    pages: int | None


Leaves = Mapping[int, Leaf | None]
"""Pages by number, from 1; None for one that the server says is not there."""


def to_leaf(page: Any, *, road: str) -> Leaf:
    """Read what must be remembered of a page.

    The API's `of` and `perpage` must be there, while `total` and `last` of it are not to be
    trusted; the older site says how many pages there are, or in HTML perhaps nothing.

    Args:
        page: A page with rows, in the API's shape.
        road: "json" or "pictures".

    Raises:
        CatalogError: If a page of the API has no counts, or more rows than it says fit on one.
    """
    results = to_results(page)
    records = [to_mapping(result) for result in results]
    ids = [to_texts(record.get("url")) or to_texts(record.get("id")) for record in records]
    if road == "json":
        of: int | None = count(page, "of")
        per_page = count(page, "perpage")
        if len(results) > per_page:
            raise CatalogError(
                f"expected at most {per_page} rows, as pagination.perpage says, got "
                f"{len(results)}; run photochrom catalog again"
            )
        pages: int | None = math.ceil(count(page, "of") / per_page)
    else:
        pagination = to_mapping(to_mapping(page).get("pagination"))
        of, pages = to_size(pagination.get("of")), to_size(pagination.get("total"))
        pages = pages or (math.ceil(of / len(results)) if of else None)
    return Leaf(tuple(found[0] for found in ids if found), len(results), of, pages)


def check_length(pages: int, *, page_size: int) -> None:
    """See that a listing is not longer than the collection can be.

    Args:
        pages: How many there are, or the number of one where that is not known.
        page_size: Rows that were asked for; the older site gives GRID_ROWS at most.

    Raises:
        CatalogError: If it is.
    """
    most = MOST_TIMES * math.ceil(COLLECTION_ROWS / min(page_size, GRID_ROWS))
    if pages > most:
        raise CatalogError(
            f"expected about {COLLECTION_ROWS} rows, on {most} pages at the very most, got a "
            f"listing of {pages} pages; look at the collection in a browser"
        )


def find_unsettled(leaves: Leaves) -> list[int]:
    """Find the pages that should be asked for once more.

    Args:
        leaves: All pages; page 1 is one of them.

    Returns:
        Numbers of the pages that are missing, have fewer rows than there must be, share a
        row with another page or repeat one, or count other rows in all than page 1 does:
        then page 1 too, because either of them may be the old one.
    """
    first = leaves[1]
    assert first is not None
    pages_of: dict[str, list[int]] = {}
    for number, leaf in leaves.items():
        for row_id in leaf.ids if leaf else ():
            pages_of.setdefault(row_id, []).append(number)
    found = {number for numbers in pages_of.values() if len(numbers) > 1 for number in numbers}
    per_page = max(leaf.rows for leaf in leaves.values() if leaf)
    for number, leaf in leaves.items():
        behind = (first.of or 0) - (number - 1) * per_page
        expected = per_page if number < len(leaves) else min(per_page, behind)
        if leaf is None or leaf.rows < expected:
            found.add(number)
        elif leaf.of != first.of:
            found |= {1, number}
    return sorted(found)


def find_fault(leaves: Leaves) -> str:
    """Say what is wrong with a listing, after unsettled pages were asked for again.

    Args:
        leaves: All pages.

    Returns:
        Such as "got 4 on 2 of 3 pages"; "" when it is whole. Rows that are double on the
        server count like others, but a page is none whose rows are all on another one: such
        come of a server that does not look at the number asked for.
    """
    first = leaves[1]
    assert first is not None
    there = [leaf for leaf in leaves.values() if leaf is not None]
    rows = sum(leaf.rows for leaf in there)
    pages = first.pages or len(leaves)
    if len(there) == pages and first.of in (None, rows):
        return _find_copy(leaves)
    return f"expected {first.of} rows, as page 1 said, got {rows} on {len(there)} of {pages} pages"


def is_worse(leaf: Leaf | None, before: Leaf | None) -> bool:
    """Say whether a second look at a page shows less of the same listing than the first one.

    Args:
        leaf: The later look; None where the page was not there.
        before: The earlier one.
    """
    if leaf is None or before is None:
        return before is not None
    less = leaf.rows < before.rows or len(set(leaf.ids)) < len(set(before.ids))
    return leaf.of == before.of and less


def is_doubtful(page: Any, *, number: int, cacheable: bool) -> bool:
    """Say whether a page is one that the server sends under load.

    Args:
        page: In the API's shape.
        number: Its number.
        cacheable: Whether the server lets it be kept.

    Returns:
        True for a page with fewer rows than its own counts promise, for one that says it is
        another, and for one that counts none in all and must not be kept. A page behind the
        last one is empty for good.

    Raises:
        CatalogError: If it is no listing.
    """
    rows, pagination = len(to_results(page)), to_mapping(to_mapping(page).get("pagination"))
    of, per_page = to_size(pagination.get("of")), to_size(pagination.get("perpage"))
    if not of:
        return rows == 0 and not cacheable
    if to_size(pagination.get("current")) not in (None, number):
        return True
    if not per_page:  # the older site, which may count pages alone
        return rows == 0 and number <= (to_size(pagination.get("total")) or 0)
    return rows < min(of - (number - 1) * per_page, per_page)


def count(page: Any, name: str) -> int:
    """Read a number of a page's pagination.

    Raises:
        CatalogError: If it is no number, or less than 1.
    """
    pagination: Mapping[str, Any] = to_mapping(to_mapping(page).get("pagination"))
    value = to_size(pagination.get(name))
    if not value:
        raise CatalogError(
            f"expected a count under pagination.{name}, got {pagination.get(name)!r}; run "
            "photochrom catalog again"
        )
    return value


def _find_copy(leaves: Leaves) -> str:
    """Say which page is another one's copy, if so; a last row alone may well be double."""
    pages_of: dict[str, list[int]] = {}
    for number, leaf in sorted(leaves.items()):
        for row_id in leaf.ids if leaf else ():
            pages_of.setdefault(row_id, []).append(number)
    for number, leaf in sorted(leaves.items(), reverse=True):
        if leaf is None or not leaf.ids or len(leaf.ids) < leaf.rows:
            continue
        for other in sorted({*pages_of[leaf.ids[0]]} - {number}):
            its = leaves[other]
            if its and (leaf.rows > 1 or its.rows == 1) and {*leaf.ids} <= {*its.ids}:
                return f"expected other rows on each page, got those of page {other} on {number}"
    return ""
