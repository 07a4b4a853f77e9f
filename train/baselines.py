"""Pure: what one can predict without a network; every model must beat `lightness_by_row`."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from train.grid import look_up, to_fractions
from train.table import Palette

Floats = NDArray[np.float32]

BASELINES: Final = ("grey", "mean", "lightness", "lightness_by_row", "own_mean")
"""Names, from the least to the most informed; `own_mean` is an oracle: it has seen the truth."""


def predict_baselines(lightness: Floats, *, true_ab: Floats, palette: Palette) -> dict[str, Floats]:
    """Colour a picture without a network.

    Args:
        lightness: L, shape (H, W), float32, 0..100.
        true_ab: The print's own ab, shape (H, W, 2); only the oracle looks at it.
        palette: Colours of the train split.

    Returns:
        ab by name of baseline, in the order of `BASELINES`, each (H, W, 2), float32: no colour,
        the mean colour, the mean of each lightness, the table of lightness by height (both
        interpolated), and the picture's own mean colour.
    """
    yfrac = to_fractions(len(lightness))
    own_mean = true_ab.mean(axis=(0, 1), dtype=np.float64).astype(np.float32)
    return {
        "grey": np.zeros_like(true_ab),
        "mean": np.broadcast_to(palette.mean, true_ab.shape),
        "lightness": look_up(palette.by_lightness[None], lightness, yfrac=yfrac),
        "lightness_by_row": look_up(palette.table, lightness, yfrac=yfrac),
        "own_mean": np.broadcast_to(own_mean, true_ab.shape),
    }
