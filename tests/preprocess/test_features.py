from collections.abc import Callable

import cv2
import numpy as np
import pytest

from preprocess.features import find_features, find_homography, measure_residual, turn_features
from preprocess.lab import to_lightness
from preprocess.register import map_points

Scene = Callable[..., np.ndarray]


def move(lightness: np.ndarray, homography: np.ndarray) -> np.ndarray:
    size = (lightness.shape[1], lightness.shape[0])
    return np.asarray(cv2.warpPerspective(lightness, homography, size), np.float32)


def test_a_moved_picture_is_found_where_it_lies(scene: Scene) -> None:
    lightness = to_lightness(scene(1))
    moved = np.array([[0.98, -0.02, 9], [0.02, 0.98, -4], [0, 0, 1]])
    one = find_features(lightness, most=300)
    other = find_features(move(lightness, moved), most=300)
    homography, agreeing = find_homography(one, other)
    assert homography is not None
    assert agreeing > 60
    corners = np.array([[50.0, 50], [430, 50], [430, 300], [50, 300]])
    assert map_points(corners, homography) == pytest.approx(map_points(corners, moved), abs=0.7)
    assert measure_residual(one, other, homography) < 0.5


def test_another_picture_shares_no_homography(scene: Scene) -> None:
    one, other = (find_features(to_lightness(scene(seed)), most=128) for seed in (1, 2))
    assert find_homography(one, other)[1] < 10


def test_fewer_matches_than_asked_are_not_searched(scene: Scene) -> None:
    features = find_features(to_lightness(scene(1)), most=20)
    assert find_homography(features, features, least=21) == (None, 0)
    assert find_homography(features, features, least=20)[1] == 20


def test_turned_features_are_those_of_the_mirrored_picture(scene: Scene) -> None:
    lightness = to_lightness(scene(3))
    mirrored = find_features(np.ascontiguousarray(lightness[:, ::-1]), most=128)
    turned = turn_features(find_features(lightness, most=128), width=lightness.shape[1])
    homography, agreeing = find_homography(turned, mirrored)
    assert homography is not None
    assert agreeing > 100
    corners = np.array([[0.0, 0], [480, 0], [480, 350], [0, 350]])
    assert map_points(corners, homography) == pytest.approx(corners, abs=1)


def test_a_blank_picture_has_no_features() -> None:
    blank = find_features(np.full((300, 400), 80, np.float32), most=128)
    assert blank.points.shape == (0, 2)
    assert turn_features(blank, width=400).descriptors.shape == (0, 128)
    assert find_homography(blank, blank) == (None, 0)


def test_bytes_are_refused() -> None:
    with pytest.raises(ValueError, match="expected float32 lightness"):
        find_features(np.zeros((100, 100), np.uint8), most=10)
