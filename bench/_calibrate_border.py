"""Calibrate the confidence of the crop, and write preprocess/calibration.py.

Run it after bench/_train_border.py: `python bench/_calibrate_border.py` fits the map from the
probability that `preprocess.joint` gives to the share of crops that are good (isotonic, by pooling
neighbours), on prints that the weights were not learned on and seeds that the report does not use.
After bench/crop_truth.py, `--bins` copies that benchmark's reliability table beside the map.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from _crop_cases import (
    TEST,
    Case,
    composites,
    decode,
    drawn_prints,
    generated_cases,
    overlap,
    real_cases,
    real_prints,
)
from _mounts import KINDS
from _record import RESULTS

from preprocess.border import decide
from preprocess.calibration import GOOD, KNOTS, RELIABILITY
from preprocess.joint import choose_sides
from preprocess.strips import cut_strips

MODULE = Path(__file__).resolve().parents[1] / "preprocess" / "calibration.py"
EDGES = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1.0)
"""Bounds within which probabilities are pooled before the map is made monotonous."""

PRIOR = 2.0
"""Good crops, of as many and a hundredth more, that each bin is given beforehand."""


def calibration_cases(each: int) -> Iterator[Case]:
    """Make the cases."""
    yield from real_cases()
    yield from generated_cases(70, 41)
    for prints, seed in ((real_prints(TEST), 21), (drawn_prints(60, 777), 22)):
        yield from composites(prints, (*KINDS, "none"), each=each, seed=seed)


def fit(chances: Sequence[float], good: Sequence[bool]) -> list[tuple[float, float]]:
    """Fit a rising map: mean probability and share good of each bin, pooled where it would fall."""
    place = np.clip(np.searchsorted(EDGES, chances, side="right") - 1, 0, len(EDGES) - 2)
    pools = []  # sum of probabilities, good ones, count
    for one in range(len(EDGES) - 1):
        here = place == one
        if here.any():
            pools.append(np.array([np.sum(np.array(chances)[here]), np.sum(np.array(good)[here]),
                                   here.sum()]))  # fmt: skip
    merged: list[np.ndarray] = []
    for pool in pools:
        merged.append(pool)
        while len(merged) > 1 and share(merged[-2]) > share(merged[-1]):
            merged[-2:] = [merged[-2] + merged[-1]]
    return [(round(float(pool[0] / pool[2]), 4), round(share(pool), 4)) for pool in merged]


def share(pool: np.ndarray) -> float:
    """Return the share of good crops in a pool; a small pool is not trusted to be perfect."""
    return float((pool[1] + PRIOR * pool[0] / pool[2]) / (pool[2] + PRIOR))


def write_module(knots: Sequence[Sequence[float]], bins: Sequence[Sequence[float]]) -> None:
    """Put the numbers into preprocess/calibration.py, whose text stays."""
    text = MODULE.read_text()
    for name, rows in (("KNOTS", knots), ("RELIABILITY", bins)):
        head, rest = text.split(f"{name}: Final = (\n", 1)
        body = "".join(f"    ({', '.join(str(value) for value in row)}),\n" for row in rows)
        text = f"{head}{name}: Final = (\n{body}){rest.split(chr(10) + ')', 1)[1]}"
    MODULE.write_text(text)


def main() -> None:
    """Fit, or copy the bins."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=20)
    parser.add_argument("--bins", action="store_true")
    wanted = parser.parse_args()
    if wanted.bins:
        record = json.loads((RESULTS / "crop_truth.json").read_text())
        write_module(KNOTS, record["reliability"])
        return
    cv2.setNumThreads(1)
    chances, good = [], []
    for case in calibration_cases(wanted.each):
        rgb = decode(case)
        choice = choose_sides(cut_strips(rgb))
        border = decide(rgb, choice, min_confidence=0.0)
        chances.append(choice.probability)
        good.append(overlap(border.corners, case.corners) >= GOOD)
    knots = fit(chances, good)
    print(len(good), sum(good), knots)
    write_module(knots, RELIABILITY)


if __name__ == "__main__":
    main()
