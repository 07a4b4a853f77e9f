"""Pure: the lines along which a side of a print may end.

For every line of a strip (offset and slope), each segment says how large the step across it is
and how unlike the mount its inside is; the whole side votes. Several lines are kept, since which
of them is the print's edge only the four sides together tell (`preprocess.joint`).
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.mounts import Ground
from preprocess.strips import SEGMENTS, Float, Strip, to_band, to_sums

Double = NDArray[np.float64]

MOST_LINES: Final = 7
"""Lines kept on each side."""

TILT: Final = 0.045
"""Steepest line, in rows per column; 2.6 degrees."""

_SLOPES: Final = np.linspace(-TILT, TILT, 17)

_UNSEEN: Final = 10
"""Segments left out at both ends of a side, where a wide mount hides its neighbours' edges."""

_STEP_FLOOR: Final = 0.5
"""A step across a line, in LAB units, that texture alone can make."""

_STEP_HALF: Final = 1.5
"""A step above the floor, in LAB units, that counts one half; the largest counts one."""

_SHARP_MOST: Final = 40.0
_SHARP_WEIGHT: Final = 0.12 / 10
"""Of two places the steeper is the edge, however large both steps are: what a LAB unit of step
adds, and up to which step."""

_PER_SCORE: Final = 3
"""Lines that each score may name."""

_APART: Final = 4
"""Rows around a line in which the same score names no other."""

_LEAST_SCORE: Final = 0.02


def to_steps(sums: Float, *, reach: int) -> tuple[Float, Float]:
    """Measure the step across every boundary between rows.

    Args:
        sums: Sums of the rows of L, a and b, shape (3, R + 1, J).
        reach: Rows on either side that are averaged.

    Returns:
        Steps, shape (R + 1, J), 0..1; and the same with a bonus for the steeper.
    """
    first, second, third = to_band(sums, 0, reach) - to_band(sums, -reach, 0)
    size = np.sqrt(first * first + second * second + third * third)
    size[[0, -1]] = 0
    above = np.maximum(size - _STEP_FLOOR, 0)
    counted = above / (above + _STEP_HALF)
    return counted, counted + _SHARP_WEIGHT * np.minimum(size, _SHARP_MOST)


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """The steps across every boundary of a strip, whatever its mount."""

    near: Float
    """Over two rows, shape (rows + 1, SEGMENTS), 0..1."""
    far: Float
    """Over five rows."""
    sharp: Float
    """Mean of both, with a bonus for the steeper."""
    beside: Float
    """The largest of `near` within a row of each boundary."""
    around: Float
    """The same within six rows."""
    steep: Float
    """Mean over two rows along each line, with that bonus: shape (slopes, rows + 1)."""


def measure_steps(strip: Strip) -> Steps:
    """Measure the steps of a strip.

    Args:
        strip: One side.
    """
    (near, sharp), (far, sharp_far) = (to_steps(strip.sums, reach=reach) for reach in (2, 5))
    steep = _along_lines(sharp, _gather_table(strip.rows, strip.width))
    beside, around = (
        np.asarray(cv2.dilate(near, np.ones((2 * reach + 1, 1), np.uint8)), np.float32)
        for reach in (1, 6)
    )
    both = np.asarray((sharp + sharp_far) / 2, np.float32)
    return Steps(near, far, both, beside, around, steep)


def find_lines(strip: Strip, ground: Ground, steps: Steps) -> Double:
    """Find the lines that may part the mount from the print.

    Three scores name up to three lines each: one asks that what lies just outside is mount, one
    that all outside is, and one asks nothing, for a target may lie against the print.

    Args:
        strip: One side.
        ground: The strip against a guess of the mount.
        steps: Of the strip.

    Returns:
        Offset, in rows at the middle of the side, and slope, in rows per column, of up to
        MOST_LINES lines, shape (n, 2).
    """
    unlike = to_sums(ground.unlike)
    outside = to_band(unlike, -7, -1)
    all_outside = unlike / np.maximum(np.arange(len(unlike)), 1)[:, None].astype(np.float32)
    edge = (steps.sharp + np.maximum(to_band(unlike, 1, 7) - outside, 0)) / 2
    table = _gather_table(strip.rows, strip.width)
    scores = [_along_lines(score, table) for score in (edge - outside, edge - all_outside, edge)]
    found: list[tuple[float, float]] = []
    for score in scores:
        _name_lines(score, steps.steep + scores[2], strip.width, found)
    return np.array(found[:MOST_LINES], np.float64).reshape(-1, 2)


def line_rows(lines: Double, strip: Strip) -> NDArray[np.intp]:
    """Give the boundary that each line crosses in each segment.

    Args:
        lines: Offsets and slopes, shape (n, 2).
        strip: One side.

    Returns:
        Shape (n, SEGMENTS), 0..rows.
    """
    rows = lines[:, :1] + lines[:, 1:] * strip.middles
    return np.clip(np.rint(rows), 0, strip.rows).astype(np.intp)


@lru_cache(maxsize=16)
def _gather_table(rows: int, width: int) -> NDArray[np.int32]:
    """Return where each line of a strip meets each segment: slope, offset, segment."""
    middles = (np.arange(SEGMENTS) + 0.5) / SEGMENTS * width - width / 2
    shifts = np.rint(_SLOPES[:, None] * middles).astype(int)
    at = np.clip(np.arange(rows + 1)[None, :, None] + shifts[:, None], 0, rows)
    table = at * SEGMENTS + np.arange(SEGMENTS)
    return np.ascontiguousarray(table[:, :, _UNSEEN:-_UNSEEN], np.int32)


def _along_lines(values: Float, table: NDArray[np.int32]) -> Float:
    """Average a map along every line: shape (slopes, rows + 1)."""
    count = table.shape[2]
    mean = values.ravel().take(table) @ np.full(count, 1 / count, np.float32)
    return np.asarray(mean, np.float32)


def _name_lines(score: Float, steep: Float, width: int, found: list[tuple[float, float]]) -> None:
    """Add the best lines of a score, each moved to the steepest place beside it."""
    best = score.max(axis=0)
    best[:2] = best[-3:] = -np.inf
    for _ in range(_PER_SCORE):
        row = int(np.argmax(best))
        if best[row] < _LEAST_SCORE:
            return
        slope = int(np.argmax(score[:, row]))
        first_slope, first_row = max(0, slope - 1), max(2, row - 2)
        beside = steep[first_slope : slope + 2, first_row : row + 3]
        more = np.unravel_index(np.argmax(beside), beside.shape)
        line = (float(first_row + more[1]), float(_SLOPES[first_slope + more[0]]))
        best[max(0, row - _APART) : row + _APART + 1] = -np.inf
        if not any(
            abs(line[0] - other[0]) < 3 and abs(line[1] - other[1]) * width / 2 < 4
            for other in found
        ):
            found.append(line)
