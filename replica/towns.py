"""Compositions of towns: harbours, squares, streets, bridges, panoramas, beaches."""

from dataclasses import dataclass

import numpy as np

from replica.canvas import Canvas
from replica.crowd import flag, people
from replica.growth import Skin, Stand, bank, clump, tree, wood
from replica.inks import Paint
from replica.nature import Face, Skyline, flood, ground, open_sky, ridge, water
from replica.ships import boat, sailing_ship
from replica.works import bridge, church, town

Corners = list[tuple[float, float]]


def harbour(c: Canvas) -> None:
    """Ships at a quay, a town behind."""
    quay = c.pick(0.46, 0.56)
    open_sky(c, quay - 0.12)
    ridge(
        c,
        line=Skyline(base=quay - 0.12, rise=c.pick(0.03, 0.08), cells=2),
        paint=Paint.FAR,
        tone=c.pick(56, 70),
        face=Face(fade=6),
    )
    line = ridge(c, line=Skyline(base=quay - 0.04, rise=0.03, cells=2), paint=Paint.GRASS, tone=46)
    wood(c, line, size=0.025, tone=32, stand=Stand(share=0.4, sink=0.02))
    town(c, span=(-0.02, 1.0), foot=quay, size=c.pick(0.05, 0.08), rows=3, dim=0.25)
    church(c, c.pick(0.2, 0.8), quay - 0.02, high=c.pick(0.16, 0.26), dim=0.25)
    c.box(0, quay - 0.005, 1, quay + 0.02, Paint.STONE, 58)
    for _ in range(int(c.layout.integers(3, 8))):
        sailing_ship(c, c.pick(0.05, 0.95), quay + c.vary(0.01, 0.06), size=c.pick(0.16, 0.34))
    water(c, top=quay + 0.03, far=c.pick(58, 72), near=c.pick(34, 50), mirror=0.65)
    for k in range(int(c.layout.integers(2, 5))):
        sailing_ship(c, c.pick(0.05, 0.95), quay + 0.08 + 0.06 * k, size=c.pick(0.2, 0.42))
    for _ in range(int(c.layout.integers(4, 10))):
        boat(c, c.pick(0.05, 0.95), c.pick(quay + 0.14, 0.92), size=c.vary(0.05, 0.11))
    if c.pick(0, 1) < 0.5:
        x = c.pick(0.4, 0.7)
        c.fill(
            [(x, quay + 0.03), (1, quay + 0.03), (1, 1), (x - c.pick(0.1, 0.35), 1)], Paint.ROAD, 70
        )
        people(c, top=quay + 0.06, bottom=0.96, count=40, size=0.055, span=(x, 1.0))


def square(c: Canvas) -> None:
    """A market place: fronts, a church, people on the paving."""
    floor = c.pick(0.58, 0.66)
    open_sky(c, floor - 0.25)
    church(c, c.pick(0.3, 0.7), floor - 0.06, high=c.pick(0.4, 0.56), dim=0.15)
    town(c, span=(-0.02, 1.0), foot=floor, size=c.pick(0.13, 0.19), rows=3)
    ground(c, top=floor, paint=Paint.ROAD, far=c.pick(70, 80), near=c.pick(56, 70))
    shade = c.pick(0.0, 0.4)
    c.fill([(0, floor), (shade, floor), (shade * 0.6, 1), (0, 1)], Paint.ROAD, 46)
    for _ in range(int(c.layout.integers(0, 5))):
        tree(c, c.pick(0.02, 0.98), floor + c.vary(0.01, 0.05), high=c.pick(0.1, 0.2), tone=28)
    if c.pick(0, 1) < 0.5:
        _monument(c, c.pick(0.35, 0.65), floor + 0.1)
    for _ in range(3):
        flag(c, c.pick(0.1, 0.9), floor - c.vary(0.2, 0.3), 0.06)
    _stalls(c, floor)
    people(c, top=floor + 0.02, bottom=0.97, count=60, size=0.06)


def _monument(c: Canvas, x: float, foot: float) -> None:
    c.box(x - 0.03, foot - 0.08, x + 0.03, foot, Paint.STONE, 60)
    c.box(x + 0.008, foot - 0.08, x + 0.03, foot, Paint.STONE, 42)
    c.box(x - 0.008, foot - 0.3, x + 0.008, foot - 0.08, Paint.STONE, 52)
    c.box(x - 0.014, foot - 0.36, x + 0.012, foot - 0.28, Paint.FIGURE, 26)


def _stalls(c: Canvas, floor: float) -> None:
    for _ in range(int(c.detail.integers(0, 7))):
        x, y = c.vary(0.05, 0.95), floor + c.vary(0.06, 0.16)
        awning = (Paint.SAIL, Paint.SAIL, Paint.RED, Paint.GREEN)[int(c.detail.integers(4))]
        c.box(x, y - 0.03, x + 0.05, y, Paint.WOOD, 34)
        c.fill(
            [
                (x - 0.006, y - 0.028),
                (x + 0.056, y - 0.028),
                (x + 0.045, y - 0.05),
                (x + 0.005, y - 0.05),
            ],
            awning,
            c.vary(46, 78),
        )


