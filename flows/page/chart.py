"""Pure: a map as the lines, dots and words that the template draws as SVG."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from flows.page.places import How, Spot
from flows.page.projection import Box, Points, Projection, azimuthal, clip, equal_earth, near

WIDTH: Final = 720.0
"""Of a map, in units of its drawing."""

_DETAIL: Final[Box] = (-25.0, 27.0, 45.0, 72.0)
"""Europe and the Mediterranean, where most photochroms were taken; degrees."""
_WORLD: Final[Box] = (-180.0, -57.0, 180.0, 84.0)
_SHARE: Final = 0.5
"""Of the prints, at least so many lie in the window for it to be drawn by itself."""
_LEAST: Final = 0.11
"""Least half height of a map of few places, in radii of the globe: about 700 km."""
_ASPECT: Final = (1.25, 1.75)
"""Least and greatest width of a detail by its height."""
_LARGEST: Final = 14.0
_SMALLEST: Final = 2.8
"""Radii of dots; between them, area goes with the number of prints."""
_GLYPH: Final = 0.56
"""Mean width of a letter by its size, of a sans-serif face."""


@dataclass(frozen=True, slots=True)
class Dot:
    """Prints at one place."""

    x: float
    y: float
    radius: float
    hollow: bool
    title: str


@dataclass(frozen=True, slots=True)
class Word:
    """A name beside a dot."""

    x: float
    y: float
    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """One map."""

    label: str
    """What it shows, for those who do not see it."""
    height: float
    land: str
    """The data of an SVG path, and so below."""
    graticule: str
    dots: tuple[Dot, ...]
    words: tuple[Word, ...]
    """Names that fit where a unit is about a pixel and a half."""
    few_words: tuple[Word, ...]
    """Names that fit where it is half a pixel, and letters are larger."""


def draw_maps(spots: Sequence[Spot], rings: list[Points]) -> list[Chart]:
    """Draw where prints were taken: where most of them were, then the world.

    Args:
        spots: Places; those without a position are left out.
        rings: The land, as `read_land` gives it.

    Returns:
        No map where no place is known; one of the detail where all lie in it; else both, or the
        world alone where nowhere lie most.
    """
    placed = [spot for spot in spots if spot.latitude is not None]
    inside = [spot for spot in placed if _within(spot, _DETAIL)]
    if not placed:
        return []
    enough = sum(s.prints for s in inside) >= _SHARE * sum(s.prints for s in placed)
    close = inside if enough else placed
    charts = []
    if enough or _span(placed) <= _DETAIL[2] - _DETAIL[0]:
        charts.append(_draw_detail(close, rings))
    if len(close) < len(placed) or not charts:
        charts.append(_draw_world(placed, rings))
    return charts


def _within(spot: Spot, box: Box) -> bool:
    x, y = _at([spot])[0]
    return bool(box[0] <= x <= box[2] and box[1] <= y <= box[3])


def _at(spots: Sequence[Spot]) -> Points:
    """Longitude and latitude of places that have them."""
    return np.array([(s.longitude, s.latitude) for s in spots], dtype=np.float64)


def _span(spots: Sequence[Spot]) -> float:
    return float(np.ptp(_at(spots)[:, 0]))


def _draw_detail(spots: Sequence[Spot], rings: list[Points]) -> Chart:
    at = _at(spots)
    middle = (at.min(0) + at.max(0)) / 2
    project = azimuthal(float(middle[0]), float(middle[1]))
    box = _frame(project(at))
    window = (middle[0] - 100, max(-85.0, middle[1] - 50), middle[0] + 100, 88.0)
    return _draw(spots, list(near(rings, window)), project, box, step=5 if box[3] < 0.3 else 10)


def _frame(points: Points) -> Box:
    """Lay a frame round points, with room, and of a shape that suits a page."""
    low, high = points.min(0), points.max(0)
    middle, half = (low + high) / 2, (high - low) / 2 * 1.16 + 0.02
    half = np.maximum(half, (_LEAST * _ASPECT[0], _LEAST))
    half[0] = max(half[0], half[1] * _ASPECT[0])
    half[1] = max(half[1], half[0] / _ASPECT[1])
    low, high = middle - half, middle + half
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def _draw_world(spots: Sequence[Spot], rings: list[Points]) -> Chart:
    edge = equal_earth(np.array([(-180, 0), (180, 0), (0, _WORLD[1]), (0, _WORLD[3])], np.float64))
    box = (float(edge[0, 0]), float(edge[2, 1]), float(edge[1, 0]), float(edge[3, 1]))
    whole = (-180.0, -85.0, 180.0, 88.0)
    return _draw(spots, list(near(rings, whole)), equal_earth, box, step=30)


def _draw(
    spots: Sequence[Spot], rings: Iterable[Points], project: Projection, box: Box, *, step: int
) -> Chart:
    scale = WIDTH / (box[2] - box[0])
    height = scale * (box[3] - box[1])

    def place(points: Points) -> Points:
        return (project(points) - (box[0], box[3])) * (scale, -scale)

    frame = (-20.0, -20.0, WIDTH + 20, height + 20)
    land = [clip(place(ring), frame) for ring in rings]
    dots = _dots(spots, place(_at(spots)))
    named = [(dot, spot.short) for dot, spot in zip(dots, spots, strict=True) if spot.name]
    return Chart(
        label=_say(spots),
        height=round(height, 1),
        land="".join(f"{to_path(ring)}Z" for ring in land if len(ring) > 2),
        graticule="".join(to_path(line) for line in _lines(step, place, frame)),
        dots=tuple(dots),
        words=tuple(lay_words(named, size=11.0, most=40, height=height)),
        few_words=tuple(lay_words(named, size=24.0, most=7, height=height)),
    )


def _say(spots: Sequence[Spot]) -> str:
    most = ", ".join(f"{spot.name or 'unnamed'} ({spot.prints})" for spot in spots[:5])
    return f"Map of {len(spots)} places; the most prints: {most}. The table below has all of them."


def _dots(spots: Sequence[Spot], at: Points) -> list[Dot]:
    most = max(spot.prints for spot in spots)
    largest = min(_LARGEST, 3.6 * most**0.5)
    return [
        Dot(
            x=round(float(x), 1),
            y=round(float(y), 1),
            radius=round(max(_SMALLEST, largest * (spot.prints / most) ** 0.5), 1),
            hollow=spot.how is How.COUNTRY,
            title=f"{spot.name or spot.where}: {spot.prints}",
        )
        for spot, (x, y) in zip(spots, at, strict=True)
    ]


def to_path(points: Points) -> str:
    """Write a line as the data of an SVG path, to a tenth of a unit, in steps from point to point.

    Args:
        points: x to the right and y down, shape (N, 2).
    """
    tenths = np.rint(points * 10).astype(int)
    steps = np.diff(tenths, axis=0)
    steps = steps[steps.any(axis=1)]
    start = f"M{_tenth(tenths[0, 0])} {_tenth(tenths[0, 1])}"
    return start + "l" * bool(len(steps)) + " ".join(f"{_tenth(x)} {_tenth(y)}" for x, y in steps)


def _tenth(number: int) -> str:
    return f"{number / 10:g}"


def _lines(step: int, place: Projection, frame: Box) -> Iterator[Points]:
    """Meridians and parallels, as far as they lie in the frame."""
    along, up = np.arange(-180.0, 181, 2), np.arange(-80.0, 81, 2)
    lines = [np.column_stack((np.full(len(up), m), up)) for m in range(-180, 181, step)]
    lines += [np.column_stack((along, np.full(len(along), p))) for p in range(-80, 81, step)]
    for line in lines:
        at = place(line)
        inside = np.all((at >= frame[:2]) & (at <= frame[2:]), axis=1)
        for part in np.split(np.arange(len(at)), np.flatnonzero(np.diff(inside)) + 1):
            if inside[part[0]]:
                reach = slice(max(0, part[0] - 1), part[-1] + 2)
                yield at[reach]


def lay_words(
    named: Sequence[tuple[Dot, str]], *, size: float, most: int, height: float
) -> Iterator[Word]:
    """Lay names beside their dots, the most important first, where none covers another or a dot.

    Args:
        named: Dots and their names, most prints first.
        size: Of the letters, in units of the drawing.
        most: Names at most.
        height: Of the drawing.

    Yields:
        The names that found room.
    """
    dots = [(d.x - d.radius, d.y - d.radius, d.x + d.radius, d.y + d.radius) for d, _ in named]
    taken: list[Box] = []
    for index, (dot, name) in enumerate(named):
        text = name if len(name) <= 22 else f"{name[:21]}…"
        others = taken + [box for place, box in enumerate(dots) if place != index]
        for word, box in _seats(dot, text, size):
            free = not any(_meet(box, other) for other in others)
            if free and box[0] > 0 and box[2] < WIDTH and box[1] > 0 and box[3] < height:
                taken.append(box)
                yield word
                break
        if len(taken) == most:
            return


def _seats(dot: Dot, text: str, size: float) -> Iterator[tuple[Word, Box]]:
    """Where a name may stand: right, left, below and above of its dot."""
    wide, gap = len(text) * size * _GLYPH, dot.radius + size * 0.3
    middle = dot.y + size * 0.35
    for x, y, anchor, start in (
        (dot.x + gap, middle, "start", 0.0),
        (dot.x - gap, middle, "end", 1.0),
        (dot.x, dot.y + gap + size * 0.7, "middle", 0.5),
        (dot.x, dot.y - gap, "middle", 0.5),
    ):
        left = x - wide * start
        word = Word(round(x, 1), round(y, 1), anchor, text)
        yield word, (left, y - size * 0.85, left + wide, y + size * 0.25)


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
