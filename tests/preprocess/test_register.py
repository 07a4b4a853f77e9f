from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocess.features import find_features, find_homography, measure_residual
from preprocess.lab import to_lightness
from preprocess.register import (
    correlate,
    is_plausible,
    map_points,
    refine_homography,
    register,
    warp_onto,
)

TRUTH = np.array([[1.02, 0.015, -6.0], [-0.012, 0.99, 4.0], [1e-5, -8e-6, 1.0]])


def move(lightness: np.ndarray) -> np.ndarray:
    """Give the second picture that lies under the first by TRUTH."""
    height, width = lightness.shape
    moved, _ = warp_onto(lightness, np.linalg.inv(TRUTH), shape=(height, width))
    return moved


def corner_error(homography: np.ndarray) -> float:
    corners = np.array([[0, 0], [480, 0], [480, 350], [0, 350]])
    return float(np.abs(map_points(corners, homography) - map_points(corners, TRUTH)).max())


def test_a_known_homography_is_found_again(scene: Callable[..., np.ndarray]) -> None:
    cv2.setNumThreads(1)
    one = to_lightness(scene(1))
    other = move(one) * np.float32(0.7) + np.float32(20)
    start, agreeing = find_homography(find_features(one, most=128), find_features(other, most=128))
    assert start is not None
    assert agreeing >= 40
    refined, score = register(one, other, start)
    assert corner_error(refined) < 0.3
    assert score > 0.95


def test_refining_repairs_a_start_that_is_off(scene: Callable[..., np.ndarray]) -> None:
    one = to_lightness(scene(1))
    other = move(one)
    off = TRUTH + np.array([[0.002, 0, 1.5], [0, -0.002, -1.5], [0, 0, 0]])
    refined = refine_homography(one, other, off)
    assert corner_error(refined) < 0.3 < corner_error(off)
    assert correlate(one, other, refined) > correlate(one, other, off)


def test_a_start_far_off_stands(scene: Callable[..., np.ndarray]) -> None:
    one, other = to_lightness(scene(1)), to_lightness(scene(2))
    far = np.array([[1.0, 0, 5000], [0, 1, 5000], [0, 0, 1]])
    assert np.array_equal(refine_homography(one, other, far), far)
    homography, score = register(one, other, far)
    assert (homography.tolist(), score) == (far.tolist(), 0.0)


def test_tone_hardly_moves_the_correlation(scene: Callable[..., np.ndarray]) -> None:
    one = to_lightness(scene(1))
    toned = (100 * (one / 100) ** 1.6).astype(np.float32)
    assert correlate(one, toned, np.eye(3)) > 0.93


def test_other_views_do_not_correlate(scene: Callable[..., np.ndarray]) -> None:
    pictures = [to_lightness(scene(seed)) for seed in range(6)]
    features = [find_features(picture, most=128) for picture in pictures]
    for i in range(6):
        for j in range(i):
            _, agreeing = find_homography(features[i], features[j])
            assert agreeing < 10
            assert abs(correlate(pictures[i], pictures[j], np.eye(3))) < 0.3


def test_little_overlap_is_no_evidence(scene: Callable[..., np.ndarray]) -> None:
    one = to_lightness(scene(1))
    aside = np.array([[1.0, 0, 330], [0, 1, 0], [0, 0, 1]])
    other, _ = warp_onto(one, np.linalg.inv(aside), shape=one.shape)
    assert correlate(one, other, aside) == 0.0


@pytest.mark.parametrize(
    ("homography", "plausible"),
    [
        (np.eye(3), True),
        (TRUTH, True),
        (np.diag([-1.0, 1.0, 1.0]), False),
        (np.diag([1.8, 1.8, 1.0]), True),
        (np.diag([3.0, 3.0, 1.0]), False),
        (np.diag([0.3, 0.3, 1.0]), False),
        (np.array([[1, 0, 0], [0, 1, 0], [-0.01, 0, 1.0]]), False),
        (np.zeros((3, 3)), False),
        (np.full((3, 3), np.nan), False),
        (np.diag([1.0, 1.0, np.inf]), False),
    ],
)
def test_folded_and_squeezed_pictures_are_implausible(
    homography: np.ndarray, plausible: bool
) -> None:
    assert is_plausible(homography, shape=(350, 480)) is plausible


def test_a_blank_picture_has_no_features_and_no_correlation() -> None:
    blank = np.full((100, 120), 50, np.float32)
    features = find_features(blank, most=10)
    assert features.points.shape == (0, 2)
    assert find_homography(features, features) == (None, 0)
    assert correlate(blank, blank, np.eye(3)) == 0.0


def test_the_residual_is_the_distance_of_matches(scene: Callable[..., np.ndarray]) -> None:
    one = find_features(to_lightness(scene(1)), most=200)
    aside = np.array([[1.0, 0, 2.0], [0, 1, 0], [0, 0, 1]])
    assert measure_residual(one, one, np.eye(3)) == 0.0
    assert measure_residual(one, one, aside) == pytest.approx(2.0)


def test_registering_repeats_to_the_bit(scene: Callable[..., np.ndarray]) -> None:
    cv2.setNumThreads(1)
    one = to_lightness(scene(4))
    other = move(one)

    def run() -> np.ndarray:
        start, _ = find_homography(find_features(one, most=128), find_features(other, most=128))
        assert start is not None
        return register(one, other, start)[0]

    assert np.array_equal(run(), run())


def test_other_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="expected float32 lightness"):
        correlate(np.zeros((9, 9)), np.zeros((9, 9), np.float32), np.eye(3))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected float32 lightness"):
        find_features(np.zeros((9, 9, 3), np.float32), most=10)


def draw_noise(height: int, width: int) -> np.ndarray:
    noise = np.random.default_rng(0).uniform(0, 100, (height, width))
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 2), np.float32)


@given(
    numbers=st.lists(st.floats(-2, 2), min_size=9, max_size=9),
    power=st.sampled_from([-30, -2, 0, 2, 30]),
)
def test_no_homography_is_too_wild(numbers: list[float], power: int) -> None:
    one = draw_noise(60, 80)
    wild = np.array(numbers).reshape(3, 3) * np.array([[1, 1, 80], [1, 1, 60], [0.01, 0.01, 1]])
    start = wild * 10.0**power
    homography, score = register(one, one, start)
    assert -1 <= score <= 1.000001
    assert np.array_equal(homography, start) or is_plausible(homography, shape=one.shape)


@given(shift=st.floats(-2, 2), grow=st.floats(0.97, 1.03), turn=st.floats(-0.02, 0.02))
def test_registering_never_makes_a_start_worse(shift: float, grow: float, turn: float) -> None:
    one = draw_noise(120, 160)
    other, _ = warp_onto(
        one, np.array([[1 / grow, turn, shift], [-turn, 1 / grow, 0], [0, 0, 1]]), shape=one.shape
    )
    start = np.eye(3)
    assert register(one, other, start)[1] >= correlate(one, other, start)


@pytest.mark.parametrize("blank", [0.0, 50.0])
def test_a_blank_picture_registers_with_nothing(blank: float) -> None:
    one = np.random.default_rng(0).uniform(0, 100, (60, 80)).astype(np.float32)
    flat = np.full_like(one, blank)
    for pictures in ((one, flat), (flat, one), (flat, flat)):
        homography, score = register(*pictures, np.eye(3))
        assert (homography.tolist(), score) == (np.eye(3).tolist(), 0.0)
