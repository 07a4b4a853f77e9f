"""Pure: the records inside the replies: listing rows, item blocks and resources."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from replica.blocks import block_of, modified_at
from replica.chance import rng_of
from replica.dates import filed_year
from replica.names import WWW, collection_url, item_url, resource_url, url_of
from replica.places import COORDINATES
from replica.records import RENDITION_LONG_EDGE, FileScan, Resource, Row, RowKind
from replica.renditions import fit

Json = dict[str, Any]
Sizes = Callable[[Resource], tuple[int, int]]
"""Gives width and height of a scan's master in pixels; 0, 0 when unknown."""

ICON = f"{WWW}/static/images/original-format/group-of-images.svg"
RIGHTS_HTML = (
    "<p>The Library of Congress does not&nbsp;own rights to material in its collections.</p>"
)
PARTOF = ["prints and photographs division", "photochrom prints", "catalog", "american memory"]
_INDEXED_AFTER = timedelta(days=3)
_MIMETYPES = {"jpg": "image/jpeg", "gif": "image/gif", "tif": "image/tiff"}


def to_result(row: Row, sizes: Sizes, *, index: int) -> Json:
    """Make one element of `results`.

    Args:
        row: The row.
        sizes: Pixels of each scan.
        index: Place in the whole listing, from 1.
    """
    if row.kind in (RowKind.COLLECTION, RowKind.WEB_PAGE):
        return _page_result(row, index)
    rng = rng_of(f"{row.quirks}/result")
    result = {**_common(row, index), **_places(row, rng)}
    result["image_url"] = _image_urls(row, sizes, rng)
    result["item"] = block_of(row, rng)
    result["resources"] = [_counted(resource) for resource in row.resources]
    result["reproductions"] = "<p>Higher resolution image available (TIFF).</p>"
    if rng.random() < 0.15:  # one value may be a string or a list
        result["description"] = result["description"][0]
    if rng.random() < 0.1:
        result["original_format"] = result["original_format"][0]
    if rng.random() < 0.1:
        result["id"] = result["id"].removeprefix("http:")
    if not row.resources:
        result["digitized"] = False
        if rng.random() < 0.5:
            del result["image_url"]
    return result


def to_item(row: Row, sizes: Sizes) -> Json:
    """Make the `item` member of an item page: the flat record, with facets as objects."""
    rng = rng_of(f"{row.quirks}/result")
    result = to_result(row, sizes, index=1)
    flat = {**block_of(row, rng), **result, "item": result.get("item", {})}
    flat["subjects"] = [_facet("subject", s) for s in result.get("subject", [])]
    flat["location"] = [_facet("location", s) for s in result.get("location") or []]
    year = filed_year(row.date)
    flat["dates"] = [{year: f"{WWW}/search/?dates={year}/{year}&fo=json"}]
    flat["partof"] = [
        {"count": 7501, "title": title, "url": f"{WWW}/search/?fa=partof:{title}&fo=json"}
        for title in PARTOF
    ]
    flat["rights"] = [RIGHTS_HTML]
    flat["reproductions"] = []
    flat["other_formats"] = [
        {"label": "MARCXML Record", "link": f"https://lccn.loc.gov/{row.item_id}/marcxml"}
    ]
    flat["_version_"], flat["score"], flat["shard"] = 1730886823385759746, 19.270575, "00"
    return flat


def to_resources(resources: Sequence[Resource], sizes: Sizes) -> list[Json]:
    """Make the top-level `resources` of an item page, whose `files` are lists of lists."""
    return [
        {
            "caption": resource.caption,
            "files": [_files(resource, sizes)],
            "image": url_of(resource.digital_id, "_150px.jpg"),
            "url": resource_url(resource.digital_id),
        }
        for resource in resources
    ]


def _files(resource: Resource, sizes: Sizes) -> list[Json]:
    width, height = sizes(resource)
    files: list[Json] = []
    for suffix in _suffixes(resource):
        file: Json = {
            "url": url_of(resource.digital_id, suffix),
            "mimetype": _MIMETYPES[suffix.rpartition(".")[2]],
        }
        if width:
            long_edge = RENDITION_LONG_EDGE.get(suffix, max(width, height))
            file["width"], file["height"] = fit(width, height, long_edge=long_edge)
        if suffix == "u.tif" and isinstance(resource.scan, FileScan):
            file["size"] = resource.scan.size_bytes
        files.append(file)
    return files


def _suffixes(resource: Resource) -> list[str]:
    return [s for s in (*RENDITION_LONG_EDGE, "u.tif") if s != "v.jpg" or resource.has_v]


