"""Pure: replies of the catalogue to rows, and a row to the files worth asking for."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harvest.addresses import Stem, to_canonical, to_item_id, to_resource_id
from harvest.errors import CatalogError
from harvest.fields import (
    is_negative,
    to_captions,
    to_date,
    to_mapping,
    to_text,
    to_texts,
    to_title,
)
from harvest.records import CatalogReason, CatalogRow, CatalogState, Kind, Rendition, Role
from harvest.renditions import (
    WORTH_ASKING,
    Files,
    to_listed_files,
    to_own_files,
    to_resource_stem,
    with_derived,
)

_GROUP_TITLE = re.compile(r"^\[.*\bphotochrom(?:e|s)?\s+prints\b.*\]\.?$", re.IGNORECASE)
_GROUP_ICON = "group-of-images"
_NO_ITEM_FORMATS = ("collection", "web page")
_KINDS = tuple(Kind)


def to_catalog(replies: Iterable[Any]) -> list[CatalogRow]:
    """Turn all replies of a listing, in order, into the catalogue.

    Args:
        replies: The pages as parsed.

    Returns:
        One row for each resource of each listing row, and one for each listing row that
        has none. A resource that was listed before is skipped as `repeated`.

    Raises:
        CatalogError: If a reply is not a listing.
    """
    rows: list[CatalogRow] = []
    first_row = 1
    for reply in replies:
        rows.extend(to_rows(reply, first_row=first_row))
        first_row += len(to_results(reply))
    return mark_repeated(rows)


def to_results(reply: Any) -> list[Any]:
    """Return the records of a listing reply.

    Raises:
        CatalogError: If the reply is not an object with a list of results.
    """
    results = to_mapping(reply).get("results")
    if not isinstance(results, list):
        raise CatalogError(
            f"expected a listing with a list under 'results', got {type(reply).__name__} with "
            f"{type(results).__name__} there; run the stage again"
        )
    return results


def to_rows(reply: Any, *, first_row: int = 1) -> list[CatalogRow]:
    """Turn one reply of the listing into rows.

    Args:
        reply: The page as parsed.
        first_row: Place of its first record in the whole listing, from 1.

    Returns:
        As `to_catalog`, for this page.

    Raises:
        CatalogError: If the reply is not a listing. A mangled record is a skipped row.
    """
    return [
        row
        for number, record in enumerate(to_results(reply), start=first_row)
        for row in _to_record_rows(to_mapping(record), row=number)
    ]


def to_item_rows(reply: Any, *, row: int) -> list[CatalogRow]:
    """Turn the reply of a single item into rows with exact renditions.

    Args:
        reply: The reply as parsed; its `resources` hold `files` as a list of lists.
        row: Place of the item in the listing.

    Returns:
        One row for each resource, or one skipped row.

    Raises:
        CatalogError: If the reply is not an item.
    """
    record = to_mapping(reply).get("item")
    if not isinstance(record, Mapping):
        raise CatalogError(
            f"listing row {row}: expected a reply with an object under 'item', got "
            f"{type(record).__name__}; run the stage again"
        )
    resources = to_mapping(reply).get("resources")
    known = {"resources": resources} if isinstance(resources, list) and resources else {}
    return _to_record_rows({**record, **known}, row=row)


def mark_repeated(rows: Sequence[CatalogRow]) -> list[CatalogRow]:
    """Skip every listed row whose resource an earlier row lists already."""
    seen: set[str | None] = set()
    marked = []
    for row in rows:
        if row.state is CatalogState.LISTED and row.resource_id in seen:
            row = _skip(row, CatalogReason.REPEATED)
        elif row.state is CatalogState.LISTED:
            seen.add(row.resource_id)
        marked.append(row)
    return marked


def choose_rendition(row: CatalogRow, wanted: str) -> tuple[Rendition, ...]:
    """Order the files of a row by how well they serve.

    Args:
        row: A catalogue row.
        wanted: Kind that is preferred: "v", "r" or "u".

    Returns:
        The wanted kind first, then the others from the largest down; files whose size
        the catalogue does not say come after those whose size it says. Thumbnails are
        never among them.
    """

    def order(rendition: Rendition) -> tuple[bool, bool, int, int]:
        area = (rendition.width or 0) * (rendition.height or 0)
        return (
            rendition.kind != wanted,
            area == 0,
            -area,
            WORTH_ASKING.index(rendition.kind),
        )

    return tuple(sorted((r for r in row.renditions if r.kind in WORTH_ASKING), key=order))


def _to_record_rows(record: Mapping[str, Any], *, row: int) -> list[CatalogRow]:
    """Turn one record into a row for each resource, or one skipped row."""
    base = _to_base(record, row=row)
    reason = _reason_to_skip(record, base)
    if reason is not CatalogReason.NONE:
        return [_skip(base, reason)]
    inner = to_mapping(record.get("item"))
    captions = to_captions(
        record.get("reproductions"),
        inner.get("reproduction_number"),
        record.get("reproduction_number"),
    )
    listed = to_listed_files(record)
    rows = [
        made
        for resource in _to_resources(record)
        for made in _to_resource_rows(base, resource, listed=listed, captions=captions)
    ]
    named = {made.resource_id for made in rows}
    rows += [
        _to_stem_row(base, stem, files=with_derived(stem, files), caption="", captions=captions)
        for stem, files in listed.items()
        if stem.digital_id not in named
    ]
    return rows or [_skip(base, _reason_without_files(record))]


def _to_base(record: Mapping[str, Any], *, row: int) -> CatalogRow:
    """Read what all resources of a record share."""
    inner = to_mapping(record.get("item"))

    def field(name: str) -> Any:
        return inner.get(name) or record.get(name)

    url = to_text(record.get("url") or record.get("id"))
    item_id = to_item_id(url) or to_item_id(to_text(record.get("id")))
    captions = to_captions(record.get("reproductions"))
    return CatalogRow(
        row=row,
        item_id=item_id or url,
        resource_id=None,
        title=to_title(record.get("title") or inner.get("title")),
        caption="",
        role=None,
        date=to_date(field("created_published_date") or field("date")),
        place=to_text(inner.get("place") or inner.get("location") or record.get("location")),
        subjects=to_texts(field("subject_headings") or field("subjects") or field("subject")),
        rights=to_text(field("rights_advisory") or field("rights_information")),
        call_number=to_text(field("call_number") or record.get("shelf_id")),
        reproduction_number=to_text(field("reproduction_number"), separator="\n")
        or "\n".join(f"{number} ({caption})" for number, caption in captions.items()),
        notes=to_texts(field("notes")),
        renditions=(),
        state=CatalogState.LISTED,
        reason=CatalogReason.NONE,
    )


def _reason_to_skip(record: Mapping[str, Any], base: CatalogRow) -> CatalogReason:
    """Say why a record is not a digitised item, if so."""
    formats = " ".join(to_texts(record.get("original_format"))).lower()
    if to_item_id(to_text(record.get("url") or record.get("id"))) is None:
        return CatalogReason.NOT_AN_ITEM
    if any(name in formats for name in _NO_ITEM_FORMATS):
        return CatalogReason.NOT_AN_ITEM
    images = to_texts(record.get("image_url"))
    if _GROUP_TITLE.match(base.title) or any(_GROUP_ICON in url for url in images):
        return CatalogReason.GROUP_RECORD
    return CatalogReason.NONE


def _reason_without_files(record: Mapping[str, Any]) -> CatalogReason:
    """Tell an item without any picture from one whose pictures we cannot name."""
    addresses = [to_canonical(url) or "" for url in to_texts(record.get("image_url"))]
    if any("/storage-services/" in url or "/image-services/" in url for url in addresses):
        return CatalogReason.NO_RESOURCE_ID
    return CatalogReason.NO_IMAGE


def _to_resources(record: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the resources of a record that name an image or themselves."""
    resources = record.get("resources")
    found = [to_mapping(part) for part in resources] if isinstance(resources, list) else []
    return [part for part in found if part.get("image") or part.get("url") or part.get("files")]


