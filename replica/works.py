"""What people built: houses, churches, castles, bridges."""

import cv2
import numpy as np

from replica.canvas import Canvas
from replica.crowd import flag
from replica.inks import Paint

_WALLS = (Paint.WALL, Paint.WALL, Paint.RENDER, Paint.BRICK, Paint.STONE)


def house(c: Canvas, x: float, foot: float, *, wide: float, high: float, dim: float = 0.0) -> None:
    """Draw a house with its roof, its left foot at (x, foot).

    Args:
        c: The plate.
        x: Left edge.
        foot: Height of the ground.
        wide: Width, fraction of the picture's width.
        high: Height of the walls, fraction of the picture's height.
        dim: Lightness and contrast taken away, as distance does, 0..1.
    """
    wall = _WALLS[int(c.detail.integers(len(_WALLS)))]
    tone = c.vary(60, 86) if wall != Paint.BRICK else c.vary(40, 56)
    tone += dim * (70 - tone) * 0.4
    top = foot - high
    c.box(x, top, x + wide, foot, wall, tone)
    ridge_y = _roof(c, x, top, size=(wide, high), wall=(wall, tone), dim=dim)
    deep = wide * c.vary(0.0, 0.32)  # the side away from the light
    left, right = (x + wide - deep, x + wide) if c.light < 0 else (x, x + deep)
    c.box(left, top, right, foot, wall, tone - 26 * (1 - 0.6 * dim))
    _windows(c, x, top, x + wide, foot, dark=tone - 34 * (1 - 0.5 * dim))
    c.box(x, foot - 0.16 * high, x + wide, foot, wall, tone - 14 * (1 - dim))
    for _ in range(int(c.detail.integers(0, 3))):
        at = x + wide * c.vary(0.1, 0.8)
        low, up = ridge_y + 0.08 * high, ridge_y - 0.16 * high
        c.box(at, up, at + 0.09 * wide, low, Paint.BRICK, 40 + 14 * dim)


def _roof(
    c: Canvas,
    x: float,
    top: float,
    *,
    size: tuple[float, float],
    wall: tuple[Paint, float],
    dim: float,
) -> float:
    """Roof a house whose walls end at `top`; gives the height of the ridge."""
    wide, high = size
    roof = Paint.SLATE if c.vary(0, 1) < 0.4 else Paint.ROOF
    roof_tone = c.vary(26, 46) + 16 * dim
    crest = top - high * c.vary(0.22, 0.5)
    left, right, middle = x - 0.003, x + wide + 0.003, x + wide / 2
    paint, tone = wall
    if c.vary(0, 1) < 0.3:
        c.fill([(x, top), (x + wide, top), (middle, crest)], paint, tone - 4)
        eaves = [(left, top), (middle, crest), (right, top)]
        c.line(eaves, roof, roof_tone - 8, thick=0.0025)
    else:
        lean = wide * c.vary(0.0, 0.1)
        slopes = [(left, top), (right, top), (right - lean, crest), (left + lean, crest)]
        c.fill(slopes, roof, roof_tone)
        c.line([(left, top), (right, top)], paint, tone - 26 * (1 - dim))
    return crest


def _windows(c: Canvas, x0: float, y0: float, x1: float, y1: float, *, dark: float) -> None:
    pitch = c.vary(0.009, 0.0125)
    across = max(2, round((x1 - x0) * c.width / (c.long * pitch)))
    down = max(1, round((y1 - y0) * c.height / (c.long * 1.6 * pitch)))
    dx, dy = (x1 - x0) / across, (y1 - y0) / down
    if dx * c.width < 3 or dy * c.height < 4:
        return
    size = (max(1, round(0.42 * dx * c.width)), max(2, round(0.52 * dy * c.height)))
    for j in range(down):
        row = round((y0 + (j + 0.2) * dy) * c.height)
        for i in range(across):
            column = round((x0 + (i + 0.3) * dx) * c.width)
            if column < 0:
                continue
            c.tone[row : row + size[1], column : column + size[0]] = dark + c.vary(-7, 12)


def town(
    c: Canvas, *, span: tuple[float, float], foot: float, size: float, rows: int, dim: float = 0.0
) -> None:
    """Draw a crowd of houses, row before row.

    Args:
        c: The plate.
        span: Where the town begins and ends, from left to right.
        foot: Ground of the front row.
        size: Height of a front wall, fraction of the picture's height.
        rows: Rows of houses.
        dim: Haze over it, 0..1.
    """
    for row in range(rows):
        back = rows - 1 - row
        scale = size * 0.86**back
        x = span[0] + 0.02 * back
        while x < span[1] - 0.01 * back:
            wide = scale * c.vary(0.6, 1.6) * c.height / c.width * 1.1
            ground = foot - back * size * 0.62 + c.vary(-0.08, 0.08) * size
            house(
                c,
                x,
                ground,
                wide=wide,
                high=scale * c.vary(0.7, 1.25),
                dim=min(1.0, dim + 0.08 * back),
            )
            x += wide * c.vary(0.95, 1.25)