def _counted(resource: Resource) -> Json:
    return {
        "caption": resource.caption,
        "files": 1,
        "image": url_of(resource.digital_id, "_150px.jpg"),
        "url": resource_url(resource.digital_id),
    }


def _image_urls(row: Row, sizes: Sizes, rng: np.random.Generator) -> list[str]:
    if not row.resources:
        return [] if rng.random() < 0.5 else [ICON]
    resource = row.resources[0]
    width, height = sizes(resource)
    hide_v, style, gif_more = rng.random() < 0.06, rng.random(), int(rng.random() < 0.2)
    hide_v = hide_v and not isinstance(resource.scan, FileScan)  # given prints come as wanted
    urls = []
    for suffix in _suffixes(resource)[:-1]:
        if suffix == "v.jpg" and hide_v:
            continue
        url = url_of(resource.digital_id, suffix)
        if style < 0.1:
            url = url.removeprefix("https:")
        elif style < 0.18:
            url = url.replace("https://tile.loc.gov/storage-services", "//cdn.loc.gov")
        if width:
            w, h = fit(width, height, long_edge=RENDITION_LONG_EDGE[suffix])
            url += f"#h={h}&w={w + (gif_more if suffix == 't.gif' else 0)}"
        urls.append(url)
    return [urls[i] for i in rng.permutation(len(urls))]


def _common(row: Row, index: int) -> Json:
    url = item_url(row.item_id)
    group = row.kind == RowKind.GROUP
    modified, year = modified_at(row), filed_year(row.date)
    return {
        "access_restricted": False,
        "aka": [url.replace("https", "http"), f"http://lccn.loc.gov/{row.item_id}"],
        "campaigns": [],
        "contributor": ["photoglob co., zürich"],
        "date": f"{year}-01-01",
        "description": ["1 photomechanical print : photochrom, color."],
        "digitized": True,
        "extract_timestamp": "2021-09-01T23:01:19.284Z",
        "group": ["pgz", "catalog-split-00", "catalog", "photochrom-prints"],
        "hassegments": False,
        "id": url.replace("https", "http"),
        "index": index,
        "language": ["english"],
        "mime_type": ["image/gif", "image/jpg", "image/tif"],
        "number": [row.item_id, f"{modified:%Y-%m-%dt%H:%M:%S}"],
        "number_lccn": [row.item_id],
        "number_source_modified": [f"{modified:%Y-%m-%dt%H:%M:%S}"],
        "online_format": ["image"],
        "original_format": ["photo, print, drawing"],
        "partof": PARTOF,
        "related": {"neighbors": f"//www.loc.gov/pictures/related/?&co=pgz&pk={row.item_id}"},
        "shelf_id": f"LOT 13434, no. {index:03d} [item] [P&P]",
        "site": ["pictures", "catalog"],
        "subject": ["photochrom prints", "color"],
        "timestamp": f"{modified + _INDEXED_AFTER:%Y-%m-%dT%H:%M:%S.702Z}",
        "title": row.title,
        "type": ["collection"] if group else ["still image"],
        "unrestricted": True,
        "url": url,
    }


def _places(row: Row, rng: np.random.Generator) -> Json:
    """Give what stands in the fields of place, which is often junk."""
    country, _, town = row.place.partition("--")
    junk = ["geometry", "properties", "type"]
    known = rng_of(f"{row.quirks}/latlong").random() < 0.3
    at = COORDINATES.get(town) if known else None
    names = [name.lower() for name in (country, town) if name]
    return {
        "latlong": junk if rng.random() < 0.5 or at is None else list(at),
        "location": names or None,
        "location_str": junk if rng.random() < 0.3 else "",
        "locations": [[{"geometry": ["type", "coordinates"], "type": "Feature"}]],
        "lonlat": junk if at is None else [at[1], at[0]],
    }


def _page_result(row: Row, index: int) -> Json:
    """Make a row that is no item: the collection itself, or an article."""
    web = row.kind == RowKind.WEB_PAGE
    url = collection_url()
    if web:
        url += f"articles-and-essays/{row.item_id}/"
    return {
        "description": ["The photochrom process." if web else "Photochrom prints of the 1890s."],
        "digitized": True,
        "group": ["collections"],
        "id": url.replace("https", "http"),
        "image_url": [ICON],
        "index": index,
        "original_format": ["web page"] if web else ["collection"],
        "online_format": ["web page"],
        "partof": PARTOF[:1],
        "title": row.title,
        "url": url,
    }


def _facet(field: str, name: str) -> Json:
    return {name: f"{WWW}/search/?fa={field}:{name.replace(' ', '+')}&fo=json"}
