"""Pure: what a record says of its item as a whole, and whether it is an item at all."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from harvest.addresses import has_bad_id, is_foreign, to_canonical, to_item_id
from harvest.dates import to_interval
from harvest.fields import to_captions, to_date, to_mapping, to_numbers, to_text, to_texts, to_title
from harvest.particulars import (
    to_collection_part,
    to_modified,
    to_place,
    to_print_number,
    to_publisher,
)
from harvest.records import CatalogReason, CatalogRow, CatalogState

_GROUP = re.compile(r"\bphotochrom(?:e|s)?\s+prints\b", re.IGNORECASE)
_END_OF_GROUP = re.compile(r"\]\.?(?:\s*/)?$")
_GROUP_ICONS = ("group-of-images", "/grp.gif")
"""Names of the icons that stand for a group: the site's of today, and that of the older one."""

_NO_ITEM_FORMATS = ("collection", "web page")


def to_base(record: Mapping[str, Any], *, row: int) -> CatalogRow:
    """Read what all resources of a record share.

    Args:
        record: A row of the listing, or an item.
        row: Place in the listing.

    Returns:
        A listed row without a resource.
    """
    inner = to_mapping(record.get("item"))

    def field(*names: str) -> Any:
        found = (source.get(name) for name in names for source in (inner, record))
        return next((value for value in found if value), None)

    url = _to_url(record)
    item_id = to_item_id(url) or to_item_id(to_text(record.get("id")))
    given = record.get("title") or inner.get("title")
    date = to_date(field("created_published_date", "date"))
    first_year, last_year = to_interval(date)
    latitude, longitude = to_place(record)
    notes = to_texts(field("notes"))
    return CatalogRow(
        row=row,
        item_id=item_id or url,
        resource_id=None,
        title=to_title(given),
        title_given=to_text(given),
        caption="",
        role=None,
        date=date,
        date_from=first_year,
        date_to=last_year,
        place=to_text(inner.get("place") or inner.get("location") or record.get("location")),
        latitude=latitude,
        longitude=longitude,
        subjects=to_texts(field("subjects", "subject_headings", "subject")),
        publisher=to_publisher(record),
        print_number=to_print_number(notes),
        collection_part=to_collection_part(notes, given=field("part_of", "source_collection")),
        rights=to_text(field("rights_advisory", "rights_information")),
        call_number=to_text(field("call_number") or record.get("shelf_id")),
        reproduction_number=to_numbers(field("reproduction_number"))
        or _to_html_numbers(record.get("reproductions")),
        notes=notes,
        modified=to_modified(record),
        renditions=(),
        state=CatalogState.LISTED,
        reason=CatalogReason.NONE,
    )


def find_reason_to_skip(record: Mapping[str, Any], *, title_given: str) -> CatalogReason:
    """Say why a record is not an item that we may ask for, if so.

    Args:
        record: A row of the listing, or an item.
        title_given: Its title with the brackets that tell a group of prints from a print.
    """
    formats = " ".join(to_texts(record.get("original_format"))).lower()
    if any(name in formats for name in _NO_ITEM_FORMATS):
        return CatalogReason.NOT_AN_ITEM
    url = _to_url(record)
    if to_item_id(url) is None:
        return _find_reason_of_address(url)
    images = to_texts(record.get("image_url"))
    if _is_group(title_given) or any(i in url for url in images for i in _GROUP_ICONS):
        return CatalogReason.GROUP_RECORD
    return CatalogReason.NONE


def find_reason_without_files(
    addresses: Iterable[str], *, otherwise: CatalogReason
) -> CatalogReason:
    """Say why no file came of the addresses that a record or a resource names.

    Args:
        addresses: As they stand there.
        otherwise: The reason when the addresses are good, or there are none.

    Returns:
        BAD_ID where one holds an id that we do not accept; FOREIGN_ADDRESS where all lie on
        other hosts or have other schemes.
    """
    named = [address for address in addresses if address]
    if any(has_bad_id(address) for address in named):
        return CatalogReason.BAD_ID
    if named and all(is_foreign(address) for address in named):
        return CatalogReason.FOREIGN_ADDRESS
    stored = [to_canonical(address) or "" for address in named]
    if any("/storage-services/" in url or "/image-services/" in url for url in stored):
        return CatalogReason.NO_RESOURCE_ID
    return otherwise


def _is_group(title: str) -> bool:
    """Say whether a title in brackets speaks of photochrom prints."""
    ends = title.startswith("[") and _END_OF_GROUP.search(title) is not None
    return ends and _GROUP.search(title) is not None


def _to_html_numbers(reproductions: Any) -> str:
    """Read the reproduction numbers out of the HTML that says how to order copies."""
    captions = to_captions(reproductions)
    return "\n".join(f"{number} ({caption})" for number, caption in captions.items())


def _to_url(record: Mapping[str, Any]) -> str:
    """Read the address under which a record says it stands."""
    return next(iter((*to_texts(record.get("url")), *to_texts(record.get("id")))), "")


def _find_reason_of_address(url: str) -> CatalogReason:
    """Say why an address is none of an item."""
    if not url:
        return CatalogReason.UNREADABLE
    if is_foreign(url):
        return CatalogReason.FOREIGN_ADDRESS
    return CatalogReason.BAD_ID if has_bad_id(url) else CatalogReason.NOT_AN_ITEM
