"""What stands on the land: trees, bushes, boulders."""

from dataclasses import dataclass

import numpy as np

from replica.canvas import Canvas, Float, wander
from replica.inks import Paint


@dataclass(frozen=True, slots=True)
class Skin:
    """What a rounded mass is made of.

    Attributes:
        paint: What it is.
        light: Lightness between lit and shaded side.
        ragged: How much noise breaks the outline.
    """

    paint: Paint = Paint.LEAF
    light: float = 16.0
    ragged: float = 0.3


LEAVES = Skin()


@dataclass(frozen=True, slots=True)
class Stand:
    """The trees along a line.

    Attributes:
        share: Part of the line that is wooded.
        firs: Part of the trees that are firs.
        sink: How far below the line they may stand, fraction of the height.
    """

    share: float = 0.5
    firs: float = 0.3
    sink: float = 0.0


def clump(
    c: Canvas,
    x: float,
    y: float,
    *,
    half: tuple[float, float],
    tone: float,
    skin: Skin = LEAVES,
) -> None:
    """Draw a rounded mass: a crown, a bush, a boulder, lit from the upper left.

    Args:
        c: The plate.
        x: Centre across.
        y: Centre down.
        half: Half width and half height, of the long edge.
        tone: Mean lightness.
        skin: What it is made of.
    """
    cx, cy = x * c.width, y * c.height
    rx, ry = max(2.0, half[0] * c.long), max(2.0, half[1] * c.long)
    x0, x1 = int(max(0, cx - 1.3 * rx)), int(min(c.width, cx + 1.3 * rx))
    y0, y1 = int(max(0, cy - 1.3 * ry)), int(min(c.height, cy + 1.3 * ry))
    if x1 <= x0 or y1 <= y0:
        return
    u = ((np.arange(x0, x1, dtype=np.float32) - cx) / rx)[None]
    v = ((np.arange(y0, y1, dtype=np.float32) - cy) / ry)[:, None]
    leaf = c.leaf[y0:y1, x0:x1]
    mask = u * u + v * v < 1 + skin.ragged * leaf
    shade = tone + skin.light * (0.35 * c.light * u - 0.65 * v) + 0.3 * skin.light * leaf
    np.copyto(c.tone[y0:y1, x0:x1], shade, where=mask)
    np.copyto(c.paint[y0:y1, x0:x1], np.uint8(skin.paint), where=mask)


def tree(c: Canvas, x: float, foot: float, *, high: float, tone: float) -> None:
    """Draw a broad-leaved tree standing at (x, foot), `high` of the long edge tall."""
    tall, broad = high * c.long / c.height, high * c.long / c.width
    lean = c.vary(-0.05, 0.05) * broad
    c.line(
        [(x, foot), (x + 0.4 * lean, foot - 0.35 * tall), (x + lean, foot - 0.7 * tall)],
        Paint.WOOD,
        max(5.0, tone - 14),
        thick=high * 0.035,
    )
    for _ in range(22):
        up = c.vary(0, 1)
        spread = 0.4 * (1 - (2 * up - 0.9) ** 2 * 0.6)
        clump(
            c,
            x + lean + c.vary(-spread, spread) * broad,
            foot - tall * (0.34 + 0.6 * up),
            half=(high * c.vary(0.07, 0.15), high * c.vary(0.05, 0.1)),
            tone=tone - 9 + 15 * up + c.vary(-3, 3),
            skin=Skin(light=20, ragged=0.6),
        )


def conifer(c: Canvas, x: float, foot: float, *, high: float, tone: float) -> None:
    """Draw a fir standing at (x, foot)."""
    cx, cy = x * c.width, foot * c.height
    tall, half = high * c.long, high * c.long * 0.2
    x0, x1 = int(max(0, cx - 1.3 * half)), int(min(c.width, cx + 1.3 * half))
    y0, y1 = int(max(0, cy - tall)), int(min(c.height, cy))
    if x1 <= x0 or y1 <= y0:
        return
    u = (np.arange(x0, x1, dtype=np.float32) - cx)[None] / half
    v = ((np.arange(y0, y1, dtype=np.float32) - (cy - tall)) / tall)[:, None]
    tier = 0.72 + 0.28 * ((v * 9) % 1)
    leaf = c.leaf[y0:y1, x0:x1]
    mask = np.abs(u) < v * tier + 0.16 * leaf * v
    np.copyto(c.tone[y0:y1, x0:x1], tone + 7 * c.light * u + 4 * leaf, where=mask)
    np.copyto(c.paint[y0:y1, x0:x1], np.uint8(Paint.CONIFER), where=mask)


def wood(
    c: Canvas,
    profile: Float,
    *,
    size: float,
    tone: float,
    stand: Stand,
) -> None:
    """Set trees along a line, back to front.

    Args:
        c: The plate.
        profile: Where they stand, shape (W,), pixels.
        size: Height of a tree, of the long edge.
        tone: Mean lightness.
        stand: How dense it is, and of what.
    """
    count = int(stand.share * 1.9 * c.width / (size * c.long)) + 1
    spots = sorted(
        (c.vary(0, stand.sink) if stand.sink else 0.0, c.vary(0, 1)) for _ in range(count)
    )
    for drop, x in spots:
        foot = float(profile[min(c.width - 1, int(x * c.width))]) / c.height + drop + 0.01
        dark = tone - 30 * drop
        if c.vary(0, 1) < stand.firs:
            conifer(c, x, foot, high=size * c.vary(0.9, 1.6), tone=dark - 6)
        else:
            clump(
                c,
                x,
                foot - 0.3 * size,
                half=(size * c.vary(0.4, 0.8), size * c.vary(0.35, 0.6)),
                tone=dark + c.vary(-5, 5),
                skin=Skin(ragged=0.5),
            )


def bank(c: Canvas, *, top: float, rise: float, tone: float) -> None:
    """Grow a dark bank of bushes along the lower edge: the foreground of so many prints."""
    curve = wander(c.layout, c.detail, c.width, cells=3, rough=0.55)
    slope = c.pick(-1, 1) * np.linspace(-1, 1, c.width, dtype=np.float32)
    profile = ((top - rise * (0.5 * curve + 0.7 * slope)) * c.height).astype(np.float32)
    depth = np.clip((c.rows() * c.height - profile) / (0.25 * c.height), 0, 1)
    c.below(profile, Paint.LEAF, tone - 10 * depth + 5 * c.leaf)
    spots = sorted((c.vary(-0.01, 0.16), c.vary(0, 1)) for _ in range(70))
    for drop, x in spots:
        foot = float(profile[min(c.width - 1, int(x * c.width))]) / c.height + drop
        wide = c.vary(0.012, 0.035) + 0.1 * max(0.0, drop)
        clump(
            c,
            x,
            foot,
            half=(wide, wide * c.vary(0.4, 0.8)),
            tone=tone + c.vary(-7, 9) - 30 * drop,
            skin=Skin(light=18, ragged=0.7),
        )


def boulders(c: Canvas, *, top: float, bottom: float, count: int, size: float) -> None:
    """Scatter rocks between two heights, larger towards the viewer."""
    for y in sorted(c.vary(top, bottom) for _ in range(count)):
        near = 0.3 + 0.7 * (y - top) / max(bottom - top, 0.01)
        wide = size * near * c.vary(0.5, 1.2)
        clump(
            c,
            c.vary(0, 1),
            y,
            half=(wide, wide * c.vary(0.45, 0.75)),
            tone=c.vary(42, 66),
            skin=Skin(paint=Paint.ROCK, light=34, ragged=0.25),
        )
