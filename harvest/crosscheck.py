"""Pure: hold the catalogue that came by one road against the one that came by the other."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harvest.fields import to_title
from harvest.records import CatalogRow, CatalogState, Rendition


@dataclass(frozen=True, slots=True)
class Difference:
    """One field in which the two roads disagree about one resource.

    Attributes:
        item_id: LCCN.
        resource_id: Digital id; None where the disagreement is about the item.
        field: Column of data/catalog.parquet; of a rendition also its kind, as in
            "renditions.v".
        json: What the API says.
        pictures: What the older site says.
    """

    item_id: str
    resource_id: str | None
    field: str
    json: str
    pictures: str


def compare_rows(
    json_rows: Iterable[CatalogRow], pictures_rows: Iterable[CatalogRow]
) -> list[Difference]:
    """Find where the two roads disagree about the same items.

    Only fields that both have are compared, and only what they mean: not white space, case
    or closing full stops, nor whether notes are one text or several, nor the order of
    numbers. The older site's search gives moments as days, and puts formats among the
    subjects: a moment at midnight is compared as a day, and subjects agree when one list
    holds the other.

    Args:
        json_rows: Rows that came by the API.
        pictures_rows: Rows that came by the older site.

    Returns:
        The differences, by item, resource and field. Items and resources that only one road
        has are none.
    """
    ours, theirs = _by_item(json_rows), _by_item(pictures_rows)
    return [
        difference
        for item_id in sorted(ours.keys() & theirs.keys())
        for difference in _compare_item(item_id, ours[item_id], theirs[item_id])
    ]


def find_unmatched(
    json_rows: Iterable[CatalogRow], pictures_rows: Iterable[CatalogRow]
) -> tuple[list[str], list[str]]:
    """Find the items that one road lists and the other does not know.

    Args:
        json_rows: Rows that came by the API.
        pictures_rows: Rows that came by the older site.

    Returns:
        LCCNs that only the API has, and that only the older site has, sorted.
    """
    ours, theirs = _by_item(json_rows), _by_item(pictures_rows)
    listed = [
        {item_id for item_id, rows in items.items() if _is_listed(rows)} for items in (ours, theirs)
    ]
    return sorted(listed[0] - theirs.keys()), sorted(listed[1] - ours.keys())


def _by_item(rows: Iterable[CatalogRow]) -> dict[str, list[CatalogRow]]:
    items: dict[str, list[CatalogRow]] = {}
    for row in rows:
        if row.item_id:
            items.setdefault(row.item_id, []).append(row)
    return items


def _is_listed(rows: Sequence[CatalogRow]) -> bool:
    return any(row.state is CatalogState.LISTED for row in rows)


def _compare_item(
    item_id: str, ours: Sequence[CatalogRow], theirs: Sequence[CatalogRow]
) -> list[Difference]:
    """Compare one item: whether it is listed at all, then resource by resource."""
    if _is_listed(ours) != _is_listed(theirs):
        told = [str(rows[0].state) + f" {rows[0].reason}".rstrip() for rows in (ours, theirs)]
        return [Difference(item_id, None, "state", *told)]
    other = {row.resource_id: row for row in theirs if row.resource_id and _is_listed([row])}
    pairs = [
        (row, other[row.resource_id])
        for row in sorted(ours, key=lambda row: row.resource_id or "")
        if row.resource_id in other and _is_listed([row])
    ]
    return [
        Difference(item_id, row.resource_id, field, str(mine), str(its))
        for row, its_row in pairs
        for field, mine, its in (*_compare_fields(row, its_row), *_compare_files(row, its_row))
    ]


def _compare_fields(ours: CatalogRow, theirs: CatalogRow) -> list[tuple[str, Any, Any]]:
    """Compare the fields that both have."""
    found: list[tuple[str, Any, Any]] = []
    for field, agree in _AGREE.items():
        mine, its = getattr(ours, field), getattr(theirs, field)
        has_both = all(value not in ("", None, ()) for value in (mine, its))
        if has_both and not agree(mine, its):
            found.append((field, mine, its))
    return found


def _compare_files(ours: CatalogRow, theirs: CatalogRow) -> list[tuple[str, Any, Any]]:
    """Compare where the files of a kind are, and their sides where both say them."""
    found: list[tuple[str, Any, Any]] = []
    files = {file.url: file for file in theirs.renditions}
    urls_of = {kind: {f.url for f in theirs.renditions if f.kind is kind} for kind in _kinds(ours)}
    for file in ours.renditions:
        its = files.get(file.url)
        if its is None and urls_of[file.kind] and not _named(ours, file) & urls_of[file.kind]:
            found.append((f"renditions.{file.kind}", file.url, ", ".join(urls_of[file.kind])))
        elif its and None not in (file.width, its.width) and _sides(file) != _sides(its):
            found.append((f"renditions.{file.kind}", _sides(file), _sides(its)))
    return found


def _kinds(row: CatalogRow) -> set[Any]:
    return {file.kind for file in row.renditions}


def _named(row: CatalogRow, like: Rendition) -> set[str]:
    """Return the addresses of all files of a kind: there may be two thumbnails."""
    return {file.url for file in row.renditions if file.kind is like.kind}


def _sides(file: Rendition) -> tuple[int | None, int | None]:
    return file.width, file.height


def _to_key(value: Any) -> str:
    """Reduce a text, or several, to what they mean."""
    text = " ".join(value) if isinstance(value, tuple) else str(value)
    return to_title(text.casefold()).replace("[", "").replace("]", "").rstrip(" .")


def _same_text(ours: Any, theirs: Any) -> bool:
    return _to_key(ours) == _to_key(theirs)


def _same_moment(ours: str, theirs: str) -> bool:
    midnight = "T00:00:00Z" in (ours[10:], theirs[10:])
    return ours[:10] == theirs[:10] if midnight else ours == theirs


def _same_lines(ours: str, theirs: str) -> bool:
    return {_to_key(line) for line in ours.splitlines()} == {
        _to_key(line) for line in theirs.splitlines()
    }


def _same_subjects(ours: Sequence[str], theirs: Sequence[str]) -> bool:
    mine, its = ({_to_key(heading) for heading in side} for side in (ours, theirs))
    return mine <= its or its <= mine


_AGREE: Mapping[str, Callable[[Any, Any], bool]] = {
    "title": _same_text,
    "caption": _same_text,
    "role": _same_text,
    "date": _same_text,
    "date_from": _same_text,
    "date_to": _same_text,
    "place": _same_text,
    "latitude": _same_text,
    "longitude": _same_text,
    "subjects": _same_subjects,
    "publisher": _same_text,
    "print_number": _same_text,
    "collection_part": _same_text,
    "rights": _same_text,
    "call_number": _same_text,
    "reproduction_number": _same_lines,
    "notes": _same_text,
    "modified": _same_moment,
}
"""Columns that are compared, and when two values agree."""
