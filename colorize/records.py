"""What becomes of photographs: decoded, and done."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A photograph in memory, upright and in sRGB, with what its file said about it."""

    rgb: Bytes
    """Shape (H, W, 3), sRGB, 0..255."""

    alpha: Bytes | None
    """Opacity, shape (H, W), 0..255; None where the file has none."""

    exif: Image.Exif
    """Its EXIF without orientation and without what only describes the old file's layout."""

    xmp: bytes | None = None
    comment: bytes | None = None
    """Comment of a JPEG."""

    texts: dict[str, str] = field(default_factory=dict)
    """Text chunks of a PNG."""

    dpi: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one photograph."""

    photo: Path
    out: Path | None
    """The colorized copy; None if it failed."""

    error: str = ""
    """Why it failed, and what to do; empty if it did not."""


@dataclass(frozen=True, slots=True)
class Results:
    """What became of all photographs of a call, in the order given."""

    outcomes: tuple[Outcome, ...]

    @property
    def done(self) -> tuple[Outcome, ...]:
        """The photographs that have a colorized copy."""
        return tuple(outcome for outcome in self.outcomes if outcome.out is not None)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The photographs that have none."""
        return tuple(outcome for outcome in self.outcomes if outcome.out is None)
