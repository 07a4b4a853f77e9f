"""Pure: how far predicted colours are from the true ones, and how sure that is."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

METRICS: Final = ("ab_l1", "de00", "psnr", "cf", "cf_gap", "cf_gap_abs")
"""Names of the metrics of a picture, in the order of reports."""

PSNR_CAP: Final = 100.0
"""PSNR of two equal pictures, in dB: a number, so that means and JSON can hold it."""

RESAMPLES: Final = 10_000
SEED: Final = 0
CHUNK: Final = 1 << 22
"""Draws held at once."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean over views, and the 95 % interval of its bootstrap."""

    mean: float
    low: float
    high: float


def to_ab_l1(predicted: Floats, true: Floats) -> float:
    """Give the mean absolute difference of a and b.

    Args:
        predicted: ab, shape (H, W, 2), Lab units.
        true: The same of the print.

    Returns:
        Mean over pixels and both channels, Lab units.
    """
    _check_pair(predicted, true)
    return float(np.abs(predicted - true).mean(dtype=np.float64))


def to_de00(predicted: Floats, true: Floats) -> float:
    """Give the mean CIEDE2000 colour difference, with all weights 1.

    Args:
        predicted: LAB, shape (H, W, 3).
        true: The same of the print.

    Returns:
        Mean over pixels; about 1 is just visible.
    """
    _check_pair(predicted, true)
    # scikit-image has types for some functions and none for this one.
    return float(np.mean(deltaE_ciede2000(true, predicted)))  # type: ignore[no-untyped-call]


def to_psnr(predicted: Bytes, true: Bytes) -> float:
    """Give the peak signal-to-noise ratio of two sRGB pictures.

    Args:
        predicted: sRGB, shape (H, W, 3), 0..255.
        true: The same of the print.

    Returns:
        dB, at most `PSNR_CAP`.
    """
    _check_pair(predicted, true)
    error = float(np.mean((predicted.astype(np.float64) - true) ** 2))
    if error == 0:
        return PSNR_CAP
    return min(PSNR_CAP, float(10 * np.log10(255**2 / error)))


def to_colourfulness(rgb: Bytes) -> float:
    """Give the colourfulness of Hasler and Suesstrunk (2003), their M of section 6.

    Args:
        rgb: sRGB, shape (H, W, 3), 0..255.

    Returns:
        0 for grey, about 33 for moderately and 59 for quite colourful pictures.
    """
    red, green, blue = np.moveaxis(rgb.astype(np.float64), 2, 0)
    rg, yb = red - green, (red + green) / 2 - blue
    spread, shift = np.hypot(rg.std(), yb.std()), np.hypot(rg.mean(), yb.mean())
    return float(spread + 0.3 * shift)


def bootstrap(
    values: NDArray[np.float64], *, resamples: int = RESAMPLES, seed: int = SEED
) -> list[Interval]:
    """Resample views with replacement, and say how sure each column's mean is.

    All columns see the same views in a resample, so the interval of a column of differences
    is that of the paired comparison.

    Args:
        values: One row for each view, one column for each quantity, shape (views, columns).
        resamples: How often to draw.
        seed: Seed of the draws.

    Returns:
        For each column its mean, and the 2.5th and 97.5th percentile of the resampled means.

    Raises:
        ValueError: If there is no view, or a value is not finite.
    """
    if values.ndim != 2 or len(values) == 0 or not np.isfinite(values).all():
        raise ValueError(f"expected finite values (views, columns), got shape {values.shape}")
    views = len(values)
    rng = np.random.default_rng(seed)
    means = np.empty((resamples, values.shape[1]))
    rows = max(1, CHUNK // views)
    for start in range(0, resamples, rows):
        count = min(rows, resamples - start)
        drawn = rng.integers(0, views, (count, views)) + np.arange(count)[:, None] * views
        times = np.bincount(drawn.ravel(), minlength=count * views).reshape(count, views)
        means[start : start + count] = times @ values / views
    low, high = np.percentile(means, (2.5, 97.5), axis=0)
    return [
        Interval(float(mean), float(least), float(most))
        for mean, least, most in zip(values.mean(axis=0), low, high, strict=True)
    ]


def _check_pair(predicted: NDArray[np.generic], true: NDArray[np.generic]) -> None:
    if predicted.shape != true.shape or predicted.size == 0:
        raise ValueError(
            f"expected two pictures of one shape, got {predicted.shape} and {true.shape}"
        )
