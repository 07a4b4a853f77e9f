"""Pure: the inks of a print, and the colour they give to what is drawn.

A colour follows from what a thing is (its `Paint`), from the inks chosen for the print, and a
little from lightness: dark parts are the brown-black key plate, light parts bare paper. So grass
and stone of one lightness differ, while the palette of a print cannot be told from lightness.
"""

from dataclasses import dataclass
from enum import IntEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from replica.chance import rng_of

Float = NDArray[np.float32]
TONES = 128
MIXES = 16


class Paint(IntEnum):
    """What a spot of the picture shows."""

    SKY = 0
    CLOUD = 1
    FAR = 2
    ROCK = 3
    SNOW = 4
    WATER = 5
    FOAM = 6
    GRASS = 7
    LEAF = 8
    CONIFER = 9
    SAND = 10
    ROAD = 11
    WALL = 12
    RENDER = 13
    ROOF = 14
    SLATE = 15
    STONE = 16
    BRICK = 17
    WOOD = 18
    SAIL = 19
    FIGURE = 20
    RED = 21
    BLUE = 22
    GREEN = 23
    FLOWER = 24
    EARTH = 25
    SMOKE = 26


Pigment = tuple[float, float]
_SKIES: tuple[tuple[Pigment, Pigment], ...] = (
    ((-5, -7), (4, 20)),  # blue to peach
    ((-10, 2), (-3, 21)),  # teal to cream
    ((-2, 12), (3, 20)),  # cream
    ((3, 13), (9, 24)),  # peach
    ((-6, -10), (-3, 8)),  # blue
    ((1, 3), (2, 15)),  # grey
    ((5, 22), (14, 38)),  # evening
)
_SKY_ODDS = (0.24, 0.18, 0.26, 0.14, 0.08, 0.07, 0.03)
_WATERS: tuple[tuple[Pigment, Pigment], ...] = (
    ((-15, -3), (-9, 4)),
    ((-9, -13), (-7, -3)),
    ((-8, 6), (-4, 10)),
    ((-4, -4), (-1, 8)),
    ((-14, 4), (-8, 9)),
)
_GREENS: tuple[tuple[Pigment, Pigment], ...] = (
    ((-6, 31), (0, 28)),
    ((-15, 34), (-6, 30)),
    ((-2, 26), (4, 24)),
    ((-11, 25), (-4, 23)),
)
_PLAIN: dict[Paint, tuple[tuple[Pigment, Pigment], ...]] = {
    Paint.CLOUD: (((1, 13), (2, 17)), ((0, 8), (2, 13)), ((5, 16), (3, 12))),
    Paint.FAR: (((0, 4), (1, 10)), ((-3, -5), (0, 4)), ((7, 9), (5, 14)), ((-4, 9), (-2, 14))),
    Paint.ROCK: (((3, 14), (6, 18)), ((7, 20), (10, 20)), ((1, 8), (3, 13)), ((6, 12), (2, 14))),
    Paint.SNOW: (((-2, 3), (0, 7)), ((1, 7), (2, 9))),
    Paint.FOAM: (((-3, 5), (-1, 9)),),
    Paint.SAND: (((4, 22), (6, 26)), ((7, 21), (9, 26)), ((2, 18), (4, 22))),
    Paint.ROAD: (((2, 17), (4, 20)), ((6, 17), (7, 21)), ((1, 12), (2, 15))),
    Paint.WALL: (((2, 20), (3, 25)), ((4, 16), (5, 20)), ((1, 14), (2, 18))),
    Paint.RENDER: (((8, 20), (5, 24)), ((3, 9), (1, 14)), ((7, 27), (9, 30))),
    Paint.ROOF: (((22, 25), (16, 22)), ((15, 20), (12, 18)), ((27, 28), (19, 24))),
    Paint.SLATE: (((-2, -2), (0, 5)), ((3, 3), (4, 8)), ((-3, 3), (-1, 7))),
    Paint.STONE: (((2, 15), (4, 20)), ((5, 20), (7, 23)), ((0, 9), (2, 14))),
    Paint.BRICK: (((19, 22), (14, 21)), ((13, 20), (10, 18))),
    Paint.WOOD: (((10, 21), (7, 18)), ((6, 15), (9, 20))),
    Paint.SAIL: (((2, 14), (4, 18)), ((13, 21), (10, 20))),
    Paint.FIGURE: (((2, 4), (2, 8)),),
    Paint.RED: (((38, 27), (30, 24)), ((30, 30), (34, 32))),
    Paint.BLUE: (((-3, -20), (-6, -12)), ((2, -16), (0, -10))),
    Paint.GREEN: (((-22, 18), (-15, 16)), ((-14, 4), (-10, 6))),
    Paint.FLOWER: (((26, 18), (22, 32)), ((20, 6), (6, 36))),
    Paint.EARTH: (((7, 24), (9, 26)), ((3, 20), (5, 24))),
    Paint.SMOKE: (((1, 8), (2, 12)),),
}


