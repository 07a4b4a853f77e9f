"""Edge: the print within a scan, straight and of one size, so that scans can be compared.

A frame is the print rectified to a longer side of 512 px; hashes, features and correlations are
all taken in frames, and homographies between frames are rewritten for scans at the end.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.border import LEAST_SIDE, find_border
from preprocess.geometry import Corners, print_size, quad_homography, shape_corners
from preprocess.images import read_scan
from preprocess.register import warp_back

FRAME_PX: Final = 512
"""Longer side of a frame. Constants of register.py are for this size."""

_MIN_PX: Final = 36
"""Shorter side of a frame that can still be hashed."""

_MIN_CONFIDENCE: Final = 0.8
"""Sides less sure than this are left where the scan ends. A constant of dedupe, not the crop's
setting, so that a change of that does not group the scans anew."""

LEAST_PX: Final = 768
"""Longer side at which a scan is read for a frame: `_SPARE` times the frame's."""

_SPARE: Final = 1.5
"""How much larger than the frame the print is when it is warped."""


def find_corners(rgb: NDArray[np.uint8]) -> Corners:
    """Find the print in a scan, on a reduced picture: good to a pixel of the frame.

    Args:
        rgb: Scan, shape (H, W, 3), sRGB, 0..255, at least 64 px a side.

    Returns:
        The print's corners; the scan's own where no mount shows.

    Raises:
        ValueError: If a side is below 64 px.
    """
    reduced, scale = _reduce(rgb, FRAME_PX)
    corners = find_border(reduced, min_confidence=_MIN_CONFIDENCE).corners / scale
    return np.asarray(corners, np.float32)


def read_frame(path: Path, corners: Sequence[float]) -> NDArray[np.uint8]:
    """Read a scan and rectify the print in it.

    Args:
        path: The scan.
        corners: Eight numbers, x and y of the print's corners, in pixels of the scan as stored.

    Returns:
        The frame, shape (h, w, 3), sRGB, 0..255, the longer side 512.

    Raises:
        ScanError: If the scan cannot be decoded.
        ValueError: If the print is so narrow that no frame shows it.
    """
    scan = read_scan(path, least=LEAST_PX)
    return to_frame(scan.rgb, np.asarray(shape_corners(corners) * scan.scale, np.float32))


def to_frame(rgb: NDArray[np.uint8], corners: Corners) -> NDArray[np.uint8]:
    """Rectify a print to the size of frames.

    The scan is reduced and then warped by OpenCV: a frame is looked at and thrown away, so it may
    be quick. A sample is made by `preprocess.rectify`, which resamples once.

    Args:
        rgb: Scan, shape (H, W, 3), sRGB, 0..255.
        corners: The print in it.

    Returns:
        The frame, shape (h, w, 3), sRGB, 0..255, the longer side 512.

    Raises:
        ValueError: If the print is so narrow that no frame shows it.
    """
    width, height = print_size(corners)
    ratio = FRAME_PX / max(width, height)
    columns, rows = round(width * ratio), round(height * ratio)
    if min(columns, rows) < _MIN_PX:
        raise ValueError(f"expected a print of less than 14 to 1, got {width:.0f} x {height:.0f}")
    reduced, scale = _reduce(rgb, round(_SPARE * ratio * max(rgb.shape[:2])))
    back = quad_homography(corners * scale, width=columns, height=rows)
    return warp_back(reduced, back, width=columns, height=rows)


def _reduce(rgb: NDArray[np.uint8], long_side: int) -> tuple[NDArray[np.uint8], Corners]:
    """Reduce a scan, no side below what find_border takes; return also the scales of x and y."""
    height, width = rgb.shape[:2]
    scale = max(long_side / max(height, width), LEAST_SIDE / min(height, width))
    if scale >= 1:
        return rgb, np.ones(2, np.float32)
    size = round(width * scale), round(height * scale)
    reduced = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    return np.asarray(reduced, np.uint8), np.divide(size, (width, height), dtype=np.float32)
