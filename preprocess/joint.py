"""Pure: choose the four sides of a print together.

Every choice of four lines, or of none where the print reaches the end of its scan, has a score:
the case for each side within the extent that its neighbours leave it, how well the lines make a
rectangle, and how many sides have no mount. The scores of all choices under all guesses of the
mount's colour make probabilities (a softmax), and so do those of each side's lines.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from preprocess.edges import line_rows, measure_steps
from preprocess.evidence import CHOICES, LIKE_UNIT, SKEW_UNIT, Guess, measure_guess
from preprocess.mounts import guess_colours
from preprocess.strips import Float, Strip, mean_rows
from preprocess.weights import (
    COUNT,
    HIDDEN_BIAS,
    HIDDEN_OUT,
    HIDDEN_WEIGHTS,
    LIKE,
    LINEAR,
    MEANS,
    SCALES,
    SKEW,
)

Double = NDArray[np.float64]

_MOST_SKEW: Final = 4.0

_SURE: Final = 0.99
"""Probability of four sides beyond which no other guess of the mount's colour is tried."""

_EVEN_SPREAD: Final = 0.5
"""Spread along a line, in `preprocess.profiles`' units, below which its inside has one colour. Two
such sides may be those of a board on a scanner's bed; then all guesses are tried."""

_SAFE: Final = 0.25
"""Probability that the print's edge lies at a line or outside of it, from which cutting there is
no caution any more."""

_SAME_ROWS: Final = 3.0
"""Lines nearer than this at both ends of a side are one answer, in rows of the reduced picture."""

_SEATS: Final = ((0, 3, 1), (1, 0, 2), (2, 1, 3), (3, 2, 0))
"""A side and its neighbours, at its first column and at its last."""


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """The likeliest four sides, and what else they might be."""

    lines: Double
    """Shape (4, 2): offset and slope in the reduced picture."""
    bare: tuple[bool, ...]
    """Sides without a mount."""
    colour: Float
    """The mount's beside the print, LAB; of no meaning where all sides are bare."""
    probability: float
    """Of these four sides together."""
    sides: tuple[float, ...]
    """Of each side."""
    outermost: Double
    """Shape (4, 2): on each side the line outside of which the print's edge hardly lies."""


def choose_sides(strips: tuple[Strip, ...]) -> Choice:
    """Choose the four sides.

    Args:
        strips: The outer bands of a picture, from `preprocess.strips`.
    """
    steps = [measure_steps(strip) for strip in strips]
    guesses, scores = list[Guess](), list[Double]()
    for colour in guess_colours(strips):
        guesses.append(measure_guess(strips, steps, colour))
        scores.append(score_choices(guesses[-1]))
        odds = np.exp(np.stack(scores) - np.max(scores))
        odds /= odds.sum()
        best = np.unravel_index(np.argmax(odds), odds.shape)
        picked = guesses[best[0]]
        if odds.max() > _SURE and _is_filled(picked, best[1:]):
            break
    lines = np.stack([picked.lines[side, best[side + 1]] for side in range(4)])
    like = [_find_like(guesses, lines, side, strips[side].width) for side in range(4)]
    return Choice(
        lines=lines,
        bare=tuple(bool(place == 0) for place in best[1:]),
        colour=_find_colour(strips, lines),
        probability=float(sum(_sum_like(odd, place, like) for place, odd in enumerate(odds))),
        sides=tuple(float(_of_side(odds, side)[like[side]].sum()) for side in range(4)),
        outermost=np.stack([_find_outermost(guesses, odds, side) for side in range(4)]),
    )


def _is_filled(guess: Guess, places: Sequence[np.intp]) -> bool:
    """Say whether what the lines hold looks like a print, not like one more mount."""
    spreads = [guess.inside[side, place, 3] for side, place in enumerate(places) if place]
    return sum(bool(spread < _EVEN_SPREAD) for spread in spreads) < 2


def _find_colour(strips: tuple[Strip, ...], lines: Double) -> Float:
    """Return the middle colour of the rows just outside the print, of all sides that have any."""
    colours = [
        np.median(mean_rows(strip.sums, line_rows(line[None], strip), -7, -1), axis=(1, 2))
        for strip, line in zip(strips, lines, strict=True)
        if line.any()
    ]
    return np.median(colours, axis=0) if colours else np.zeros(3, np.float32)


