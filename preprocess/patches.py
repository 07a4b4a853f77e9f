"""Pure: how far one picture lies from another, place by place, and a homography that mends it.

The fit of features and of enhanced correlation is judged here by other means: small patches of one
picture are looked for around where the homography puts them in the other. What they find is local,
so a lens that bends, waved paper and a foreground seen from a step aside show; and it needs no
feature, so it does not ask the matches that made the fit. Tones do not matter, only fine structure.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.register import (
    Float,
    Homography,
    is_plausible,
    map_points,
    pass_band,
    warp_onto,
)

Points = NDArray[np.float64]

_HALF: Final = 24
"""Half the side of a patch, and the distance of two, in pixels of a picture 512 px long."""

_REACH: Final = 12
"""How far a patch is looked for, in pixels."""

_WHOLE: Final = 0.95
"""Least part of a patch that must lie on both pictures."""

_MIN_LIKENESS: Final = 0.6
_MIN_BEND: Final = 0.01
"""A patch is found where it correlates so well, and where its correlation falls off so fast on
every side: along a lone edge it would fit anywhere. Of patches found in copies of real prints
99 % lie within 1 px of the truth, and none is found in another view (bench/pairs_truth.py)."""

_OUTSTANDING: Final = 3.0
"""Standard deviations, robust ones, from which a band is cut off."""

_AGREE_PX: Final = 4.0
"""A patch found further off does not speak for the homography."""

_MIN_FOUND: Final = 12
"""Fewest patches that say anything; a homography has eight unknowns, a patch gives two."""

_UNIT: Final = 256.0
"""Pixels to one in the sums below, so that their terms are of one size."""

_ROUNDS: Final = 5


@dataclass(frozen=True, slots=True, eq=False)
class Shifts:
    """Where patches of the second picture, brought into the first one's frame, are found there."""

    centres: Points
    """Shape (N, 2), x and y in pixels of the first picture; all patches that lie on both."""
    shifts: Points
    """Shape (N, 2), in the same pixels: by so much the homography is off."""
    found: NDArray[np.bool_]
    """Shape (N,): whether the patch was found for sure."""
    structure: Points
    """Shape (N,): how much fine structure the patch has in both pictures, 1 on the average."""

    @property
    def agreement(self) -> float:
        """Share of the structure that both pictures have and that lies in one place, 0..1."""
        near = self.found & (np.linalg.norm(self.shifts, axis=1) <= _AGREE_PX)
        total = float(self.structure.sum())
        if np.count_nonzero(near) < _MIN_FOUND or total <= 0:
            return 0.0
        return float(self.structure[near].sum()) / total


def find_shifts(l1: Float, l2: Float, homography: Homography) -> Shifts:
    """Look for patches of the second picture in the first.

    Args:
        l1: Lightness of the first picture, shape (H1, W1), float32, 0..100, about 512 px long.
        l2: Lightness of the second picture, shape (H2, W2), float32, 0..100.
        homography: First to second, good to a few pixels.

    Returns:
        One row for each patch that lies on both pictures; none for an implausible homography.

    Raises:
        ValueError: If a lightness is not float32 of shape (H, W).
    """
    if not is_plausible(homography, shape=l1.shape):
        return _gather([])
    warped, inside = warp_onto(l2, homography, shape=l1.shape)
    band1 = _bound(pass_band(l1, np.ones_like(l1)), np.ones_like(l1))
    band2 = _bound(pass_band(warped, inside) * inside, inside)
    height, width = l1.shape
    rows = []
    for y in range(_HALF, height - _HALF + 1, _HALF):
        for x in range(_HALF, width - _HALF + 1, _HALF):
            part = np.s_[y - _HALF : y + _HALF, x - _HALF : x + _HALF]
            if inside[part].mean() >= _WHOLE:
                rows.append(_find_patch(band1, band2[part], x, y))
    return _gather(rows)


