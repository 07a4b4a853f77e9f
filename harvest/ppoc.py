"""Pure: pages of the older site, www.loc.gov/pictures/, brought into the JSON API's shape.

Every page of that site comes as JSON (in two serialisations) or as HTML. What is read here
becomes a record, a listing or an item reply as the newer API has it, so that one parser
makes the rows, and the same item gives the same row by either road.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urljoin

from bs4 import BeautifulSoup, Tag

from harvest.addresses import WWW, to_canonical, to_picture_id, to_stem
from harvest.errors import CatalogError
from harvest.fields import to_mapping, to_size, to_soup, to_text, to_texts
from harvest.records import Kind

BASE = f"https://{WWW}/pictures/"
CODE = "pgz"
"""How the older site calls the collection."""

_RANGE = re.compile(
    r"(?<![0-9,])[0-9][0-9,]{0,11}\s*(?:-|–|to)\s*[0-9][0-9,]{0,11}\s+of\s+([0-9][0-9,]{0,11})\b"
)
_NO_TITLE = re.compile(r"^(?:digitized item|thumbnail|image|\[?no image)", re.IGNORECASE)
_DOWNLOAD = re.compile(r"\.(?:jpg|gif|tif)$", re.IGNORECASE)
_LABELS = {
    "title": "title",
    "call number": "call_number",
    "reproduction number": "reproduction_number",
    "date created/published": "created_published_date",
    "notes": "notes",
    "rights advisory": "rights_advisory",
    "subjects": "subjects",
    "creator(s)": "creator",
    "creator": "creator",
    "part of": "part_of",
}
_LISTS = ("notes", "subjects")
Json = dict[str, Any]


def to_listing(data: Any, text: str) -> Json:
    """Read a page of the search into a reply of the listing.

    Args:
        data: The page as parsed when it is JSON, else None.
        text: The page as text.

    Returns:
        `results` with records, and `pagination` with `of`, the number of rows in all, `total`,
        that of pages, and `perpage`; each None where the page does not say.

    Raises:
        CatalogError: If it is neither a search in JSON nor HTML.
    """
    if data is None:
        return _to_html_listing(text)
    results = to_mapping(data).get("results")
    if not isinstance(results, list):
        raise CatalogError(
            f"{BASE}search/: expected a list under 'results', got {type(results).__name__}; run "
            "the stage again"
        )
    pages, search = to_mapping(data.get("pages")), to_mapping(data.get("search"))
    of = to_size(search.get("hits")) or to_size(pages.get("of"))
    return {
        "results": [to_record(result) for result in results],
        "pagination": {
            "of": of,
            "total": to_size(pages.get("total")),
            "perpage": to_size(pages.get("perpage")),
        },
    }


def to_record(result: Any) -> Any:
    """Bring one result of the search into the shape of a row of the listing.

    The search names the picture of 640 px and two thumbnails, and never that of 1,024 px; the
    grid names a thumbnail alone. What they leave out is derived, and found missing when it is
    asked for.

    Args:
        result: An element of `results`.

    Returns:
        The record; what is no object comes back as it is, to be skipped as unreadable.
    """
    if not isinstance(result, Mapping):
        return result
    links, image = to_mapping(result.get("links")), to_mapping(result.get("image"))
    named = to_texts(result.get("pk")) or (to_picture_id(to_text(links.get("item"))) or "",)
    urls = [url for name in ("thumb", "square", "full") for url in to_texts(image.get(name))]
    return _to_record(named[0], title=result.get("title"), urls=urls, block=dict(result))


def to_item_reply(data: Any, text: str, *, item_id: str) -> Json:
    """Read an item's page into a reply of the item endpoint.

    Args:
        data: The page as parsed when it is JSON, else None.
        text: The page as text.
        item_id: LCCN of the item that was asked for.

    Returns:
        `item` and `resources`, whose `files` are lists of lists.

    Raises:
        CatalogError: If it is neither an item in JSON nor HTML.
    """
    if data is None:
        return _to_html_item(text, item_id=item_id)
    block = to_mapping(data).get("item")
    if not isinstance(block, Mapping):
        raise CatalogError(
            f"{BASE}item/{item_id}/: expected an object under 'item', got "
            f"{type(block).__name__}; run the stage again"
        )
    named = to_texts(block.get("id")) or to_texts(block.get("pk")) or (item_id,)
    image = to_mapping(block.get("image"))
    urls = [
        url
        for value in (*map(block.get, _SERVICES), *map(image.get, ("thumb", "square", "full")))
        for url in to_texts(value)
    ]
    record = _to_record(named[0], title=block.get("title"), urls=urls, block=dict(block))
    return {"item": record, "resources": _to_resources(data.get("resources"))}


_SERVICES = ("thumb_gallery", "service_low", "service_medium")


def _to_record(item_id: str, *, title: Any, urls: Sequence[str], block: Json) -> Json:
    """Make a record of an item, its files and its block of the older catalogue."""
    found = [_to_file(url) for url in urls]
    stems = {file[0] for file in found if file}
    named = {file for file in found if file}
    derived = [
        stem.to_url(kind)
        for stem in stems
        for kind in (Kind.R, Kind.V)
        if (stem, kind) not in named
    ]
    return {
        "url": f"https://{WWW}/item/{item_id}/" if item_id else "",
        "title": title,
        "image_url": [*dict.fromkeys(urls), *sorted(derived)],
        "resources": [],
        "item": block,
    }


def _to_resources(value: Any) -> list[Json]:
    """Read `resources`, whose members are addresses under the names small, medium, larger..."""
    found = []
    for resource in map(to_mapping, value if isinstance(value, list) else []):
        addresses = [
            to_text(part.get("url") if isinstance(part, Mapping) else part)
            for part in resource.values()
        ]
        caption = to_text(resource.get("caption") or resource.get("title"))
        found.append(_to_resource(caption, [url for url in addresses if _to_file(url)]))
    return [resource for resource in found if resource["files"]]


def _to_resource(caption: str, urls: Sequence[str]) -> Json:
    files = [{"url": url} for url in dict.fromkeys(urls)]
    return {"caption": caption, "files": [files] if files else []}


def _to_html_listing(text: str) -> Json:
    """Read the anchors of the grid, of which an item's picture and its title have one each."""
    soup = _read(text)
    found: dict[str, tuple[list[str], list[str]]] = {}
    for anchor in soup.find_all("a", href=True):
        item_id = to_picture_id(_to_address(anchor.get("href")))
        if item_id is None:
            continue
        titles, images = found.setdefault(item_id, ([], []))
        titles.append(" ".join(anchor.get_text(" ").split()))
        for image in anchor.find_all("img"):
            images.append(_to_address(image.get("src")))
            alt = " ".join(to_text(image.get("alt")).split())
            titles.append("" if _NO_TITLE.match(alt) else alt)
    ranges = _RANGE.search(soup.get_text(" "))
    return {
        "results": [
            _to_record(item_id, title=max(titles, key=len), urls=images, block={})
            for item_id, (titles, images) in found.items()
        ],
        "pagination": {
            "of": int(ranges[1].replace(",", "")) if ranges else None,
            "total": None,
            "perpage": None,
        },
    }


