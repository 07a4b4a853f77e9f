"""Pure: the four corners of a print, and where it stands in a square sample."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.register import Homography, map_points

Corners = NDArray[np.float32]
"""Shape (4, 2): x, y of top-left, top-right, bottom-right, bottom-left; pixel-edge coordinates."""


@dataclass(frozen=True, slots=True)
class Placement:
    """How a print fills a square sample."""

    width: int
    height: int
    """Size in pixels to which the print is rectified."""
    left: int
    top: int
    """Where its first pixel stands in the square; negative where it is cut."""
    size: int

    @property
    def valid(self) -> tuple[int, int, int, int]:
        """Return top, left, bottom, right (exclusive) of the picture within the square."""
        return (
            max(0, self.top),
            max(0, self.left),
            min(self.size, self.top + self.height),
            min(self.size, self.left + self.width),
        )


def shape_corners(eight: Sequence[float]) -> Corners:
    """Shape a manifest's eight numbers as corners.

    Args:
        eight: x, y of top-left, top-right, bottom-right, bottom-left.

    Returns:
        Shape (4, 2), float32.

    Raises:
        ValueError: If there are not eight.
    """
    if len(eight) != 8:
        raise ValueError(f"expected eight numbers, x and y of four corners, got {len(eight)}")
    return np.asarray(eight, np.float32).reshape(4, 2)


def print_size(corners: Corners) -> tuple[float, float]:
    """Measure a print: the mean of its opposite sides.

    Args:
        corners: The print in the scan.

    Returns:
        Width and height in pixels of the scan.
    """
    top, right, bottom, left = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    return float(top + bottom) / 2, float(right + left) / 2


def quad_homography(corners: Corners, *, width: float, height: float) -> Homography:
    """Find the homography from an upright picture to the quadrilateral it was taken from.

    Args:
        corners: The quadrilateral, in pixels of the scan.
        width: Width of the upright picture, in pixels.
        height: Its height.

    Returns:
        Upright pixels to scan pixels.
    """
    upright = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    return np.asarray(cv2.getPerspectiveTransform(upright, corners), np.float64)


def is_convex(corners: Corners) -> bool:
    """Say whether corners are those of a convex quadrilateral, clockwise from the top-left.

    Args:
        corners: The print in the scan.

    Returns:
        False where the print is folded, mirrored or without area.
    """
    sides = np.roll(corners, -1, axis=0).astype(np.float64) - corners
    after = np.roll(sides, -1, axis=0)
    return bool(np.all(sides[:, 0] * after[:, 1] - sides[:, 1] * after[:, 0] > 0))


def inset_corners(corners: Corners, *, share: float) -> Corners:
    """Move the corners of a print inwards, so that no mount shows along its edges.

    Args:
        corners: The print in the scan.
        share: Part of the shorter side to leave out along every edge, 0..0.05.

    Returns:
        The corners of what is left.
    """
    width, height = print_size(corners)
    away = share * min(width, height)
    inner = np.array(
        [
            [away, away],
            [width - away, away],
            [width - away, height - away],
            [away, height - away],
        ]
    )
    homography = quad_homography(corners, width=width, height=height)
    return np.asarray(map_points(inner, homography), np.float32)


def common_corners(
    corners: Corners, homography: Homography, *, other: Corners
) -> tuple[Corners, float]:
    """Find the part of a print that another scan shows too.

    Args:
        corners: The print in its own scan.
        homography: Pixels of that scan to pixels of the other.
        other: The print in the other scan.

    Returns:
        Corners, in the print's own scan, of the largest part with sides along the print's
        whose corners lie within the other scan's print, and its share of the print, 0..1.
    """
    across, down = print_size(corners)
    to_scan = quad_homography(corners, width=across, height=down)
    back = np.asarray(np.linalg.inv(homography @ to_scan), np.float64)
    shown = map_points(other, back)
    left, right = max(0.0, *shown[[0, 3], 0]), min(across, *shown[[1, 2], 0])
    top, bottom = max(0.0, *shown[[0, 1], 1]), min(down, *shown[[2, 3], 1])
    share = max(0.0, right - left) * max(0.0, bottom - top) / (across * down)
    inner = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    return np.asarray(map_points(inner, to_scan), np.float32), share


def place_print(
    width: float, height: float, *, size: int, fit: Literal["pad", "crop"]
) -> Placement:
    """Say how a print fills a square sample.

    Args:
        width: Width of the print; only the ratio to `height` matters.
        height: Its height.
        size: Side of the sample in pixels.
        fit: `pad` shows the whole print, `crop` its centre square.

    Returns:
        The placement; the print stands in the middle.

    Raises:
        ValueError: If a length is not positive.
    """
    if min(width, height) <= 0 or size < 1:
        raise ValueError(f"expected positive lengths, got {width} x {height} for {size} px")
    scale = size / (max if fit == "pad" else min)(width, height)
    columns, rows = max(1, round(width * scale)), max(1, round(height * scale))
    return Placement(
        width=columns,
        height=rows,
        left=(size - columns) // 2,
        top=(size - rows) // 2,
        size=size,
    )
