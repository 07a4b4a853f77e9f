import json
from pathlib import Path

import numpy as np
import pytest

from preprocess.calibration import GOOD, KNOTS, RELIABILITY, to_confidence

RESULT = Path(__file__).resolve().parents[2] / "bench" / "results" / "crop_truth.json"


def test_the_reliability_table_is_the_benchmarks() -> None:
    record = json.loads(RESULT.read_text())
    assert [list(row) for row in RELIABILITY] == record["reliability"]
    assert record["settings"]["good"] == GOOD


def test_what_is_predicted_came_true() -> None:
    predicted, observed, count = np.array(RELIABILITY).T
    sure = count >= 50
    np.testing.assert_allclose(predicted[sure], observed[sure], atol=0.05)
    error = float((count * np.abs(predicted - observed)).sum() / count.sum())
    assert error < 0.02


def test_a_likelier_choice_is_no_less_sure() -> None:
    chances = np.linspace(0, 1, 101)
    confidence = [to_confidence(chance) for chance in chances]
    assert (np.diff(confidence) >= 0).all()
    assert 0 <= confidence[0] <= confidence[-1] <= 1


@pytest.mark.parametrize("knot", KNOTS)
def test_the_map_goes_through_its_knots(knot: tuple[float, float]) -> None:
    assert to_confidence(knot[0]) == pytest.approx(knot[1], abs=1e-9)
