"""Pure: whether two registered prints carry the same inks."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.lab import to_rgb
from preprocess.register import Homography, warp_onto

Float = NDArray[np.float32]

_BLUR: Final = 3.0
"""Sigma in pixels, at about 512 px: beyond grain, JPEG chroma and what registration leaves."""

_STEP: Final = 4
"""Pixels between those looked at; a blurred picture says no more in between."""

_EDGE: Final = 9
"""Pixels of the overlap's edge left out."""

_CLIPPED: Final = 250
"""A channel from here up may have been cut off by the exposure, and its colour with it."""

_LEAST: Final = 0.15
"""Least part of the overlap that must not be clipped for the rest to be left out."""

_DEGREE: Final = 2
"""Of the curve by which a tint goes with lightness."""

_FLOOR: Final = 2.0
"""LAB units of colour that every print is taken to have, so that noise in a grey one is little."""


def measure_inks(lab1: Float, lab2: Float, homography: Homography) -> float:
    """Measure how differently two registered prints are coloured.

    What scanners, exposure and fading do to a whole print is taken out first: a tint, also one
    that grows with lightness, and a gain of all colour; and what either scan has clipped is left
    out. What remains, as a part of the prints' own spread of colour, is 0.11 for two scans of one
    print and below 0.25 in 99 of 100; for other inks it is from 0.29 up, and below 0.35 in one of
    100 (bench/dedupe_truth.py, 948 and 618 pairs of seeds 1 and 2).

    Args:
        lab1: First print, shape (H1, W1, 3), float32, L 0..100, a and b as they are.
        lab2: Second print, shape (H2, W2, 3), likewise.
        homography: First to second, in pixel-edge coordinates.

    Returns:
        Root mean square colour distance over root mean square spread; 0 alike, 1.4 unrelated.

    Raises:
        ValueError: If the prints do not overlap.
    """
    warped, inside = warp_onto(lab2, homography, shape=lab1.shape)
    kernel = np.ones((_EDGE, _EDGE), np.uint8)
    whole = cv2.erode(inside, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    whole = whole[::_STEP, ::_STEP]
    if not whole.any():
        raise ValueError("expected two prints that overlap, got none of the first on the second")
    small1, small2 = _reduce(lab1), _reduce(warped)
    clear = whole & ~_is_clipped(small1) & ~_is_clipped(small2)
    seen = clear if clear.sum() >= _LEAST * whole.sum() else whole
    one, other = _level(small1[seen]), _level(small2[seen])
    spread1, spread2 = _spread(one), _spread(other)
    common = np.sqrt(spread1 * spread2)
    rest = one * (common / max(spread1, 1e-6)) - other * (common / max(spread2, 1e-6))
    return float(_spread(rest) / (common + _FLOOR))


def _reduce(lab: Float) -> Float:
    blurred = cv2.GaussianBlur(lab, (0, 0), _BLUR)
    return np.ascontiguousarray(blurred[::_STEP, ::_STEP], np.float32)


def _is_clipped(lab: Float) -> NDArray[np.bool_]:
    return np.asarray(to_rgb(lab).max(axis=2) >= _CLIPPED)


def _level(lab: Float) -> NDArray[np.float64]:
    """Take out of a and b what goes with lightness."""
    powers = np.vander(lab[:, 0].astype(np.float64) / 100, _DEGREE + 1)
    across, _ = np.linalg.qr(powers)
    ab = lab[:, 1:].astype(np.float64)
    return np.asarray(ab - across @ (across.T @ ab), np.float64)


def _spread(ab: NDArray[np.float64]) -> float:
    return float(np.sqrt((ab**2).sum(axis=1).mean()))
