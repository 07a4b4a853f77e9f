"""What gives the scale: people and flags, with the accents of colour they bring."""

from replica.canvas import Canvas
from replica.inks import Paint


def flag(c: Canvas, x: float, foot: float, high: float) -> None:
    """Fly a flag; red or blue is its own affair."""
    c.line([(x, foot), (x, foot - high)], Paint.FIGURE, 20)
    paint = Paint.RED if c.vary(0, 1) < 0.6 else Paint.BLUE
    tip = x + 0.028 * (1 if c.vary(0, 1) < 0.7 else -1)
    c.fill(
        [
            (x, foot - high),
            (tip, foot - 0.85 * high),
            (tip, foot - 0.62 * high),
            (x, foot - 0.7 * high),
        ],
        paint,
        c.vary(38, 52),
    )


def people(
    c: Canvas,
    *,
    top: float,
    bottom: float,
    count: int,
    size: float,
    span: tuple[float, float] = (0.0, 1.0),
) -> None:
    """Let people walk about between two heights, taller towards the viewer.

    Args:
        c: The plate.
        top: Where the farthest stand.
        bottom: Where the nearest stand.
        count: How many.
        size: Height of the nearest, of the long edge.
        span: Where they begin and end, from left to right.
    """
    for foot in sorted(c.vary(top, bottom) for _ in range(count)):
        high = size * (0.2 + 0.8 * (foot - top) / max(bottom - top, 0.01))
        tall, wide = high * c.long / c.height, 0.13 * high * c.long / c.width
        x = c.vary(*span)
        dress = c.vary(0, 1)
        paint = Paint.RED if dress < 0.07 else Paint.BLUE if dress < 0.12 else Paint.FIGURE
        tone = (
            c.vary(34, 46)
            if paint != Paint.FIGURE
            else c.vary(6, 22)
            if dress < 0.85
            else c.vary(66, 82)
        )
        _shadow(c, x, foot, wide=wide, tall=tall)
        c.fill(
            [
                (x - 0.55 * wide, foot - 0.84 * tall),
                (x + 0.55 * wide, foot - 0.84 * tall),
                (x + 0.9 * wide, foot - 0.5 * tall),
                (x + 0.6 * wide, foot),
                (x - 0.6 * wide, foot),
                (x - 0.9 * wide, foot - 0.5 * tall),
            ],
            paint,
            tone,
        )
        c.box(x - 0.35 * wide, foot - tall, x + 0.35 * wide, foot - 0.84 * tall, Paint.FIGURE, 28)


def _shadow(c: Canvas, x: float, foot: float, *, wide: float, tall: float) -> None:
    """Darken the ground on the side of a figure away from the light."""
    row, column = int(foot * c.height), int(x * c.width)
    reach = max(2, int(4 * wide * c.width))
    start = column if c.light < 0 else column - reach
    deep = max(1, int(0.07 * tall * c.height))
    c.tone[row : row + deep, max(0, start) : max(0, start + reach)] *= 0.62