def _to_html_item(text: str, *, item_id: str) -> Json:
    """Read the previews of an item's page, what they show, and where each is downloaded.

    The sizes behind the anchors, "TIFF (17.3mb)", are rounded, so none is taken for a size.
    """
    soup = _read(text)
    resources = []
    for preview in soup.select("p.image_preview"):
        caption, urls = "", [*_to_links(preview)]
        for sibling in preview.find_next_siblings():
            if "image_preview" in (sibling.get("class") or []):
                break
            if sibling.name == "span" and "quiet" in (sibling.get("class") or []):
                caption = caption or " ".join(sibling.get_text(" ").split()).strip("[] ")
            urls += _to_links(sibling)
        resources.append(_to_resource(caption, [url for url in urls if _to_file(url)]))
    block = _to_block(soup)
    if not resources and not block:
        raise CatalogError(
            f"{BASE}item/{item_id}/: expected an item's page, got a web page without previews and "
            "fields; run the stage again"
        )
    record = _to_record(item_id, title=block.get("title"), urls=[], block=block)
    return {"item": record, "resources": [one for one in resources if one["files"]]}


def _to_links(tag: Tag) -> Iterator[str]:
    """Find the addresses of pictures in an element, anchors and images alike."""
    for part in (tag, *tag.find_all(["a", "img"])):
        url = _to_address(part.get("href") or part.get("src"))
        if _DOWNLOAD.search(url.partition("#")[0]):
            yield url


def _to_block(soup: BeautifulSoup) -> Json:
    """Read what stands behind labels such as "Call Number:"; each label counts once."""
    block: Json = {}
    for label in soup.find_all(["strong", "b", "dt", "th", "h3"]):
        text = " ".join(label.get_text(" ").split())
        name = _LABELS.get(text.removesuffix(":").strip().lower())
        if name is None or name in block:
            continue
        holder = label.find_next_sibling(["dd", "td", "ul", "ol"]) or label.parent
        if not isinstance(holder, Tag):
            continue
        parts = [" ".join(part.get_text(" ").split()) for part in holder.find_all("li")]
        whole = " ".join(holder.get_text(" ").split()).removeprefix(text).strip()
        value = [part for part in parts if part] or ([whole] if whole else [])
        if value:
            block[name] = value if name in _LISTS else " ".join(value)
    return block


def _to_file(url: str) -> Any:
    """Read what an address says of a picture, None for any other."""
    canonical = to_canonical(url)
    return to_stem(canonical) if canonical else None


def _to_address(value: Any) -> str:
    """Complete an address of a page, "" where it is none."""
    try:
        return urljoin(BASE, to_text(value).strip())
    except ValueError:
        return ""


def _read(text: str) -> BeautifulSoup:
    try:
        return to_soup(text)
    except ValueError as exc:
        raise CatalogError(f"{BASE}: {exc}; run the stage again") from exc
