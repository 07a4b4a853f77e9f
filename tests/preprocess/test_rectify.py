import cv2
import numpy as np
import pytest

from preprocess.rectify import rectify

WHOLE = np.array([[0, 0], [120, 0], [120, 80], [0, 80]], np.float32)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def test_a_whole_scan_at_its_own_size_is_unchanged() -> None:
    scan = noise(80, 120)
    np.testing.assert_array_equal(rectify(scan, WHOLE, width=120, height=80), scan)


def test_a_rectangle_is_cut_out() -> None:
    scan = noise(80, 120)
    corners = np.array([[10, 20], [60, 20], [60, 70], [10, 70]], np.float32)
    np.testing.assert_array_equal(rectify(scan, corners, width=50, height=50), scan[20:70, 10:60])


@pytest.mark.parametrize("shrink", [2, 3, 4, 10, 40])
def test_shrinking_averages_what_lies_under_a_pixel(shrink: int) -> None:
    levels = np.array([[[10, 20, 30], [200, 100, 0]], [[90, 80, 70], [255, 0, 128]]], np.uint8)
    scan = levels.repeat(shrink * 8, axis=0).repeat(shrink * 8, axis=1)
    side = 16 * shrink
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    small = rectify(scan, corners, width=16, height=16)
    blocks = scan.reshape(16, shrink, 16, shrink, 3).mean(axis=(1, 3))
    inner = np.ones(16, bool)
    inner[7:9] = False
    assert np.abs(small[inner][:, inner] - blocks[inner][:, inner]).max() <= 1


@pytest.mark.parametrize("shrink", [3, 5, 8, 21])
def test_fine_stripes_become_grey_and_no_moire(shrink: int) -> None:
    side = 64 * shrink
    stripes = np.zeros((side, side), np.uint8)
    stripes[:, ::2] = 255
    tilted = np.array([[3, 1], [side - 1, 4], [side - 4, side - 2], [1, side - 3]], np.float32)
    # The mean of an odd number of stripes is off grey by one stripe's share.
    assert rectify(stripes, tilted, width=64, height=64).std() < 127.5 / shrink


def test_a_tilted_print_is_laid_upright() -> None:
    upright = cv2.GaussianBlur(noise(200, 300), (0, 0), 4)
    quad = np.array([[40, 25], [365, 38], [352, 262], [31, 241]], np.float32)
    frame = np.array([[0, 0], [300, 0], [300, 200], [0, 200]], np.float32)
    matrix = cv2.getPerspectiveTransform(frame - 0.5, quad - 0.5)
    scan = cv2.warpPerspective(upright, matrix, (400, 300))
    back = rectify(np.asarray(scan, np.uint8), quad, width=300, height=200)
    assert np.abs(back[4:-4, 4:-4].astype(int) - upright[4:-4, 4:-4]).mean() < 1.5


def test_outside_the_scan_its_edge_is_repeated() -> None:
    scan = np.full((80, 120), 77, np.uint8)
    wider = np.array([[-20, -20], [140, -20], [140, 100], [-20, 100]], np.float32)
    assert (rectify(scan, wider, width=40, height=30) == 77).all()


def test_a_tall_result_has_no_seam() -> None:
    scan = np.broadcast_to(np.linspace(0, 255, 3000)[:, None], (3000, 500)).astype(np.uint8)
    corners = np.array([[0, 0], [500, 0], [500, 3000], [0, 3000]], np.float32)
    column = rectify(scan, corners, width=400, height=2400)[:, 200].astype(int)
    assert (np.diff(column) >= 0).all()


@pytest.mark.parametrize(
    "corners",
    [
        WHOLE[::-1],
        WHOLE[[0, 2, 1, 3]],
        np.zeros((4, 2), np.float32),
        np.array([[0, 0], [50, 0], [10, 10], [0, 50]], np.float32),
    ],
)
def test_other_quadrilaterals_are_refused(corners: np.ndarray) -> None:
    with pytest.raises(ValueError, match="convex"):
        rectify(noise(80, 120), corners, width=10, height=10)


def test_other_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        rectify(np.zeros((80, 120)), WHOLE, width=10, height=10)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="four corners"):
        rectify(noise(80, 120), WHOLE[:3], width=10, height=10)
    with pytest.raises(ValueError, match="1 px or more"):
        rectify(noise(80, 120), WHOLE, width=0, height=10)
