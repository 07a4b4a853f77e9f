"""Find the caption printed low in a picture, and cut it away where that is wanted.

A small convolutional net answers, for each few pixels of the picture's lowest band, whether they
lie in a line of lettering; the line that it is surest of is the caption. The net was trained by
bench/_train_caption.py on captions set in several faces and inks on real prints, and is measured
by bench/caption_truth.py on prints that it was not trained on.
"""

from functools import cache
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.geometry import Corners, is_convex, print_size, quad_homography
from preprocess.register import Homography, map_points, warp_back

LONG: Final = 1024
"""Longer side, in pixels, to which the print is brought: letters are then 6 to 16 px high."""

BAND: Final = 80
"""Rows of that print, from its bottom up, in which a caption is looked for."""

LEAST: Final = 480
"""A print with fewer pixels along its longer side than this cannot be read, so is not searched."""

MAX_TRIM: Final = 0.12
"""Most of a print's height that trimming takes away: a caption lies lower."""

MARGIN: Final = 0.004
"""What is cut away above a caption, as a share of the print's height: 3 px of 720."""

_NET: Final = Path(__file__).with_name("caption.onnx")

_EVEN: Final = 33
"""Side of the square, in pixels, whose mean is taken off: lettering is finer than its ground."""

_SPREAD: Final = 12.0
"""Divisor that brings what is left to about one."""

_STEP_X: Final = 4
_STEP_Y: Final = 2
"""Pixels of the band for a column and a row of the net's answer."""

_GAP: Final = 21
"""Columns of the answer over which words are joined to a line: 84 px, wide spacing of numbers."""

_SEEN: Final = 0.1
"""Probability from which a cell may belong to a line."""

_MOST_SURE: Final = 6.9
"""Largest logit that counts: a probability of 0.999."""

_LOWEST: Final = 23
"""Rows of the answer from the bottom up that a line must reach into: 4.5 % of the longer side."""

_MIN_WEIGHT: Final = 14.0
"""Least weight of a line: the sum of its logits over its height in rows. Four columns, 16 px, of
cells that are lettering with a probability of 0.97 have as much."""

_RIM_X: Final = 0.5
_RIM_Y: Final = 0.5
"""Columns and rows of the answer that are added around a line: serifs reach beyond it."""

_MIN_WIDTH: Final = 3.0
"""Least width of a line as a multiple of its height."""


def find_caption(rgb: NDArray[np.uint8], corners: Corners) -> tuple[float, ...]:
    """Find the caption printed low in a picture.

    Args:
        rgb: Scan, perhaps reduced, shape (H, W, 3), sRGB, 0..255.
        corners: The print in it, shape (4, 2), float32, in pixels of `rgb`.

    Returns:
        Left, top, right and bottom of the lettering, as shares of the rectified print's width and
        height, 0..1; empty where there is none, or the print is too small to tell: below 480 px
        along its longer side, or longer than 6 to 1.

    Raises:
        ValueError: If `rgb` is not uint8 (H, W, 3), or the corners are not those of a convex
            quadrilateral, clockwise from the top-left.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"expected uint8 of shape (H, W, 3), got {rgb.dtype} {rgb.shape}")
    if corners.shape != (4, 2) or not is_convex(corners):
        raise ValueError(f"expected a convex quadrilateral, got corners {corners.tolist()}")
    across, down = print_size(corners)
    scale = LONG / max(across, down)
    width, height = round(across * scale), round(down * scale)
    if max(across, down) < LEAST or min(width, height) < 2 * BAND:
        return ()
    band = _cut_band(rgb, corners, width=width, height=height)
    line = _find_line(_ask(band)[:, : width // _STEP_X])
    if line is None:
        return ()
    left, top, right, bottom = line
    above = height - BAND
    return (
        max(0.0, (left - _RIM_X) * _STEP_X / width),
        (above + (top - _RIM_Y) * _STEP_Y) / height,
        min(1.0, (right + _RIM_X) * _STEP_X / width),
        min(1.0, (above + (bottom + _RIM_Y) * _STEP_Y) / height),
    )


def trim_caption(corners: Corners, caption: tuple[float, ...]) -> Corners:
    """Move a print's lower edge above its caption, and 0.4 % of the print's height more.

    Nothing is cut where that would take more than 12 % of the print's height: no caption lies so
    high, and a picture is worth more than a clean edge.

    Args:
        corners: The print, shape (4, 2), float32, in pixels of any size of the scan.
        caption: What `find_caption` found.

    Returns:
        The corners of the part above the caption, in the same pixels; `corners` themselves where
        there is no caption, or it lies too high.

    Raises:
        ValueError: If `caption` is neither empty nor left, top, right and bottom in 0..1.
    """
    if not caption:
        return corners
    _check_caption(caption)
    lower = caption[1] - MARGIN
    if 1 - lower > MAX_TRIM:
        return corners
    to_scan = quad_homography(corners, width=1, height=1)
    inner = np.array([[0, 0], [1, 0], [1, lower], [0, lower]], np.float64)
    return np.asarray(map_points(inner, to_scan), np.float32)


def to_channels(band: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Take what is even from a band: the net's input.

    Args:
        band: Shape (80, 1024, 3), sRGB, 0..255.

    Returns:
        The fine structure of L, a and b, shape (1, 3, 80, 1024), float32, about -3..3.
    """
    lab = cv2.cvtColor(band.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB)
    even = cv2.blur(lab, (_EVEN, _EVEN), borderType=cv2.BORDER_REFLECT)
    fine = (lab - even) / np.float32(_SPREAD)
    return np.ascontiguousarray(fine.transpose(2, 0, 1))[None]


