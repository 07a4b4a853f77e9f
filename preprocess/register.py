"""Pure: lay one lightness over another, and say how well they agree.

Features (`features.py`) give a first homography, enhanced correlation (ECC) refines it, and the
correlation of the fine structure on the overlap judges it. All three see local contrast only, so
exposure, fading and other inks hardly matter. A homography takes points of the first picture to
points of the second, both in pixel-edge coordinates (0..width).

A worker should run OpenCV on one thread (`cv2.setNumThreads(1)`), so that results repeat.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Homography = NDArray[np.float64]
"""Shape (3, 3), its last element 1."""

_FINE: Final = 1.0
_COARSE: Final = 8.0
"""Sigmas in pixels of the band compared, at about 512 px: coarser than grain, finer than tone."""

_BAND_MARGIN: Final = 4
"""Pixels along the edge of the overlap that the band does not see whole."""

_MIN_OVERLAP: Final = 0.4
"""Least part of the smaller picture that must lie on the other."""

_MAX_STRETCH: Final = 4.0
"""Largest ratio of areas before and after: two scans of one print at one size are near 1, half of a
wide print at the size of the whole near 3."""

_HUGE: Final = 1e9
"""No number of a homography between two pictures comes near it, and its square is finite."""

_FLAT: Final = 1e-9
"""A point whose third coordinate is less than this lies at infinity, or behind the camera."""

_ECC_STEPS: Final = 40
_ECC_EPSILON: Final = 1e-5


def register(l1: Float, l2: Float, start: Homography) -> tuple[Homography, float]:
    """Refine a homography where that helps, and judge it.

    Args:
        l1: Lightness of the first picture, shape (H1, W1), float32, 0..100.
        l2: Lightness of the second picture, shape (H2, W2), float32, 0..100.
        start: First to second, good to a few pixels.

    Returns:
        The homography of the start and the refined one that correlates better; its correlation.

    Raises:
        ValueError: If a lightness is not float32 of shape (H, W).
    """
    refined = refine_homography(l1, l2, start)
    at_start, at_refined = correlate(l1, l2, start), correlate(l1, l2, refined)
    return (refined, at_refined) if at_refined > at_start else (start, at_start)


def refine_homography(l1: Float, l2: Float, homography: Homography) -> Homography:
    """Refine a homography on the pictures themselves, by enhanced correlation.

    Args:
        l1: Lightness of the first picture, shape (H1, W1), float32, 0..100.
        l2: Lightness of the second picture, shape (H2, W2), float32, 0..100.
        homography: A start that is good to a few pixels.

    Returns:
        The refined homography; the start where the search does not converge, or where either
        of the two folds the picture.

    Raises:
        ValueError: If a lightness is not float32 of shape (H, W).
    """
    _check(l1, l2)
    band1, band2 = (pass_band(lightness, np.ones_like(lightness)) for lightness in (l1, l2))
    if not is_plausible(homography, shape=l1.shape):
        return homography
    steps = cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT
    start = _to_centres(homography).astype(np.float32)
    try:
        _, warp = cv2.findTransformECC(
            band1,
            band2,
            start,
            cv2.MOTION_HOMOGRAPHY,
            (steps, _ECC_STEPS, _ECC_EPSILON),
            inputMask=np.full(l2.shape, 255, np.uint8),
            gaussFiltSize=1,
        )
    except cv2.error:
        # OpenCV's word for pictures too unlike, or a start too far off: the start stands.
        return homography
    if not np.isfinite(warp).all() or abs(warp[2, 2]) < _FLAT:
        return homography
    refined = _to_edges(np.asarray(warp, np.float64))
    return refined if is_plausible(refined, shape=l1.shape) else homography


def correlate(l1: Float, l2: Float, homography: Homography) -> float:
    """Correlate the fine structure of two pictures where one lies on the other.

    Scans of one plate reach 0.97, other views at most 0.51 (COLORIZATION.md, section 7).

    Args:
        l1: Lightness of the first picture, shape (H1, W1), float32, 0..100.
        l2: Lightness of the second picture, shape (H2, W2), float32, 0..100.
        homography: First to second.

    Returns:
        Pearson's correlation of the band-passed lightness, -1..1; 0 where the homography is not
        plausible, or less than 40 % of the smaller one lies on the other.

    Raises:
        ValueError: If a lightness is not float32 of shape (H, W).
    """
    _check(l1, l2)
    if not is_plausible(homography, shape=l1.shape):
        return 0.0
    warped, inside = warp_onto(l2, homography, shape=l1.shape)
    if inside.sum() < _MIN_OVERLAP * min(l1.size, l2.size / _stretch(homography, l1.shape)):
        return 0.0
    kernel = np.ones((2 * _BAND_MARGIN + 1,) * 2, np.uint8)
    whole = cv2.erode(inside, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    if np.count_nonzero(whole) < 2:
        return 0.0
    band1, band2 = pass_band(l1, inside)[whole], pass_band(warped, inside)[whole]
    spread = float(band1.std()) * float(band2.std())
    if spread < 1e-6:
        return 0.0
    return float(np.mean((band1 - band1.mean()) * (band2 - band2.mean())) / spread)


def warp_onto(
    picture: Float, homography: Homography, *, shape: tuple[int, ...]
) -> tuple[Float, Float]:
    """Bring the second picture into the frame of the first.

    Args:
        picture: Second picture, shape (H2, W2) or (H2, W2, C), float32.
        homography: First to second.
        shape: Height and width of the first picture; more axes are ignored.

    Returns:
        The picture there, and 1 where it lies, 0 elsewhere, float32.
    """
    size, back = (shape[1], shape[0]), _to_centres(homography)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    ones = np.ones(picture.shape[:2], np.float32)
    warped = cv2.warpPerspective(picture, back, size, flags=flags)
    inside = cv2.warpPerspective(ones, back, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    return np.asarray(warped, np.float32), np.asarray(inside, np.float32)


def warp_back(
    picture: NDArray[np.uint8], homography: Homography, *, width: int, height: int
) -> NDArray[np.uint8]:
    """Take an upright picture out of another; what lies outside repeats the edge.

    Args:
        picture: Shape (H, W, 3), uint8, at most about twice as fine as what is taken out.
        homography: Points of what is taken out to points of `picture`.
        width: Width of what is taken out, in pixels.
        height: Its height.

    Returns:
        Shape (height, width, 3), uint8.
    """
    warped = cv2.warpPerspective(
        picture,
        _to_centres(homography),
        (width, height),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(warped, np.uint8)


def map_points(points: NDArray[np.floating], homography: Homography) -> NDArray[np.float64]:
    """Map points by a homography.

    Args:
        points: Shape (N, 2), x and y.
        homography: Shape (3, 3).

    Returns:
        Shape (N, 2).
    """
    ones = np.ones((len(points), 1))
    mapped = np.hstack([np.asarray(points, np.float64), ones]) @ homography.T
    return np.asarray(mapped[:, :2] / mapped[:, 2:], np.float64)


def is_plausible(homography: Homography, *, shape: tuple[int, ...]) -> bool:
    """Say whether a homography could join two scans of one print.

    Args:
        homography: First to second.
        shape: Height and width of the first picture.

    Returns:
        False if it is not finite, folds, mirrors, or stretches the picture's area more than
        fourfold.
    """
    if not (np.abs(homography) < _HUGE).all():
        return False
    corners = _corners(shape)
    depth = np.hstack([corners, np.ones((4, 1))]) @ homography[2]
    if (depth <= _FLAT).any():
        return False
    mapped = map_points(corners, homography)
    sides = np.roll(mapped, -1, axis=0) - mapped
    turned = np.roll(sides, -1, axis=0)
    if (sides[:, 0] * turned[:, 1] - sides[:, 1] * turned[:, 0] <= 0).any():
        return False
    return 1 / _MAX_STRETCH <= _stretch(homography, shape) <= _MAX_STRETCH


def _stretch(homography: Homography, shape: tuple[int, ...]) -> float:
    """Area of the first picture in the second, by its own area."""
    x, y = map_points(_corners(shape), homography).T
    area = abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2
    return area / (shape[0] * shape[1])


def _corners(shape: tuple[int, ...]) -> NDArray[np.float64]:
    height, width = shape[:2]
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)


def pass_band(lightness: Float, inside: Float) -> Float:
    """Keep a picture's fine structure: what lies between its grain and its tone.

    Args:
        lightness: Shape (H, W), float32.
        inside: Shape (H, W), float32: 1 where there is a picture, 0 where it has ended.

    Returns:
        Shape (H, W), float32, about 0; what lies outside has no part in it.
    """

    def blur(sigma: float) -> Float:
        weight = cv2.GaussianBlur(inside, (0, 0), sigma)
        blurred = cv2.GaussianBlur(lightness * inside, (0, 0), sigma) / np.maximum(weight, 1e-3)
        return np.asarray(blurred, np.float32)

    return blur(_FINE) - blur(_COARSE)


_SHIFT: Final = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])


def _to_centres(homography: Homography) -> Homography:
    """Rewrite a homography for coordinates in which pixel centres are whole."""
    centred = np.linalg.inv(_SHIFT) @ homography @ _SHIFT
    return np.asarray(centred / centred[2, 2], np.float64)


def _to_edges(homography: Homography) -> Homography:
    """Undo `_to_centres`."""
    edged = _SHIFT @ homography @ np.linalg.inv(_SHIFT)
    return np.asarray(edged / edged[2, 2], np.float64)


def _check(*pictures: Float) -> None:
    for lightness in pictures:
        if lightness.ndim != 2 or lightness.dtype != np.float32:
            raise ValueError(
                "expected float32 lightness of shape (H, W); "
                f"got {lightness.dtype} of shape {lightness.shape}"
            )
