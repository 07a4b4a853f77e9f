"""Pure: how a print lies on its mount: sizes, corners and the map from print to scan."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from replica.chance import rng_of
from replica.records import DrawnScan, Role

Float = NDArray[np.float64]
UNIT_SQUARE = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)


class Mount(StrEnum):
    """What lies behind the print."""

    BLACK = "black"
    WHITE = "white"
    GREY = "grey"
    PAPER = "paper"
    NONE = "none"


_ODDS = {
    Role.COLOUR: (0.2, 0.22, 0.18, 0.15, 0.25),
    Role.NEGATIVE: (0.45, 0.2, 0.0, 0.0, 0.35),
}


@dataclass(frozen=True, slots=True)
class SheetPlan:
    """Where a print lies in its scan.

    Attributes:
        width: Pixels of the scan across.
        height: Pixels of the scan down.
        mount: What lies behind it.
        corners: TL, TR, BR, BL of the picture in the scan, shape (4, 2), pixels from the outer
            edges; those of the scan itself where the sheet reaches past them.
        quad: The same of the picture's visible part, also where it lies outside the scan.
        window: The part of the view's picture that this sheet shows: left, top, right, bottom,
            fractions.
        frame: Takes the view's picture (x, y fractions) to pixels of the scan, shape (3, 3).
    """

    width: int
    height: int
    mount: Mount
    corners: Float
    quad: Float
    window: tuple[float, float, float, float]
    frame: Float


def plan_sheet(scan: DrawnScan, *, pixels: int) -> SheetPlan:
    """Lay a print on its mount; a function of the scan's key.

    Args:
        scan: Print, role and key.
        pixels: Long edge of the whole picture, hence about that of the scan.
    """
    rng = rng_of(f"{scan.key}/sheet")
    mount = Mount(str(rng.choice([m.value for m in Mount], p=_ODDS[scan.role])))
    long_edge = pixels if scan.role == Role.COLOUR else round(pixels * rng.uniform(0.72, 0.95))
    window = _window(scan, rng)
    view = scan.sheet.view
    size = np.array((view.aspect, 1.0) if view.portrait else (1.0, view.aspect))
    span = size * (window[2] - window[0], window[3] - window[1])
    quad = (UNIT_SQUARE - 0.5) * span
    turn = np.deg2rad(float(np.clip(rng.normal(0, 0.4), -1.2, 1.2)))
    quad = quad @ np.array([(np.cos(turn), np.sin(turn)), (-np.sin(turn), np.cos(turn))])
    quad += np.clip(rng.normal(0, 0.0016, (4, 2)), -0.004, 0.004)  # sheets are cut by hand
    low, high = _edges(quad, mount, rng)
    scale = long_edge / float((high - low).max())
    width, height = (int(n) for n in np.rint((high - low) * scale))
    quad = (quad - low) * scale
    limit = np.array((width, height), np.float64)
    corners = UNIT_SQUARE * limit if mount == Mount.NONE else quad
    source = np.array(
        [
            (window[0] + (window[2] - window[0]) * x, window[1] + (window[3] - window[1]) * y)
            for x, y in UNIT_SQUARE
        ],
        np.float32,
    )
    frame = cv2.getPerspectiveTransform(source, quad.astype(np.float32))
    return SheetPlan(width, height, mount, corners, quad, window, np.asarray(frame, np.float64))


def _window(scan: DrawnScan, rng: np.random.Generator) -> tuple[float, float, float, float]:
    left, top, right, bottom = scan.sheet.trim
    more = 0.05 if scan.role == Role.NEGATIVE else 0.012 if scan.rescan else 0.0
    cut: Any = rng.uniform(0, more, 4) if more else np.zeros(4)
    return (left + cut[0], top + cut[1], 1 - right - cut[2], 1 - bottom - cut[3])


def _edges(quad: Float, mount: Mount, rng: np.random.Generator) -> tuple[Float, Float]:
    """Give the scan's upper left and lower right corner in the units of `quad`."""
    low, high = quad.min(0), quad.max(0)
    if mount == Mount.NONE:  # cropped just inside the sheet
        inner_low = np.array((quad[[0, 3], 0].max(), quad[[0, 1], 1].max()))
        inner_high = np.array((quad[[1, 2], 0].min(), quad[[2, 3], 1].min()))
        return inner_low + 0.001, inner_high - 0.001
    wide = rng.random() < 0.1
    margins = rng.uniform(0.06, 0.13, 4) if wide else rng.uniform(0.01, 0.034, 4)
    return low - margins[:2], high + margins[2:]