def _check_caption(caption: tuple[float, ...]) -> None:
    if len(caption) == 4:
        left, top, right, bottom = caption
        if 0 <= left < right <= 1 and 0 <= top < bottom <= 1:
            return
    raise ValueError(f"expected left, top, right, bottom in 0..1, got {caption}")


def _cut_band(
    rgb: NDArray[np.uint8], corners: Corners, *, width: int, height: int
) -> NDArray[np.uint8]:
    """Rectify the print's lowest rows; what is beyond its right edge repeats that edge."""
    to_scan = quad_homography(corners, width=width, height=height)
    lower = np.array([[1, 0, 0], [0, 1, height - BAND], [0, 0, 1.0]])
    frame = np.array([[0, 0], [width, 0], [width, BAND], [0, BAND]], np.float64)
    around = map_points(frame, to_scan @ lower)
    part, to_part = _cut_part(rgb, around, shrink=max(print_size(corners)) / LONG)
    band = warp_back(part, to_part @ to_scan @ lower, width=width, height=BAND)
    beyond = cv2.copyMakeBorder(band, 0, 0, 0, LONG - width, cv2.BORDER_REPLICATE)
    return np.asarray(beyond, np.uint8)


def _cut_part(
    rgb: NDArray[np.uint8], around: NDArray[Any], *, shrink: float
) -> tuple[NDArray[np.uint8], Homography]:
    """Cut the part of a scan around the band, reduced to the band's pixels where it has more."""
    height, width = rgb.shape[:2]
    low = np.clip(np.floor(around.min(axis=0)) - 2, 0, (width - 1, height - 1)).astype(int)
    high = np.clip(np.ceil(around.max(axis=0)) + 2, low + 1, (width, height)).astype(int)
    part = rgb[low[1] : high[1], low[0] : high[0]]
    scale = np.ones(2)
    if shrink > 1:
        size = np.maximum(1, np.rint((high - low) / shrink)).astype(int)
        part = np.asarray(
            cv2.resize(part, (int(size[0]), int(size[1])), interpolation=cv2.INTER_AREA), np.uint8
        )
        scale = size / (high - low)
    return part, np.diag([*scale, 1.0]) @ np.array([[1, 0, -low[0]], [0, 1, -low[1]], [0, 0, 1.0]])


@cache
def _read_net() -> Any:
    return cv2.dnn.readNetFromONNX(str(_NET))


def _ask(band: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Ask the net how likely each cell of a band is lettering: logits, shape (40, 256)."""
    net = _read_net()
    net.setInput(to_channels(band))
    logits = np.asarray(net.forward(), np.float32)[0, 0]
    return np.asarray(np.clip(logits, -_MOST_SURE, _MOST_SURE), np.float32)


def _find_line(logits: NDArray[np.float32]) -> tuple[int, int, int, int] | None:
    """Find the weightiest line of lettering: left, top, right and bottom in cells."""
    likely = 1 / (1 + np.exp(-logits))
    seen = (likely > _SEEN).astype(np.uint8)
    joined = cv2.morphologyEx(seen, cv2.MORPH_CLOSE, np.ones((1, _GAP), np.uint8))
    count, labels = cv2.connectedComponents(joined, connectivity=8)
    best, heaviest = None, _MIN_WEIGHT
    for label in range(1, count):
        line = np.where((labels == label) & (seen > 0), likely, 0)
        top, bottom = _find_extent(line.sum(axis=1), least=0.25)
        left, right = _find_extent(line[top:bottom].sum(axis=0), least=0.05)
        part = (slice(top, bottom), slice(left, right))
        weight = logits[part][(line[part] > 0.5)].sum() / (bottom - top)
        low = bottom > logits.shape[0] - _LOWEST
        long = (right - left) * _STEP_X >= _MIN_WIDTH * (bottom - top) * _STEP_Y
        if low and long and weight > heaviest:
            best, heaviest = (left, top, right, bottom), weight
    return best


def _find_extent(profile: NDArray[np.floating[Any]], *, least: float) -> tuple[int, int]:
    """Find where a profile begins and ends to reach a share of its highest value."""
    within = np.flatnonzero(profile > least * profile.max())
    return int(within[0]), int(within[-1]) + 1
