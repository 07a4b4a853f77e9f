"""Pure: which prints share local features, found among all at once.

A perceptual hash sees a whole print, so it misses one cut to half of it, or one whose mount was not
found. A feature sees a spot. Each descriptor becomes a hash of 64 bits, the near ones are found as
those of pictures are (`preprocess.neighbours`), and prints that share several are worth comparing.
A descriptor that many others are near to, of a letter or a plain edge, says nothing of a print: its
radius shrinks until few are left. Of 1,164 pairs of one view, 163 of them mirrored, this found all
and proposed 0.6 % of unlike ones; hashes found 1,064 at radius 18 and proposed 1.9 % (bench/
dedupe_truth.py, seed 1).
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from preprocess.features import Features, turn_features
from preprocess.hamming import Hashes
from preprocess.neighbours import find_near_pairs, find_turned_pairs

LEAST: Final = 6
"""Fewest near descriptors of two prints that are worth comparing; every pair of one view above has
eight or more. With six, 0.6 % of unlike pairs are compared; with four, 1.6 %."""

_RADIUS: Final = 4
"""Bits between two near descriptors."""

_MOST: Final = 16
"""Near descriptors of one, beyond which its radius shrinks."""


def find_sharing(prints: Sequence[Features], *, turned: bool) -> list[tuple[int, int]]:
    """Find the prints that share features.

    Args:
        prints: Features of each print.
        turned: Whether to look for those that share features when one is turned over.

    Returns:
        Pairs of places in `prints`, the smaller first; sorted.
    """
    owner = np.repeat(np.arange(len(prints)), [len(features.points) for features in prints])
    if not len(owner):
        return []
    own = _to_hashes(prints)[:, None]
    if turned:
        # Where the points of a mirrored print lie does not matter here, so its width need not.
        over = _to_hashes([turn_features(features, width=0) for features in prints])[:, None]
        near = find_turned_pairs(own, over, radius=_RADIUS, most=_MOST)
    else:
        near = find_near_pairs(own, radius=_RADIUS, most=_MOST)
    one, other = owner[near[:, 0]], owner[near[:, 1]]
    keys = (one * len(prints) + other)[one != other]
    pairs, shared = np.unique(keys, return_counts=True)
    first, second = np.divmod(pairs[shared >= LEAST], len(prints))
    return list(zip(first.tolist(), second.tolist(), strict=True))


def _to_hashes(prints: Sequence[Features]) -> Hashes:
    """Hash descriptors: the signs of 64 sums, each with as many bins of a cell added as taken off.

    Whole numbers below 2**24 are exact in float32, so every machine gives the same hashes.
    """
    sums = (features.descriptors.astype(np.float32) @ _SIGNS for features in prints)
    return np.concatenate([np.packbits(one > 0, axis=1).view(np.uint64).ravel() for one in sums])


def _draw_signs() -> NDArray[np.float32]:
    # RandomState draws the same in every version of numpy.
    random = np.random.RandomState(7)
    halves = np.repeat(np.array([1, -1], np.float32), 4)
    cells = [random.permutation(halves) for _ in range(64 * 16)]
    return np.ascontiguousarray(np.reshape(cells, (64, 128)).T)


_SIGNS: Final = _draw_signs()
"""Shape (128, 64), float32: 1 or -1."""
