"""Copy negatives made from colour prints, with the truth of where every point of them lies.

A copy is what a film in front of the print shows: inks as an emulsion sees them (most are blind to
red), a steep or flat curve, a camera not quite square to the print, a lens that bends, uneven
light, dust and scratches, and a JPEG of it all.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
Float = NDArray[np.float64]
ToPrint = Callable[[Float], Float]
"""Points of the copy, (N, 2) in pixels from its outer edge, to points of the colour scan."""

EMULSIONS = (
    (0.04, 0.46, 0.50),  # orthochromatic: nearly blind to red
    (0.00, 0.12, 0.88),  # ordinary plate: blue alone
    (0.02, 0.68, 0.30),  # isochromatic
    (0.34, 0.46, 0.20),  # panchromatic
    (0.75, 0.20, 0.05),  # panchromatic behind a red filter
)


@dataclass(frozen=True, slots=True)
class Film:
    """How far a copy may stray from its print."""

    tilt: float
    """Largest turn, in degrees."""
    crop: float
    """Largest share cut from each side."""
    lens: float
    """Largest radial shift at half the longer side from the middle, as a share of that."""
    skew: float
    """Spread of the corners, as a share of the longer side: the camera stands askew."""
    blur: float
    """Largest sigma, in pixels."""
    gamma: float
    """The curve's exponent lies between this and its inverse."""
    contrast: float
    """Least share of the scale that fading leaves."""
    light: float
    """Largest fall of the light over the picture, as a share."""
    flaws: int
    """Most scratches; ten specks of dust come with each."""
    half: bool = False
    """Whether about half of the print is out of the picture."""
    moved: float = 0.0
    """Shift of the foreground, as a share of the longer side: no copy, but a picture taken from a
    step aside."""


ORDINARY = Film(1.2, 0.05, 0.003, 0.003, 1.2, 1.6, 0.6, 0.2, 3)
HARD = Film(6.0, 0.12, 0.010, 0.008, 2.4, 3.0, 0.25, 0.6, 12)


def make_copy(picture: Rgb, rng: np.random.Generator, film: Film) -> tuple[Rgb, ToPrint]:
    """Photograph a print on film, and print the film as a positive.

    Args:
        picture: Colour scan, shape (H, W, 3), sRGB, 0..255.
        rng: Decides everything.
        film: How far the copy may stray.

    Returns:
        The copy, shape (h, w), uint8; and where its points lie in `picture`.
    """
    height, width = picture.shape[:2]
    shown = _choose_part(width, height, rng, film)
    placed = _place(shown / max(width, height), rng, film)
    board = rng.uniform(0.015, 0.07) if rng.random() < 0.5 else 0.0
    low, high = _frame(placed, board)
    scale = rng.uniform(0.62, 1.05) * max(width, height) / (high - low).max()
    columns, rows = (int(n) for n in np.rint((high - low) * scale))
    back = cv2.getPerspectiveTransform(
        ((placed - low) * scale).astype(np.float32), shown.astype(np.float32)
    )
    to_print = _bend(back, (width, height), rng, film)
    x, y = np.meshgrid(np.arange(columns) + 0.5, np.arange(rows) + 0.5)
    source = to_print(np.stack([x.ravel(), y.ravel()], axis=1)).reshape(rows, columns, 2)
    grey = cv2.GaussianBlur(_expose(picture, rng, film), (0, 0), 0.5)
    sampled = cv2.remap(
        grey,
        (source - 0.5).astype(np.float32),
        None,
        cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REFLECT,
    )
    on_print = ((source >= shown[0]) & (source <= shown[2])).all(axis=2).astype(np.float64)
    edge = cv2.GaussianBlur(on_print, (0, 0), 0.7)
    tone = rng.choice([8.0, 20.0, 200.0, 245.0]) if board else 0.0
    laid = tone + edge * (sampled - tone) if board else sampled
    return _spoil(laid, rng, film), to_print


