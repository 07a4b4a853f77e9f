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
            "creators": [
                {"title": "Photoglob Co.", "role": "publisher", "link": "//www.loc.gov/x"}
            ],
            "modified": "2016-04-21 06:01:15",
            "source_modified": "2012-06-14T21:04:56Z",
            "rights_advisory": "No known restrictions on publication.",
            "call_number": "LOT 13434, no. 171 [item]",
            "reproduction_number": f"LC-DIG-ppmsc-{number:05d} (digital file from original)",
            "notes": [
                "Print no. 6626.",
                "Forms part of: Views of Italy in the Photochrom print collection.",
            ],
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


def pictures_result(number: int = 6712, *, newer: bool = True, **change: Any) -> dict[str, Any]:
    """The same photochrom as the older site's search has it, in either serialisation."""
    stem = f"ppmsc/{number // 100 * 100:05d}/{number:05d}"
    host = PNP if newer else "//cdn.loc.gov/service/pnp"
    full = PNP if newer else "//www.loc.gov/pictures/cdn/service/pnp"
    lccn = f"2001{number:06d}"
    result = {
        "index": 1,
        "pk": lccn,
        "title": "[The arsenal, Venice, Italy] /",
        "links": {
            "item": f"https://www.loc.gov/pictures/item/{lccn}/",
            "resource": f"https://www.loc.gov/pictures/item/{lccn}/resource/",
        },
        "image": {
            "alt": "digitized item thumbnail",
            "full": f"{full}/{stem}r.jpg",
            "square": f"{host}/{stem}_75x75px.jpg",
            "thumb": f"{host}/{stem}_150px.jpg",
        },
        "creator": "Photoglob Co.",
        "created_published_date": "[between ca. 1890 and ca. 1900]",
        "call_number": "LOT 13434, no. 171 [item]",
        "reproduction_number": f"LC-DIG-ppmsc-{number:05d} (digital file from original)",
        "modified": "2016-04-21T00:00:00Z" if newer else "2016-04-21 00:00:00",
        "source_modified": "2012-06-14T00:00:00Z" if newer else "2012-06-14 00:00:00",
        "subjects": ["Italy--Venice", "Photochrom prints--Color--1890-1900."],
        "collection": ["pgz"],
    }
    return result | change


def pictures_page(*results: Any, of: int | None = None, pages: int = 1) -> dict[str, Any]:
    """A reply of the older site's search."""
    return {
        "search": {"hits": len(results) if of is None else of, "query": ""},
        "pages": {"current": 1, "total": pages, "next": None},
        "collection": {"code": "pgz"},
        "results": list(results),
    }


def pictures_item(number: int = 6712, *, second: str = "") -> dict[str, Any]:
    """The same photochrom as the older site's item page has it; `second`: a copy's caption."""
    stem = f"{PNP}/ppmsc/{number // 100 * 100:05d}/{number:05d}"
    copy = f"{PNP}/cph/3b40000/3b49000/3b49000/3b49078"
    block = item(number)["item"] | {"id": f"2001{number:06d}", "service_medium": f"{stem}r.jpg"}
    resources = [
        {
            "small": f"{stem}t.gif",
            "medium": f"{stem}r.jpg",
            "large": f"{stem}v.jpg",
            "larger": f"{stem.replace('/service/', '/master/')}u.tif",
        }
    ]
    if second:
        block["reproduction_number"] += f"\nLC-USZ62-95830 ({second})"
        resources.append({"small": f"{copy}t.gif", "medium": f"{copy}r.jpg"})
    return {"item": block, "resources": resources, "unrestricted": True}


def pictures_grid(*numbers: int, of: int | None = None) -> str:
    """The older site's search as a web page: an anchor for the picture, one for the title."""
    cells = []
    for number in numbers:
        stem = f"//cdn.loc.gov/service/pnp/ppmsc/{number // 100 * 100:05d}/{number:05d}"
        link = f"//www.loc.gov/pictures/collection/pgz/item/2001{number:06d}/"
        cells.append(
            f'<div><a href="{link}"><img src="{stem}_150px.jpg" alt="digitized item thumbnail">'
            f'</a><a href="{link}?st=grid">[The arsenal, Venice, Italy] /</a></div>'
        )
    shown = "" if of is None else f"<p>Results: 1 - {len(numbers)} of {of:,}</p>"
    return f"<html><body>{shown}{''.join(cells)}<a href='/pictures/'>Home</a></body></html>"


def pictures_html(number: int = 6712) -> str:
    """The same photochrom's item page as a web page."""
    stem = f"ppmsc/{number // 100 * 100:05d}/{number:05d}"
    service = f"//www.loc.gov/pictures/cdn/service/pnp/{stem}"
    master = f"https://tile.loc.gov/storage-services/master/pnp/{stem}u.tif"
    return f"""<html><body><h1>Photochrom</h1>
    <p class="image_preview"><a href="/pictures/resource/x/"><img src="{service}_150px.jpg"></a></p>
    <span class="quiet">[digital file from original]</span>
    <p>Full online access: <a href="{service}r.jpg">JPEG (45kb)</a>
      <a href="{service}v.jpg">JPEG (141kb)</a> <a href="{master}">TIFF (17.3MB)</a></p>
    <ul><li><strong>Title:</strong> [The arsenal, Venice, Italy]</li>
    <li><strong>Call Number:</strong> LOT 13434, no. 171 [item]</li>
    <li><strong>Notes:</strong><ul><li>Print no. 6626.</li>
      <li>Forms part of: Views of Italy in the Photochrom print collection.</li></ul></li>
    <li><strong>Rights Advisory:</strong> No known restrictions on publication.</li></ul>
    </body></html>"""
