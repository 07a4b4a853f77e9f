from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from preprocess.frames import FRAME_PX, find_corners, read_frame, to_frame
from preprocess.geometry import print_size, quad_homography, shape_corners
from preprocess.lab import to_lightness
from preprocess.register import warp_back

Scene = Callable[..., np.ndarray]


def test_a_frame_shows_the_print_alone(scene: Scene) -> None:
    picture = scene(1, width=1000, height=700)
    scan = np.pad(picture, ((40, 30), (50, 60), (0, 0)), constant_values=20)
    corners = find_corners(scan)
    assert corners == pytest.approx(shape_corners([50, 40, 1050, 40, 1050, 740, 50, 740]), abs=3)
    frame = to_frame(scan, corners)
    whole = to_frame(picture, shape_corners([0, 0, 1000, 0, 1000, 700, 0, 700]))
    assert frame.shape == whole.shape == (358, FRAME_PX, 3)
    difference = to_lightness(frame)[4:-4, 4:-4] - to_lightness(whole)[4:-4, 4:-4]
    assert np.abs(difference).mean() < 2.5


def test_a_portrait_frame_is_as_high_as_a_landscape_one_is_wide(scene: Scene) -> None:
    picture = scene(1, width=300, height=400)
    assert to_frame(picture, shape_corners([0, 0, 300, 0, 300, 400, 0, 400])).shape == (512, 384, 3)


def test_a_panorama_is_searched_at_a_height_that_can_be(scene: Scene) -> None:
    picture = scene(1, width=2400, height=200)
    width, height = print_size(find_corners(picture))
    assert width > 2200
    assert height > 160


def test_a_strip_has_no_frame(scene: Scene) -> None:
    strip = scene(1, width=1500, height=90)
    with pytest.raises(ValueError, match="less than 14 to 1"):
        to_frame(strip, shape_corners([0, 0, 1500, 0, 1500, 90, 0, 90]))


def test_a_scan_is_read_and_framed(
    scene: Scene, store: Callable[[str, np.ndarray], str], tmp_path: Path
) -> None:
    corners = [5.0, 5, 475, 5, 475, 345, 5, 345]
    path = tmp_path / store("one", scene(1))
    assert np.array_equal(read_frame(path, corners), to_frame(scene(1), shape_corners(corners)))


def test_a_quadrilateral_is_taken_out_to_the_pixel(scene: Scene) -> None:
    picture = scene(1)
    inner = quad_homography(shape_corners([10, 20, 110, 20, 110, 80, 10, 80]), width=100, height=60)
    assert np.array_equal(warp_back(picture, inner, width=100, height=60), picture[20:80, 10:110])
