"""Pure: pictures that cost nothing: soft patches of colour, other ones for every key."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from replica.chance import rng_of

PATCHES = 6


def plain_pixels(key: str, *, width: int, height: int, grey: bool) -> NDArray[np.uint8]:
    """Make a picture.

    Args:
        key: Decides the colours; 36 patches of 24 bits do not meet twice.
        width: Pixels.
        height: Pixels.
        grey: Black and white, as copy negatives are.

    Returns:
        Shape (height, width, 3), sRGB, or (height, width).
    """
    shape = (PATCHES, PATCHES) if grey else (PATCHES, PATCHES, 3)
    patches = rng_of(f"{key}/plain").integers(24, 232, shape, dtype=np.uint8)
    whole = Image.fromarray(patches).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(whole, np.uint8)
