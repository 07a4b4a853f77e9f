"""What one can predict without a network."""

import numpy as np

from preprocess.lab import from_bytes
from train.baselines import BASELINES, predict_baselines
from train.metrics import to_ab_l1
from train.table import fit_palette


def test_each_baseline_knows_more_than_the_one_before() -> None:
    rows, levels = np.mgrid[0:64, 0:256]
    lab = np.stack([levels, 118 + rows // 3, 100 + levels // 4], axis=2).astype(np.uint8)
    palette = fit_palette([lab] * 30, [(0, 0, 64, 256)] * 30)
    true = from_bytes(lab)
    predicted = predict_baselines(
        np.ascontiguousarray(true[..., 0]), true_ab=true[..., 1:], palette=palette
    )
    assert tuple(predicted) == BASELINES
    assert all(ab.shape == (64, 256, 2) and ab.dtype == np.float32 for ab in predicted.values())
    error = {name: to_ab_l1(ab, true[..., 1:]) for name, ab in predicted.items()}
    assert error["grey"] > error["mean"] > error["lightness"] > error["lightness_by_row"]
    assert error["lightness_by_row"] < 1


def test_only_the_oracle_sees_the_truth() -> None:
    lab = np.full((8, 8, 3), (120, 140, 100), np.uint8)
    palette = fit_palette([lab], [(0, 0, 8, 8)])
    lightness = np.full((4, 4), 50, np.float32)
    one, other = (
        predict_baselines(lightness, true_ab=np.full((4, 4, 2), ab, np.float32), palette=palette)
        for ab in (5, -30)
    )
    assert {name for name in BASELINES if not np.array_equal(one[name], other[name])} == {
        "own_mean"
    }
    assert np.all(other["own_mean"] == -30)
