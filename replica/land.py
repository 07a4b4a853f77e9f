"""Compositions of the open country: lakes, valleys, castles, coasts, ruins, parks."""

import numpy as np

from replica.canvas import Canvas, wander
from replica.crowd import people
from replica.growth import Skin, Stand, bank, boulders, clump, conifer, tree, wood
from replica.inks import Paint
from replica.nature import Face, Skyline, flood, ground, open_sky, ridge, water
from replica.ships import boat, steamer
from replica.works import castle, church, house, keep, town


def _mountains(c: Canvas, base: float, *, high: float) -> None:
    """Draw two or three ranges, the farther the paler."""
    snow = c.pick(-0.1, 1.0)
    line = base - 0.55 * high if snow > 0.35 else None
    ridge(
        c,
        line=Skyline(base=base - 0.5 * high, rise=0.36 * high, rough=0.55),
        paint=Paint.FAR,
        tone=c.pick(66, 78),
        face=Face(fade=8, relief=5, snow=line),
    )
    ridge(
        c,
        line=Skyline(base=base - 0.25 * high, rise=0.3 * high, cells=2),
        paint=Paint.ROCK,
        tone=c.pick(48, 60),
        face=Face(fade=10, relief=9),
    )


def lake(c: Canvas) -> None:
    """A lake among mountains, a village on the far shore, a steamer or boats."""
    shore = c.pick(0.46, 0.58)
    open_sky(c, shore - 0.1)
    _mountains(c, shore - 0.04, high=c.pick(0.22, 0.42))
    line = ridge(
        c,
        line=Skyline(base=shore - 0.03, rise=0.03, cells=2, rough=0.4),
        paint=Paint.GRASS,
        tone=50,
    )
    wood(c, line, size=0.02, tone=36, stand=Stand(share=0.7, firs=0.4, sink=0.02))
    at = c.pick(0.1, 0.6)
    town(c, span=(at, at + c.pick(0.15, 0.35)), foot=shore, size=0.028, rows=2, dim=0.4)
    church(c, at + 0.12, shore, high=c.pick(0.09, 0.15), dim=0.4)
    water(c, top=shore, far=c.pick(68, 80), near=c.pick(38, 56), mirror=0.5)
    if c.pick(0, 1) < 0.5:
        steamer(c, c.pick(0.2, 0.8), shore + c.pick(0.08, 0.2), size=c.pick(0.16, 0.26))
    for _ in range(int(c.layout.integers(1, 5))):
        boat(c, c.pick(0.1, 0.9), c.pick(shore + 0.1, 0.86), size=c.vary(0.04, 0.09))
    if c.pick(0, 1) < 0.7:
        bank(c, top=c.pick(0.86, 0.96), rise=c.pick(0.04, 0.12), tone=17)
    if c.pick(0, 1) < 0.4:
        tree(c, c.pick(0.03, 0.12), 1.02, high=c.pick(0.4, 0.6), tone=16)


def valley(c: Canvas) -> None:
    """A mountain valley: rock faces and snow, a torrent, chalets, boulders."""
    floor = c.pick(0.5, 0.62)
    open_sky(c, c.pick(0.12, 0.26))
    high = c.pick(0.4, 0.55)
    ridge(
        c,
        line=Skyline(base=floor - 0.62 * high, rise=0.26 * high, cells=2, rough=0.55),
        paint=Paint.ROCK,
        tone=62,
        face=Face(fade=-4, relief=14, snow=floor - 0.5 * high),
    )
    ridge(
        c,
        line=Skyline(base=floor - 0.22 * high, rise=0.3 * high, cells=2),
        paint=Paint.ROCK,
        tone=50,
        face=Face(fade=6, relief=12),
    )
    line = ridge(
        c,
        line=Skyline(base=floor, rise=0.05, cells=2, rough=0.35),
        paint=Paint.GRASS,
        tone=46,
        face=Face(fade=10),
    )
    wood(c, line, size=0.035, tone=28, stand=Stand(share=0.7, firs=0.9, sink=0.05))
    ground(c, top=floor + 0.06, paint=Paint.GRASS, far=54, near=36, wave=0.02)
    for _ in range(int(c.layout.integers(1, 4))):
        house(c, c.pick(0.1, 0.8), floor + c.vary(0.06, 0.14), wide=0.1, high=0.05)
    _stream(c, floor + 0.1)
    boulders(c, top=floor + 0.14, bottom=1.0, count=22, size=0.05)
    for _ in range(int(c.layout.integers(0, 4))):
        conifer(c, c.pick(0.0, 1.0), c.pick(0.8, 1.05), high=c.pick(0.18, 0.4), tone=20)


