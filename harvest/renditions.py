"""Pure: which files a record names, by the resource that they belong to."""

from collections.abc import Mapping, Sequence
from typing import Any

from harvest.addresses import Stem, to_canonical, to_resource_id, to_stem
from harvest.fields import (
    to_fragment_sides,
    to_mapping,
    to_side,
    to_size,
    to_text,
    to_texts,
)
from harvest.records import Kind, Rendition

WORTH_ASKING = (Kind.V, Kind.R, Kind.MASTER)
"""Kinds that are pictures and not thumbnails; a file of unknown size is asked in this order."""

Files = Mapping[Stem, Mapping[str, Rendition]]
"""Renditions by address, by what the files of one resource have in common."""


def to_listed_files(record: Mapping[str, Any]) -> Files:
    """Read `image_url`, in whose order nothing can be trusted; a fragment holds the sides.

    Args:
        record: A row of the listing, or an item.
    """
    found: dict[Stem, dict[str, Rendition]] = {}
    for url in to_texts(record.get("image_url")):
        width, height = to_fragment_sides(url)
        _add(found, url=url, width=width, height=height, size=None)
    return found


def to_own_files(resource: Mapping[str, Any]) -> Files:
    """Read `files` of an item's resource, a list of lists; an integer count says nothing.

    Args:
        resource: Of a record's or a reply's `resources`.
    """
    found: dict[Stem, dict[str, Rendition]] = {}
    pages = resource.get("files")
    for page in pages if isinstance(pages, list) else []:
        for file in map(to_mapping, page if isinstance(page, list) else [page]):
            _add(
                found,
                url=to_text(file.get("url")),
                width=to_side(file.get("width")),
                height=to_side(file.get("height")),
                size=to_size(file.get("size")),
            )
    return found


def to_resource_stem(resource: Mapping[str, Any], *, listed: Files) -> Stem | None:
    """Find what the files of a resource have in common, where it does not spell them out.

    Args:
        resource: With `image`, the address of its thumbnail, and `url`, its own.
        listed: The files that the record names.

    Returns:
        The thumbnail's stem, else that of the listed file with the resource's digital id.
    """
    image = to_canonical(to_text(resource.get("image")))
    read = to_stem(image) if image else None
    if read is not None:
        return read[0]
    digital_id = to_resource_id(to_text(resource.get("url")))
    return next((stem for stem in listed if stem.digital_id == digital_id), None)


def with_derived(stem: Stem, files: Mapping[str, Rendition]) -> Mapping[str, Rendition]:
    """Derive a resource's files by the folder rule when nothing but thumbnails is named.

    Args:
        stem: What the files have in common.
        files: Those that are named; perhaps none.

    Returns:
        `files`, or v, r and u of unknown size besides.
    """
    if any(file.kind in WORTH_ASKING for file in files.values()):
        return files
    urls = {kind: stem.to_url(kind) for kind in WORTH_ASKING}
    derived = {url: Rendition(url, None, None, None, kind) for kind, url in urls.items()}
    return {**files, **derived}


def to_iiif(renditions: Sequence[Rendition], *, pixels: int) -> Rendition | None:
    """Derive the picture that the image server makes of a resource's master.

    Args:
        renditions: Files of the resource; any of them tells where its master is.
        pixels: Longest side wanted.

    Returns:
        The rendition, with its sides where the master's are known and suffice: whether the
        server enlarges a smaller one is not known. None where no file tells the master.
    """
    stems = [read[0] for file in renditions if (read := to_stem(file.url)) is not None]
    if not stems:
        return None
    url = stems[0].to_iiif_url(pixels)
    sides = [
        (file.width, file.height)
        for file in renditions
        if file.kind is Kind.MASTER and file.width and file.height
    ]
    if not sides or max(sides[0]) < pixels:
        return Rendition(url, None, None, None, Kind.IIIF)
    scale = pixels / max(sides[0])
    width, height = (max(1, round(side * scale)) for side in sides[0])
    return Rendition(url, width, height, None, Kind.IIIF)


def _add(
    found: dict[Stem, dict[str, Rendition]],
    *,
    url: str,
    width: int | None,
    height: int | None,
    size: int | None,
) -> None:
    """Add a rendition under its stem, when its address is that of a picture file."""
    canonical = to_canonical(url)
    read = to_stem(canonical) if canonical else None
    if canonical and read:
        stem, kind = read
        found.setdefault(stem, {})[canonical] = Rendition(canonical, width, height, size, kind)
