"""Pure: move the lines of a print's sides to their place in the picture as it came.

`preprocess.joint` finds them on a reduced picture, to about one of its pixels. Here each is moved
to where the steps of its neighbourhood are steepest, below the pixel; a side on which hardly
anything steps keeps the place that the whole mount gave it.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from preprocess.edges import to_steps
from preprocess.strips import Picture, reduced_shape, to_plane, to_sums

Double = NDArray[np.float64]

SEGMENTS: Final = 48
"""Places along a side at which it is looked at."""

_MARGIN: Final = 0.02
"""Share of a side left out at both ends within the neighbours' lines: corners are rounded."""

_SPAN: Final = 12
"""Pixels along the side that are averaged at each place, or four of the reduced picture's."""

_REACH: Final = 2.0
"""How far the ends of a line may move, in pixels of the reduced picture."""

_STAY: Final = 0.01
"""What a move by one pixel of the reduced picture must add to the mean step."""

_SEEN: Final = 0.2
"""A counted step from which a place is taken to see the edge."""

_LEAST_SEEN: Final = 0.12
"""Share of the places that must see the edge for the line to be fitted to them."""

_FIT_ROUNDS: Final = 8
"""Rounds of reweighting in the fit of a line."""


def refine_lines(picture: Picture, lines: Double, *, bare: tuple[bool, ...]) -> Double:
    """Move lines from the reduced picture to the whole one, and to the edges there.

    Args:
        picture: As `preprocess.border.find_border` takes it.
        lines: Offset and slope of the top, right, bottom and left side in pixels of the reduced
            picture, each seen with that side on top, shape (4, 2).
        bare: Sides without a mount; they stay.

    Returns:
        The same in pixels of the picture, shape (4, 2).
    """
    height, width = picture.shape[:2]
    rows, columns = reduced_shape(picture.shape)
    down, along = height / rows, width / columns
    whole = lines.copy()
    for side in range(4):
        across, beside = (down, along) if side % 2 == 0 else (along, down)
        whole[side] = lines[side] * (across, across / beside)
    return np.stack(
        [
            whole[side] if bare[side] else _refine(picture, whole, side, scale=max(1.0, down))
            for side in range(4)
        ]
    )


def _refine(picture: Picture, lines: Double, side: int, *, scale: float) -> Double:
    """Refine one side: look, move the whole line, then fit it to what each place sees."""
    view = np.rot90(picture, side)
    width = view.shape[1]
    reach = max(2, round(scale / 2))
    half = int(np.ceil(_REACH * scale)) + 2 * reach
    bounds = _find_extent(lines, side, view.shape)
    middles = np.linspace(*bounds, SEGMENTS + 1)
    middles = (middles[:-1] + middles[1:]) / 2
    offset, slope = lines[side]
    tops = np.rint(offset + slope * (middles - width / 2)).astype(int) - half
    span = max(1, round(min((bounds[1] - bounds[0]) / SEGMENTS, max(_SPAN, 4 * scale))))
    block = _look(view, tops, middles, rows=2 * half, span=span)
    steps, sharp = (part.astype(np.float64) for part in to_steps(to_sums(block), reach=reach))
    x = middles - width / 2
    moved = _move(sharp, offset + slope * x - tops, x / (width / 2), scale=scale)
    peaks, seen = _find_peaks(steps, sharp, moved, reach=max(2.0, scale))
    if seen.mean() < _LEAST_SEEN or seen.sum() < 4:
        return np.asarray(lines[side])
    weak = 1 - seen.mean()  # what is not seen is held by the line as it was
    return _fit(x, np.where(seen, peaks, moved) + tops, np.where(seen, 1.0, 0.2 * weak))


def _find_extent(lines: Double, side: int, shape: tuple[int, ...]) -> tuple[float, float]:
    width = shape[1]
    first, last = lines[side - 1, 0], width - lines[(side + 1) % 4, 0]
    return first + _MARGIN * width, max(last - _MARGIN * width, first + (_MARGIN + 0.05) * width)


def _look(
    view: NDArray[Any], tops: NDArray[np.int_], middles: Double, *, rows: int, span: int
) -> NDArray[np.float32]:
    """Average pieces of rows around the line: LAB, shape (3, rows, places)."""
    at = np.clip(tops[:, None] + np.arange(rows), 0, view.shape[0] - 1)
    columns = np.rint(middles - span / 2).astype(int)[:, None] + np.arange(span)
    columns = np.clip(columns, 0, view.shape[1] - 1)
    block = view[at[:, :, None], columns[:, None, :]].mean(axis=2, dtype=np.float32)
    return np.ascontiguousarray(to_plane(block).transpose(2, 1, 0))


def _move(steps: Double, start: Double, ends: Double, *, scale: float) -> Double:
    """Return the rows of the line moved and turned to where the mean step is largest."""
    most, grain = _REACH * scale, max(0.5, scale / 6)
    moves = np.arange(-most, most + grain / 2, grain)
    rows = start + moves[:, None, None] + moves[:, None] * ends
    total = _at_rows(steps, rows).mean(axis=2)
    total -= _STAY / scale * (np.abs(moves)[:, None] + np.abs(moves))
    moved: Double = rows[np.unravel_index(np.argmax(total), total.shape)]
    return moved


def _at_rows(values: Double, rows: Double) -> Double:
    """Read a map at fractional rows, one per place, linear between neighbours."""
    rows = np.clip(rows, 0, len(values) - 1)
    low = np.minimum(rows.astype(int), len(values) - 2)
    share = rows - low
    place = np.arange(values.shape[1])
    read: Double = values[low, place] * (1 - share) + values[low + 1, place] * share
    return read


def _find_peaks(
    steps: Double, sharp: Double, rows: Double, *, reach: float
) -> tuple[Double, NDArray[np.bool_]]:
    """Return each place's steepest row near a line, and whether it is a step at all."""
    window = np.arange(-np.ceil(reach), np.ceil(reach) + 1)
    around = np.clip(np.rint(rows + window[:, None]), 1, len(steps) - 2).astype(int)
    place = np.arange(steps.shape[1])
    peak = around[np.argmax(sharp[around, place], axis=0), place]
    before, at, after = (sharp[peak + move, place] for move in (-1, 0, 1))
    bend = before - 2 * at + after
    shift = np.where(bend < 0, (before - after) / np.where(bend < 0, 2 * bend, 1), 0)
    return peak + np.clip(shift, -0.5, 0.5), (steps[peak, place] > _SEEN) & (bend < 0)


def _fit(x: Double, y: Double, trust: Double) -> Double:
    """Fit y = offset + slope x, reweighting so that what lies far off does not count."""
    weight = trust
    design = np.stack([np.ones_like(x), x], axis=1)
    line = np.zeros(2)
    for _ in range(_FIT_ROUNDS):
        root = np.sqrt(weight)
        line = np.linalg.lstsq(design * root[:, None], y * root, rcond=None)[0]
        away = np.abs(y - design @ line)
        scale = max(0.25, 1.5 * float(np.median(away)))
        weight = trust / (1 + (away / scale) ** 2)
    return line
