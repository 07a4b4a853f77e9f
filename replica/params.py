"""The `replica` section of params.yaml."""

from pydantic import BaseModel, Field


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
