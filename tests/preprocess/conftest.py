"""Prints that the tests of this room make up: scenes, and what scanners and printers do to them."""

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

Rgb = NDArray[np.uint8]


def draw_scene(seed: int, *, width: int = 480, height: int = 350) -> Rgb:
    """Draw a sky, hills and many coloured blocks; another seed is another view."""
    rng = np.random.default_rng(seed)
    rows = np.linspace(0, 1, height)[:, None, None]
    top, bottom = rng.integers(150, 240, 3), rng.integers(60, 180, 3)
    picture = np.broadcast_to(top * (1 - rows) + bottom * rows, (height, width, 3))
    picture = np.ascontiguousarray(picture, np.uint8)
    for _ in range(60):
        centre = rng.integers(0, (width, height))
        corners = centre + rng.integers(-60, 60, (rng.integers(3, 6), 2))
        colour = tuple(int(level) for level in rng.integers(20, 235, 3))
        cv2.fillPoly(picture, [corners.astype(np.int32)], colour)
    grain = cv2.GaussianBlur(rng.normal(0, 30, (height, width, 1)).astype(np.float32), (0, 0), 1.5)
    return np.clip(picture + grain[..., None], 0, 255).astype(np.uint8)


def rescan_print(
    picture: Rgb, *, crop: float = 0.03, degrees: float = 1.0, gamma: float = 1.2
) -> Rgb:
    """Scan a print anew: turned, cut tighter, exposed otherwise, and packed as JPEG."""
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    turned = cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REFLECT)
    rows, columns = round(crop * height), round(crop * width)
    cut = turned[rows : height - rows, columns : width - 2 * columns]
    exposed = 255 * (cut / 255) ** gamma * 0.95
    packed = io.BytesIO()
    Image.fromarray(np.clip(exposed, 0, 255).astype(np.uint8)).save(packed, "JPEG", quality=80)
    return np.array(Image.open(packed))


@pytest.fixture
def scene() -> Callable[..., Rgb]:
    """Draw a view, chosen by its seed."""
    return draw_scene


@pytest.fixture
def rescan() -> Callable[..., Rgb]:
    """Scan a print anew, otherwise than before."""
    return rescan_print


@pytest.fixture
def store(tmp_path: Path) -> Callable[[str, Rgb], str]:
    """Store a picture without loss as a scan below `tmp_path`, and return its path there."""

    def write(scan_id: str, picture: Rgb) -> str:
        path = tmp_path / "scans" / f"{scan_id}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(picture).save(path)
        return f"scans/{scan_id}.png"

    return write
