"""Pure: replies of the catalogue to rows, and a row to the files worth asking for."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harvest.addresses import Stem, has_bad_id, to_resource_id
from harvest.description import find_reason_to_skip, find_reason_without_files, to_base
from harvest.errors import CatalogError
from harvest.fields import is_negative, to_captions, to_mapping, to_text, to_texts
from harvest.records import CatalogReason, CatalogRow, CatalogState, Kind, Rendition, Role
from harvest.renditions import (
    WORTH_ASKING,
    Files,
    to_iiif,
    to_listed_files,
    to_own_files,
    to_resource_stem,
    with_derived,
)

_KINDS = tuple(Kind)
_WANTED = re.compile(r"v|r|u|iiif:(?P<pixels>[1-9][0-9]{0,4})")
_AFTER_IIIF = (Kind.MASTER, Kind.V, Kind.R)


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
        for row in _to_record_rows(record, row=number)
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
        wanted: Kind that is preferred: "v", "r" or "u"; or "iiif:2048", a picture that the
            image server makes of the master, 2,048 px on its longest side at most.

    Returns:
        The wanted kind first, then the others from the largest down; files whose size
        the catalogue does not say, derived ones among them, come after those whose size it
        says. After a picture of the image server come u, v and r, as that server has no
        picture where the master is too large for it. Thumbnails are never among them, nor
        are pictures of the image server that the catalogue happens to name.

    Raises:
        ValueError: If `wanted` is none of these.
    """
    asked = _WANTED.fullmatch(wanted)
    if asked is None:
        raise ValueError(f"rendition: expected v, r, u or iiif:<pixels>, got {wanted!r}")
    files = [file for file in row.renditions if file.kind in WORTH_ASKING]
    if asked["pixels"]:
        files.sort(key=lambda file: _AFTER_IIIF.index(file.kind))
        made = to_iiif(row.renditions, pixels=int(asked["pixels"]))
        return (made, *files) if made else tuple(files)

    def order(file: Rendition) -> tuple[bool, bool, int, int]:
        area = (file.width or 0) * (file.height or 0)
        return (file.kind != wanted, area == 0, -area, WORTH_ASKING.index(file.kind))

    return tuple(sorted(files, key=order))


def _to_record_rows(given: Any, *, row: int) -> list[CatalogRow]:
    """Turn one record into a row for each resource, or one skipped row."""
    record = to_mapping(given)
    base = to_base(record, row=row)
    reason = find_reason_to_skip(record, title_given=base.title_given)
    if reason is not CatalogReason.NONE:
        return [_skip(base, reason)]
    inner = to_mapping(record.get("item"))
    numbers = (inner.get("reproduction_number"), record.get("reproduction_number"))
    # The HTML says nothing that the numbers do not, and takes far longer to read.
    captions = to_captions(*numbers) or to_captions(record.get("reproductions"))
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
    images = to_texts(record.get("image_url"))
    without = find_reason_without_files(images, otherwise=CatalogReason.NO_IMAGE)
    return rows or [_skip(base, without)]


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
            return [_skip_resource(base, resource, caption=caption)]
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
    caption = caption or _find_caption(stem, captions)
    return replace(
        base,
        resource_id=stem.digital_id,
        caption=caption,
        role=Role.NEGATIVE if is_negative(caption) else Role.COLOUR,
        renditions=tuple(sorted(renditions, key=lambda file: (_KINDS.index(file.kind), file.url))),
    )


def _find_caption(stem: Stem, captions: Mapping[str, str]) -> str:
    """Find a resource's caption among those of the item's reproduction numbers.

    "LC-DIG-ds-004479" and "ds.04479" are one number, for zeros in front differ. A file of the
    bucket cph was scanned from a copy, whose number does not tell it: where all other numbers
    are LC-DIG ones, the remaining one is the copy's.
    """
    own = _to_bare(f"LC-DIG-{stem.bucket}-{stem.name}")
    exact = [caption for number, caption in captions.items() if _to_bare(number) == own]
    copies = [caption for number, caption in captions.items() if not number.startswith("LC-DIG-")]
    for found in (exact, list(captions.values()), copies if stem.bucket == "cph" else []):
        if len(found) == 1:
            return found[0]
    return ""


def _to_bare(number: str) -> str:
    return re.sub(r"-0+(?=[0-9])", "-", number)


def _skip_resource(base: CatalogRow, resource: Mapping[str, Any], *, caption: str) -> CatalogRow:
    """Make the skipped row of a resource none of whose files can be told."""
    url = to_text(resource.get("url"))
    digital_id = to_resource_id(url)
    pages = resource.get("files")
    files = [
        to_text(to_mapping(file).get("url"))
        for page in (pages if isinstance(pages, list) else [])
        for file in (page if isinstance(page, list) else [page])
    ]
    images = [to_text(resource.get("image")), *files]
    otherwise = CatalogReason.NO_IMAGE if digital_id else CatalogReason.NO_RESOURCE_ID
    reason = find_reason_without_files(images, otherwise=otherwise)
    if digital_id is None and has_bad_id(url):
        reason = CatalogReason.BAD_ID
    return _skip(replace(base, resource_id=digital_id, caption=caption), reason)


def _skip(row: CatalogRow, reason: CatalogReason) -> CatalogRow:
    return replace(row, role=None, state=CatalogState.SKIPPED, reason=reason)
