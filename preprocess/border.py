"""Find the print within the mount of its scan.

The four sides are searched on a reduced picture (`preprocess.edges`), each within the extent that
its neighbours leave, then moved to their place at full size. A mount goes all round and has one
colour; a sky does neither. So a side counts as an edge of the print when its own figures and its
likeness to the other sides' mount speak for it, and fewer than three such sides make no mount.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.edges import Double, Side, find_side, refine_side, to_segments, to_steps
from preprocess.lab import to_lab
from preprocess.records import Mount

Picture = NDArray[np.uint8] | NDArray[np.float32]
Plane = NDArray[np.float32]

LEAST_SIDE: Final = 64
"""Shortest side of a picture that can be searched, in pixels."""

COARSE: Final = 512
"""Long side of the reduced picture, in pixels."""

DEPTH: Final = 0.25
"""Share of the picture, from each side inwards, in which its edge is looked for."""

UNSEEN: Final = 0.16
"""Share left out at both ends of a side while its neighbours are not known."""

MARGIN: Final = 0.02
"""Share left out at both ends within the neighbours' lines."""

TILT: Final = 0.045
"""Steepest edge, in rows per column; 2.6 degrees."""

COARSE_REACH: Final = 3
"""Rows on either side of a line that make its step, on the reduced picture."""

SEGMENTS: Final = 32
FINE_SEGMENTS: Final = 64

SHADING: Final = 5.0
"""Distance between the colours of two sides, in LAB units, that is worth one `weight`."""

RIVAL: Final = 0.35
"""A line further out, as good as this share of the one found, speaks against it from here on."""

WEIGHTS: Final = {
    "bias": -7.57,
    "step": 4.01,
    "clean": 5.90,
    "straight": 4.24,
    "stranger": -2.23,
    "rival": -3.70,
}
"""Logistic regression over 3,400 sides: 600 of prints laid on mounts of every kind, 2,000 on boards
of the colour of the print's own rim, 800 without a mount. bench/crop_truth.py measures it."""


@dataclass(frozen=True, slots=True)
class Border:
    """Where the print lies in its scan, and how sure that is."""

    corners: NDArray[np.float32]
    """Shape (4, 2), x and y of top-left, top-right, bottom-right, bottom-left in pixels; x runs
    from 0 at the picture's left edge to its width at the right one."""
    mount: Mount
    confidence: float
    """0..1."""
    sides: tuple[float, ...]
    """Confidence of the top, right, bottom and left edge, each 0..1."""


def find_border(picture: Picture, *, min_confidence: float) -> Border:
    """Find the four corners of the print.

    Args:
        picture: Scan, uint8 of shape (H, W, 3), sRGB, 0..255; or its lightness, float32 of shape
            (H, W), 0..100, in which a grey mount and a paper one look alike.
        min_confidence: Sides that are less sure are left where the picture ends, 0..1.

    Returns:
        The border. Without a mount, the corners are the picture's own.

    Raises:
        ValueError: If `picture` is neither of these, or a side is below 64 px.
    """
    _check(picture)
    sides = find_sides(picture)
    return decide(sides, shape=picture.shape, min_confidence=min_confidence)