def street(c: Canvas) -> None:
    """A street between two rows of fronts, seen along its middle."""
    eye = c.pick(0.54, 0.62)
    open_sky(c, eye)
    vanish = c.pick(0.4, 0.62)
    church(c, vanish + c.vary(-0.03, 0.03), eye + 0.02, high=c.pick(0.22, 0.36), dim=0.5)
    ground(c, top=eye, paint=Paint.ROAD, far=78, near=c.pick(58, 72))
    reach = c.pick(0.15, 0.3)
    for side in (-1, 1):
        depths = 0.26 + np.concatenate([[0.0], np.cumsum(c.detail.uniform(0.12, 0.45, 10))])
        tops = c.detail.uniform(0.3, 0.5, 10)
        for k in reversed(range(10)):
            near, far, high = float(depths[k]), float(depths[k + 1]), float(tops[k])
            _front(c, Alley(vanish, eye, side * reach, near, far, high))
    people(c, top=eye + 0.04, bottom=0.96, count=34, size=0.1, span=(0.22, 0.78))
    for _ in range(int(c.detail.integers(0, 4))):
        flag(c, c.vary(0.1, 0.9), eye - c.vary(0.1, 0.25), 0.05)


@dataclass(frozen=True, slots=True)
class Alley:
    """Where a house front stands in a street that runs away from the viewer.

    Attributes:
        vanish: Where the street vanishes, across.
        eye: The same, down.
        reach: How far from the middle it stands; negative in the left row.
        near: Depth of the front's near end.
        far: Depth of its far end.
        high: Height of the front above the eye.
    """

    vanish: float
    eye: float
    reach: float
    near: float
    far: float
    high: float

    def at(self, depth: float, up: float) -> tuple[float, float]:
        """Place a point of the front: its depth, and its height from ground 0 to cornice 1."""
        sink = 0.17
        rise = sink - (sink + self.high) * up
        return self.vanish + self.reach / depth, self.eye + rise / depth

    def strip(self, low: float, up: float, start: float = 0.0, end: float = 1.0) -> Corners:
        """Give the four corners of a part of the front; shares of its height and length."""
        d0, d1 = (self.near + (self.far - self.near) * t for t in (start, end))
        return [self.at(d0, low), self.at(d0, up), self.at(d1, up), self.at(d1, low)]


def _front(c: Canvas, alley: Alley) -> None:
    """Draw one house front of a street, with its roof, windows and perhaps an awning."""
    walls = (Paint.WALL, Paint.RENDER, Paint.BRICK, Paint.WALL, Paint.STONE)
    wall = walls[int(c.detail.integers(5))]
    base = c.vary(26, 40) if (alley.reach > 0) == (c.light > 0) else c.vary(60, 80)
    haze = min(1.0, alley.near / 4.5)
    tone = base + (72 - base) * haze * 0.8 - (14 if wall == Paint.BRICK else 0) * (1 - haze)
    roof = Paint.ROOF if c.vary(0, 1) < 0.55 else Paint.SLATE
    c.fill(_leaning(alley, 1.0, out=0.05, rise=-0.05), roof, 34 + 24 * haze)
    c.fill(alley.strip(0, 1), wall, tone)
    c.fill(alley.strip(0.975, 1), wall, tone - 16)
    floors = 4
    bays = max(2, round(9 * (alley.far - alley.near) / alley.near**0.5))
    dark = tone - 30 * (1 - 0.6 * haze)
    for i in range(bays):
        for j in range(floors):
            low, start = (j + 0.25) / floors, (i + 0.3) / bays
            pane = alley.strip(low, low + 0.47 / floors, start, start + 0.38 / bays)
            c.fill(pane, wall, dark + c.vary(-8, 8))
    if c.vary(0, 1) < 0.5:
        awning = (Paint.SAIL, Paint.RED, Paint.GREEN, Paint.SAIL)[int(c.detail.integers(4))]
        c.fill(_leaning(alley, 0.26, out=-0.03, rise=0.03), awning, c.vary(45, 78))


def _leaning(alley: Alley, up: float, *, out: float, rise: float) -> Corners:
    """Give the corners of what leans on a front from height `up`: a roof or an awning."""
    (x0, y0), (x1, y1) = alley.at(alley.near, up), alley.at(alley.far, up)
    out = out if alley.reach > 0 else -out
    far = (x1 + out / alley.far, y1 + rise / alley.far)
    near = (x0 + out / alley.near, y0 + rise / alley.near)
    return [(x0, y0), (x1, y1), far, near]


