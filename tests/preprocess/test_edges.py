from typing import Any

import numpy as np
import pytest

from preprocess.edges import MOST_LINES, find_lines, line_rows, measure_steps, to_steps
from preprocess.mounts import compare_ground
from preprocess.strips import SEGMENTS, Strip, cut_strips, to_sums

Rgb = np.ndarray[Any, np.dtype[np.uint8]]


def tilted(*, offset: float, slope: float, board: int = 150, width: int = 400) -> Rgb:
    """A striped print below a board; the line between them is blurred over one row."""
    edge = offset + slope * (np.arange(width) + 0.5 - width / 2)
    share = np.clip(np.arange(300)[:, None] + 1 - edge, 0, 1)
    inside = 60 + 40 * np.cos(np.arange(width) / 30)
    picture = board * (1 - share) + inside * share
    return np.repeat(picture[..., None], 3, axis=2).astype(np.uint8)


def top(picture: Rgb) -> Strip:
    return cut_strips(picture)[0]


@pytest.mark.parametrize(("offset", "slope"), [(12.0, 0.0), (30.0, 0.02), (55.5, -0.035)])
def test_the_line_between_mount_and_print_is_found(offset: float, slope: float) -> None:
    strip = top(tilted(offset=offset, slope=slope))
    ground = compare_ground(strip, strip.colour[:, 0, 30])
    lines = find_lines(strip, ground, measure_steps(strip))
    assert lines[0, 0] == pytest.approx(offset, abs=1)
    assert lines[0, 1] == pytest.approx(slope, abs=0.006)
    assert len(lines) <= MOST_LINES


def test_a_target_beside_the_print_hides_no_line() -> None:
    picture = tilted(offset=60, slope=0.0)
    picture[20:50, 100:380] = (250, 30, 30)
    strip = top(picture)
    ground = compare_ground(strip, strip.colour[:, 3, 30])
    offsets = find_lines(strip, ground, measure_steps(strip))[:, 0]
    for expected in (20, 60):
        assert np.abs(offsets - expected).min() <= 1


def test_a_flat_strip_has_no_line() -> None:
    strip = top(np.full((300, 400, 3), 90, np.uint8))
    ground = compare_ground(strip, strip.colour[:, 0, 30])
    assert find_lines(strip, ground, measure_steps(strip)).shape == (0, 2)


def test_steps_lie_between_rows() -> None:
    planes = np.zeros((3, 10, 2), np.float32)
    planes[0, 6:] = 20
    steps, sharp = to_steps(to_sums(planes), reach=2)
    assert steps.shape == (11, 2)
    assert (np.argmax(steps, axis=0) == 6).all()
    assert (steps[[0, 10]] == 0).all()
    assert (sharp >= steps).all()


def test_of_two_large_steps_the_larger_is_the_sharper() -> None:
    planes = np.zeros((3, 40, 1), np.float32)
    planes[0, 10:] = 30
    planes[0, 30:] = 80
    steps, sharp = to_steps(to_sums(planes), reach=2)
    assert steps[30, 0] == pytest.approx(steps[10, 0], abs=0.05)
    assert sharp[30, 0] > sharp[10, 0] + 0.1


def test_lines_stay_within_their_strip() -> None:
    strip = top(tilted(offset=3, slope=0.0))
    rows = line_rows(np.array([[3.0, 0.045], [115.0, 0.045]]), strip)
    assert rows.shape == (2, SEGMENTS)
    assert rows.min() == 0
    assert rows.max() == strip.rows
