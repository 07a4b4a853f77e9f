"""The `preprocess` section of params.yaml."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field, field_validator

Size = Annotated[int, Field(ge=32, le=4096, multiple_of=16)]


class PreprocessParams(BaseModel, frozen=True, extra="forbid"):
    """Every setting between a scan on disk and a sample in a shard."""

    size: Size
    """Side of a sample in pixels."""

    also_sizes: tuple[Size, ...]
    """Further sides that are written for sharing; training and the report look at `size` alone."""

    fit: Literal["pad", "crop"]
    """`pad` keeps the whole picture inside the square; `crop` takes the centre square."""

    hash_radius: int = Field(ge=0, le=32)
    """Largest Hamming distance of two 64-bit hashes that makes a pair worth comparing."""

    same_view: float = Field(gt=0, le=1)
    """Smallest correlation of two registered pictures that makes them one view."""

    shard_mb: float = Field(gt=0, allow_inf_nan=False)
    """Most that a shard is expected to take, in units of 10^6 bytes; `preprocess.shard_names` says
    why not much less, and why not much more."""

    min_confidence: float = Field(ge=0, le=1)
    """A border found with less is flagged, and its scan is cropped with caution."""

    inset: float = Field(ge=0, lt=0.05)
    """Share of the print's shorter side left out along every edge, so that no mount shows."""

    caption: Literal["keep", "trim"]
    """`trim` cuts the print above its printed caption, where one was found."""

    workers: int = Field(ge=1)
    """Processes that decode scans; changes nothing in what comes out."""

    @field_validator("also_sizes")
    @classmethod
    def _distinct(cls, sizes: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(sizes)) != len(sizes):
            raise ValueError("expected every size once")
        return sizes
