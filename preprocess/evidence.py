"""Pure: the case for each line of a side, within each extent that its neighbours may leave it.

A print's edge shows a step all along, has mount just outside it and none just inside, and ends at
the print's corners: beyond them the line runs through bare mount. So every figure is taken per
segment, and averaged over the segments between two neighbouring lines.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from preprocess.edges import MOST_LINES, Double, Steps, find_lines, line_rows
from preprocess.mounts import Ground, compare_ground
from preprocess.profiles import of_depth, of_inside, of_outside, per_segment
from preprocess.strips import SEGMENTS, Float, Strip, to_sums

CHOICES: Final = MOST_LINES + 1
"""Lines of a side and, first, none: the print reaches the end of the scan."""

FEATURES: Final = (
    "step",  # of the steepest row at the line, over two rows
    "wide step",  # over five rows
    "contrast",  # how much less like the mount the inside is, in colour or texture
    "outside",  # not mount, in the six rows outside the line
    "all outside",  # not mount, in all rows outside it
    "inside",  # not mount, in the six rows inside
    "deep inside",  # not mount in colour or texture, in thirteen rows inside
    "ridge",  # segments whose steepest row around lies on the line
    "seen",  # segments that show a step or a contrast
    "first",  # segments whose first row that is not mount lies on the line
    "texture contrast",
    "rough outside",  # texture not the mount's, outside
    "rough inside",
    "gap",  # segments without any row of mount among the four outside
    "weakest third inside",
    "weakest third seen",
    "weaker end inside",
    "weaker end seen",
    "beyond: wide step",  # the same figures on the line's way through the mount
    "beyond: contrast",
    "beyond: seen",
    "has beyond",
    "stranger",  # distance of the colour outside from the guess
    "uneven",  # spread of the colour outside along the line
    "uneven inside",  # the same inside: a mount's own edge has mount inside
    "even inside",  # segments whose colour inside is the middle one
    "depth",  # logarithm of the offset
    "depth squared",
    "shade",  # distance of the mount's shade on this side from the guess
    "none",  # no line: the print reaches the end of the scan
    "none: mount",  # how much of the outermost rows looks like mount all the same
    "none: smooth mount",
)
"""What is measured of a line in an extent; the first fourteen are means over segments."""

SKEW_UNIT: Final = 0.009
"""Difference of two sides' slopes, half a degree, that counts one."""

LIKE_UNIT: Final = 6.0
"""Distance of the colours inside two sides, in LAB units, that makes them a third as like."""

_MEANS: Final = 14
_WEAKEST: Final = [6, 8]
_BEYOND: Final = [1, 2, 8]

_END: Final = 0.02
"""Share of a side left out at both ends of an extent: corners are rounded."""

_BEYOND_END: Final = 0.012
"""Share of a side beyond a corner from which a line's way through the mount is looked at."""

_LEAST_EXTENT: Final = 4
"""Segments."""

_ENDS: Final = 8
"""Part of an extent that is one of its ends: an edge is seen up to the print's corners."""

_OUTERMOST: Final = 5
"""Rows of a scan's end that a print without an edge there must fill."""


@dataclass(frozen=True, slots=True, eq=False)
class Guess:
    """The scan under one guess of the mount's colour."""

    lines: Double
    """Shape (4, CHOICES, 2): offset and slope; the first of each side is the scan's own end."""
    valid: NDArray[np.bool_]
    """Shape (4, CHOICES): which of them there are."""
    inside: Float
    """Shape (4, CHOICES, 4): middle L, a and b just inside each line, and their spread along it."""
    features: Float
    """Shape (4, CHOICES, CHOICES, CHOICES, len(FEATURES)): of a side's line, between a line of
    the neighbour at its first column and one of the neighbour at its last."""


def measure_guess(strips: tuple[Strip, ...], steps: list[Steps], colour: Float) -> Guess:
    """Find the lines of all sides under a guess, and measure each in each extent.

    Args:
        strips: The four sides.
        steps: Of each side, from `preprocess.edges`.
        colour: The guess, LAB.
    """
    grounds = [compare_ground(strip, colour) for strip in strips]
    lines = np.zeros((4, CHOICES, 2))
    valid = np.zeros((4, CHOICES), bool)
    valid[:, 0] = True
    for side, strip in enumerate(strips):
        found = find_lines(strip, grounds[side], steps[side])
        lines[side, 1 : len(found) + 1] = found
        valid[side, 1 : len(found) + 1] = True
    features = np.zeros((4, CHOICES, CHOICES, CHOICES, len(FEATURES)), np.float32)
    inside = np.zeros((4, CHOICES, 4), np.float32)
    for side, strip in enumerate(strips):
        extents = _find_extents(lines, side, strips)
        real = slice(1, int(valid[side].sum()))
        if real.stop > 1:
            features[side, real], inside[side, real] = _of_lines(
                strip, grounds[side], steps[side], lines[side, real], extents, colour
            )
        features[side, 0] = _of_none(grounds[side], extents)
    return Guess(lines, valid, inside, features)


