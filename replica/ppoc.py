"""Pure: what the older site, www.loc.gov/pictures/, answers in JSON (loc/FACTS.md, b).

Everything that an item's record says here is said by the newer replies too.
"""

import math
from collections.abc import Sequence
from typing import Any

from replica.blocks import PUBLISHER
from replica.chance import rng_of
from replica.names import WWW, picture_url, url_of
from replica.records import Resource, Row, RowKind
from replica.results import Sizes, to_result

Json = dict[str, Any]

PER_LIST, PER_GRID, PER_PAGE_MAX = 20, 100, 150
CODE = "pgz"
LISTED = (RowKind.ITEM, RowKind.NO_IMAGE, RowKind.GROUP)
NO_PICTURE = f"{WWW}/pictures/static/images/item/404x404_Grp.gif"
_NAMES = {"small": "t.gif", "medium": "r.jpg", "large": "v.jpg", "larger": "u.tif"}


def record_of(row: Row, sizes: Sizes) -> Json:
    """Give a row's record in the older catalogue, the one that the newer replies carry."""
    record: Json = to_result(row, sizes, index=1)["item"]
    return record


def is_classic(record: Json) -> bool:
    """Say whether a record is serialised in the older way: `//` addresses, dates with a space."""
    return "T" not in record["modified"]


def search_reply(rows: Sequence[Row], sizes: Sizes, *, start: int, count: int) -> Json:
    """Make the reply of a search of the collection.

    Args:
        rows: All that is found.
        sizes: Pixels of each scan.
        start: Place of the first row shown, from 0.
        count: Rows a page.

    Returns:
        The reply; past the end it has no results.
    """
    shown = rows[start : start + count]
    current, total = start // count + 1, math.ceil(len(rows) / count)

    def page(number: int) -> str | None:
        query = f"co={CODE}&sp={number}&c={count}&fo=json"
        return f"{WWW}/pictures/search/?{query}" if 1 <= number <= total else None

    return {
        "search": {"hits": len(rows), "query": "", "collection": CODE, "type": "search"},
        "links": {"json": page(current), "html": f"{WWW}/pictures/search/?co={CODE}"},
        "views": {"current": "grid", "available": ["list", "gallery", "grid", "slideshow"]},
        "focus": None,
        "pages": {
            "current": current,
            "perpage": count,
            "total": total,
            "of": len(rows),
            "next": page(current + 1),
            "previous": page(current - 1),
        },
        "collection": {"code": CODE, "title": "Photochrom Prints"},
        "results": [_result(r, sizes, index=start + k + 1) for k, r in enumerate(shown)],
    }


def item_reply(row: Row, sizes: Sizes) -> Json:
    """Make the reply of an item's page."""
    record = record_of(row, sizes)
    classic = is_classic(record)
    return {
        "item": {**record, "title": title_of(row)},
        "links": {"item": _styled(picture_url(row.item_id), classic)},
        "resources": [_resource(resource, classic) for resource in row.resources],
    }


def title_of(row: Row) -> str:
    """Give a title as this site shows it: many keep a trailing slash."""
    return f"{row.title} /" if rng_of(f"{row.quirks}/slash").random() < 0.3 else row.title


def suffixes_of(resource: Resource) -> list[str]:
    """Name the files of a scan, smallest first."""
    return [s for s in _NAMES.values() if s != "v.jpg" or resource.has_v]


def image_url(resource: Resource, suffix: str, *, classic: bool) -> str:
    """Give the address of a rendition as this site writes it."""
    return _styled(url_of(resource.digital_id, suffix), classic)


def _result(row: Row, sizes: Sizes, *, index: int) -> Json:
    record = record_of(row, sizes)
    classic = is_classic(record)
    item = picture_url(row.item_id)
    same = ("source_created", "created", "modified", "source_modified", "call_number")
    result = {name: record.get(name, record["created"]) for name in same}
    return {
        **result,
        "index": index,
        "pk": row.item_id,
        "title": title_of(row),
        "medium": record["medium"][0],
        "medium_brief": record["medium_brief"],
        "reproduction_number": record["reproduction_number"].replace("\n", " "),
        "links": {
            "item": _styled(item, classic),
            "resource": _styled(f"{item}resource/", classic),
        },
        "image": _image(row, classic),
        "collection": [CODE, "pp"],
        "creator": PUBLISHER if "creators" in record else "",
        "created_published_date": record["created_published_date"],
        "subjects": record["subjects"],
    }


def _image(row: Row, classic: bool) -> Json:
    if not row.resources:
        alike = _styled(NO_PICTURE, classic)
        return {"alt": "item not digitized thumbnail", "full": alike, "square": alike}
    first = row.resources[0]
    return {
        "alt": "digitized item thumbnail",
        "full": image_url(first, "r.jpg", classic=classic),
        "square": image_url(first, "_150px.jpg", classic=classic).replace("_150px", "_75x75px"),
        "thumb": image_url(first, "_150px.jpg", classic=classic),
    }


def _resource(resource: Resource, classic: bool) -> Json:
    files = {
        name: image_url(resource, suffix, classic=classic)
        for name, suffix in _NAMES.items()
        if suffix in suffixes_of(resource)
    }
    return {"caption": resource.caption, "digital_id": resource.digital_id, **files}


def _styled(url: str, classic: bool) -> str:
    """Write an address as one of the two serialisations does."""
    if not classic:
        return url
    plain = url.removeprefix("https:")
    return plain.replace("//tile.loc.gov/storage-services", "//cdn.loc.gov")
