"""What floats: sailing ships, steamers, boats."""

from replica.canvas import Canvas
from replica.growth import Skin, clump
from replica.inks import Paint


def boat(c: Canvas, x: float, y: float, *, size: float) -> None:
    """Draw a rowing boat lying at (x, y), `size` of the picture's width long."""
    paint = (Paint.WOOD, Paint.WOOD, Paint.WOOD, Paint.RED, Paint.BLUE, Paint.GREEN)[
        int(c.detail.integers(6))
    ]
    deep = 0.2 * size * c.width / c.height
    tilt = c.vary(-0.25, 0.25) * deep
    half = size / 2
    c.fill(
        [
            (x - half, y - 0.6 * deep + tilt),
            (x + half, y - 0.6 * deep - tilt),
            (x + 0.8 * half, y + 0.4 * deep),
            (x - 0.8 * half, y + 0.4 * deep),
        ],
        paint,
        c.vary(18, 42),
    )
    c.line(
        [(x - half, y - 0.6 * deep + tilt), (x, y - 0.3 * deep), (x + half, y - 0.6 * deep - tilt)],
        Paint.WOOD,
        c.vary(50, 72),
        thick=0.0015,
    )
    if c.vary(0, 1) < 0.4:
        c.box(x - 0.05 * size, y - 1.6 * deep, x + 0.03 * size, y - 0.3 * deep, Paint.FIGURE, 18)


def sailing_ship(c: Canvas, x: float, y: float, *, size: float) -> None:
    """Draw a ship of one to three masts lying at (x, y); `size` is the height of its masts."""
    masts = 1 + int(c.detail.integers(3))
    long = size * (0.45 + 0.22 * masts) * c.height / c.width
    deep = 0.13 * size
    hull = Paint.WOOD if c.vary(0, 1) < 0.7 else Paint.FIGURE
    c.fill(
        [
            (x - long / 2, y - deep),
            (x + 0.56 * long, y - 1.25 * deep),
            (x + 0.44 * long, y),
            (x - 0.46 * long, y),
        ],
        hull,
        c.vary(12, 28),
    )
    c.line([(x - long / 2, y - deep), (x + 0.56 * long, y - 1.25 * deep)], Paint.SAIL, 70)
    bare = c.vary(0, 1) < 0.55
    for k in range(masts):
        at = x - 0.3 * long + 0.6 * long * (k + 0.5) / masts
        tall = size * c.vary(0.82, 1.0)
        for end in (-0.5, 0.5):
            c.line([(at, y - tall), (x + end * long, y - deep)], Paint.WOOD, 42)
        _mast(c, at, y, foot=deep, tall=tall, bare=bare)


def _mast(c: Canvas, x: float, y: float, *, foot: float, tall: float, bare: bool) -> None:
    """Step a mast with its yards and, unless bare, a sail; `foot` is its height above the water."""
    c.line([(x, y - foot), (x, y - tall)], Paint.WOOD, 20, thick=0.0022)
    upright = c.height / c.width
    for yard in (0.5, 0.68, 0.84):
        reach = 0.29 * tall * (1.3 - yard) * upright
        ends = [(x - reach, y - yard * tall), (x + reach, y - (yard + 0.01) * tall)]
        c.line(ends, Paint.WOOD, 24)
    if not bare:
        out = 0.29 * tall * upright * c.vary(0.7, 1.1)
        sail = [(x, y - 0.92 * tall), (x + 0.1 * out, y - 1.2 * foot), (x + out, y - 1.4 * foot)]
        c.fill(sail, Paint.SAIL, c.vary(62, 86))


def steamer(c: Canvas, x: float, y: float, *, size: float) -> None:
    """Draw a paddle steamer at (x, y), `size` of the picture's width long."""
    deep = 0.085 * size * c.width / c.height
    half = size / 2
    side = 1 if c.vary(0, 1) < 0.5 else -1
    c.fill(
        [
            (x - side * half, y - deep),
            (x + side * 1.05 * half, y - 1.2 * deep),
            (x + side * 0.95 * half, y),
            (x - side * 0.95 * half, y),
        ],
        Paint.FIGURE,
        16,
    )
    c.box(x - 0.7 * half, y - 1.9 * deep, x + 0.6 * half, y - deep, Paint.WALL, 82)
    c.box(x - 0.75 * half, y - 2.15 * deep, x + 0.65 * half, y - 1.9 * deep, Paint.SAIL, 68)
    funnel = (
        Paint.RED if c.vary(0, 1) < 0.4 else Paint.FIGURE if c.vary(0, 1) < 0.5 else Paint.EARTH
    )
    c.box(x - 0.07 * half, y - 4.4 * deep, x + 0.07 * half, y - 2.1 * deep, funnel, 34)
    for at in (-0.6, 0.5):
        c.line([(x + at * half, y - deep), (x + at * half, y - 5 * deep)], Paint.WOOD, 30)
    for k in range(9):
        puff = 0.006 + 0.002 * k
        px, py = x - side * (0.06 + 0.1 * k) * half, y - (4.6 + 0.35 * k) * deep
        clump(
            c,
            px,
            py,
            half=(1.6 * puff, puff),
            tone=50 + 3 * k,
            skin=Skin(paint=Paint.SMOKE, light=8),
        )
