"""Metrics against published values, and the bootstrap against what theory says."""

import numpy as np
import pytest

from train.metrics import (
    PSNR_CAP,
    bootstrap,
    to_ab_l1,
    to_colourfulness,
    to_de00,
    to_psnr,
)

# Sharma, Wu and Dalal (2005), table 1: pairs 1, 4, 7, 9, 11, 17 to 20, 25, 26, 28, 30 to 34.
SHARMA = [
    ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
    ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
    ((50, 0, 0), (50, -1, 2), 2.3669),
    ((50, 2.4900, -0.0010), (50, -2.4900, 0.0009), 7.1792),
    ((50, 2.4900, -0.0010), (50, -2.4900, 0.0011), 7.2195),
    ((50, 2.5, 0), (73, 25, -18), 27.1492),
    ((50, 2.5, 0), (61, -5, 29), 22.8977),
    ((50, 2.5, 0), (56, -27, -3), 31.9030),
    ((50, 2.5, 0), (58, 24, 15), 19.4535),
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
    ((63.0109, -31.0961, -5.8663), (62.8187, -29.7946, -4.0864), 1.2630),
    ((35.0831, -44.1164, 3.7933), (35.0232, -40.0716, 1.5901), 1.8645),
    ((36.4612, 47.8580, 18.3852), (36.2715, 50.5065, 21.2231), 1.4146),
    ((90.8027, -2.0831, 1.4410), (91.1528, -1.6435, 0.0447), 1.4441),
    ((90.9257, -0.5406, -0.9208), (88.6381, -0.8985, -0.7239), 1.5381),
    ((6.7747, -0.2908, -2.4247), (5.8714, -0.0985, -2.2286), 0.6377),
    ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
]


@pytest.mark.parametrize(("one", "other", "expected"), SHARMA)
def test_de00_is_that_of_the_published_pairs(
    one: tuple[float, ...], other: tuple[float, ...], expected: float
) -> None:
    first, second = (np.array(lab, np.float32).reshape(1, 1, 3) for lab in (one, other))
    assert to_de00(first, second) == pytest.approx(expected, abs=2e-4)
    assert to_de00(second, first) == pytest.approx(expected, abs=2e-4)


def test_ab_l1_is_the_mean_over_pixels_and_channels() -> None:
    predicted = np.zeros((4, 5, 2), np.float32)
    true = np.broadcast_to(np.array([3, -5], np.float32), (4, 5, 2))
    assert to_ab_l1(predicted, true) == 4


def test_psnr_of_a_known_error_and_of_equal_pictures() -> None:
    dark, light = np.full((8, 8, 3), 100, np.uint8), np.full((8, 8, 3), 110, np.uint8)
    assert to_psnr(dark, light) == pytest.approx(28.1308, abs=1e-4)
    assert to_psnr(dark, dark) == PSNR_CAP


def test_colourfulness_of_plain_pictures_is_as_calculated_by_hand() -> None:
    red = np.zeros((6, 6, 3), np.uint8)
    red[..., 0] = 255
    assert to_colourfulness(red) == pytest.approx(0.3 * np.hypot(255, 127.5))
    assert to_colourfulness(np.full((6, 6, 3), 77, np.uint8)) == 0
    red[:, 3:] = (0, 255, 255)  # rg is 255 or -255, yb is 127.5 or -127.5
    assert to_colourfulness(red) == pytest.approx(np.hypot(255, 127.5))


def test_pictures_of_different_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="one shape"):
        to_psnr(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 3, 3), np.uint8))


def test_the_interval_is_that_of_the_normal_distribution_for_many_views() -> None:
    values = np.random.default_rng(1).normal(5, 2, (400, 1))
    (interval,) = bootstrap(values)
    half = 1.96 * values.std() / np.sqrt(400)
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=0.02)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.02)


def test_the_interval_of_a_known_difference_covers_it_about_nineteen_times_in_twenty() -> None:
    rng = np.random.default_rng(2)
    covered = 0
    for _ in range(200):
        (interval,) = bootstrap(rng.normal(-0.5, 1, (60, 1)), resamples=1000)
        covered += interval.low <= -0.5 <= interval.high
    assert 178 <= covered <= 199


def test_pairing_narrows_the_interval_of_a_difference() -> None:
    rng = np.random.default_rng(3)
    hard = rng.normal(10, 4, 80)
    model, baseline = hard + rng.normal(0, 0.3, 80), hard + 0.5 + rng.normal(0, 0.3, 80)
    own, difference = bootstrap(np.stack([model, model - baseline], axis=1))
    assert difference.high < 0
    assert own.high - own.low > 5 * (difference.high - difference.low)


def test_the_same_values_give_the_same_interval_and_one_view_gives_a_point() -> None:
    values = np.random.default_rng(4).normal(size=(30, 2))
    assert bootstrap(values) == bootstrap(values)
    (interval,) = bootstrap(np.array([[3.5]]))
    assert (interval.mean, interval.low, interval.high) == (3.5, 3.5, 3.5)


def test_no_view_and_endless_values_are_refused() -> None:
    with pytest.raises(ValueError, match="finite values"):
        bootstrap(np.empty((0, 2)))
    with pytest.raises(ValueError, match="finite values"):
        bootstrap(np.array([[np.inf]]))
