"""The plate a scene is drawn on: lightness, and what lies where, before any ink."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from replica.inks import Paint

Float = NDArray[np.float32]
Points = Sequence[tuple[float, float]]


@dataclass(slots=True)
class Canvas:
    """Lightness and paint of a scene while it is drawn.

    Places are fractions of width and height, sizes are fractions of the long edge.

    Attributes:
        tone: Lightness, shape (H, W), float32, about 0..100.
        paint: Which `Paint` lies where, shape (H, W), uint8.
        layout: Chance of what a glance sees.
        detail: Chance of all the rest.
        leaf: Small clumps of noise, shape (H, W), float32, unit variance; shapes foliage.
        light: Side the light comes from, -1 left, 1 right.
        horizon: Height of the horizon.
    """

    tone: Float
    paint: NDArray[np.uint8]
    layout: np.random.Generator
    detail: np.random.Generator
    leaf: Float
    light: int
    horizon: float = 0.5

    @property
    def height(self) -> int:
        """Pixels down."""
        return int(self.tone.shape[0])

    @property
    def width(self) -> int:
        """Pixels across."""
        return int(self.tone.shape[1])

    @property
    def long(self) -> int:
        """Pixels along the long edge."""
        return int(max(self.tone.shape))

    def pick(self, low: float, high: float) -> float:
        """Choose a measure of the layout; views that look alike differ by a tenth of the range."""
        value = self.layout.uniform(low, high) + self.detail.normal(0, 0.06) * (high - low)
        return float(np.clip(value, low, high))

    def vary(self, low: float, high: float) -> float:
        """Choose a measure of the detail."""
        return float(self.detail.uniform(low, high))

    def fill(self, points: Points, paint: Paint, tone: float) -> None:
        """Fill a polygon flat; points are (x, y) fractions."""
        scaled = np.rint(np.array(points) * (self.width, self.height)).astype(np.int32)
        cv2.fillPoly(self.tone, [scaled], tone)
        cv2.fillPoly(self.paint, [scaled], int(paint))

    def box(self, x0: float, y0: float, x1: float, y1: float, paint: Paint, tone: float) -> None:
        """Fill an upright rectangle flat."""
        rows = slice(max(0, round(y0 * self.height)), max(0, round(y1 * self.height)))
        columns = slice(max(0, round(x0 * self.width)), max(0, round(x1 * self.width)))
        self.tone[rows, columns] = tone
        self.paint[rows, columns] = paint

    def line(self, points: Points, paint: Paint, tone: float, *, thick: float = 0.0) -> None:
        """Draw an open line, at least a pixel thick."""
        scaled = np.rint(np.array(points) * (self.width, self.height)).astype(np.int32)
        width = max(1, round(thick * self.long))
        cv2.polylines(self.tone, [scaled], False, tone, width)
        cv2.polylines(self.paint, [scaled], False, int(paint), width)

    def below(self, profile: Float, paint: Paint, tone: Float | float) -> None:
        """Cover all below a profile.

        Args:
            profile: First covered row per column, shape (W,), pixels.
            paint: What lies there.
            tone: Lightness, a number or an array that broadcasts to (H, W).
        """
        top = int(np.clip(profile.min(), 0, self.height))
        mask = np.arange(top, self.height, dtype=np.float32)[:, None] >= profile[None]
        full = np.broadcast_to(np.asarray(tone, np.float32), self.tone.shape)
        np.copyto(self.tone[top:], full[top:], where=mask)
        np.copyto(self.paint[top:], np.uint8(paint), where=mask)

    def rows(self) -> Float:
        """Give the height of each row as a fraction, shape (H, 1)."""
        rows = (np.arange(self.height) + 0.5) / self.height
        return np.asarray(rows[:, None], np.float32)

    def paint_where(
        self, mask: NDArray[np.bool_], paint: Paint, tone: NDArray[np.floating] | float
    ) -> None:
        """Cover what a mask of shape (H, W) selects."""
        np.copyto(self.tone, np.asarray(tone, np.float32), where=mask)
        np.copyto(self.paint, np.uint8(paint), where=mask)


def noise(
    rng: np.random.Generator, shape: tuple[int, int], cell_y: float, cell_x: float | None = None
) -> Float:
    """Make smooth noise of one scale.

    Args:
        rng: Where chance comes from.
        shape: Rows and columns.
        cell_y: Size of a grain down, pixels.
        cell_x: Size across; None makes it round.

    Returns:
        Shape `shape`, float32, mean about 0, variance about 1.
    """
    cell_x = cell_y if cell_x is None else cell_x
    height, width = shape
    small = rng.standard_normal(
        (max(2, round(height / cell_y) + 1), max(2, round(width / cell_x) + 1)), dtype=np.float32
    )
    field = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(field * 1.3, np.float32)


def wander(
    coarse: np.random.Generator, fine: np.random.Generator, width: int, *, cells: int, rough: float
) -> Float:
    """Make a fractal profile across the picture.

    Args:
        coarse: Chance of the first two octaves.
        fine: Chance of the others.
        width: Columns.
        cells: Bumps of the first octave.
        rough: Strength of each octave as part of the one before, 0..1.

    Returns:
        Shape (width,), float32, about -1..1.
    """
    total = np.zeros(width, np.float32)
    strength, count = 1.0, cells
    for octave in range(7):
        if count > width:
            break
        knots = (coarse if octave < 2 else fine).uniform(-1, 1, count + 2).astype(np.float32)
        curve = cv2.resize(knots[None], (width, 1), interpolation=cv2.INTER_LINEAR)[0]
        total += strength * curve
        strength, count = strength * rough, count * 2
    return np.asarray(total, np.float32)
