"""Pure: what a scholar asks of a record beyond its headings: where, by whom, which number."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from harvest.fields import to_mapping, to_text, to_texts

_MAKERS = re.compile(r"photoglob|photochrom\s+co|\bp\.\s?z\.|detroit\s+(?:photogr|publ)", re.I)
"""Who made photochroms: Photoglob of Zürich, and its licensees in Detroit (FACTS c)."""

_ROLES = ("publisher", "printer", "manufacturer")
_ROLE = re.compile(r",\s*(?:publisher|printer|manufacturer)s?\s*\.?$", re.IGNORECASE)
_ISSUED = re.compile(r"^(?:issued|published|printed) by:?\s+(\S.*?)\.?$", re.IGNORECASE)
_IMPRINT = re.compile(r"^\[?[^:]{2,80}?\s:\s+(\[?[^\W\d_].{1,80}?)(?:,(?=[^,]*[0-9]{2})[^,]*)?\]?$")
_SOURCE_OF_TITLE = re.compile(r"^title\b.*\bfrom\b", re.IGNORECASE)
_NUMBERS = (
    re.compile(r'\bprint\s+(?:no\.?|number):?\s*["“]?([0-9]{1,6}[a-z]?)\b', re.IGNORECASE),
    re.compile(r"\b([0-9]{1,5})[.,]?\s+P\.\s?Z\.(?!\w)"),
)
_DETROIT = re.compile(
    r'\bdetroit\b[^"“0-9;]{0,60}?\b(?:no\.?|number):?\s*["“]?([0-9]{3,6})\b', re.IGNORECASE
)
_PART = re.compile(r"\bforms? part of:?\s+(.+)", re.IGNORECASE)
_COLLECTION = re.compile(r"^(.*?\bcollection\b(?:\s*\([^()]*\))?)(?=\.|;|\s*$)", re.IGNORECASE)
_NUMBER = re.compile(r"[+-]?[0-9]{1,3}(?:\.[0-9]+)?")
_MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?Z?"
)

Place = tuple[float | None, float | None]


def to_place(record: Mapping[str, Any]) -> Place:
    """Find where a picture was taken, if the record says so in numbers.

    The first of these that has both numbers within range: `place[]` and `coordinates` with
    members named latitude and longitude, `latlong` (latitude first), `lonlat` (longitude
    first). These lists often hold names of keys in place of numbers. A list under
    `coordinates` is not read, because its order is not known; and 0, 0 is a blank that
    somebody turned into numbers, for no photochrom shows the Gulf of Guinea.

    Args:
        record: A row of the listing, or an item; its nested `item` goes first.

    Returns:
        Degrees north and east, or None and None.
    """
    records = (to_mapping(record.get("item")), record)
    named = [
        (part.get("latitude"), part.get("longitude"))
        for name in ("place", "coordinates")
        for each in records
        for part in map(to_mapping, _to_list(each.get(name)))
    ]
    listed = [_to_pair(each.get("latlong")) for each in records]
    listed += [_to_pair(each.get("lonlat"))[::-1] for each in records]
    for north, east in [*named, *listed]:
        latitude, longitude = _to_degrees(north, 90.0), _to_degrees(east, 180.0)
        if latitude is not None and longitude is not None and (latitude or longitude):
            return latitude, longitude
    return None, None


def to_publisher(record: Mapping[str, Any]) -> str:
    """Find who made the print.

    The first of these: a creator or contributor whose role is to publish or print, or who
    is known to have made photochroms; a note "Issued by: ..."; the imprint of
    `created_published` ("[Zürich : Photoglob Co., 1890]"); last the lower-case facet, with
    capitals restored. "Title from the Detroit Publishing Co. catalogue" names no publisher:
    that catalogue lists foreign prints too (FACTS c).

    Args:
        record: A row of the listing, or an item.
    """
    inner = to_mapping(record.get("item"))
    names = [
        _named(creator)
        for source in (inner, record)
        for creator in map(to_mapping, _to_list(source.get("creators")))
    ]
    for source in (inner, record):
        for field in ("contributor_names", "contributors", "creator"):
            names += [_named({"title": text}) for text in to_texts(source.get(field))]
    names += [_find(_ISSUED, note) for note in to_texts(inner.get("notes") or record.get("notes"))]
    imprints = to_texts(inner.get("created_published") or record.get("created_published"))
    names += [_find(_IMPRINT, imprint) for imprint in imprints]
    names += [_named({"title": text}).title() for text in to_texts(record.get("contributor"))]
    return next((name for name in names if name), "")


def to_print_number(notes: Iterable[str]) -> str:
    """Find the publisher's number of a print, such as 8335 in 'Print no. "8335".'.

    Args:
        notes: Notes of the record, perhaps all in one. Where a title comes from the Detroit
            company's catalogue, the number in that catalogue is not the print's.

    Returns:
        The number as it stands, or "".
    """
    notes = tuple(notes)
    told = [note for note in notes if not _SOURCE_OF_TITLE.match(note)]
    found = [pattern.search(note) for pattern in _NUMBERS for note in notes]
    found += [_DETROIT.search(note) for note in told]
    return next((match[1] for match in found if match), "")


def to_collection_part(notes: Iterable[str], *, given: Any) -> str:
    """Find which part of the collection a print belongs to.

    Args:
        notes: Notes of the record, one of them "Forms part of: ...".
        given: `part_of` or `source_collection`, which count where no note says so.
    """
    for note in notes:
        if match := _PART.search(note):
            part = _COLLECTION.match(match[1])
            return (part[1] if part else match[1]).strip().rstrip(".")
    return next(iter(to_texts(given)), "").rstrip(".")


def to_modified(record: Mapping[str, Any]) -> str:
    """Find when the Library last changed a record.

    That is the later of `source_modified`, when the cataloguers changed it, and `modified`,
    when the pictures' catalogue took it up again, with whatever changed about its files.
    `timestamp` says when the whole site was indexed, which touches records that nobody
    changed; it counts only where there is nothing else.

    Args:
        record: A row of the listing, or an item.

    Returns:
        Such as "2016-04-21T06:01:14Z", whichever way the record writes it; "" where it does
        not say.
    """
    inner = to_mapping(record.get("item"))
    for names in (("modified", "source_modified"), ("number_source_modified",), ("timestamp",)):
        values = [to_text(source.get(name)) for source in (inner, record) for name in names]
        moments = [to_moment(value) for value in values]
        if any(moments):
            return max(moments)
    return ""


def to_moment(value: str) -> str:
    """Bring "2016-04-21 06:01:14" and "2016-04-21T09:17:00Z" into the latter's form, else ""."""
    match = _MOMENT.fullmatch(value.strip())
    return f"{match[1]}T{match[2]}Z" if match else ""


def _named(creator: Mapping[str, Any]) -> str:
    """Return a creator's name when it is that of a publisher."""
    name = " ".join(to_text(creator.get("title")).split())
    role = to_text(creator.get("role")).lower()
    publishes = any(each in role for each in _ROLES) or _ROLE.search(name) or _MAKERS.search(name)
    return _ROLE.sub("", name).strip() if publishes else ""


def _find(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.match(text)
    return match[1].strip() if match else ""


def _to_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _to_pair(value: Any) -> tuple[Any, Any]:
    """Read two numbers out of a list of two, or of "46.9, 8.3"."""
    if isinstance(value, str):
        value = value.split(",")
    return (value[0], value[1]) if isinstance(value, list) and len(value) == 2 else (None, None)


def _to_degrees(value: Any, limit: float) -> float | None:
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        value = float(value)
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    return float(value) if abs(value) <= limit else None
