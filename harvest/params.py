"""The `harvest` section of params.yaml."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

Limit = Annotated[
    str,
    StringConstraints(pattern=r"^[1-9][0-9]{0,5}/(?:[1-9][0-9]{0,4}|[0-9]{1,4}\.[0-9]{0,3}[1-9])$"),
]
"""So many requests in so many seconds, such as "10/60"."""


Host = Annotated[str, StringConstraints(pattern=r"^(?:www|tile)\.loc\.gov$")]


class HarvestParams(BaseModel, frozen=True, extra="forbid"):
    """Where items and scans come from, and how politely they are asked for."""

    source: Literal["sample", "loc", "folder"]
    """`sample` is the replica on loopback, `loc` the Library of Congress itself, `folder` one's own
    pictures."""
    folder: str | None
    """The pictures of the source `folder`, and of all folders below it."""
    road: Literal["json", "pictures"]
    """How the catalogue is read: `json` the API of loc.gov, `pictures` the older site's pages."""
    rendition: Annotated[str, StringConstraints(pattern=r"^(?:v|r|u|iiif:[1-9][0-9]{1,4})$")]
    """The file wanted of each resource: v 1,024 px, r 640 px, u the master TIFF, or
    iiif:<pixels>, its longest side, made by the image server."""
    page_size: int = Field(gt=0, le=150)
    """Rows on a page of the listing; 150 is the largest that is known to work."""
    detail: Literal["listing", "item"]
    """`listing` takes renditions from the listing; `item` asks for every item besides."""
    contact: str | None
    """Address that the Library can write to; goes into the User-Agent, needed for `loc`."""
    limits: dict[Literal["sample", "loc", "folder"], dict[Host, list[Limit]]]
    """For each source and host: limits that all hold at once; none where a host is missing."""
    guard_s: float = Field(ge=0, le=10)
    """How long a request may take to the host: it counts for the limits from then on, or from
    its answer if that comes sooner."""
    retries: int = Field(ge=0, le=20)
    """How often a request is sent again before it counts as failed."""
    timeout_s: float = Field(gt=0, le=3600)
    """Longest silence of the server before a request is given up."""
    workers: int = Field(ge=1, le=64)
    """Downloads at a time; a source may allow fewer."""
