import numpy as np
import pytest

from preprocess.edges import Side, find_side, refine_side, to_segments, to_steps


def strip(*, offset: float, slope: float, rows: int = 100, columns: int = 400) -> np.ndarray:
    """Draw a grey mount over a striped print, the edge blurred over one row."""
    edge = offset + slope * (np.arange(columns) + 0.5 - columns / 2)
    share = np.clip(np.arange(rows)[:, None] + 1 - edge, 0, 1)
    inside = 20 + 20 * np.cos(np.arange(columns) / 30)
    picture: np.ndarray = 60 * (1 - share) + inside * share
    return picture[..., None].astype(np.float32)


@pytest.mark.parametrize(("offset", "slope"), [(12.0, 0.0), (30.0, 0.02), (55.5, -0.035)])
def test_the_line_between_mount_and_print_is_found(offset: float, slope: float) -> None:
    middles, means = to_segments(strip(offset=offset, slope=slope), first=40, last=360, count=32)
    side = find_side(middles, means, width=400, reach=3, tilt=0.045)
    assert side.offset == pytest.approx(offset, abs=1)
    assert side.slope == pytest.approx(slope, abs=0.006)
    assert side.inliers == 1
    assert side.clean > 0.95
    assert side.rival < 0.35


def test_refining_goes_below_the_pixel() -> None:
    picture = strip(offset=30.3, slope=0.0213)
    middles, means = to_segments(picture, first=40, last=360, count=32)
    start = Side(29.0, 0.02, 1, 1, 1, 0, 0, (60.0,))
    side = refine_side(
        start,
        middles=middles,
        steps=to_steps(means[18:44], reach=2),
        tops=np.full(len(middles), 18.0),
        width=400,
    )
    assert side.offset == pytest.approx(30.3, abs=0.2)
    assert side.slope == pytest.approx(0.0213, abs=0.001)
    assert side.straight > 0.9


def test_a_flat_neighbourhood_is_not_straight() -> None:
    start = Side(20.0, 0.0, 0, 0, 1, 0, 0, (60.0,))
    middles = np.linspace(5, 395, 32)
    side = refine_side(
        start, middles=middles, steps=np.zeros((21, 32)), tops=np.full(32, 10.0), width=400
    )
    assert side.straight == 0


def test_segments_average_their_columns() -> None:
    ramp = np.tile(np.arange(10, dtype=np.float32), (3, 1))[..., None]
    middles, means = to_segments(ramp, first=2, last=8, count=3)
    np.testing.assert_array_equal(middles, [3, 5, 7])
    np.testing.assert_array_equal(means[0, :, 0], [2.5, 4.5, 6.5])


def test_steps_lie_between_rows() -> None:
    means = np.zeros((10, 2, 3))
    means[6:] = 20
    steps = to_steps(means, reach=2)
    assert steps.shape == (11, 2)
    assert (np.argmax(steps, axis=0) == 6).all()
    assert (steps[[0, 10]] == 0).all()
