"""Compositions: a view's kind and keys to a plate of lightness and paint."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from replica.canvas import Canvas, Float, noise
from replica.chance import rng_of
from replica.inks import Paint
from replica.land import castle_hill, lake, park, ruins, valley
from replica.records import View
from replica.shore import beach, coast
from replica.towns import bridge_view, harbour, panorama, square, street

KINDS: dict[str, Callable[[Canvas], None]] = {
    "lake": lake,
    "harbour": harbour,
    "square": square,
    "bridge": bridge_view,
    "castle": castle_hill,
    "street": street,
    "coast": coast,
    "ruins": ruins,
    "park": park,
    "panorama": panorama,
    "beach": beach,
    "valley": valley,
}

_GRAIN: dict[Paint, tuple[float, float, float, float, float]] = {
    # lightness per unit of: fine, leaf, rock, turf, wave
    Paint.SKY: (1.0, 0.0, 0.0, 0.0, 0.0),
    Paint.CLOUD: (1.0, 0.0, 0.0, 0.0, 0.0),
    Paint.FAR: (1.5, 1.8, 1.5, 0.0, 0.0),
    Paint.ROCK: (3.0, 2.5, 5.5, 0.0, 0.0),
    Paint.SNOW: (1.6, 0.5, 2.5, 0.0, 0.0),
    Paint.WATER: (0.9, 0.0, 0.0, 0.0, 4.2),
    Paint.FOAM: (2.5, 3.0, 0.0, 0.0, 3.0),
    Paint.GRASS: (2.4, 2.0, 0.5, 6.0, 0.0),
    Paint.LEAF: (4.0, 7.5, 0.0, 0.0, 0.0),
    Paint.CONIFER: (4.0, 6.0, 0.0, 0.0, 0.0),
    Paint.SAND: (2.6, 0.4, 0.0, 4.2, 1.0),
    Paint.ROAD: (2.2, 0.4, 0.0, 3.4, 1.8),
    Paint.WALL: (2.2, 1.6, 1.4, 0.0, 0.0),
    Paint.RENDER: (2.2, 1.6, 1.4, 0.0, 0.0),
    Paint.ROOF: (3.4, 1.8, 1.2, 0.0, 0.0),
    Paint.SLATE: (3.2, 1.6, 1.2, 0.0, 0.0),
    Paint.STONE: (3.4, 3.2, 3.6, 0.0, 0.0),
    Paint.BRICK: (3.0, 1.6, 1.2, 0.0, 0.0),
    Paint.EARTH: (3.0, 2.0, 0.5, 4.0, 1.0),
    Paint.FLOWER: (4.0, 10.0, 0.0, 0.0, 0.0),
    Paint.SMOKE: (1.2, 3.0, 0.0, 0.0, 0.0),
}


def draw_scene(view: View, *, width: int, height: int) -> tuple[Float, NDArray[np.uint8]]:
    """Draw a view as it was photographed.

    Args:
        view: What to draw.
        width: Pixels across.
        height: Pixels down.

    Returns:
        Lightness, shape (H, W), float32, 0..100; and which `Paint` lies where, shape (H, W), uint8.
    """
    shape = (height, width)
    unit = max(shape) / 1280
    detail, layout = rng_of(view.detail), rng_of(view.layout)
    leaf = 0.6 * noise(detail, shape, 3.5 * unit) + 0.6 * noise(detail, shape, 8 * unit)
    leaf += 0.5 * noise(detail, shape, 22 * unit)
    light = 1 if layout.random() < 0.5 else -1
    blank = np.zeros(shape, np.float32)
    c = Canvas(blank, np.zeros(shape, np.uint8), layout, detail, leaf, light)
    KINDS[view.kind](c)
    _shade(c)
    _texture(c)
    tone = cv2.GaussianBlur(c.tone, (0, 0), 0.6 * unit)
    low, high = np.percentile(tone[::8, ::8], (1, 99))
    tone = np.clip((tone - low) / max(high - low, 1.0), -0.05, 1.05)
    tone += 0.09 * np.sin(
        2 * np.pi * (tone - 0.5)
    )  # the deep blacks and open lights of the key plate
    return np.clip(4 + 89 * tone, 1.0, 97.0), c.paint


def _shade(c: Canvas) -> None:
    """Let shadows of clouds and the dark of the corners fall on the land."""
    drift = noise(c.layout, c.tone.shape, 0.09 * c.long, 0.3 * c.long)
    drift += 0.5 * noise(c.detail, c.tone.shape, 0.03 * c.long, 0.1 * c.long)
    below = np.clip((c.rows() - c.horizon) / 0.08, 0, 1)
    near = np.clip((c.rows() - 0.72) / 0.28, 0, 1)
    air = (c.paint == Paint.SKY) | (c.paint == Paint.CLOUD)
    gain = 1 + below * (0.11 * drift - 0.2 * near)
    np.multiply(c.tone, gain, out=c.tone, where=~air)


def _texture(c: Canvas) -> None:
    """Give each thing the grain of its kind; on level ground it narrows towards the horizon."""
    shape, unit = c.tone.shape, c.long / 1280
    fine = noise(c.detail, shape, 1.7 * unit)
    face = np.abs(noise(c.detail, shape, 24 * unit, 13 * unit)) + 0.7 * np.abs(
        noise(c.detail, shape, 9 * unit, 6 * unit)
    )
    rock = (face - np.roll(face, (3, -3 * c.light), (0, 1))) * 1.9
    turf = 0.7 * noise(c.detail, shape, 5 * unit) + 0.7 * noise(c.detail, shape, 15 * unit)
    turf += 0.6 * noise(c.detail, shape, 60 * unit)
    wave = 0.8 * noise(c.detail, shape, 5 * unit, 24 * unit) + 0.7 * noise(
        c.detail, shape, 14 * unit, 90 * unit
    )
    turf, wave = _recede(c, turf, wave)
    table = np.full((256, 5), (3.0, 1.5, 0.5, 0.0, 0.0), np.float32)
    for paint, grain in _GRAIN.items():
        table[paint] = grain
    for k, field in enumerate((fine, c.leaf, rock, turf, wave)):
        c.tone += np.take(table[:, k], c.paint) * np.asarray(field)


def _recede(c: Canvas, *fields: Float) -> list[Float]:
    """Lay textures on the level ground below the horizon, as the eye sees it."""
    height, width = c.tone.shape
    top = min(height - 2, max(0, int(c.horizon * height)))
    depth = np.clip((c.rows()[top:] - c.horizon) / (1 - c.horizon), 0.03, 1)
    across = (np.arange(width, dtype=np.float32)[None] - 0.5 * width) / depth
    across = np.abs(np.mod(across, 2 * width - 2) - (width - 1))  # mirrored at its ends
    down = np.abs(np.mod(1.5 * height / depth, 2 * height - 2) - (height - 1))
    down = np.broadcast_to(down, across.shape).astype(np.float32)
    strength = 0.3 + 0.7 * np.sqrt(depth)
    laid = []
    for field in fields:
        full = np.zeros_like(field)
        full[top:] = cv2.remap(field, across, down, cv2.INTER_LINEAR) * strength
        laid.append(full)
    return laid
