"""Pure: points of a picture that can be found again, and the homography they agree on.

Random samples are drawn from a seed given here, and a worker should run OpenCV on one thread
(`cv2.setNumThreads(1)`), so results repeat.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.register import Float, Homography, map_points

_RATIO: Final = 0.8
"""Largest ratio of the best match's distance to the second's (Lowe 2004, section 7.1)."""

_NEAR_PX: Final = 3.0
"""Largest distance, in pixels, of a match that agrees with a homography."""

_CONTRAST: Final = 0.02
"""SIFT's threshold, half its default: skies, snow and faded prints have little contrast."""


@dataclass(frozen=True, slots=True)
class Features:
    """Points of one picture, and what they look like."""

    points: Float
    """Shape (N, 2), x and y in pixel-edge coordinates."""
    descriptors: NDArray[np.uint8]
    """Shape (N, 128), SIFT."""


def find_features(lightness: Float, *, most: int) -> Features:
    """Find the strongest points of a picture.

    Args:
        lightness: Lightness, shape (H, W), float32, 0..100; best at about 512 px.
        most: Largest number of points.

    Returns:
        At most `most` points, none where the picture is blank.

    Raises:
        ValueError: If `lightness` is not float32 of shape (H, W).
    """
    if lightness.ndim != 2 or lightness.dtype != np.float32:
        raise ValueError(
            "expected float32 lightness of shape (H, W); "
            f"got {lightness.dtype} of shape {lightness.shape}"
        )
    grey = np.rint(np.clip(lightness, 0, 100) * 2.55).astype(np.uint8)
    sift = cv2.SIFT.create(nfeatures=most, contrastThreshold=_CONTRAST)
    keypoints, descriptors = sift.detectAndCompute(grey, None)
    if descriptors is None:
        return Features(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8))
    points = np.array([keypoint.pt for keypoint in keypoints[:most]], np.float32)
    # SIFT's descriptors are whole numbers 0..255 kept as floats.
    return Features(points + np.float32(0.5), descriptors[:most].astype(np.uint8))


def turn_features(features: Features, *, width: float) -> Features:
    """Find the features of a picture turned over, without looking at it again.

    A descriptor holds 4 x 4 cells of 8 directions about the point's own one: turned over, the rows
    change sides and the directions their sense.

    Args:
        features: Features of a picture.
        width: Its width in pixels.

    Returns:
        Those of the mirrored picture.
    """
    cells = features.descriptors.reshape(-1, 4, 4, 8)
    turned = cells[:, ::-1][..., -np.arange(8) % 8]
    points = features.points.copy()
    points[:, 0] = width - points[:, 0]
    return Features(points, np.ascontiguousarray(turned).reshape(-1, 128))


def find_homography(
    one: Features, other: Features, *, least: int = 4
) -> tuple[Homography | None, int]:
    """Find the homography that most feature matches agree on.

    Args:
        one: Features of the first picture.
        other: Features of the second picture.
        least: Fewest matches worth a search, at least 4.

    Returns:
        The homography, first to second, or None; and the number of matches that agree with it.
    """
    source, target = _match(one, other)
    if len(source) < least:
        return None, 0
    cv2.setRNGSeed(0)
    homography, mask = cv2.findHomography(
        source, target, cv2.USAC_MAGSAC, _NEAR_PX, maxIters=2000, confidence=0.999
    )
    if homography is None or not np.isfinite(homography).all() or homography[2, 2] == 0:
        return None, 0
    return np.asarray(homography / homography[2, 2], np.float64), int(mask.sum())


def measure_residual(one: Features, other: Features, homography: Homography) -> float:
    """Measure how far matches lie from where a homography puts them.

    Args:
        one: Features of the first picture.
        other: Features of the second picture.
        homography: First to second.

    Returns:
        Median distance in pixels of the second picture, over the matches within 3 px; 3 if none.
    """
    source, target = _match(one, other)
    distances = np.linalg.norm(map_points(source, homography) - target, axis=1)
    near = distances[distances <= _NEAR_PX]
    return float(np.median(near)) if len(near) else _NEAR_PX


def _match(one: Features, other: Features) -> tuple[Float, Float]:
    """Match points whose best match is much better than the second."""
    if len(one.points) < 2 or len(other.points) < 2:
        return np.zeros((0, 2), np.float32), np.zeros((0, 2), np.float32)
    squares = _measure_squares(one.descriptors, other.descriptors)
    best = squares.argmin(axis=1)
    rows = np.arange(len(squares))
    nearest = squares[rows, best]
    squares[rows, best] = np.inf
    clear = nearest < _RATIO**2 * squares.min(axis=1)
    return one.points[clear], other.points[best[clear]]


def _measure_squares(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> Float:
    """Measure squared distances; exact, since all are whole numbers below 2**24."""
    a, b = one.astype(np.float32), other.astype(np.float32)
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None] - 2 * (a @ b.T)
    return np.asarray(squares, np.float32)