def church(c: Canvas, x: float, foot: float, *, high: float, dim: float = 0.0) -> None:
    """Draw a church: nave, tower and spire, `high` of the picture's height tall in all."""
    stone = Paint.STONE if c.vary(0, 1) < 0.7 else Paint.WALL
    wide = high * 0.22 * c.height / c.width
    tone = c.vary(56, 74) + 8 * dim
    roof = Paint.SLATE if c.vary(0, 1) < 0.6 else Paint.ROOF
    side = 1 if c.vary(0, 1) < 0.5 else -1
    end = x + wide / 2 + side * 3.2 * wide
    eaves, crest = foot - 0.26 * high, foot - 0.42 * high
    c.box(min(x, end), eaves, max(x, end), foot, stone, tone - 6)
    slopes = [(x, eaves), (end, eaves), (end - side * 0.3 * wide, crest), (x, crest)]
    c.fill(slopes, roof, c.vary(32, 46) + 12 * dim)
    for k in range(4):
        at = x + side * wide * (1.0 + 0.55 * k)
        c.box(at, foot - 0.2 * high, at + 0.12 * wide, foot - 0.08 * high, stone, 22 + 20 * dim)
    top = foot - 0.62 * high
    c.box(x - wide / 2, top, x + wide / 2, foot, stone, tone)
    dark = (x + 0.1 * wide, x + wide / 2) if c.light < 0 else (x - wide / 2, x - 0.1 * wide)
    c.box(dark[0], top, dark[1], foot, stone, tone - 20 * (1 - dim))
    belfry = foot - 0.56 * high
    c.box(x - 0.12 * wide, belfry, x + 0.12 * wide, belfry + 0.1 * high, stone, 24 + 20 * dim)
    if c.vary(0, 1) < 0.65:
        spire = [(x - 0.56 * wide, top), (x + 0.56 * wide, top), (x, foot - high)]
        c.fill(spire, roof, c.vary(34, 48) + 12 * dim)
    else:
        crenels(c, x - wide / 2, x + wide / 2, top, stone, tone - 4)


def crenels(c: Canvas, x0: float, x1: float, top: float, paint: Paint, tone: float) -> None:
    """Draw the teeth of a battlement on a wall's upper edge."""
    count = max(3, int((x1 - x0) * c.width / (0.009 * c.long)))
    step = (x1 - x0) / (2 * count - 1)
    for k in range(count):
        c.box(x0 + 2 * k * step, top - 0.008, x0 + (2 * k + 1) * step, top + 0.001, paint, tone)


def keep(
    c: Canvas, x: float, foot: float, *, size: tuple[float, float], tone: float, round_: bool
) -> None:
    """Draw a tower of a castle, `size` wide and high, square or round, with battlement."""
    wide, high = size
    x0, x1 = x - wide / 2, x + wide / 2
    strips = max(2, min(24, round(wide * c.width / 3))) if round_ else 2
    for k in range(strips):
        turn = (k + 0.5) / strips
        shade = 10 - 34 * turn**1.5 if round_ else (4.0 if turn < 0.5 else -14.0)
        left = x0 + k / strips * wide if round_ else (x0 if k == 0 else x0 + 0.62 * wide)
        right = x0 + (k + 1) / strips * wide if round_ else (x0 + 0.62 * wide if k == 0 else x1)
        c.box(left, foot - high, right, foot, Paint.STONE, tone + shade)
    crenels(c, x0 - 0.05 * wide, x1 + 0.05 * wide, foot - high, Paint.STONE, tone - 6)
    for _ in range(3):
        at, up = x + c.vary(-0.3, 0.25) * wide, foot - high * c.vary(0.25, 0.8)
        c.box(at, up, at + max(0.08 * wide, 0.002), up + 0.1 * high, Paint.STONE, 16)


def castle(c: Canvas, x: float, foot: float, *, size: float) -> None:
    """Draw a castle of several towers and walls; `size` is its height."""
    tone = c.pick(52, 70)
    span = size * c.pick(1.3, 2.2) * c.height / c.width
    c.box(x - span / 2, foot - 0.42 * size, x + span / 2, foot, Paint.STONE, tone - 4)
    crenels(c, x - span / 2, x + span / 2, foot - 0.42 * size, Paint.STONE, tone - 4)
    for k in range(4 + int(c.layout.integers(3))):
        at = x + c.pick(-0.5, 0.5) * span
        high = size * (1.0 if k == 0 else c.vary(0.5, 0.8))
        wide = size * c.vary(0.2, 0.4) * c.height / c.width
        keep(
            c,
            at,
            foot + 0.02,
            size=(wide, high),
            tone=tone + c.vary(-5, 5),
            round_=c.vary(0, 1) < 0.5,
        )
    if c.vary(0, 1) < 0.4:
        flag(c, x, foot - size, 0.05)


def bridge(c: Canvas, *, deck: float, water: float, left: float, right: float, arches: int) -> None:
    """Draw a stone bridge from the left to the right; `water` is the height of its feet."""
    tone = c.pick(54, 70)
    hump = c.pick(0.0, 0.05)
    xs = np.linspace(left, right, 40)
    rise = deck - hump * np.sin(np.pi * (xs - left) / (right - left))
    edge = list(zip(xs.tolist(), rise.tolist(), strict=True))
    below = c.tone.copy(), c.paint.copy()
    c.fill([*edge, (right, water), (left, water)], Paint.STONE, tone)
    c.line(edge, Paint.STONE, tone + 14, thick=0.004)
    c.line([(px, py + 0.02) for px, py in edge], Paint.STONE, tone - 20, thick=0.0025)
    span = (right - left) / arches
    for k in range(arches):
        middle, half = left + (k + 0.5) * span, 0.38 * span
        turn = np.linspace(0, np.pi, 24)
        high = water - deck - 0.03
        arch = [(middle + half * np.cos(t), water - high * 0.92 * np.sin(t)) for t in turn]
        c.fill([(px - 0.012, py) for px, py in arch], Paint.STONE, 20)  # the vault's dark inside
        hole = np.zeros(c.tone.shape, np.uint8)
        scaled = np.rint(np.array(arch) * (c.width, c.height)).astype(np.int32)
        cv2.fillPoly(hole, [scaled], 1)
        np.copyto(c.tone, below[0], where=hole > 0)
        np.copyto(c.paint, below[1], where=hole > 0)