def _stream(c: Canvas, top: float) -> None:
    ys = np.linspace(top, 1.02, 12)
    depth = (ys - top) / (1.02 - top)
    middle = c.pick(0.3, 0.7) + c.pick(-0.3, 0.3) * depth + 0.05 * np.sin(7 * depth)
    half = 0.01 + c.pick(0.06, 0.16) * depth
    left, right = np.stack([middle - half, ys], 1), np.stack([middle + half, ys], 1)
    flood(c, np.concatenate([left, right[::-1]]), far=74, near=66)
    for _ in range(50):
        k = int(c.detail.integers(12))
        x = float(middle[k] + half[k] * c.vary(-0.9, 0.9))
        c.line(
            [(x, float(ys[k])), (x + c.vary(-0.02, 0.02), float(ys[k]) + 0.012)],
            Paint.FOAM,
            88,
            thick=0.003,
        )


def castle_hill(c: Canvas) -> None:
    """A castle on a wooded hill above meadows or a river."""
    floor = c.pick(0.6, 0.7)
    open_sky(c, floor - 0.15)
    ridge(
        c,
        line=Skyline(base=floor - 0.1, rise=0.06),
        paint=Paint.FAR,
        tone=c.pick(62, 74),
        face=Face(fade=6),
    )
    x = c.pick(0.3, 0.7)
    top = c.pick(0.36, 0.48)
    castle(c, x, top + 0.05, size=c.pick(0.16, 0.27))
    across = np.linspace(0, 1, c.width, dtype=np.float32)
    hill = floor - (floor - top) * np.exp(-(((across - x) / c.pick(0.2, 0.34)) ** 2))
    hill -= 0.012 * wander(c.layout, c.detail, c.width, cells=6, rough=0.6)
    profile = (hill * c.height).astype(np.float32)
    rocky = c.pick(0, 1) < 0.35
    depth = np.clip((c.rows() * c.height - profile) / (0.3 * c.height), 0, 1)
    c.below(profile, Paint.ROCK if rocky else Paint.GRASS, 50 + 6 * depth)
    wood(
        c,
        profile,
        size=0.045,
        tone=32,
        stand=Stand(share=1.6 if not rocky else 0.6, firs=0.15, sink=0.16),
    )
    town(c, span=(c.pick(0.0, 0.4), c.pick(0.5, 0.95)), foot=floor + 0.03, size=0.05, rows=2)
    _valley_floor(c, floor)
    bank(c, top=c.pick(0.88, 0.97), rise=c.pick(0.03, 0.1), tone=16)


def _valley_floor(c: Canvas, floor: float) -> None:
    """Fill what lies below the hill: a river with boats, or meadows with trees."""
    if c.pick(0, 1) < 0.5:
        water(c, top=floor + 0.04, far=72, near=46, mirror=0.55)
        for _ in range(3):
            boat(c, c.pick(0.1, 0.9), c.pick(floor + 0.12, 0.9), size=c.vary(0.05, 0.1))
    else:
        ground(c, top=floor + 0.04, paint=Paint.GRASS, far=60, near=34, wave=0.01)
        wood(
            c,
            np.full(c.width, (floor + 0.06) * c.height, np.float32),
            size=0.04,
            tone=30,
            stand=Stand(share=0.3, sink=0.2),
        )


