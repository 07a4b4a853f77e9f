"""Find one straight side of a print: the line along which the mount ends.

A threshold fails where print and mount are alike, so the whole side votes. The side is cut into
segments; for every line of the outer band (offset and slope) each segment says how large the
step across it is, held to a ceiling so that no single roof or mast decides, and everything
outside the line must look like the mount. The first row of every array is the outermost.
"""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Double = NDArray[np.float64]

STEP_FLOOR: Final = 0.5
"""A step across the line, in LAB units, that texture alone can make."""

STEP_HALF: Final = 1.5
"""A step above the floor, in LAB units, that counts one half; the largest counts one."""

TOLERANCE: Final = 2.0
"""Distance from the mount's colour, in LAB units, that light and texture make."""


POWER: Final = 3
"""How much more the look of the outside counts than the step."""

INLIER: Final = 0.2
"""A counted step from which a segment is taken to see the edge."""

FIT_STEPS: Final = 8
"""Rounds of reweighting in the fit of a line."""


@dataclass(frozen=True, slots=True)
class Side:
    """A line across a strip: its place, and the case for its being the print's edge."""

    offset: float
    """Rows from the outermost edge to the line, at the middle column."""
    slope: float
    """Rows per column."""
    step: float
    """Mean of the segments' steps, 0..1."""
    inliers: float
    """Share of the segments that show a step."""
    clean: float
    """Share of what lies outside that looks like the mount, 0..1."""
    rival: float
    """Score of the best line elsewhere, as a share of this one's."""
    straight: float
    """Share of the segments whose steepest place lies on the line."""
    colour: tuple[float, ...]
    """Median colour of the outermost rows: LAB, or L alone."""


def to_segments(strip: Float, *, first: int, last: int, count: int) -> tuple[Double, Double]:
    """Average a strip over segments of its columns.

    Args:
        strip: Rows along the side, outermost first, shape (rows, columns, channels), LAB units.
        first: First column to use.
        last: Column after the last to use.
        count: Segments wanted; fewer where the strip is narrow.

    Returns:
        The segments' middles in columns, shape (J,), and their means, shape (rows, J, channels).
    """
    bounds = np.linspace(first, last, min(count, last - first) + 1).round().astype(int)
    sums = np.add.reduceat(strip[:, first:last], bounds[:-1] - first, axis=1, dtype=np.float64)
    return (bounds[:-1] + bounds[1:]) / 2, sums / np.diff(bounds)[:, None]


def find_side(middles: Double, means: Double, *, width: int, reach: int, tilt: float) -> Side:
    """Find the line that best parts the mount from the print.

    Args:
        middles: Middles of the segments in columns, shape (J,).
        means: Colours, outermost row first, shape (rows, J, channels), LAB units.
        width: Columns of the whole side.
        reach: Rows on either side of a line that make its step.
        tilt: Steepest slope tried, in rows per column.

    Returns:
        The line with the best score.
    """
    steps = to_steps(means, reach=reach)
    colour = np.median(means[:2].reshape(-1, means.shape[2]), axis=0)
    alien = _alien(means, colour=colour, reach=reach)
    x = middles - width / 2
    most = max(1, round(tilt * width / 2))
    slopes = np.arange(-most, most + 1) / (width / 2)
    offsets = np.arange(1.0, len(means) - reach, 0.5)
    rows = offsets[:, None, None] + slopes[None, :, None] * x
    outside = rows < 1
    rows = np.clip(rows, 0, len(means))
    step = np.where(outside, 0.0, at_rows(steps, rows)).mean(axis=2)
    clean = 1 - at_rows(alien, rows).mean(axis=2)
    score = step * clean**POWER
    best = np.unravel_index(np.argmax(score), score.shape)
    away = offsets < offsets[best[0]] - 2 * reach
    at = rows[best]
    return Side(
        offset=float(offsets[best[0]]),
        slope=float(slopes[best[1]]),
        step=float(step[best]),
        inliers=float((at_rows(steps, at) > INLIER).mean()),
        clean=float(clean[best]),
        rival=float(score[away].max(initial=0.0) / max(float(score[best]), 1e-9)),
        straight=0.0,
        colour=tuple(float(value) for value in colour),
    )


def to_steps(means: Double, *, reach: int) -> Double:
    """Measure the step across every boundary between rows.

    Args:
        means: Colours, shape (rows, J, channels), LAB units.
        reach: Rows on either side that are averaged.

    Returns:
        Shape (rows + 1, J), 0..1: boundary `c` lies between rows c - 1 and c.
    """
    rows = len(means)
    sums = np.concatenate([np.zeros_like(means[:1]), np.cumsum(means, axis=0)])
    at = np.arange(rows + 1)
    above, below = np.maximum(at - reach, 0), np.minimum(at + reach, rows)
    before = (sums - sums[above]) / np.maximum(at - above, 1)[:, None, None]
    after = (sums[below] - sums) / np.maximum(below - at, 1)[:, None, None]
    size = np.linalg.norm(after - before, axis=2)
    size[[0, rows]] = 0
    above_floor = np.maximum(size - STEP_FLOOR, 0)
    counted: Double = above_floor / (above_floor + STEP_HALF)
    return counted


