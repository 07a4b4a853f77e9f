"""Pure: what two prints are to each other, once their frames lie on one another."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.geometry import quad_homography, shape_corners
from preprocess.inks import measure_inks
from preprocess.records import Outcome
from preprocess.register import Homography, map_points, register, warp_onto

Float = NDArray[np.float32]

SAME_INKS: Final = 0.275
"""Largest `measure_inks` of two scans of one print."""

SAME_CUT: Final = 0.66
"""Least share of either print that the other must show: scans cut by up to 5 % a side, and one of
them perhaps with a mount that was not found, share 0.7 and more; another edition that shows half of
the plate shares less."""

SAME_SKEW: Final = 0.9
SAME_REST: Final = 1.2
"""Largest skew and rest of one scan stored twice: packed to quality 50 and half the size it reaches
0.9 and 1.1. Of prints scanned twice two in a hundred lie so straight by chance."""

_CUT_SKEW: Final = 0.3
"""Largest skew of one scan stored twice where the two show different parts of it: another edition
of a plate, of other size, is not to pass for that by chance."""

_SMOOTH: Final = 1.0
_EDGE: Final = 9
_CURVE: Final = 5
"""Degree of the curve between the tones of two scans."""


@dataclass(frozen=True, slots=True, eq=False)
class Framed:
    """A print, ready to be compared."""

    lab: Float
    """Shape (H, W, 3), float32: the frame."""
    lightness: Float
    """Shape (H, W), float32, 0..100: its L."""
    corners: tuple[float, ...]
    """Eight floats: the print in pixels of the scan as stored."""


@dataclass(frozen=True, slots=True)
class Measures:
    """How two frames agree; all but `score` only where that says that they show one view."""

    score: float
    """Correlation of the fine lightness, -1..1."""
    inks: float | None = None
    """As `measure_inks`."""
    shown: float = 0.0
    """As `measure_shown`."""
    skew: float = 0.0
    """As `measure_skew`."""
    rest: float = 0.0
    """As `measure_rest`."""


def turn_framed(framed: Framed) -> Framed:
    """Turn a print over; its corners stay those of the scan as it is."""
    lab = np.ascontiguousarray(framed.lab[:, ::-1])
    return Framed(lab, np.ascontiguousarray(lab[..., 0]), framed.corners)


def measure(one: Framed, other: Framed, start: Homography, *, same_view: float) -> Measures:
    """Lay one frame on another and measure how they agree.

    Args:
        one: First print.
        other: Second print.
        start: First to second, good to a few pixels.
        same_view: Smallest correlation of two scans of one plate.

    Raises:
        ValueError: If two frames that agree do not overlap.
    """
    homography, score = register(one.lightness, other.lightness, start)
    if score < same_view:
        return Measures(score)
    return Measures(
        score,
        inks=measure_inks(one.lab, other.lab, homography),
        shown=measure_shown(one, other, homography),
        skew=measure_skew(one, other, homography),
        rest=measure_rest(one, other, homography),
    )


def decide(
    measures: Measures, *, turned: bool, numbers: tuple[str, str]
) -> tuple[Outcome, tuple[str, ...]]:
    """Say what two prints are to each other.

    Two known numbers that differ make two prints, unless the scans are one: then the catalogue
    contradicts itself, the scans stay one, and the difference is told.

    Args:
        measures: How their frames agree.
        turned: Whether one of the frames was turned over.
        numbers: The printer's numbers; "" where one is not known.

    Returns:
        The outcome; and in what the prints differ, of `inks`, `crop` and `number`.
    """
    if measures.inks is None:
        return Outcome.DIFFERENT, ()
    told = {
        "inks": measures.inks > SAME_INKS,
        "crop": measures.shown < SAME_CUT,
        "number": "" not in numbers and numbers[0] != numbers[1],
    }
    if turned:
        return Outcome.MIRRORED, tuple(name for name in ("inks", "number") if told[name])
    most = _CUT_SKEW if told["crop"] else SAME_SKEW
    straight = measures.skew <= most and measures.rest <= SAME_REST
    if straight and not told["inks"]:
        return Outcome.SAME_SCAN, ("number",) if told["number"] else ()
    differs = tuple(name for name, is_so in told.items() if is_so)
    return (Outcome.SAME_VIEW, differs) if differs else (Outcome.SAME_PRINT, ())


def measure_shown(one: Framed, other: Framed, homography: Homography) -> float:
    """Measure how much of either print the other shows.

    Args:
        one: First print.
        other: Second print.
        homography: First to second.

    Returns:
        Their common area, as a share of the larger of the two; 0..1.
    """
    first = map_points(_corners(one), homography).astype(np.float32)
    second = _corners(other).astype(np.float32)
    common = float(cv2.intersectConvexConvex(first, second)[0])
    return common / max(cv2.contourArea(first), cv2.contourArea(second))


def measure_skew(one: Framed, other: Framed, homography: Homography) -> float:
    """Measure how far one scan is from being a part of the other at another size.

    A scan that was stored twice was perhaps cut and reduced, but not turned, stretched or pulled;
    no sheet lies on the glass twice without.

    Args:
        one: First print.
        other: Second print.
        homography: First to second.

    Returns:
        Largest distance from the best shift and scale of the scans as stored, in pixels of a frame.
    """
    height, width = one.lightness.shape
    across, down = np.meshgrid(np.linspace(0, width, 5), np.linspace(0, height, 5))
    points = np.stack([across.ravel(), down.ravel()], axis=1)
    places = []
    for framed, seen in ((one, points), (other, map_points(points, homography))):
        rows, columns = framed.lightness.shape
        to_scan = quad_homography(shape_corners(framed.corners), width=columns, height=rows)
        mapped = map_points(seen, to_scan)
        places.append(mapped - mapped.mean(axis=0))
    scale = float((places[0] * places[1]).sum() / (places[0] ** 2).sum())
    unit = float(np.ptp(places[1], axis=0).max()) / max(height, width)
    return float(np.linalg.norm(places[1] - scale * places[0], axis=1).max() / unit)


def measure_rest(one: Framed, other: Framed, homography: Homography) -> float:
    """Measure what is left of the lightness of two scans once a curve has matched their tones.

    Args:
        one: First print.
        other: Second print.
        homography: First to second.

    Returns:
        Root mean square, in units of L.
    """
    warped, inside = warp_onto(other.lightness, homography, shape=one.lightness.shape)
    kernel = np.ones((_EDGE, _EDGE), np.uint8)
    whole = cv2.erode(inside, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    mine = cv2.GaussianBlur(one.lightness, (0, 0), _SMOOTH)[whole].astype(np.float64)
    theirs = cv2.GaussianBlur(warped, (0, 0), _SMOOTH)[whole].astype(np.float64) / 100
    curve = np.polyval(np.polyfit(theirs, mine, _CURVE), theirs)
    return float(np.sqrt(np.mean((curve - mine) ** 2)))


def _corners(framed: Framed) -> NDArray[np.float64]:
    height, width = framed.lightness.shape
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64)