def _bound(band: Float, inside: Float) -> Float:
    """Cut off what stands out of a band, so that a scratch weighs no more than a roof."""
    within = np.abs(band[inside > 0])
    most = _OUTSTANDING * 1.4826 * float(np.median(within)) if within.size else 0.0
    return np.clip(band, -most, most)


def _find_patch(band: Float, patch: Float, x: int, y: int) -> tuple[float, ...]:
    """Give centre, shift, whether it is found, and the deviations of patch and surroundings."""
    side = _HALF + _REACH
    top, left = max(0, y - side), max(0, x - side)
    around = band[top : y + side, left : x + side]
    spread = float(patch.std()), float(around.std())
    if min(spread) < 1e-3:
        return (x, y, 0.0, 0.0, False, *spread)
    likeness = np.asarray(cv2.matchTemplate(around, patch, cv2.TM_CCOEFF_NORMED), np.float32)
    _, best, _, (column, row) = cv2.minMaxLoc(likeness)
    inner = 0 < column < likeness.shape[1] - 1 and 0 < row < likeness.shape[0] - 1
    if best < _MIN_LIKENESS or not inner:
        return (x, y, 0.0, 0.0, False, *spread)
    offset, bend = _find_peak(likeness[row - 1 : row + 2, column - 1 : column + 2])
    shift = (left + _HALF + column - x + offset[0], top + _HALF + row - y + offset[1])
    return (x, y, *shift, bend >= _MIN_BEND, *spread)


def _find_peak(around: Float) -> tuple[tuple[float, float], float]:
    """Fit a paraboloid to 3 x 3 values; give its top and its least bend."""
    p = around.astype(np.float64)
    slope = np.array([p[1, 2] - p[1, 0], p[2, 1] - p[0, 1]]) / 2
    xx, yy = p[1, 2] - 2 * p[1, 1] + p[1, 0], p[2, 1] - 2 * p[1, 1] + p[0, 1]
    xy = (p[2, 2] - p[2, 0] - p[0, 2] + p[0, 0]) / 4
    bend = float(np.linalg.eigvalsh(-np.array([[xx, xy], [xy, yy]]))[0])
    if bend < _MIN_BEND:
        return (0.0, 0.0), bend
    x, y = np.clip(-np.linalg.solve([[xx, xy], [xy, yy]], slope), -1, 1)
    return (float(x), float(y)), bend


def _gather(rows: list[tuple[float, ...]]) -> Shifts:
    table = np.array(rows, np.float64).reshape(-1, 7)
    spreads = table[:, 5:] / np.maximum(table[:, 5:].mean(axis=0), 1e-9) if rows else table[:, 5:]
    return Shifts(table[:, :2], table[:, 2:4], table[:, 4] > 0, spreads.min(axis=1))


def mend_homography(homography: Homography, shifts: Shifts) -> Homography:
    """Move a homography to where the patches were found.

    Args:
        homography: First to second.
        shifts: What `find_shifts` says of it.

    Returns:
        The homography that lies nearest to the patches, those far from the others counting less;
        the old one where too few were found.
    """
    if np.count_nonzero(shifts.found) < _MIN_FOUND:
        return homography
    source = shifts.centres[shifts.found]
    target = map_points(source, homography) / _UNIT - 1
    source = (source + shifts.shifts[shifts.found]) / _UNIT - 1
    to_units = np.array([[1 / _UNIT, 0, -1], [0, 1 / _UNIT, -1], [0, 0, 1]])
    mended = to_units @ homography @ np.linalg.inv(to_units)
    for _ in range(_ROUNDS):
        mended = mended / mended[2, 2]
        away = target - map_points(source, mended)
        slopes = _find_slopes(source, mended)
        weights = _weigh(np.linalg.norm(away, axis=1), least=0.5 / _UNIT)
        square = np.einsum("nij,nik,n->jk", slopes, slopes, weights)
        step = np.linalg.lstsq(square, np.einsum("nij,ni,n->j", slopes, away, weights), rcond=1e-9)
        mended = mended + np.append(step[0], 0.0).reshape(3, 3)
    mended = np.linalg.inv(to_units) @ mended @ to_units
    return np.asarray(mended / mended[2, 2], np.float64)


