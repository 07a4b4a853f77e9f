"""What the crop's confidence means: measured on scans whose corners are known.

`preprocess.joint` gives the four sides that it chose a probability; KNOTS turns it into the share
of such crops that were good. They were fitted by bench/_calibrate_border.py on the real prints of
../shared, scans of the replica and composites on mounts of every kind, none of whose prints and
seeds had a part in learning. RELIABILITY is what bench/crop_truth.py then saw on other seeds
again; bench/results/crop_truth.json holds the same table.
"""

from typing import Final

import numpy as np

GOOD: Final = 0.97
"""Intersection over union with the true print from which a crop is good."""

KNOTS: Final = (
    (0.6013, 0.6548),
    (0.7381, 0.8476),
    (0.8567, 0.8571),
    (0.9279, 0.9869),
    (0.9922, 0.9947),
    (0.9998, 1.0),
)
"""Probability of the four sides, and the confidence that it stands for; between them, straight."""

RELIABILITY: Final = (
    (0.4235, 1.0, 1),
    (0.6956, 1.0, 15),
    (0.8513, 1.0, 13),
    (0.9236, 1.0, 4),
    (0.9541, 1.0, 1),
    (0.9872, 1.0, 10),
    (0.9993, 1.0, 789),
)
"""Mean confidence, share of good crops and number of scans in each bin of confidence."""


def to_confidence(probability: float) -> float:
    """Turn the probability of a choice of sides into a calibrated confidence.

    Args:
        probability: From `preprocess.joint`, 0..1.

    Returns:
        The share of choices of that probability that were good, 0..1.
    """
    places, shares = np.array(((0.0, 0.0), *KNOTS, (1.0, KNOTS[-1][1]))).T
    return float(np.interp(probability, places, shares))
