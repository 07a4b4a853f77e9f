"""Pure: the inks of a collection, found in the LAB of its samples.

Sources: k-means, Lloyd, IEEE Trans. Information Theory 28 (1982), started without chance from the
colours that the most pixels lie farthest from, after Arthur and Vassilvitskii, SODA 2007.
Distances are those of CIE 1976 (CIE 15:2004), with lightness counted half, as CMC(2:1) does
(ISO 105-J03), so that a paper's shades do not outnumber the inks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from preprocess.lab import from_bytes, to_rgb
from preprocess.samples import Sample

Float = NDArray[np.float64]

PIXELS: Final = 2048
"""Taken of a sample at most, on an even grid."""

_STEP: Final = 3.0
"""Side of the cells, in units of LAB, whose pixels are counted as one colour."""
_LIGHTNESS: Final = 0.5
_ROUNDS: Final = 60
_REACH: Final = 64
"""Greatest a and b of the density; photochroms stay well inside."""


@dataclass(frozen=True, slots=True)
class Ink:
    """One typical colour."""

    lab: tuple[float, float, float]
    share: float
    """Of the pixels, 0..1."""
    hex: str
    """sRGB, such as "#a08050"."""


def take_pixels(sample: Sample) -> NDArray[np.uint8]:
    """Take an even grid of pixels within the picture of a sample.

    Args:
        sample: Any.

    Returns:
        Its LAB bytes, shape (N, 3), N at most 2,048 and at least 1.
    """
    top, left, bottom, right = sample.info.valid
    picture = sample.lab[top:bottom, left:right]
    step = max(1, int(np.ceil((picture.shape[0] * picture.shape[1] / PIXELS) ** 0.5)))
    return np.ascontiguousarray(picture[step // 2 :: step, step // 2 :: step].reshape(-1, 3))


def find_inks(pixels: Sequence[NDArray[np.uint8]], *, count: int) -> list[Ink]:
    """Find the typical colours of samples, by k-means in LAB.

    Args:
        pixels: Of each sample, as `take_pixels` gives them; each sample counts the same.
        count: Colours wanted.

    Returns:
        At most `count` inks, of the largest share first; none of no pixels.
    """
    if not pixels:
        return []
    colours, weights = _tally(pixels)
    centres = _start(colours, weights, count)
    for _ in range(_ROUNDS):
        nearest = _nearest(colours, centres)
        moved = _means(colours, weights, nearest, centres)
        if np.allclose(moved, centres, atol=1e-3):
            break
        centres = moved
    shares = np.bincount(_nearest(colours, centres), weights, len(centres))
    rgb = to_rgb((centres / (_LIGHTNESS, 1, 1)).astype(np.float32)[None])[0]
    inks = [
        Ink((float(c[0] / _LIGHTNESS), float(c[1]), float(c[2])), float(share), to_hex(colour))
        for c, share, colour in zip(centres, shares, rgb, strict=True)
        if share > 0
    ]
    return sorted(inks, key=lambda ink: (-ink.share, ink.hex))


def to_hex(colour: NDArray[np.uint8]) -> str:
    """Write an sRGB colour as "#rrggbb"."""
    return "#" + "".join(f"{channel:02x}" for channel in colour)


def count_chroma(pixels: Sequence[NDArray[np.uint8]]) -> Float:
    """Count pixels by a and b.

    Args:
        pixels: Of each sample, as `take_pixels` gives them.

    Returns:
        Counts in cells of two units from -64 to 64, b by a, shape (64, 64).
    """
    edges = np.arange(-_REACH, _REACH + 1, 2)
    counts = np.zeros((len(edges) - 1, len(edges) - 1))
    for part in pixels:
        lab = from_bytes(part)
        counts += np.histogram2d(lab[:, 2], lab[:, 1], bins=(edges, edges))[0]
    return counts


def _tally(pixels: Sequence[NDArray[np.uint8]]) -> tuple[Float, Float]:
    """Count pixels in cells of LAB, lightness halved; means of the cells, and their shares."""
    lab = np.concatenate([from_bytes(part) for part in pixels]) * (_LIGHTNESS, 1, 1)
    weight = np.concatenate([np.full(len(part), 1 / len(part)) for part in pixels]) / len(pixels)
    cells = np.floor((lab + 128) / _STEP).astype(np.int64) @ (1 << 20, 1 << 10, 1)
    _, index = np.unique(cells, return_inverse=True)
    weights = np.bincount(index, weight).astype(np.float64)
    sums = np.column_stack([np.bincount(index, weight * channel) for channel in lab.T])
    means: Float = sums / weights[:, None]
    return means, weights


def _start(colours: Float, weights: Float, count: int) -> Float:
    centres = [colours[int(np.argmax(weights))]]
    distance = np.full(len(colours), np.inf)
    while len(centres) < min(count, len(colours)):
        distance = np.minimum(distance, ((colours - centres[-1]) ** 2).sum(axis=1))
        centres.append(colours[int(np.argmax(weights * distance))])
    return np.array(centres)


def _nearest(colours: Float, centres: Float) -> NDArray[np.intp]:
    nearest: NDArray[np.intp] = ((colours[:, None] - centres) ** 2).sum(axis=2).argmin(axis=1)
    return nearest


def _means(colours: Float, weights: Float, nearest: NDArray[np.intp], centres: Float) -> Float:
    """Move each centre to the mean of what lies nearest to it; one that has nothing stays."""
    total = np.bincount(nearest, weights, len(centres))
    sums = [np.bincount(nearest, weights * channel, len(centres)) for channel in colours.T]
    means = np.column_stack(sums) / np.maximum(total, 1e-12)[:, None]
    return np.where(total[:, None] > 0, means, centres)