def _choose_part(width: int, height: int, rng: np.random.Generator, film: Film) -> Float:
    """Choose the corners, in the print, of the part that the copy shows."""
    cut = rng.uniform(0, film.crop, 4)
    if film.half:
        cut[rng.integers(4)] = rng.uniform(0.42, 0.55)
    left, top, right, bottom = cut * (width, height, width, height)
    right, bottom = width - right, height - bottom
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom]])


def _place(shown: Float, rng: np.random.Generator, film: Film) -> Float:
    """Turn and skew the part shown; lengths are shares of the print's longer side."""
    turn = np.deg2rad(rng.uniform(-film.tilt, film.tilt))
    spin = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    skew = np.clip(rng.normal(0, film.skew, (4, 2)), -2 * film.skew, 2 * film.skew)
    return (shown - shown.mean(0)) @ spin + skew


def _frame(placed: Float, board: float) -> tuple[Float, Float]:
    """Give the upper left and lower right of the film: around the print, or within it."""
    if board:
        return placed.min(0) - board, placed.max(0) + board
    inner = np.sort(placed, axis=0)
    return inner[1], inner[2]


def _bend(back: Float, size: tuple[int, int], rng: np.random.Generator, film: Film) -> ToPrint:
    """Follow the film's homography with the lens, the paper's waves and a step aside."""
    middle, half = np.array(size) / 2, max(size) / 2
    bend = rng.uniform(-film.lens, film.lens)
    waves = rng.normal(0, film.lens / 6, (2, 2))
    phases = rng.uniform(0, 2 * np.pi, (2, 2))
    step = film.moved * 2 * half * rng.choice([-1, 1])

    def to_print(points: Float) -> Float:
        flat = np.hstack([points, np.ones((len(points), 1))]) @ back.T
        out = (flat[:, :2] / flat[:, 2:] - middle) / half
        out = out * (1 + bend * (out**2).sum(axis=1, keepdims=True))
        out = out + np.sin(3 * out[:, ::-1] + phases[0]) * waves[0]
        out = middle + half * out
        depth = np.clip((out[:, 1] / size[1] - 0.35) / 0.3, 0, 1)
        out[:, 0] += step * depth
        return np.asarray(out, np.float64)

    return to_print


def _expose(picture: Rgb, rng: np.random.Generator, film: Film) -> Float:
    """Give the tones that an emulsion makes of the inks, 0..255."""
    weights = np.array(EMULSIONS[rng.integers(len(EMULSIONS))])
    light = (picture / 255.0) ** 2.2 @ (weights / weights.sum())
    gamma = film.gamma ** rng.uniform(-1, 1)
    tone = light ** (gamma / 2.2)
    left = rng.uniform(film.contrast, 1)
    return np.asarray(255 * ((1 - left) * rng.uniform(0, 1) + left * tone), np.float64)


def _spoil(copy: Float, rng: np.random.Generator, film: Film) -> Rgb:
    """Blur the copy, light it unevenly, scratch and dust it, and give it grain."""
    height, width = copy.shape
    copy = cv2.GaussianBlur(copy, (0, 0), rng.uniform(0.4, film.blur))
    field = cv2.resize(rng.uniform(0, 1, (3, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    fall, corners = rng.uniform(0, film.light, 2)
    copy = copy * (1 - fall * np.clip(field, 0, 1)) * (1 - corners / 2 * (x**2 + y**2) / 2)
    for _ in range(rng.integers(film.flaws + 1)):
        tone = float(rng.choice([15.0, 245.0]))
        ends = rng.integers(0, (width, height), (2, 2))
        cv2.line(copy, tuple(map(int, ends[0])), tuple(map(int, ends[1])), tone, 1, cv2.LINE_AA)
        for _ in range(10):
            at = tuple(int(n) for n in rng.integers(0, (width, height)))
            cv2.circle(copy, at, int(rng.integers(1, 4)), tone, -1, cv2.LINE_AA)
    grain = cv2.GaussianBlur(rng.normal(0, 1, copy.shape), (0, 0), 0.8)
    copy = copy + rng.uniform(3, 12) * grain
    return np.asarray(np.clip(np.rint(copy), 0, 255), np.uint8)