def _find_slopes(points: Points, homography: Homography) -> Points:
    """Differentiate mapped points by the homography's first eight numbers: shape (N, 2, 8)."""
    ones = np.ones((len(points), 1))
    flat = np.hstack([points, ones])
    mapped, depth = map_points(points, homography), flat @ homography[2]
    zeros = np.zeros_like(flat)
    across = np.hstack([flat, zeros, -mapped[:, :1] * points])
    down = np.hstack([zeros, flat, -mapped[:, 1:] * points])
    return np.asarray(np.stack([across, down], axis=1) / depth[:, None, None], np.float64)


def _weigh(distances: Points, *, least: float) -> Points:
    """Weigh by distance, against what most have: 1 near, little beyond three times that."""
    scale = max(1.4826 * float(np.median(distances)), least)
    return np.asarray(1 / (1 + (distances / (2 * scale)) ** 2) ** 2, np.float64)


_TERMS: Final = tuple((i, j) for i in range(4) for j in range(4 - i))
"""Powers of x and y in a cubic: what is left of a lens's bend after a homography is cubic."""

_PRIOR: Final = 0.03
"""Patches that a term's being zero counts for."""

_LEAST_NOISE: Final = 0.2
_SPREADS: Final = 3.0
"""Pixels that a patch's shift may always be off, and standard deviations that are added. With these
three the worst place of 99 in 100 copies of real prints is truly off by less than 1.4 times the
estimate (bench/pairs_truth.py, seeds 1 to 3)."""


def estimate_worst(
    shifts: Shifts, homography: Homography, *, shape: tuple[int, ...], other: tuple[int, ...]
) -> float:
    """Estimate how far off the homography is where it is furthest off.

    A cubic laid through what the patches found says it for the places between and beyond them,
    such as a sky without structure; three standard deviations are added.

    Args:
        shifts: What `find_shifts` says of the homography.
        homography: First to second.
        shape: Height and width of the first picture.
        other: Height and width of the second.

    Returns:
        Pixels of the first picture, the largest on a grid over what both show; infinite where
        too few patches were found.
    """
    if np.count_nonzero(shifts.found) < _MIN_FOUND:
        return float("inf")
    middle = np.array([shape[1], shape[0]]) / 2
    grid = 2 * middle * np.stack(np.meshgrid(*[np.linspace(0, 1, 13)] * 2), axis=-1).reshape(-1, 2)
    there = map_points(grid, homography)
    grid = grid[((there >= 0) & (there <= (other[1], other[0]))).all(axis=1)]
    known = _raise((shifts.centres[shifts.found] - middle) / _UNIT)
    wanted, values = _raise((grid - middle) / _UNIT), shifts.shifts[shifts.found]
    weights, noise = np.ones(len(known)), 0.0
    prior = _PRIOR * np.eye(len(_TERMS))
    for _ in range(_ROUNDS):
        inverse = np.linalg.inv((known.T * weights) @ known + prior)
        cubic = inverse @ (known.T * weights) @ values
        away = np.linalg.norm(values - known @ cubic, axis=1)
        noise = max(1.4826 * float(np.median(away)), _LEAST_NOISE)
        weights = 1 / (1 + (away / (3 * noise)) ** 2)
    spread = noise * np.sqrt(np.einsum("nj,jk,nk->n", wanted, inverse, wanted))
    return float((np.linalg.norm(wanted @ cubic, axis=1) + _SPREADS * spread).max(initial=0.0))


def _raise(points: Points) -> Points:
    """Give the terms of a cubic at points: shape (N, 10)."""
    return np.stack([points[:, 0] ** i * points[:, 1] ** j for i, j in _TERMS], axis=1)
