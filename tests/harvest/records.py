"""Records in the shape of the listing's, written for these tests."""

from typing import Any

PNP = "https://tile.loc.gov/storage-services/service/pnp"


def item(number: int = 6712, **change: Any) -> dict[str, Any]:
    """A photochrom's row of the listing; `change` lays other members over it."""
    stem = f"{PNP}/ppmsc/{number // 100 * 100:05d}/{number:05d}"
    lccn = f"2001{number:06d}"
    record = {
        "id": f"http://www.loc.gov/item/{lccn}/",
        "url": f"https://www.loc.gov/item/{lccn}/",
        "title": "[The arsenal, Venice, Italy]",
        "original_format": ["photo, print, drawing"],
        "image_url": [
            f"{stem}v.jpg#h=759&w=1024",
            f"{stem}_150px.jpg#h=111&w=150",
            f"{stem}r.jpg#h=474&w=640",
            f"{stem}t.gif#h=111&w=150",
        ],
        "resources": [
            {
                "caption": "digital file from original",
                "files": 1,
                "image": f"{stem}_150px.jpg",
                "url": f"https://www.loc.gov/resource/ppmsc.{number:05d}/",
            }
        ],
        "item": {
            "title": "[The arsenal, Venice, Italy]",
            "created_published_date": "[between ca. 1890 and ca. 1900]",
            "date": "[between ca. 1890 and ca. 1900]",
            "place": [{"title": "Italy--Venice", "link": "//www.loc.gov/x", "latitude": ""}],
            "subject_headings": ["Italy--Venice"],
            "rights_advisory": "No known restrictions on publication.",
            "call_number": "LOT 13434, no. 171 [item]",
            "reproduction_number": f"LC-DIG-ppmsc-{number:05d} (digital file from original)",
            "notes": ["Print no. 6626."],
        },
    }
    return record | change


def page(
    *records: Any, number: int = 1, of: int | None = None, perpage: int = 150
) -> dict[str, Any]:
    """A reply of the listing, with the misleading `total` and `last` that it really has."""
    total = len(records) if of is None else of
    return {
        "results": list(records),
        "pagination": {
            "current": number,
            "of": total,
            "perpage": perpage,
            "total": 9,
            "last": "https://www.loc.gov/collections/photochrom-prints/?fo=json&sp=3",
        },
        "total": total - 1,
    }
