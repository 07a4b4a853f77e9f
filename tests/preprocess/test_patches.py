from collections.abc import Callable

import cv2
import numpy as np
import pytest

from preprocess.lab import to_lightness
from preprocess.patches import Shifts, estimate_worst, find_shifts, mend_homography
from preprocess.register import map_points, warp_onto

Scene = Callable[..., np.ndarray]

OFF = np.array([[1.004, 0.003, -2.5], [-0.002, 0.997, 3.25], [4e-6, -3e-6, 1.0]])


def move(lightness: np.ndarray, homography: np.ndarray) -> np.ndarray:
    """Give the second picture that lies under the first by a homography."""
    moved, _ = warp_onto(lightness, np.linalg.inv(homography), shape=lightness.shape)
    return moved


def test_patches_are_found_where_they_lie(scene: Scene) -> None:
    one = to_lightness(scene(1))
    shifts = find_shifts(one, move(one, OFF), np.eye(3))
    assert np.count_nonzero(shifts.found) > 100
    # A patch of the second picture at p shows what lies at OFF^-1 p in the first.
    true = map_points(shifts.centres, np.linalg.inv(OFF)) - shifts.centres
    away = np.linalg.norm(shifts.shifts - true, axis=1)[shifts.found]
    assert np.median(away) < 0.1
    assert np.percentile(away, 99) < 1.0


def test_tones_do_not_matter(scene: Scene) -> None:
    one = to_lightness(scene(1))
    toned = (100 * (move(one, OFF) / 100) ** 2.5 * 0.4 + 10).astype(np.float32)
    shifts = find_shifts(one, toned, OFF)
    assert shifts.agreement > 0.7
    assert np.abs(shifts.shifts[shifts.found]).mean() < 0.2


def test_no_patch_is_found_in_another_view_or_a_blank_one(scene: Scene) -> None:
    one, other = to_lightness(scene(1)), to_lightness(scene(2))
    assert find_shifts(one, other, np.eye(3)).agreement == 0.0
    blank = find_shifts(one, np.full_like(one, 50), np.eye(3))
    assert not blank.found.any()
    assert blank.agreement == 0.0


def test_structure_that_lies_elsewhere_does_not_agree(scene: Scene) -> None:
    one = to_lightness(scene(1))
    half = one.copy()
    half[:, 240:] = to_lightness(scene(2))[:, 240:]
    assert 0.3 < find_shifts(one, half, np.eye(3)).agreement < 0.7


def test_an_implausible_homography_has_no_patches(scene: Scene) -> None:
    one = to_lightness(scene(1))
    for homography in (np.diag([-1.0, 1.0, 1.0]), np.zeros((3, 3)), np.full((3, 3), np.nan)):
        shifts = find_shifts(one, one, homography)
        assert (len(shifts.found), shifts.agreement) == (0, 0.0)
        assert estimate_worst(shifts, homography, shape=one.shape, other=one.shape) == np.inf
        assert mend_homography(homography, shifts) is homography


def test_mending_moves_a_homography_to_the_patches(scene: Scene) -> None:
    one = to_lightness(scene(1))
    other = move(one, OFF)
    mended = mend_homography(np.eye(3), find_shifts(one, other, np.eye(3)))
    corners = np.array([[0, 0], [480, 0], [480, 350], [0, 350]])
    assert np.abs(map_points(corners, mended) - map_points(corners, OFF)).max() < 0.3
    again = find_shifts(one, other, mended)
    assert estimate_worst(again, mended, shape=one.shape, other=other.shape) < 1.0


def test_few_stray_patches_do_not_move_a_homography() -> None:
    rng = np.random.default_rng(0)
    centres = rng.uniform(0, 500, (100, 2))
    shifts = np.zeros((100, 2))
    shifts[:12] = 10.0
    found = Shifts(centres, shifts, np.ones(100, bool), np.ones(100))
    mended = mend_homography(np.eye(3), found)
    assert np.abs(map_points(centres, mended) - centres).max() < 0.3


@pytest.mark.parametrize("bend", [0.004, 0.02])
def test_the_worst_place_is_estimated_where_a_lens_bends(scene: Scene, bend: float) -> None:
    one = to_lightness(scene(1, width=512, height=384))
    y, x = np.mgrid[0:384, 0:512].astype(np.float32)
    far = ((x - 255.5) ** 2 + (y - 191.5) ** 2) / 256**2
    bent = [255.5 + (x - 255.5) * (1 + bend * far), 191.5 + (y - 191.5) * (1 + bend * far)]
    other = cv2.remap(one, bent[0], bent[1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    truth = bend * 256 * (1 + 0.75**2) ** 1.5
    shifts = find_shifts(one, np.asarray(other, np.float32), np.eye(3))
    worst = estimate_worst(shifts, np.eye(3), shape=one.shape, other=one.shape)
    assert worst == pytest.approx(truth, rel=0.5)
