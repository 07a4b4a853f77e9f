"""Compositions of the sea shore: cliffs and beaches."""

import numpy as np
from numpy.typing import NDArray

from replica.canvas import Canvas, Float, wander
from replica.crowd import people
from replica.growth import boulders
from replica.inks import Paint
from replica.nature import open_sky, relief_at, water
from replica.ships import boat, sailing_ship, steamer
from replica.works import town


def coast(c: Canvas) -> None:
    """Cliffs, surf and open sea."""
    line = c.pick(0.3, 0.42)
    open_sky(c, line)
    water(c, top=line, far=c.pick(62, 76), near=c.pick(36, 52), mirror=0.0)
    for _ in range(int(c.layout.integers(0, 4))):
        sailing_ship(c, c.pick(0.1, 0.9), line + c.vary(0.01, 0.06), size=c.vary(0.04, 0.1))
    side = 1 if c.layout.random() < 0.5 else -1
    across = np.linspace(0, 1, c.width, dtype=np.float32)[::-side]
    for k in range(4):
        reach = c.pick(0.5, 0.66) - 0.14 * k + 0.1 * (k == 3)
        top = line - 0.07 + c.pick(0.03, 0.1) * k
        bumps = wander(c.layout, c.detail, c.width, cells=4, rough=0.6)
        edge = top + np.clip((across - reach) * c.pick(1.2, 2.8), -0.05, 1.3) + 0.03 * bumps
        profile = (edge * c.height).astype(np.float32)
        _cliff(c, profile, tone=66 - 7 * k, haze=1 - k / 3)
        _turf(c, profile, across < reach + 0.05)
        _surf(c, line + 0.07 + 0.17 * k)
    boulders(c, top=0.84, bottom=1.0, count=14, size=0.05)


def _cliff(c: Canvas, profile: Float, *, tone: float, haze: float) -> None:
    """Draw a rock face below a profile, cracked down and lit from one side."""
    _, slope = relief_at(c, max(0, int(profile.min())))
    depth = np.clip((c.rows() * c.height - profile) / (0.3 * c.height), 0, 1)
    paint = Paint.FAR if haze > 0.9 else Paint.ROCK
    c.below(profile, paint, tone - 14 * depth * (1 - haze) + (14 - 9 * haze) * slope)


def _turf(c: Canvas, profile: Float, where: NDArray[np.bool_]) -> None:
    rows = c.rows() * c.height
    cover = (rows >= profile) & (rows < profile + 0.06 * c.height + 14 * c.leaf) & where
    c.paint_where(cover, Paint.GRASS, 44 + 5 * c.leaf)


def _surf(c: Canvas, foot: float) -> None:
    """Break the sea on the foot of a cliff: water again below `foot`, foam along it."""
    rows = c.rows()
    edge = foot + 0.03 * wander(c.layout, c.detail, c.width, cells=5, rough=0.6)
    sea = rows >= edge
    depth = np.clip((rows - edge) / 0.3, 0, 1)
    c.paint_where(sea, Paint.WATER, 58 - 16 * depth)
    foam = sea & (rows < edge + 0.018 + 0.012 * c.leaf)
    c.paint_where(foam, Paint.FOAM, 86.0)


def beach(c: Canvas) -> None:
    """Sand, surf, a promenade of fronts, bathers and drawn-up boats."""
    line = c.pick(0.34, 0.44)
    open_sky(c, line)
    side = 1 if c.layout.random() < 0.5 else -1
    water(c, top=line, far=c.pick(66, 78), near=c.pick(46, 60), mirror=0.0)
    for _ in range(int(c.layout.integers(1, 5))):
        sailing_ship(c, c.pick(0.1, 0.9), line + c.vary(0.01, 0.05), size=c.vary(0.04, 0.09))
    reach = c.pick(0.3, 0.6)
    across = np.linspace(0, 1, c.width, dtype=np.float32)[::side]
    _sands(c, across, line=line, reach=reach)
    span = (0.0, reach - 0.02) if side > 0 else (1.02 - reach, 1.0)
    town(
        c,
        span=(span[0] - 0.02, span[1]),
        foot=line + 0.04,
        size=c.pick(0.08, 0.12),
        rows=2,
        dim=0.2,
    )
    middle = (span[0] + span[1]) / 2
    people(
        c,
        top=line + 0.06,
        bottom=0.95,
        count=60,
        size=0.055,
        span=(max(0.0, middle - 0.28), min(1.0, middle + 0.28)),
    )
    for _ in range(int(c.layout.integers(3, 9))):
        boat(c, c.pick(*span), c.pick(line + 0.12, 0.92), size=c.vary(0.07, 0.14))
    if c.pick(0, 1) < 0.3:
        steamer(c, c.pick(0.3, 0.7), line + 0.03, size=0.1)


def _sands(c: Canvas, across: Float, *, line: float, reach: float) -> None:
    """Lay sand and the foam at its edge; `across` runs from the land to the sea."""
    wobble = 0.02 * wander(c.layout, c.detail, c.width, cells=3, rough=0.5)
    rows = c.rows()
    depth = np.clip((rows - line) / (1 - line), 0, 1)
    shore = reach + depth * c.pick(0.1, 0.35) + wobble[None]
    sand = (across[None] < shore) & (rows > line + 0.01)
    foam = (across[None] < shore + 0.02 + 0.012 * c.leaf) & (rows > line + 0.02) & ~sand
    c.paint_where(sand, Paint.SAND, 78 - 10 * depth)
    c.paint_where(foam, Paint.FOAM, 88.0)
