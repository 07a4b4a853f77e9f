"""Pure: the same as HTML, with what scrapers of the real pages key on (loc/FACTS.md, b).

Class names beyond those on record, the list of fields among them, are made up.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from replica.names import WWW
from replica.ppoc import CODE, image_url, is_classic, record_of, suffixes_of, title_of
from replica.records import RENDITION_LONG_EDGE, Resource, Row
from replica.renditions import fit
from replica.results import Sizes

_KINDS = {"gif": "GIF", "jpg": "JPEG", "tif": "TIFF"}
_BYTES_PER_PIXEL = {"gif": 0.5, "jpg": 0.3, "tif": 3.0}
"""Roughly; the pages round, and to know better every picture would have to be drawn."""
_LABELS = {
    "created_published_date": "Date Created/Published",
    "medium": "Medium",
    "reproduction_number": "Reproduction Number",
    "rights_advisory": "Rights Advisory",
    "call_number": "Call Number",
    "repository": "Repository",
    "notes": "Notes",
    "subjects": "Subjects",
    "part_of": "Part Of",
}


def grid_page(rows: Sequence[Row], *, start: int, count: int) -> str:
    """Make a page of the grid; picture and title link to the item both.

    Args:
        rows: All that is found.
        start: Place of the first row shown, from 0.
        count: Rows a page.
    """
    shown = rows[start : start + count]
    if not shown:
        return _page("Search Results", "<p>Your search found no items.</p>")
    current, pages = start // count + 1, -(-len(rows) // count)
    cells = "".join(map(_cell, shown))
    heading = f"Results: {start + 1} - {start + len(shown)} of {len(rows):,}"
    query = f"st=grid&amp;co={CODE}&amp;c={count}&amp;sp={current + 1}"
    following = f'<a href="/pictures/search/?{query}">Next</a>' if current < pages else ""
    return _page("Search Results", f"<p>{heading}</p><div>{cells}</div><p>{following}</p>")


def item_page(row: Row, sizes: Sizes) -> str:
    """Make an item's page: each scan with its downloads, then the record's fields."""
    record = record_of(row, sizes)
    shown = "".join(_scan(r, sizes(r), is_classic(record)) for r in row.resources)
    title = escape(title_of(row))
    creators = [creator["title"] for creator in record.get("creators", [])]
    fields = _field("Title", [title_of(row)])
    fields += _field("Creator(s)", creators) if creators else ""
    for name, label in _LABELS.items():
        if values := _lines(record.get(name)):
            fields += _field(label, values)
    return _page(title, f"<h1>{title}</h1>{shown}<h2>About This Item</h2><dl>{fields}</dl>")


def _cell(row: Row) -> str:
    href = f"//www.loc.gov/pictures/collection/{CODE}/item/{row.item_id}/"
    image = ""
    if row.resources:
        source = image_url(row.resources[0], "_150px.jpg", classic=True)
        image = f'<a href="{href}"><img src="{source}" alt="digitized item thumbnail"></a>'
    return f'<div>{image}<p><a href="{href}">{escape(title_of(row))}</a></p></div>'


def _scan(resource: Resource, size: tuple[int, int], classic: bool) -> str:
    page = f"{WWW}/pictures/resource/{resource.digital_id}/"
    image = image_url(resource, "r.jpg", classic=classic)
    links = []
    for suffix in suffixes_of(resource):
        kind = suffix.rpartition(".")[2]
        url = image_url(resource, suffix, classic=classic)
        weight = _weight(suffix, size, _BYTES_PER_PIXEL[kind])
        links.append(f'<a href="{url}">{_KINDS[kind]} ({weight})</a>')
    return (
        f'<p class="image_preview"><a href="{page}"><img src="{image}" alt=""></a></p>'
        f'<span class="quiet">[{escape(resource.caption)}]</span><p>{" | ".join(links)}</p>'
    )


def _weight(suffix: str, size: tuple[int, int], bytes_per_pixel: float) -> str:
    """Say how much a file weighs, as the pages do: "141kb", "17.3mb"."""
    long_edge = RENDITION_LONG_EDGE.get(suffix, max(size))
    width, height = fit(*size, long_edge=long_edge) if min(size) > 0 else (0, 0)
    weight = width * height * bytes_per_pixel
    return f"{weight / 2**20:.1f}mb" if weight >= 2**20 else f"{weight / 1024:.0f}kb"


def _lines(value: Any) -> list[str]:
    """Give the lines of a field that is a text or a list of texts."""
    texts: Iterable[Any] = value if isinstance(value, list) else [value]
    return [line for text in texts if text for line in str(text).split("\n")]


def _field(label: str, values: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(value)}</li>" for value in values)
    return f"<dt>{label}:</dt><dd><ul>{items}</ul></dd>"


def _page(title: str, body: str) -> str:
    head = f'<head><meta charset="utf-8"><title>{title}</title></head>'
    return f"<!doctype html><html lang=en>{head}<body>{body}</body></html>"
