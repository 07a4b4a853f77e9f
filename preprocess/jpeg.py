"""Decode a JPEG at a fraction of its size, by libjpeg-turbo."""

from typing import Final

import numpy as np
import simplejpeg
from numpy.typing import NDArray

_MOST_PASSES: Final = 100
"""A progressive JPEG has about ten. Each passes over the whole picture, so a small file with
thousands takes minutes (libjpeg-turbo's fuzzers hold to 500)."""

_HARMLESS: Final = (
    "Unknown Adobe color transform",
    "unknown JFIF revision",
    "Invalid SOS parameters",
    "bad ICC marker",
    "extraneous bytes before marker 0xd9",
)
"""Of libjpeg's warnings those after which the picture is whole; the others tell of damage."""


def decode_jpeg(
    content: bytes, *, size: tuple[int, int], part: int, grey: bool, progressive: bool
) -> NDArray[np.uint8] | None:
    """Decode a JPEG at 1/1, 1/2, 1/4 or 1/8.

    The fraction comes of a smaller inverse DCT, which averages sRGB values, not light.

    Args:
        content: The file.
        size: Width and height in pixels that its header gives.
        part: 1, 2, 4 or 8; at most its shorter side.
        grey: Whether it has one channel alone.
        progressive: Whether it comes in passes.

    Returns:
        Shape (h // part, w // part, 3), uint8, as stored: neither turned nor converted by its
        profile. None for a file that is odd but not broken; another decoder may be kinder to it.

    Raises:
        ValueError: If the file is damaged, or breaks off.
    """
    if progressive and content.count(b"\xff\xda") > _MOST_PASSES:
        raise ValueError(f"more than {_MOST_PASSES} passes over the picture")
    width, height = size
    least = {"min_width": -(-width // part), "min_height": -(-height // part)} if part > 1 else {}
    try:
        pixels = simplejpeg.decode_jpeg(content, "GRAY" if grey else "RGB", **least)
    except ValueError as exc:
        if any(warning in str(exc) for warning in _HARMLESS):
            return None
        raise
    whole = pixels[: height // part, : width // part]
    return np.ascontiguousarray(np.repeat(whole, 3, axis=2) if grey else whole)