def find_sides(picture: Picture) -> tuple[Side, ...]:
    """Find the most likely edge on each side, whether or not there is a mount.

    Args:
        picture: As `find_border` takes it.

    Returns:
        Lines of the top, right, bottom and left side, each seen with that side on top, in pixels
        of `picture`.
    """
    height, width = picture.shape[:2]
    scale = min(1.0, COARSE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small: NDArray[Any] = picture
    if scale < 1:
        small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    plane = _to_plane(small)
    sides = [_coarse(plane, turns, None) for turns in range(4)]
    sides = [_coarse(plane, turns, sides) for turns in range(4)]
    across = (height / size[1], width / size[0])
    return tuple(
        _fine(picture, turns, [_scaled(side, turn, across) for turn, side in enumerate(sides)])
        for turns in range(4)
    )


def _scaled(side: Side, turns: int, across: tuple[float, float]) -> Side:
    """Carry a line from the reduced picture to the whole one."""
    down, along = across[turns % 2], across[1 - turns % 2]
    return replace(side, offset=side.offset * down, slope=side.slope * down / along)


def _to_plane(picture: NDArray[Any]) -> Plane:
    """Return LAB, or the lightness given, with channels last."""
    return to_lab(picture) if picture.ndim == 3 else picture[:, :, None]


def _extent(turns: int, sides: list[Side] | None, width: int) -> tuple[int, int]:
    if sides is None:
        return round(UNSEEN * width), round((1 - UNSEEN) * width)
    first, last = sides[(turns - 1) % 4].offset, sides[(turns + 1) % 4].offset
    return round(first + MARGIN * width), round(width - last - MARGIN * width)


def _coarse(plane: Plane, turns: int, sides: list[Side] | None) -> Side:
    view = np.rot90(plane, turns)
    height, width = view.shape[:2]
    first, last = _extent(turns, sides, width)
    middles, means = to_segments(
        view[: max(8, round(DEPTH * height))], first=first, last=last, count=SEGMENTS
    )
    return find_side(middles, means, width=width, reach=COARSE_REACH, tilt=TILT)


def _fine(picture: Picture, turns: int, sides: list[Side]) -> Side:
    """Look at the scan's own pixels, around the line alone."""
    view = np.rot90(picture, turns)
    height, width = view.shape[:2]
    scale = max(1.0, max(height, width) / COARSE)
    reach = max(2, round(scale / 2))
    half = round(3 * scale) + 2 * reach
    bounds = np.linspace(*_extent(turns, sides, width), FINE_SEGMENTS + 1)
    middles = (bounds[:-1] + bounds[1:]) / 2
    side = sides[turns]
    tops = np.rint(side.offset + side.slope * (middles - width / 2)) - half
    span = max(1, round(min(bounds[1] - bounds[0], max(12, 4 * scale))))
    rows = np.clip(tops[:, None] + np.arange(2 * half), 0, height - 1).astype(int)
    columns = np.rint(middles - span / 2)[:, None] + np.arange(span)
    columns = np.clip(columns, 0, width - 1).astype(int)
    block = view[rows[:, :, None], columns[:, None, :]]
    plane = _to_plane(block.reshape(-1, span, *block.shape[3:]))
    means = plane.mean(axis=1, dtype=np.float64).reshape(len(middles), 2 * half, -1)
    steps = to_steps(means.swapaxes(0, 1), reach=reach)
    return refine_side(side, middles=middles, steps=steps, tops=tops, width=width)


def to_corners(sides: tuple[Side, ...], *, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Intersect the four lines.

    Args:
        sides: Lines of the top, right, bottom and left side, each seen with that side on top.
        shape: Height and width of the picture, in pixels.

    Returns:
        Corners, shape (4, 2): top-left, top-right, bottom-right, bottom-left.
    """
    height, width = shape[:2]
    lines = [_to_line(side, turns, width, height) for turns, side in enumerate(sides)]
    corners = [np.cross(lines[(turns - 1) % 4], lines[turns]) for turns in range(4)]
    return np.array([corner[:2] / corner[2] for corner in corners], dtype=np.float32)


def _to_line(side: Side, turns: int, width: int, height: int) -> Double:
    """Return a side's line in the picture, homogeneous: the cross product of two points."""
    along = width if turns % 2 == 0 else height
    ends = []
    for x in (0.0, float(along)):
        y = side.offset + side.slope * (x - along / 2)
        place = [(x, y), (width - y, x), (width - x, height - y), (y, height - x)][turns]
        ends.append([*place, 1.0])
    line: Double = np.cross(ends[0], ends[1])
    return line


def decide(sides: tuple[Side, ...], *, shape: tuple[int, ...], min_confidence: float) -> Border:
    """Say whether there is a mount, and cut no deeper than what is sure.

    Args:
        sides: Lines of the top, right, bottom and left side, each seen with that side on top.
        shape: Height and width of the picture, in pixels.
        min_confidence: Sides that are less sure are left where the picture ends, 0..1.

    Returns:
        The border. With fewer than three likely sides there is no mount, and the confidence is
        that the second likeliest is none either.
    """
    likely = _confidences(sides)
    height, width = shape[:2]
    third = sorted(likely)[1]
    if third < 0.5:
        whole = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
        return Border(whole, Mount.NONE, 1 - sorted(likely)[2], likely)
    kept = tuple(
        side if sure >= min_confidence else replace(side, offset=0.0, slope=0.0)
        for side, sure in zip(sides, likely, strict=True)
    )
    corners = np.clip(to_corners(kept, shape=shape), 0, [width, height]).astype(np.float32)
    return Border(corners, _name_mount(sides), min(likely), likely)


def _confidences(sides: tuple[Side, ...]) -> tuple[float, ...]:
    """Return the probability that each line is the print's edge."""
    common = np.median([side.colour for side in sides], axis=0)
    logits = [
        WEIGHTS["bias"]
        + WEIGHTS["step"] * side.step
        + WEIGHTS["clean"] * side.clean
        + WEIGHTS["straight"] * side.straight
        + WEIGHTS["stranger"] * min(3.0, float(np.linalg.norm(side.colour - common)) / SHADING)
        + WEIGHTS["rival"] * 4 * max(0.0, side.rival - RIVAL)
        for side in sides
    ]
    return tuple(float(1 / (1 + np.exp(-logit))) for logit in logits)


def _name_mount(sides: tuple[Side, ...]) -> Mount:
    colour = np.median([side.colour for side in sides], axis=0)
    lightness, chroma = float(colour[0]), float(np.linalg.norm(colour[1:]))
    if lightness < 32:
        return Mount.BLACK
    if chroma >= 9 and lightness > 50:
        return Mount.PAPER
    return Mount.WHITE if lightness >= 85 else Mount.GREY


def _check(picture: Picture) -> None:
    rgb = picture.dtype == np.uint8 and picture.ndim == 3 and picture.shape[2] == 3
    lightness = picture.dtype == np.float32 and picture.ndim == 2
    if not (rgb or lightness) or min(picture.shape[:2]) < LEAST_SIDE:
        raise ValueError(
            "expected uint8 of shape (H, W, 3) or float32 of shape (H, W), both sides at least "
            f"{LEAST_SIDE} px; got {picture.dtype} of shape {picture.shape}"
        )