def bridge_view(c: Canvas) -> None:
    """A river, a stone bridge across it, a town on the far bank."""
    shore = c.pick(0.5, 0.6)
    open_sky(c, shore - 0.12)
    ridge(
        c,
        line=Skyline(base=shore - 0.12, rise=0.06, cells=2),
        paint=Paint.FAR,
        tone=c.pick(58, 72),
        face=Face(fade=6),
    )
    line = ridge(c, line=Skyline(base=shore - 0.05, rise=0.03, cells=2), paint=Paint.GRASS, tone=48)
    wood(c, line, size=0.04, tone=32, stand=Stand(share=0.8, firs=0.1, sink=0.03))
    town(
        c,
        span=(c.pick(-0.02, 0.3), c.pick(0.6, 1.0)),
        foot=shore,
        size=c.pick(0.06, 0.1),
        rows=2,
        dim=0.2,
    )
    church(c, c.pick(0.2, 0.8), shore - 0.01, high=c.pick(0.2, 0.32), dim=0.25)
    feet = shore + c.pick(0.04, 0.1)
    for _ in range(int(c.layout.integers(0, 4))):
        tree(c, c.pick(0.0, 1.0), shore + 0.01, high=c.pick(0.1, 0.2), tone=30)
    ground(c, top=shore, paint=Paint.GRASS, far=46, near=40)
    c.box(0, 0.4 * shore + 0.6 * feet, 1, feet, Paint.WATER, 60)
    bridge(
        c,
        deck=feet - c.pick(0.11, 0.18),
        water=feet,
        left=-0.05,
        right=1.05,
        arches=int(c.layout.integers(3, 7)),
    )
    water(c, top=feet, far=c.pick(60, 74), near=c.pick(34, 52), mirror=0.65)
    for _ in range(int(c.layout.integers(1, 6))):
        boat(c, c.pick(0.05, 0.95), c.pick(feet + 0.06, 0.92), size=c.vary(0.06, 0.12))
    if c.pick(0, 1) < 0.6:
        bank(c, top=c.pick(0.9, 0.98), rise=c.pick(0.04, 0.1), tone=17)


def panorama(c: Canvas) -> None:
    """A town from above, hills behind, a garden terrace or bushes before it."""
    top = c.pick(0.32, 0.42)
    open_sky(c, top)
    ridge(
        c,
        line=Skyline(base=top, rise=c.pick(0.03, 0.07), cells=2),
        paint=Paint.FAR,
        tone=c.pick(62, 74),
        face=Face(fade=8),
    )
    ridge(c, line=Skyline(base=top + 0.05, rise=0.03), paint=Paint.GRASS, tone=56)
    floor = c.pick(0.7, 0.8)
    _roofs(c, top, floor)
    if c.pick(0, 1) < 0.55:
        _river(c, top + 0.16, c.pick(0.03, 0.06))
    if c.pick(0, 1) < 0.4:
        _terrace(c, floor)
    else:
        bank(c, top=floor + 0.06, rise=c.pick(0.05, 0.14), tone=18)


def _roofs(c: Canvas, top: float, floor: float) -> None:
    """Draw a town from above, row before row, with its churches and trees."""
    for k in range(7):
        foot = top + 0.07 + (floor - top - 0.07) * (k / 6) ** 1.2
        size = 0.022 + 0.045 * (k / 6) ** 1.3
        if k in (2, 4):
            church(c, c.pick(0.1, 0.9), foot, high=size * 4.2, dim=0.5 - 0.08 * k)
        town(c, span=(-0.02, 1.0), foot=foot, size=size, rows=1, dim=0.6 - 0.09 * k)
        if k in (1, 3, 5):
            edge = np.full(c.width, foot * c.height, np.float32)
            wood(
                c,
                edge,
                size=0.5 * size,
                tone=32 + 10 * (1 - k / 6),
                stand=Stand(share=0.35, firs=0.15),
            )


def _terrace(c: Canvas, floor: float) -> None:
    """Lay a terrace with beds of flowers before a town."""
    ground(c, top=floor + 0.02, paint=Paint.ROAD, far=66, near=52, wave=0.02)
    lawn = Skin(paint=Paint.GRASS, light=8, ragged=0.05)
    flowers = Skin(paint=Paint.FLOWER, light=4, ragged=0.2)
    for _ in range(3):
        x, y = c.pick(0.1, 0.9), c.pick(floor + 0.1, 0.95)
        clump(c, x, y, half=(0.16, 0.045), tone=42, skin=lawn)
        clump(c, x, y, half=(0.06, 0.016), tone=46, skin=flowers)


def _river(c: Canvas, top: float, deep: float) -> None:
    xs = np.linspace(-0.02, 1.02, 20)
    bend = top + c.pick(-0.05, 0.05) * (xs - 0.5) + 0.02 * np.sin(4 * xs + c.pick(0, 6))
    upper, lower = np.stack([xs, bend], 1), np.stack([xs, bend + deep], 1)
    flood(c, np.concatenate([upper, lower[::-1]]), far=74, near=60)