def at_rows(values: Double, rows: Double) -> Double:
    """Read a map at fractional rows, one per segment.

    Args:
        values: Map, shape (R, J).
        rows: Rows wanted, shape (..., J), 0..R-1.

    Returns:
        Shape of `rows`, linear between neighbours.
    """
    low = np.clip(np.floor(rows).astype(int), 0, len(values) - 2)
    share = rows - low
    segment = np.arange(values.shape[1])
    read: Double = values[low, segment] * (1 - share) + values[low + 1, segment] * share
    return read


def _alien(means: Double, *, colour: Double, reach: int) -> Double:
    """Return, for every boundary, the share of what lies outside that is not mount."""
    distance = np.linalg.norm(means - colour, axis=2)
    tolerance = TOLERANCE + min(TOLERANCE, 2 * float(np.median(distance[:2])))
    strange = np.clip(distance / tolerance - 1, 0, 1)
    # The last rows before the edge are blurred and shaded by the print; they are not asked.
    margin = max(1, reach // 2)
    total = np.concatenate([np.zeros_like(strange[:1]), np.cumsum(strange, axis=0)])
    at = np.maximum(np.arange(len(means) + 1) - margin, 1)
    return total[at] / at[:, None]


def refine_side(side: Side, *, middles: Double, steps: Double, tops: Double, width: int) -> Side:
    """Move a line to where the steps of its neighbourhood are steepest, below the pixel.

    Args:
        side: Line to start from, in pixels of the scan.
        middles: Middles of the segments in columns of the scan, shape (J,).
        steps: Steps around the line, from `to_steps`, shape (R, J).
        tops: Row of the scan at which each segment's first boundary lies, shape (J,).
        width: Columns of the whole side.

    Returns:
        The line moved; `straight` is measured anew, the other figures are kept.
    """
    x = middles - width / 2
    start = side.offset + side.slope * x - tops
    half = len(steps) / 2
    shifts = np.arange(-half / 3, half * 2 / 3, 0.5)
    turns = np.arange(-half / 3, half / 3 + 0.5, 0.5)
    rows = start + shifts[:, None, None] + turns[None, :, None] / (width / 2) * x
    total = at_rows(steps, np.clip(rows, 0, len(steps) - 1)).mean(axis=2)
    # The smallest move wins where several lines are as good.
    total -= 1e-6 * (np.abs(shifts)[:, None] + np.abs(turns)[None, :])
    best = np.unravel_index(np.argmax(total), total.shape)
    peaks, found = _peaks(steps, rows[best], reach=max(2.0, half / 6))
    if found.sum() < 4:
        return replace(side, straight=0.0)
    offset, slope, kept = _fit(x[found], (peaks + tops)[found])
    return replace(side, offset=offset, slope=slope, straight=kept * float(found.mean()))


def _peaks(steps: Double, rows: Double, *, reach: float) -> tuple[Double, NDArray[np.bool_]]:
    """Return each segment's steepest row near a line, and whether it is a step at all."""
    window = np.arange(-np.ceil(reach), np.ceil(reach) + 1)
    around = np.clip(np.rint(rows + window[:, None]), 1, len(steps) - 2).astype(int)
    segment = np.arange(steps.shape[1])
    peak = around[np.argmax(steps[around, segment], axis=0), segment]
    before, at, after = (steps[peak + move, segment] for move in (-1, 0, 1))
    bend = before - 2 * at + after
    shift = np.where(bend < 0, (before - after) / np.where(bend < 0, 2 * bend, 1), 0)
    return peak + np.clip(shift, -0.5, 0.5), (at > INLIER) & (bend < 0)


def _fit(x: Double, y: Double) -> tuple[float, float, float]:
    """Fit y = offset + slope x by reweighting; return also the share that lies within 1 px."""
    weight = np.ones_like(x)
    design = np.stack([np.ones_like(x), x], axis=1)
    line = np.zeros(2)
    for _ in range(FIT_STEPS):
        root = np.sqrt(weight)
        line = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0]
        away = np.abs(y - design @ line)
        scale = max(0.25, 1.5 * float(np.median(away)))
        weight = 1 / (1 + (away / scale) ** 2)
    return float(line[0]), float(line[1]), float((away <= max(1.0, scale)).mean())
