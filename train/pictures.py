"""Edge: pictures for people to look at: grey, predicted and true side by side."""

import io
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from preprocess.lab import to_rgb

Floats = NDArray[np.float32]

GUTTER: Final = 6
"""White pixels between two pictures."""

QUALITY: Final = 92


def to_triptych(lab: Floats, *, seen: Floats, predicted_ab: Floats) -> NDArray[np.uint8]:
    """Lay what the model saw, what it made of it and the print side by side.

    Args:
        lab: The print, shape (H, W, 3), float32.
        seen: Lightness that the model was given, shape (H, W), float32, 0..100.
        predicted_ab: Colours that it gave, shape (H, W, 2), float32.

    Returns:
        sRGB, shape (H, 3 * W + 2 * GUTTER, 3), 0..255: grey, predicted, true.
    """
    grey = np.dstack((seen, np.zeros_like(predicted_ab)))
    predicted = np.dstack((seen, predicted_ab))
    gutter = np.full((len(lab), GUTTER, 3), 255, np.uint8)
    return np.hstack([to_rgb(grey), gutter, to_rgb(predicted), gutter, to_rgb(lab)])


def write_picture(path: Path, rgb: NDArray[np.uint8]) -> None:
    """Write an sRGB picture as a JPEG with full colour resolution.

    Args:
        path: The file; its folder exists.
        rgb: sRGB, shape (H, W, 3), 0..255.

    Raises:
        OSError: If the disk refuses.
    """
    # In memory first: on a full disk Pillow's own writing stops short and says nothing.
    packed = io.BytesIO()
    Image.fromarray(rgb).save(packed, "JPEG", quality=QUALITY, subsampling=0)
    path.write_bytes(packed.getvalue())