def score_choices(guess: Guess) -> Double:
    """Score every choice of four lines under one guess.

    Args:
        guess: Lines and their features.

    Returns:
        Shape (CHOICES, CHOICES, CHOICES, CHOICES), the lines of top, right, bottom and left;
        minus infinity where a line does not exist.
    """
    alone = _score_alone(guess.features)
    total = np.zeros(4 * (CHOICES,))
    for side, first, last in _SEATS:
        seated = np.moveaxis(alone[side][..., None], (0, 1, 2, 3), _axes(side, first, last))
        total = total + seated
    for side in range(4):
        for other in range(side + 1, 4):
            total = total + _score_pair(guess, side, other)
    none = (np.arange(CHOICES) == 0).astype(int)
    bare = sum(none.reshape(_shape(side)) for side in range(4))
    total = total + np.asarray(COUNT)[bare]
    for side in range(4):
        total = np.where(guess.valid[side].reshape(_shape(side)), total, -np.inf)
    return np.asarray(total)


def _axes(side: int, first: int, last: int) -> tuple[int, int, int, int]:
    """Say where own, first, last and the side opposite stand among top, right, bottom, left."""
    return side, first, last, (side + 2) % 4


def _shape(side: int) -> tuple[int, ...]:
    return tuple(CHOICES if place == side else 1 for place in range(4))


def _score_alone(features: Float) -> Double:
    """Score each side's lines in each extent: a straight sum, and a hidden layer's."""
    scaled = (features - np.asarray(MEANS, np.float32)) / np.asarray(SCALES, np.float32)
    weights, bias = np.asarray(HIDDEN_WEIGHTS, np.float32), np.asarray(HIDDEN_BIAS, np.float32)
    hidden = np.tanh(scaled @ weights + bias)
    total = scaled @ np.asarray(LINEAR, np.float32) + hidden @ np.asarray(HIDDEN_OUT, np.float32)
    return np.asarray(total, np.float64)


def _score_pair(guess: Guess, side: int, other: int) -> Double:
    """Score how two sides stand to each other; turned together, all four slope alike.

    A print's edges are seldom of one even colour: four that are, are the edges of its mount.
    """
    slopes, inside = guess.lines[[side, other], :, 1], guess.inside[[side, other]]
    apart = np.minimum(np.abs(slopes[0][:, None] - slopes[1]) / SKEW_UNIT, _MOST_SKEW)
    straight, squared = SKEW[(other - side) % 2]
    away = np.linalg.norm(inside[0, :, None, :3] - inside[1, None, :, :3], axis=2) / LIKE_UNIT
    like = np.exp(-away - inside[0, :, None, 3] - inside[1, None, :, 3])
    score = straight * apart + squared * apart**2 / 4 + LIKE[(other - side) % 2] * like
    score[0], score[:, 0] = 0, 0
    shape = tuple(CHOICES if place in (side, other) else 1 for place in range(4))
    return np.asarray(score.reshape(shape))


def _of_side(odds: Double, side: int) -> Double:
    """Sum over the other sides: shape (guesses, CHOICES)."""
    others = tuple(place + 1 for place in range(4) if place != side)
    return np.asarray(odds.sum(axis=others))


def _find_like(guesses: list[Guess], lines: Double, side: int, width: int) -> NDArray[np.bool_]:
    """Say which lines are as good as the chosen one: shape (guesses, CHOICES)."""
    all_lines = np.stack([guess.lines[side] for guess in guesses])
    apart = all_lines - lines[side]
    ends = [np.abs(apart[..., 0] + apart[..., 1] * at) for at in (-width / 2, width / 2)]
    return np.asarray(np.maximum(*ends) < _SAME_ROWS)


def _sum_like(odds: Double, place: int, like: list[NDArray[np.bool_]]) -> float:
    top, right, bottom, left = (side[place] for side in like)
    return float(odds[np.ix_(top, right, bottom, left)].sum())


def _find_outermost(guesses: list[Guess], odds: Double, side: int) -> Double:
    """Return the outermost line that, with those outside of it, is as likely as _SAFE."""
    lines = np.concatenate([guess.lines[side] for guess in guesses])
    likely = _of_side(odds, side).ravel()
    order = np.argsort(lines[:, 0], kind="stable")
    place = int(np.searchsorted(np.cumsum(likely[order]), _SAFE))
    return np.asarray(lines[order[min(place, len(order) - 1)]])
