"""Pictures as data URIs, so that a page holds all it shows."""

import base64
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

QUALITY = 82


def to_data_uri(image: Image.Image, *, width: int) -> str:
    """Turn a picture into a JPEG data URI.

    Args:
        image: Any Pillow picture.
        width: Largest width in pixels; a smaller picture stays as it is.
    """
    rgb = image.convert("RGB")
    if rgb.width > width:
        rgb = rgb.resize(
            (width, max(1, round(rgb.height * width / rgb.width))), Image.Resampling.LANCZOS
        )
    sink = io.BytesIO()
    rgb.save(sink, "JPEG", quality=QUALITY, optimize=True)
    return f"data:image/jpeg;base64,{base64.b64encode(sink.getvalue()).decode('ascii')}"


def read_data_uri(path: Path, *, width: int) -> str:
    """Read a picture from disk as a data URI."""
    with Image.open(path) as image:
        return to_data_uri(image, width=width)


def array_data_uri(rgb: NDArray[np.uint8], *, width: int) -> str:
    """Turn sRGB pixels, shape (H, W, 3), into a data URI."""
    return to_data_uri(Image.fromarray(rgb), width=width)


def embed_png(path: Path) -> str:
    """Read a PNG as a data URI, its bytes unchanged."""
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"