def ruins(c: Canvas) -> None:
    """A roofless abbey, ivy on its walls, sheep-bitten grass before it."""
    floor = c.pick(0.66, 0.76)
    open_sky(c, floor - 0.1)
    line = ridge(
        c,
        line=Skyline(base=floor - 0.08, rise=0.05, cells=2, rough=0.4),
        paint=Paint.GRASS,
        tone=54,
    )
    wood(c, line, size=0.06, tone=34, stand=Stand(share=0.9, firs=0.1, sink=0.03))
    ground(c, top=floor, paint=Paint.GRASS, far=52, near=36)
    x, tone = c.pick(0.02, 0.2), c.pick(54, 68)
    while x < c.pick(0.75, 0.95):
        wide, high = c.pick(0.1, 0.2), c.pick(0.22, 0.5)
        _broken_wall(c, x, floor + 0.02, wide=wide, high=high, tone=tone + c.vary(-6, 6))
        x += wide + c.vary(-0.01, 0.04)
    if c.pick(0, 1) < 0.5:
        keep(
            c,
            c.pick(0.2, 0.8),
            floor + 0.02,
            size=(0.12, c.pick(0.36, 0.55)),
            tone=tone,
            round_=True,
        )
    for _ in range(9):
        clump(
            c,
            c.pick(0.0, 1.0),
            floor + c.vary(-0.14, 0.05),
            half=(c.vary(0.02, 0.06), c.vary(0.03, 0.08)),
            tone=c.vary(20, 32),
            skin=Skin(ragged=0.6),
        )
    boulders(c, top=floor + 0.04, bottom=0.97, count=10, size=0.02)
    people(c, top=floor + 0.05, bottom=0.92, count=3, size=0.05)


def _broken_wall(
    c: Canvas, x: float, foot: float, *, wide: float, high: float, tone: float
) -> None:
    xs = np.linspace(x, x + wide, 12)
    tops = foot - high * (0.8 + c.detail.uniform(-0.2, 0.2, 12))
    arch = x + 0.5 * wide
    c.fill(
        [(x, foot), *zip(xs.tolist(), tops.tolist(), strict=True), (x + wide, foot)],
        Paint.STONE,
        tone,
    )
    c.box(x + 0.86 * wide, foot - 0.7 * high, x + wide, foot, Paint.STONE, tone - 24)
    turn = np.linspace(0, np.pi, 16)
    outline = [
        (arch + 0.26 * wide * np.cos(t), foot - high * (0.28 + 0.3 * np.sin(t))) for t in turn
    ]
    lit = c.pick(0, 1) < 0.5
    opening = [(arch + 0.26 * wide, foot), *outline, (arch - 0.26 * wide, foot)]
    c.fill(opening, Paint.STONE, 20)
    inner = [(px * 0.9 + arch * 0.1, py + 0.012) for px, py in outline]
    c.fill(
        [(arch + 0.2 * wide, foot), *inner, (arch - 0.2 * wide, foot)],
        Paint.SKY if lit else Paint.LEAF,
        84 if lit else 26,
    )


def park(c: Canvas) -> None:
    """A garden: lawn, gravel walk, great trees, flower beds, people on the walk."""
    floor = c.pick(0.52, 0.62)
    open_sky(c, floor - 0.05)
    line = ridge(
        c,
        line=Skyline(base=floor - 0.02, rise=0.03, rough=0.4),
        paint=Paint.GRASS,
        tone=50,
    )
    if c.pick(0, 1) < 0.6:
        left, right = c.pick(0.2, 0.5), c.pick(0.55, 0.8)
        town(c, span=(left, right), foot=floor, size=c.pick(0.06, 0.12), rows=1)
    wood(c, line, size=c.pick(0.06, 0.12), tone=34, stand=Stand(share=1.0, firs=0.1, sink=0.02))
    ground(c, top=floor + 0.01, paint=Paint.GRASS, far=58, near=42)
    vanish, near, top = c.pick(0.3, 0.7), c.pick(0.2, 0.7), floor + 0.02
    walk = [(vanish - 0.015, top), (vanish + 0.015, top), (near + 0.3, 1.0), (near - 0.3, 1.0)]
    c.fill(walk, Paint.ROAD, c.pick(66, 78))
    for _ in range(4):
        x, y, wide = c.pick(0, 1), c.pick(floor + 0.12, 0.95), c.vary(0.05, 0.1)
        bed = Paint.FLOWER
        clump(c, x, y, half=(wide, 0.25 * wide), tone=46, skin=Skin(paint=bed, light=6, ragged=0.3))
    for k in range(int(c.layout.integers(3, 7))):
        foot = floor + 0.06 + 0.06 * k
        x = c.pick(0.0, 0.3) if k % 2 else c.pick(0.7, 1.0)
        tree(c, x, foot, high=0.2 + 0.09 * k, tone=30 - 2 * k)
    people(c, top=floor + 0.06, bottom=0.94, count=9, size=0.07, span=(0.3, 0.7))
