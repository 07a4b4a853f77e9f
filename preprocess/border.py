"""Find the print within the mount of its scan.

The outer bands of a reduced picture are cut into cells (`preprocess.strips`), seen against each
colour that the mount may have (`preprocess.mounts`), and searched for lines (`preprocess.edges`);
each line is measured within each extent that its neighbours may leave it (`preprocess.evidence`),
the four sides are chosen together (`preprocess.joint`), and then moved to their place at full
size (`preprocess.fine`). A mount goes round and has one colour, the print is a rectangle or nearly
so, and its edges end at its corners; a sky or a roof has none of that.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from preprocess.calibration import to_confidence
from preprocess.fine import refine_lines
from preprocess.geometry import Corners, is_convex
from preprocess.joint import Choice, choose_sides
from preprocess.mounts import name_mount
from preprocess.records import Mount
from preprocess.strips import Picture, cut_strips

Double = NDArray[np.float64]

LEAST_SIDE: Final = 64
"""Shortest side of a picture that can be searched, in pixels."""


@dataclass(frozen=True, slots=True)
class Border:
    """Where the print lies in its scan, and how sure that is."""

    corners: Corners
    """Shape (4, 2), x and y of top-left, top-right, bottom-right, bottom-left in pixels; x runs
    from 0 at the picture's left edge to its width at the right one."""
    mount: Mount
    confidence: float
    """Probability that the four sides found are right: that they overlap the print by
    `preprocess.calibration.GOOD` or more, intersection over union."""
    sides: tuple[float, ...]
    """The same of the top, right, bottom and left side alone, each 0..1."""


def find_border(picture: Picture, *, min_confidence: float) -> Border:
    """Find the four corners of the print.

    Args:
        picture: Scan, uint8 of shape (H, W, 3), sRGB, 0..255; or its lightness, float32 of shape
            (H, W), 0..100, in which a grey mount and a paper one look alike.
        min_confidence: With less, sides that are unsure are left where it is safe, 0..1.

    Returns:
        The border. Without a mount, the corners are the picture's own.

    Raises:
        ValueError: If `picture` is neither of these, or a side is below 64 px.
    """
    _check(picture)
    choice = choose_sides(cut_strips(picture))
    return decide(picture, choice, min_confidence=min_confidence)


def decide(picture: Picture, choice: Choice, *, min_confidence: float) -> Border:
    """Say where the print lies, and cut no deeper than what is sure.

    Args:
        picture: As `find_border` takes it.
        choice: The likeliest four sides, and what else they might be.
        min_confidence: With less, a side that is unsure moves out to the line beyond which the
            print hardly reaches; where that is the scan's own end, nothing is cut.

    Returns:
        The border.
    """
    confidence = to_confidence(choice.probability)
    sides = tuple(to_confidence(side) for side in choice.sides)
    lines, bare = choice.lines.copy(), list(choice.bare)
    for side in range(4):
        unsure = confidence < min_confidence and sides[side] < min_confidence
        if unsure and choice.outermost[side, 0] < lines[side, 0]:
            lines[side] = choice.outermost[side]
            bare[side] = not lines[side].any()
    mount = Mount.NONE if all(choice.bare) else name_mount(choice.colour)
    fine = refine_lines(picture, lines, bare=tuple(bare))
    height, width = picture.shape[:2]
    corners = np.clip(to_corners(fine, shape=picture.shape), 0, [width, height])
    corners = corners.astype(np.float32)
    if not is_convex(corners):  # lines that cross make no print
        whole = to_corners(np.zeros((4, 2)), shape=picture.shape)
        return Border(whole, Mount.NONE, 0.0, sides)
    return Border(corners, mount, confidence, sides)


def to_corners(lines: Double, *, shape: tuple[int, ...]) -> Corners:
    """Intersect the four lines.

    Args:
        lines: Offset and slope of the top, right, bottom and left side, each seen with that side
            on top, shape (4, 2).
        shape: Height and width of the picture, in pixels.

    Returns:
        Corners, shape (4, 2): top-left, top-right, bottom-right, bottom-left.
    """
    height, width = shape[:2]
    ends = [_to_line(line, turns, width, height) for turns, line in enumerate(lines)]
    corners = [np.cross(ends[turns - 1], ends[turns]) for turns in range(4)]
    return np.array([corner[:2] / corner[2] for corner in corners], dtype=np.float32)


def _to_line(line: Double, turns: int, width: int, height: int) -> Double:
    """Return a side's line in the picture, homogeneous: the cross product of two points."""
    along = width if turns % 2 == 0 else height
    ends = []
    for x in (0.0, float(along)):
        y = float(line[0] + line[1] * (x - along / 2))
        place = [(x, y), (width - y, x), (width - x, height - y), (y, height - x)][turns]
        ends.append([*place, 1.0])
    return np.asarray(np.cross(ends[0], ends[1]))


def _check(picture: Picture) -> None:
    rgb = picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
    lightness = picture.dtype == np.float32 and picture.ndim == 2
    if not (rgb or lightness) or min(picture.shape[:2]) < LEAST_SIDE:
        raise ValueError(
            "expected uint8 of shape (H, W, 3) or float32 of shape (H, W), both sides at least "
            f"{LEAST_SIDE} px; got {picture.dtype} of shape {picture.shape}"
        )
