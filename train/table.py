"""Pure: what the colours of the training pictures are, by lightness and height.

A picture counts pixel by pixel, streaming. A cell of the table is the mean of its pixels, drawn
a little toward the mean of its lightness over all heights, and that toward the mean of all:

    bin_i   = (S_i  + k * all)   / (N_i  + k)
    cell_ji = (S_ji + k * bin_i) / (N_ji + k)

S and N are sums of ab and counts of pixels, j the row, i the bin of lightness; k is `PRIOR`
times the pixels that one picture has for one cell on average. So an empty cell is its bin's
mean, and an empty bin the mean of all.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from preprocess.lab import from_bytes

Floats = NDArray[np.float32]
Box = tuple[int, int, int, int]

ROWS = 16
BINS = 25
FITTED = 8_192
"""Most pictures that a training fits the table to: their mean is that of millions."""

_RUN = 256
"""Pictures that lie together, so that few shards of a large set need be opened."""

PRIOR = 8.0
"""Chosen on 70 real prints, fitted on half and tried on the other; 4 to 16 differ by 0.1 %."""


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of a set of pictures; all float32, Lab units."""

    table: Floats
    """Mean ab by height (top to bottom) and lightness (dark to light), shape (16, 25, 2)."""

    by_lightness: Floats
    """Mean ab by lightness, shape (25, 2)."""

    mean: Floats
    """Mean ab of all pixels, shape (2,)."""

    median: Floats
    """Median of a and of b over all pixels, shape (2,)."""


class _Sums:
    """Counts and sums of ab by row and bin, and a histogram of the bytes of a and b."""

    def __init__(self) -> None:
        self.pictures = 0
        self.counts = np.zeros(ROWS * BINS)
        self.sums = np.zeros((ROWS * BINS, 2))
        self.histogram = np.zeros((2, 256), np.int64)

    def add(self, lab: NDArray[np.uint8]) -> None:
        bins = np.minimum(lab[..., 0].astype(np.int64) * BINS // 255, BINS - 1)
        rows = np.arange(len(lab)) * ROWS // len(lab)
        cells = (rows[:, None] * BINS + bins).ravel()
        self.pictures += 1
        self.counts += np.bincount(cells, minlength=ROWS * BINS)
        ab = from_bytes(lab)[..., 1:].reshape(-1, 2)
        for channel in (0, 1):
            self.sums[:, channel] += np.bincount(
                cells, weights=ab[:, channel], minlength=ROWS * BINS
            )
            self.histogram[channel] += np.bincount(lab[..., 1 + channel].ravel(), minlength=256)


def choose_pictures(count: int) -> list[NDArray[np.int64]]:
    """Choose the pictures of a split that a table is fitted to: all, or runs evenly spaced.

    Args:
        count: Pictures in the split.

    Returns:
        Numbers of pictures, ascending, in runs of at most 256; of 8,192 in all at most.
    """
    if count <= FITTED:
        return [np.arange(start, min(start + _RUN, count)) for start in range(0, count, _RUN)]
    runs = FITTED // _RUN
    return [np.arange(_RUN) + (count - _RUN) * run // (runs - 1) for run in range(runs)]


def fit_palette(labs: Iterable[NDArray[np.uint8]], boxes: Iterable[Box]) -> Palette:
    """Fit the table, and the simpler means, to pictures.

    Args:
        labs: Pictures as in a shard, each (S, S, 3), uint8: L*255/100, a + 128, b + 128.
            They are read once, one by one.
        boxes: Valid box of each: top, left, bottom, right, the last two exclusive.

    Returns:
        The palette. The formula stands at the top of this module.

    Raises:
        ValueError: If there is no picture, or one is not uint8 (H, W, 3), or its box is empty.
    """
    sums = _Sums()
    for lab, (top, left, bottom, right) in zip(labs, boxes, strict=True):
        cut = lab[top:bottom, left:right]
        if lab.ndim != 3 or lab.dtype != np.uint8 or cut.size == 0:
            raise ValueError(
                f"expected LAB bytes (H, W, 3) with a valid box, got {lab.shape} of {lab.dtype} "
                f"and the box {(top, left, bottom, right)}"
            )
        sums.add(cut)
    if sums.pictures == 0:
        raise ValueError("expected at least one picture to fit the table to, got none")
    return _to_palette(sums)


def fit_table(labs: Iterable[NDArray[np.uint8]], boxes: Iterable[Box]) -> Floats:
    """Fit the table alone; see `fit_palette`.

    Returns:
        Mean ab by height and lightness, shape (16, 25, 2), float32, Lab units.
    """
    return fit_palette(labs, boxes).table


def _to_palette(sums: _Sums) -> Palette:
    counts, totals = sums.counts.reshape(ROWS, BINS, 1), sums.sums.reshape(ROWS, BINS, 2)
    weight = PRIOR * counts.sum() / sums.pictures / (ROWS * BINS)
    mean = totals.sum((0, 1)) / counts.sum()
    by_lightness = (totals.sum(0) + weight * mean) / (counts.sum(0) + weight)
    table = (totals + weight * by_lightness) / (counts + weight)
    halves = np.cumsum(sums.histogram, axis=1) * 2 >= counts.sum()
    median = np.argmax(halves, axis=1) - 128
    return Palette(
        table=table.astype(np.float32),
        by_lightness=by_lightness.astype(np.float32),
        mean=mean.astype(np.float32),
        median=median.astype(np.float32),
    )