@dataclass(frozen=True, slots=True)
class Inks:
    """The palette of one print.

    Attributes:
        table: sRGB of every paint, mix and lightness, shape (paints * MIXES * TONES, 3), uint8.
        evening: Whether the sky is an evening's, which darkens the whole.
    """

    table: NDArray[np.uint8]
    evening: bool


def mix_inks(key: str, *, monochrome: bool) -> Inks:
    """Choose the inks of a print.

    Args:
        key: Key of the palette.
        monochrome: One brown ink alone.

    Returns:
        The colour of every paint.
    """
    rng = rng_of(key)
    sky = int(rng.choice(len(_SKIES), p=_SKY_ODDS))
    pigments = _pigments(rng, sky)
    paper = np.array([rng.normal(0.3, 0.8), rng.normal(13.0, 2.5)], np.float32)
    keyed = np.array([rng.normal(1.5, 1.0), rng.normal(6.0, 1.5)], np.float32)
    cast = np.array([rng.normal(0.3, 0.8), rng.normal(5.6, 2.0)], np.float32)
    strength = float(np.clip(rng.normal(0.97, 0.11), 0.7, 1.25))
    if monochrome:
        pigments[:] = (3.0, 14.0)
    light = (np.arange(TONES, dtype=np.float32) / (TONES - 1) * 100)[:, None]
    body = np.clip((light - 3) / 30, 0, 1) ** 0.8
    bare = np.clip((light - 78) / 22, 0, 1) * 0.5
    ab = pigments[:, :, None] * strength * body * (1 - bare)
    ab = ab + paper * bare * body + keyed * (1 - body) + cast * body
    lab = np.concatenate([np.broadcast_to(light, (*ab.shape[:3], 1)), ab], axis=3)
    rgb = cv2.cvtColor(lab.reshape(-1, 1, 3).astype(np.float32), cv2.COLOR_Lab2RGB)
    table = np.clip(rgb.reshape(-1, 3) * 255 + 0.5, 0, 255).astype(np.uint8)
    return Inks(table, sky == len(_SKIES) - 1)


def _pigments(rng: np.random.Generator, sky: int) -> Float:
    """Choose each paint's two pigments; shape (paints, MIXES, 2), a and b."""
    greens = _GREENS[int(rng.integers(len(_GREENS)))]
    leaves = [(a * 0.8 + 1, b * 0.74) for a, b in greens]
    pairs: dict[Paint, tuple[Pigment, Pigment]] = {
        Paint.SKY: _SKIES[sky],
        Paint.WATER: _WATERS[int(rng.integers(len(_WATERS)))],
        Paint.GRASS: greens,
        Paint.LEAF: (leaves[0], leaves[1]),
        Paint.CONIFER: ((leaves[0][0] - 1, leaves[0][1] * 0.8), (leaves[1][0], leaves[1][1] * 0.8)),
    }
    for paint, options in _PLAIN.items():
        pairs[paint] = options[int(rng.integers(len(options)))]
    ends = np.array([pairs[paint] for paint in Paint], np.float32)  # (paints, 2 ends, 2)
    ends += rng.normal(0, 1.2, ends.shape).astype(np.float32)
    share = np.linspace(0, 1, MIXES, dtype=np.float32)[None, :, None]
    return ends[:, :1] * (1 - share) + ends[:, 1:] * share