@dataclass(frozen=True, slots=True, eq=False)
class _Extents:
    """Columns between neighbours, in segments: of own line and first neighbour, own and last."""

    first: Double
    last: Double


def _find_extents(lines: Double, side: int, strips: tuple[Strip, ...]) -> _Extents:
    width, across = strips[side].width, strips[side - 1].width
    own = lines[side, :, 0][:, None]
    before, after = lines[side - 1], lines[(side + 1) % 4]
    first = before[:, 0] + before[:, 1] * (across / 2 - own)
    last = width - (after[:, 0] + after[:, 1] * (own - across / 2))
    return _Extents(first / width * SEGMENTS, last / width * SEGMENTS)


def _inner(extents: _Extents, rows: slice) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return first and last (exclusive) segment within the neighbours: own, first, last."""
    low = np.ceil(extents.first[rows] + _END * SEGMENTS)[:, :, None]
    high = np.floor(extents.last[rows] - _END * SEGMENTS)[:, None, :]
    low = np.clip(low, 0, SEGMENTS - _LEAST_EXTENT)
    high = np.clip(np.maximum(high, low + _LEAST_EXTENT), 0, SEGMENTS)
    shape = np.broadcast_shapes(low.shape, high.shape)
    return (
        np.broadcast_to(low.astype(np.intp), shape),
        np.broadcast_to(high.astype(np.intp), shape),
    )


def _of_none(ground: Ground, extents: _Extents) -> Float:
    """Measure the scan's own end as the print's: shape (CHOICES, CHOICES, len(FEATURES))."""
    low, high = (part[0] for part in _inner(extents, slice(0, 1)))
    features = np.zeros((CHOICES, CHOICES, len(FEATURES)), np.float32)
    features[..., -3] = 1
    alien, rough = ground.alien[:_OUTERMOST], ground.rough[:_OUTERMOST]
    for place, unlike in ((-2, alien), (-1, np.maximum(alien, rough))):
        sums = to_sums(1 - unlike.mean(axis=0)[:, None])[:, 0]
        features[..., place] = (sums[high] - sums[low]) / (high - low)
    return features


def _of_lines(
    strip: Strip,
    ground: Ground,
    steps: Steps,
    lines: Double,
    extents: _Extents,
    guess: Float,
) -> tuple[Float, Float]:
    """Measure lines: shape (lines, CHOICES, CHOICES, len(FEATURES)); and what is inside them."""
    rows = line_rows(lines, strip)
    figures = per_segment(ground, steps, rows)
    sums = np.concatenate([np.zeros_like(figures[:, :1]), np.cumsum(figures, axis=1)], axis=1)
    own = slice(1, len(lines) + 1)
    low, high = _inner(extents, own)
    line = np.arange(len(lines))[:, None, None]
    features = np.zeros((*low.shape, len(FEATURES)), np.float32)
    features[..., :_MEANS] = (sums[line, high] - sums[line, low]) / (high - low)[..., None]
    features[..., 14:18] = _weakest(sums, low, high)
    features[..., 18:22] = _beyond(sums, extents, own)
    features[..., 22:24] = of_outside(strip, rows, guess)[:, None, None]
    inside, even = of_inside(strip, rows)
    features[..., 24] = inside[:, 3, None, None]
    features[..., 25] = even[:, None, None]
    features[..., 26:29] = of_depth(ground, lines, guess)[:, None, None]
    return features, inside


def _weakest(sums: Float, low: NDArray[np.intp], high: NDArray[np.intp]) -> Float:
    """Average over the thirds of an extent and over its ends, and keep the least of each."""
    line = np.arange(len(sums))[:, None, None]
    third, end = (high - low) // 3, np.maximum((high - low) // _ENDS, 2)
    least = []
    for parts in (
        ((low, low + third), (low + third, high - third), (high - third, high)),
        ((low, low + end), (high - end, high)),
    ):
        means = [
            (sums[line, last] - sums[line, first])[..., _WEAKEST] / (last - first)[..., None]
            for first, last in parts
        ]
        least.append(np.minimum.reduce(means))
    return np.concatenate(least, axis=3)


def _beyond(sums: Float, extents: _Extents, own: slice) -> Float:
    """Average over the segments beyond both neighbours; also say whether there are any."""
    low = np.floor(extents.first[own] - _BEYOND_END * SEGMENTS)
    high = np.ceil(extents.last[own] + _BEYOND_END * SEGMENTS)
    low, high = (np.clip(part, 0, SEGMENTS).astype(np.intp) for part in (low, high))
    line = np.arange(len(low))[:, None]
    left = sums[line, low][:, :, None]
    right = (sums[:, -1:] - sums[line, high])[:, None]
    count = (low[:, :, None] + SEGMENTS - high[:, None])[..., None]
    mean = ((left + right) / np.maximum(count, 1))[..., _BEYOND]
    return np.concatenate([np.where(count > 0, mean, 0), count > 0], axis=3)