def _to_resource_rows(
    base: CatalogRow,
    resource: Mapping[str, Any],
    *,
    listed: Files,
    captions: Mapping[str, str],
) -> list[CatalogRow]:
    """Make the rows of one resource: one for each page that its `files` spell out, else one."""
    caption = to_text(resource.get("caption"))
    own = to_own_files(resource)
    if not own:
        stem = to_resource_stem(resource, listed=listed)
        if stem is None:
            digital_id = to_resource_id(to_text(resource.get("url")))
            reason = CatalogReason.NO_IMAGE if digital_id else CatalogReason.NO_RESOURCE_ID
            return [_skip(replace(base, resource_id=digital_id, caption=caption), reason)]
        own = {stem: with_derived(stem, listed.get(stem, {}))}
    return [
        _to_stem_row(base, stem, files=files, caption=caption, captions=captions)
        for stem, files in own.items()
    ]


def _to_stem_row(
    base: CatalogRow,
    stem: Stem,
    *,
    files: Mapping[str, Rendition],
    caption: str,
    captions: Mapping[str, str],
) -> CatalogRow:
    """Make a listed row; the master, which listings never name, is added by the folder rule."""
    renditions = list(files.values())
    if not any(file.kind is Kind.MASTER for file in renditions):
        renditions.append(Rendition(stem.to_url(Kind.MASTER), None, None, None, Kind.MASTER))
    only = next(iter(captions.values())) if len(captions) == 1 else ""
    caption = caption or captions.get(f"LC-DIG-{stem.bucket}-{stem.name}", only)
    return replace(
        base,
        resource_id=stem.digital_id,
        caption=caption,
        role=Role.NEGATIVE if is_negative(caption) else Role.COLOUR,
        renditions=tuple(sorted(renditions, key=lambda file: (_KINDS.index(file.kind), file.url))),
    )


def _skip(row: CatalogRow, reason: CatalogReason) -> CatalogRow:
    return replace(row, role=None, state=CatalogState.SKIPPED, reason=reason)
