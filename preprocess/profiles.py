"""Pure: what a line shows, segment by segment and as a whole, whatever its extent."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.edges import Double, Steps
from preprocess.mounts import Ground
from preprocess.strips import SEGMENTS, Float, Strip, mean_rows, to_sums

_COLOUR_UNIT: Final = 5.0
"""Distance of two colours, in LAB units, that counts one."""

_EVEN: Final = 4.0
"""Distance from the middle colour, summed over L, a and b, up to which a segment is even."""

_DEPTH_UNIT: Final = 8.0
"""Rows whose logarithm is 0."""

_STRANGE: Final = 0.5
"""How unlike the mount a row must be so as to be none."""

_SPREAD_SEGMENTS: Final = slice(8, -8)
"""Segments whose colours are compared, whatever the extent."""


def per_segment(ground: Ground, steps: Steps, rows: NDArray[np.intp]) -> Float:
    """Measure each line in each segment.

    Args:
        ground: The strip against a guess of the mount.
        steps: Of the strip.
        rows: The boundary that each line crosses in each segment, shape (lines, SEGMENTS).

    Returns:
        The first fourteen of `preprocess.evidence.FEATURES`, shape (lines, SEGMENTS, 14).
    """
    alien, rough, unlike = (to_sums(p) for p in (ground.alien, ground.rough, ground.unlike))
    segment = np.arange(SEGMENTS)
    step = steps.beside[rows, segment]
    inside, outside = mean_rows(alien, rows, 1, 7), mean_rows(alien, rows, -7, -1)
    contrast = np.maximum(mean_rows(unlike, rows, 1, 7) - mean_rows(unlike, rows, -7, -1), 0)
    rough_in, rough_out = mean_rows(rough, rows, 1, 9), mean_rows(rough, rows, -9, -1)
    figures = (
        step,
        steps.far[rows, segment],
        contrast,
        outside,
        alien[rows, segment] / np.maximum(rows, 1).astype(np.float32),
        inside,
        mean_rows(unlike, rows, 1, 14),
        (step >= steps.around[rows, segment] - 1e-6) & (step > 0.2),
        (step > 0.25) | (contrast > 0.3),
        np.abs(_first_alien(ground) - rows) <= 2,
        np.maximum(rough_in - rough_out, 0),
        rough_out,
        rough_in,
        _least_outside(ground)[rows, segment],
    )
    return np.stack(figures, axis=2, dtype=np.float32, casting="unsafe")


def _first_alien(ground: Ground) -> NDArray[np.intp]:
    """Return each segment's first row that is not mount; far away where all is."""
    strange = cv2.blur(ground.unlike, (1, 3)) > _STRANGE
    return np.where(strange.any(axis=0), strange.argmax(axis=0), 1 << 20)


def _least_outside(ground: Ground) -> Float:
    """Return how alien the most mount-like of the four rows outside each boundary is."""
    least = cv2.erode(
        ground.alien, np.ones((4, 1), np.uint8), anchor=(0, 3), borderType=cv2.BORDER_REPLICATE
    )
    return np.concatenate([np.zeros_like(least[:1]), least])


def of_outside(strip: Strip, rows: NDArray[np.intp], guess: Float) -> Float:
    """Measure the colour outside lines.

    Args:
        strip: One side.
        rows: The boundary that each line crosses in each segment, shape (lines, SEGMENTS).
        guess: The mount's colour, LAB.

    Returns:
        Its distance from the guess, and its spread along the line, shape (lines, 2).
    """
    outside = mean_rows(strip.sums, rows, -7, -1)[..., _SPREAD_SEGMENTS]
    median, away = _spread(outside)
    stranger = np.minimum(np.linalg.norm(median - guess, axis=1) / _COLOUR_UNIT, 3)
    return np.stack([stranger, _to_uneven(away)], axis=1).astype(np.float32)


def of_inside(strip: Strip, rows: NDArray[np.intp]) -> tuple[Float, Float]:
    """Measure the colour inside lines.

    Args:
        strip: One side.
        rows: The boundary that each line crosses in each segment, shape (lines, SEGMENTS).

    Returns:
        Its middle L, a and b and its spread along the line, shape (lines, 4); and the share of the
        segments that have that colour, shape (lines,).
    """
    inside = mean_rows(strip.sums, rows, 1, 7)[..., _SPREAD_SEGMENTS]
    median, away = _spread(inside)
    even = (away < _EVEN).mean(axis=1).astype(np.float32)
    return np.concatenate([median, _to_uneven(away)[:, None]], axis=1, dtype=np.float32), even


def _spread(colours: Float) -> tuple[Float, Float]:
    """Return the middle colour along each line, and each segment's distance from it."""
    median = np.median(colours, axis=2)
    return median.T, np.abs(colours - median[..., None]).sum(axis=0)


def _to_uneven(away: Float) -> Float:
    return np.asarray(np.minimum(np.median(away, axis=1) / _COLOUR_UNIT, 2))


def of_depth(ground: Ground, lines: Double, guess: Float) -> Float:
    """Measure how deep lines lie, and how the mount's shade differs on their side.

    Args:
        ground: The strip against a guess of the mount.
        lines: Offsets and slopes, shape (lines, 2).
        guess: The mount's colour, LAB.

    Returns:
        Logarithm of the depth, its square, and the difference, shape (lines, 3).
    """
    depth = np.log(np.maximum(lines[:, 0], 1) / _DEPTH_UNIT)
    shade = np.full(len(lines), np.linalg.norm(ground.colour - guess) / _COLOUR_UNIT)
    return np.stack([depth, depth**2, shade], axis=1).astype(np.float32)
