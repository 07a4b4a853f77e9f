"""The `replica` section of params.yaml."""

from enum import StrEnum

from pydantic import BaseModel, Field


class Style(StrEnum):
    """How generated prints look."""

    DRAWN = "drawn"
    PLAIN = "plain"


class ReplicaParams(BaseModel, frozen=True, extra="forbid"):
    """What the replica shows: how many items, drawn from which seed, or read from where."""

    items: int = Field(gt=0, le=40_000)
    """Item rows with an image; rows that are no items and items without one come on top."""

    seed: int = Field(ge=0)
    """Decides every generated print and row; item i depends on it and on i alone."""

    images: str | None
    """Folder whose pictures are served instead of generated ones; null generates."""

    pixels: int = Field(ge=256, le=8192)
    """Long edge of a generated print, hence roughly of its master `u.tif`, in pixels."""

    style: Style
    """`drawn` prints look like photochroms; `plain` ones are distinct patches of colour of the
    same dimensions, made in milliseconds, for drills and benchmarks of the harvest."""

    url: str | None
    """Base address of a replica on loopback that runs already; null starts one for each run."""
