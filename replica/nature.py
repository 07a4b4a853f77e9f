"""What grows and lies about: sky, mountains, water, ground, trees, rocks."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from replica.canvas import Canvas, Float, noise, wander
from replica.inks import Paint


def sky(c: Canvas, *, top: float, low: float, clouds: float) -> None:
    """Cover the whole plate with sky.

    Args:
        c: The plate.
        top: Lightness at the top.
        low: Lightness at the horizon.
        clouds: Share of sky under cloud, 0..1.
    """
    c.tone[:] = top + (low - top) * np.clip(c.rows() / max(c.horizon, 0.05), 0, 1) ** 1.2
    c.paint[:] = Paint.SKY
    if clouds <= 0.02:
        return
    shape = (max(2, int(c.horizon * c.height)), c.width)
    unit = c.long / 1280
    field = noise(c.layout, shape, 80 * unit, 240 * unit)
    field += 0.5 * noise(c.detail, shape, 36 * unit, 84 * unit)
    field += 0.3 * noise(c.detail, shape, 15 * unit, 30 * unit)
    field += 0.12 * noise(c.detail, shape, 6 * unit, 10 * unit)
    cover = np.clip(field * 0.55 - 0.75 + 1.3 * clouds, 0, 1)
    part = c.tone[: shape[0]]
    part += cover * (94 - part) * 0.8
    step = max(1, int(20 * unit))
    part -= (
        9 * np.clip(cover - np.roll(cover, (step, c.light * step // 2), (0, 1)), -0.3, 1) * cover
    )
    stippled = cover + 0.12 * c.detail.standard_normal(shape, dtype=np.float32) > 0.42
    np.copyto(c.paint[: shape[0]], np.uint8(Paint.CLOUD), where=stippled)


@dataclass(frozen=True, slots=True)
class Skyline:
    """The outline of a range of hills or mountains.

    Attributes:
        base: Its mean height.
        rise: Half the difference of peak and dip.
        cells: Peaks across.
        rough: 0.3 rolling, 0.6 jagged.
    """

    base: float
    rise: float
    cells: int = 3
    rough: float = 0.5


@dataclass(frozen=True, slots=True)
class Face:
    """What is below a skyline.

    Attributes:
        fade: Lightness gained down to the foot, as haze gives.
        relief: Light and shade of its faces.
        snow: Snow lies above this height.
    """

    fade: float = 0.0
    relief: float = 0.0
    snow: float | None = None


SMOOTH = Face()


def ridge(
    c: Canvas,
    *,
    line: Skyline,
    paint: Paint,
    tone: float,
    face: Face = SMOOTH,
) -> Float:
    """Draw a range of hills or mountains and all below it.

    Args:
        c: The plate.
        line: Its outline.
        paint: What it is made of.
        tone: Lightness at the skyline.
        face: What is below the outline.

    Returns:
        The skyline, shape (W,), pixels.
    """
    curve = wander(c.layout, c.detail, c.width, cells=line.cells, rough=line.rough)
    profile = ((line.base - line.rise * curve) * c.height).astype(np.float32)
    depth = np.clip((c.rows() * c.height - profile) / (0.35 * c.height), 0, 1)
    light = tone + face.fade * depth
    if face.relief:
        rock, slope = relief_at(c, max(0, int(profile.min())))
        light = light + face.relief * slope
        if face.snow is not None:
            low = (face.snow * c.height + 0.05 * c.height * rock).astype(np.float32)
            c.below(profile, paint, light)
            covered = c.rows() * c.height < low
            covered &= c.rows() * c.height >= profile
            c.paint_where(covered, Paint.SNOW, np.clip(82 + 0.7 * (light - tone), 58, 96))
            return profile
    c.below(profile, paint, light)
    return profile


def relief_at(c: Canvas, top: int) -> tuple[Float, Float]:
    """Make the height of rock faces and the light on them, below row `top`; shapes (H, W)."""
    face, slope = np.zeros(c.tone.shape, np.float32), np.zeros(c.tone.shape, np.float32)
    shape = (c.height - top, c.width)
    for octave, share in enumerate((0.9, 0.8, 0.62, 0.42)):
        cell = 110 * 0.45**octave * c.long / 1280
        chance = c.layout if octave < 1 else c.detail
        field = np.abs(noise(chance, shape, 1.25 * cell, 0.8 * cell)) - 0.8  # creases between faces
        step = max(1, int(0.22 * cell))
        face[top:] += share * field
        slope[top:] += share * (field - np.roll(field, (-step, -c.light * step), (0, 1)))
    return face, slope


def ground(
    c: Canvas, *, top: float, paint: Paint, far: float, near: float, wave: float = 0.0
) -> None:
    """Cover all below a nearly level line with ground, darker or lighter towards the viewer."""
    curve = wander(c.layout, c.detail, c.width, cells=2, rough=0.4)
    profile = ((top - wave * curve) * c.height).astype(np.float32)
    depth = np.clip((c.rows() - top) / max(1 - top, 0.05), 0, 1)
    c.below(profile, paint, far + (near - far) * depth)


def water(c: Canvas, *, top: float, far: float, near: float, mirror: float = 0.4) -> None:
    """Flood all below a level line, with the far shore mirrored in it.

    Args:
        c: The plate.
        top: Height of the far shore.
        far: Lightness at the far shore.
        near: Lightness at the viewer.
        mirror: Strength of the reflections, 0..1.
    """
    row = int(top * c.height)
    count = c.height - row
    depth = np.linspace(0, 1, count, dtype=np.float32)[:, None]
    light = np.broadcast_to(far + (near - far) * depth, (count, c.width)).copy()
    if mirror:
        source = np.clip(row - 1 - (np.arange(count) * 0.9).astype(int), 0, c.height - 1)
        above = cv2.blur(c.tone[source], (max(1, c.long // 200), max(1, c.long // 90)))
        light += mirror * np.exp(-1.6 * depth) * (above - light - 8)
    c.tone[row:] = light
    c.paint[row:] = Paint.WATER


def flood(c: Canvas, points: NDArray[np.float64], *, far: float, near: float) -> None:
    """Flood a polygon: a river or a bay seen from above; points are (x, y) fractions."""
    mask = np.zeros(c.tone.shape, np.uint8)
    scaled = np.rint(points * (c.width, c.height)).astype(np.int32)
    cv2.fillPoly(mask, [scaled], 1)
    low, high = float(points[:, 1].min()), float(points[:, 1].max())
    light = far + (near - far) * np.clip((c.rows() - low) / max(high - low, 0.02), 0, 1)
    c.paint_where(mask > 0, Paint.WATER, light)


def open_sky(c: Canvas, horizon: float) -> None:
    """Set the horizon and cover the plate with a sky, clear or clouded as the layout has it."""
    c.horizon = horizon
    sky(c, top=c.pick(74, 88), low=c.pick(84, 93), clouds=c.pick(-0.3, 0.6))
