"""The settings of colorizing, typed."""

from pydantic import BaseModel, Field


class ColorizeParams(BaseModel, frozen=True, extra="forbid"):
    """The `colorize` section of params.yaml."""

    strength: float = Field(ge=0, le=3)
    """Factor on the chroma that the model predicts: 0 is grey, 1 the model's own colours."""

    quality: int = Field(ge=1, le=100)
    """Quality of the JPEG and WebP files written; PNG and TIFF lose nothing."""
