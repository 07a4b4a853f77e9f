"""Pure: what the mount around a print may look like, and what in a strip does not look like it.

A mount goes round the print and has one colour, but a scan's outermost rows need not show it: a
scanner's bed or a colour target can lie beyond it. So every colour that lies evenly along a side
is a guess, and `preprocess.joint` asks under which guess the four sides agree best.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from preprocess.records import Mount
from preprocess.strips import SEGMENTS, Float, Strip

MOST_GUESSES: Final = 3
"""Colours tried at most; each costs a search of all four sides."""

_SAME: Final = 5.5
"""Distance in LAB units within which two colours are one guess."""

_EVEN: Final = 4.5
"""Median distance from its own median, summed over L, a and b, up to which a row is even."""

_DRIFT: Final = 7.0
"""Change along the rows, summed over L, a and b, that ends a run of even rows."""

_LONG_RUN: Final = 24
"""Even rows that weigh as much as a run can."""

_MOUNT: Final = 7.0
"""Distance in LAB units within which a cell is taken to be mount, so as to measure it."""

_TOLERANCE: Final = 2.0
"""Distance from the mount's colour, in LAB units, that light and fibres make."""

_TEXTURE_SLACK: Final = np.float32(0.5)
_TEXTURE_REACH: Final = np.float32(0.6)
"""Logarithm of the texture's ratio to the mount's that is still like it, and what is added until
it is wholly unlike."""

_SAMPLE: Final = 600
"""Cells that measure the mount well enough."""

_ROUGH_COUNTS: Final = np.float32(0.6)
"""What a texture that is wholly unlike the mount's counts, where its colour is the mount's."""

_OUTER_ROWS: Final = 14
"""Rows in which a side's own shade of the mount is measured, where the mount shows there."""


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """One strip, seen against one guess of the mount's colour."""

    alien: Float
    """Shape (rows, SEGMENTS), 0..1: 0 where the colour is the mount's."""
    rough: Float
    """The same of the texture."""
    unlike: Float
    """The same of both; texture alone counts for less."""
    colour: Float
    """The mount's colour on this side, LAB."""


def guess_colours(strips: tuple[Strip, ...]) -> list[Float]:
    """Collect the colours that lie evenly along the sides, the most likely mount first.

    Args:
        strips: The four sides.

    Returns:
        One to MOST_GUESSES colours, LAB.
    """
    runs = [run for place, strip in enumerate(strips) for run in _runs(strip, place)]
    colours = np.array([colour for colour, _, _ in runs])
    weights = np.array([weight for _, weight, _ in runs])
    places = np.array([place for _, _, place in runs])
    near = np.linalg.norm(colours[:, None] - colours[None], axis=2) < _SAME
    sides = np.stack([(near & (places == place)) @ weights for place in range(4)], axis=1)
    score = np.minimum(sides, 1.2).sum(axis=1)  # no side makes a mount alone
    guesses: list[Float] = []
    for run in np.argsort(-score, kind="stable"):
        if all(np.linalg.norm(colours[run] - guess) > _SAME for guess in guesses):
            mean = np.average(colours[near[run]], axis=0, weights=weights[near[run]])
            guesses.append(mean.astype(np.float32))
    return guesses[:MOST_GUESSES]


def _runs(strip: Strip, place: int) -> list[tuple[Float, float, int]]:
    """Return colour, weight and side of each run of even rows, and of the outermost three."""
    middle = strip.colour[:, :, SEGMENTS // 6 : -(SEGMENTS // 6)]
    middles = np.median(middle, axis=2)
    even = np.median(np.abs(middle - middles[..., None]).sum(axis=0), axis=1) < _EVEN
    medians = middles.T
    found = [(np.median(middle[:, :3].reshape(3, -1), axis=1), 0.3, place)]
    row = 0
    while row < len(medians):
        end = row + 1
        if even[row]:
            like = even[row:] & (np.abs(medians[row:] - medians[row]).sum(axis=1) < _DRIFT)
            end = row + (len(like) if like.all() else int(np.argmin(like)))
            weight = min(end - row, _LONG_RUN) / _LONG_RUN + (0.5 if row == 0 else 0.0)
            if end - row >= 2:
                found.append((np.median(medians[row:end], axis=0), weight, place))
        row = end
    return found


def compare_ground(strip: Strip, guess: Float) -> Ground:
    """Say which cells of a strip are not mount.

    Args:
        strip: One side.
        guess: The mount's colour, LAB.

    Returns:
        The strip against that mount, whose shade and texture are measured on this side.
    """
    away = _away(strip.colour, guess)
    outer = away[:_OUTER_ROWS] < _MOUNT
    rows = min(_OUTER_ROWS, strip.rows) if outer.mean() > 0.15 else strip.rows
    mount = np.flatnonzero(away[:rows] < _MOUNT)
    if len(mount) < 20:
        alien = np.clip(away / np.float32(2 * _TOLERANCE) - 1, 0, 1)
        return Ground(alien, np.zeros_like(alien), alien, guess)
    mount = mount[:: 1 + len(mount) // _SAMPLE]
    cells = strip.colour.reshape(3, -1)[:, mount]
    colour = np.median(cells, axis=1)
    spread = float(np.median(_away(cells, colour)))
    tolerance = np.float32(_TOLERANCE + min(_TOLERANCE, 2 * spread))
    alien = np.clip(_away(strip.colour, colour) / tolerance - 1, 0, 1)
    texture = np.median(strip.texture.reshape(2, -1)[:, mount], axis=1)
    rough = _roughness(strip, texture)
    return Ground(alien, rough, np.maximum(alien, _ROUGH_COUNTS * rough), colour)


def _roughness(strip: Strip, texture: Float) -> Float:
    unlike = np.abs(strip.texture - texture[:, None, None]).max(axis=0)
    return np.asarray(np.clip((unlike - _TEXTURE_SLACK) / _TEXTURE_REACH, 0, 1), np.float32)


def _away(planes: Float, colour: Float) -> Float:
    """Return the distance of L, a and b, shape (3, ...), from a colour."""
    first, second, third = (plane - level for plane, level in zip(planes, colour, strict=True))
    return np.asarray(np.sqrt(first * first + second * second + third * third), np.float32)


def name_mount(colour: Float | NDArray[np.float64]) -> Mount:
    """Name a mount by its colour.

    Args:
        colour: LAB.
    """
    lightness, chroma = float(colour[0]), float(np.linalg.norm(colour[1:3]))
    if lightness < 32:
        return Mount.BLACK
    if chroma >= 9 and lightness > 50:
        return Mount.PAPER
    return Mount.WHITE if lightness >= 85 else Mount.GREY
