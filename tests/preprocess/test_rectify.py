from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.color import deltaE_ciede2000, rgb2lab

from preprocess.geometry import is_convex
from preprocess.images import read_scan
from preprocess.lab import LINEAR_OF_BYTE
from preprocess.rectify import rectify

WHOLE = np.array([[0, 0], [120, 0], [120, 80], [0, 80]], np.float32)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def to_levels(linear: np.ndarray) -> np.ndarray:
    """Turn linear light to sRGB levels, 0..255 (IEC 61966-2-1)."""
    low = linear <= 0.0031308
    curve = np.where(low, 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055)
    return np.asarray(255 * curve)


def test_a_whole_scan_at_its_own_size_is_unchanged() -> None:
    scan = noise(80, 120)
    np.testing.assert_array_equal(rectify(scan, WHOLE, width=120, height=80), scan)


def test_a_rectangle_is_cut_out() -> None:
    scan = noise(80, 120)
    corners = np.array([[10, 20], [60, 20], [60, 70], [10, 70]], np.float32)
    np.testing.assert_array_equal(rectify(scan, corners, width=50, height=50), scan[20:70, 10:60])


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_a_print_that_lies_on_its_side_is_turned(quarters: int) -> None:
    scan = noise(80, 120)
    turned = np.ascontiguousarray(np.rot90(scan, quarters))
    height, width = turned.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    placed = np.roll(corners, quarters, axis=0)
    np.testing.assert_array_equal(rectify(turned, placed, width=120, height=80), scan)


@pytest.mark.parametrize("shrink", [2, 3, 4, 10, 40])
def test_shrinking_averages_linear_light(shrink: int) -> None:
    side = 8 * shrink
    scan = noise(side, side)
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]], np.float32)
    small = rectify(scan, corners, width=8, height=8)
    blocks = LINEAR_OF_BYTE[scan].reshape(8, shrink, 8, shrink, 3).mean(axis=(1, 3))
    # Noise has all contrasts there are; averages of sRGB values would be off by about 13 levels.
    assert np.abs(small - to_levels(blocks)).max() < 1.5


def test_parts_of_pixels_count_by_their_area() -> None:
    scan = np.zeros((6, 6, 3), np.uint8)
    scan[:, 3:] = 255
    corners = np.array([[1.25, 1], [4.25, 1], [4.25, 4], [1.25, 4]], np.float32)
    middle = rectify(scan, corners, width=1, height=1)
    assert np.abs(middle - to_levels(np.array(1.25 / 3))).max() < 2


@pytest.mark.parametrize("degrees", [0.3, 1, 5, 20, 100, 200])
def test_a_tilted_print_shows_the_area_under_each_pixel(degrees: float) -> None:
    scan = cv2.GaussianBlur(noise(160, 200), (0, 0), 2).astype(np.uint8)
    turn = np.deg2rad(degrees)
    axes = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    corners = (WHOLE - (60, 40)) @ axes + (100, 80)
    shown = rectify(scan, corners, width=40, height=20)
    u, v = np.meshgrid((np.arange(400) + 0.5) / 400 * 120, (np.arange(200) + 0.5) / 200 * 80)
    at = ((np.stack([u, v], axis=-1) - (60, 40)) @ axes + (100, 80)).astype(int)
    light = LINEAR_OF_BYTE[scan[at[..., 1], at[..., 0]]]
    expected = to_levels(light.reshape(20, 10, 40, 10, 3).mean(axis=(1, 3)))
    assert np.abs(shown - expected).mean() < 1
    assert np.abs(shown - expected).max() < 6


@pytest.mark.shared
@pytest.mark.parametrize(("shrink", "most"), [(1, 0.35), (2, 0.95)])
def test_a_real_print_keeps_its_colours(shared: Path, shrink: int, most: float) -> None:
    path = shared / "photochroms" / "gb-england-kent-deal.jpg"
    scan, whole = read_scan(path, shrink=shrink), read_scan(path, shrink=1).rgb
    side = 640
    corners = np.array([[0, 0], [side, 0], [side, side], [0, side]])
    shown = rectify(scan.rgb, corners * scan.scale, width=160, height=160)
    light = LINEAR_OF_BYTE[whole[:side, :side]].reshape(160, 4, 160, 4, 3).mean(axis=(1, 3))
    exact = rgb2lab(to_levels(light) / 255)
    assert deltaE_ciede2000(rgb2lab(shown / 255), exact).mean() < most  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("shrink", [3, 5, 8, 21])
def test_fine_stripes_become_grey_and_no_moire(shrink: int) -> None:
    side = 64 * shrink
    stripes = np.zeros((side, side, 3), np.uint8)
    stripes[:, ::2] = 255
    tilted = np.array([[3, 1], [side - 1, 4], [side - 4, side - 2], [1, side - 3]], np.float32)
    # The mean of an odd number of stripes is off grey by one stripe's share.
    assert rectify(stripes, tilted, width=64, height=64).std() < 127.5 / shrink


def test_a_print_is_laid_upright_from_a_sheet_that_is_no_rectangle() -> None:
    upright = cv2.GaussianBlur(noise(200, 300), (0, 0), 4)
    quad = np.array([[40, 25], [365, 38], [352, 262], [31, 241]], np.float32)
    frame = np.array([[0, 0], [300, 0], [300, 200], [0, 200]], np.float32)
    matrix = cv2.getPerspectiveTransform(frame - 0.5, quad - 0.5)
    scan = cv2.warpPerspective(upright, matrix, (400, 300))
    back = rectify(np.asarray(scan, np.uint8), quad, width=300, height=200)
    assert np.abs(back[4:-4, 4:-4].astype(int) - upright[4:-4, 4:-4]).mean() < 1.5


def test_enlarging_reads_between_pixels() -> None:
    scan = np.repeat(np.array([[[0], [200]]], np.uint8), 3, axis=2)
    corners = np.array([[0, 0], [2, 0], [2, 1], [0, 1]], np.float32)
    row = rectify(scan, corners, width=40, height=1)[0, :, 0].astype(int)
    assert (row[0], row[-1]) == (0, 200)
    assert (np.diff(row) >= 0).all()
    assert len(set(row)) > 15


def test_outside_the_scan_its_edge_is_repeated() -> None:
    scan = np.full((80, 120, 3), 77, np.uint8)
    wider = np.array([[-20, -20], [140, -20], [140, 100], [-20, 100]], np.float32)
    assert (rectify(scan, wider, width=40, height=30) == 77).all()


coordinate = st.floats(-40, 140, width=32)


@given(st.lists(coordinate, min_size=8, max_size=8), st.integers(1, 40), st.integers(1, 40))
def test_a_plain_scan_stays_plain_whatever_the_quadrilateral(
    numbers: list[float], width: int, height: int
) -> None:
    corners = np.array(numbers, np.float32).reshape(4, 2)
    scan = np.full((50, 60, 3), (0, 131, 255), np.uint8)
    if not is_convex(corners):
        with pytest.raises(ValueError, match="convex"):
            rectify(scan, corners, width=width, height=height)
        return
    assert (rectify(scan, corners, width=width, height=height) == (0, 131, 255)).all()


def test_a_tall_result_has_no_seam() -> None:
    ramp = np.linspace(0, 255, 3000)[:, None, None]
    scan = np.broadcast_to(ramp, (3000, 500, 3)).astype(np.uint8)
    corners = np.array([[0, 0], [500, 0], [500, 3000], [0, 3000]], np.float32)
    column = rectify(scan, corners, width=400, height=2400)[:, 200, 0].astype(int)
    assert (np.diff(column) >= 0).all()


@pytest.mark.parametrize(
    "corners",
    [
        WHOLE[::-1],
        WHOLE[[0, 2, 1, 3]],
        np.zeros((4, 2), np.float32),
        np.array([[0, 0], [50, 0], [10, 10], [0, 50]], np.float32),
        np.array([[0, 0], [50, 0], [np.nan, 50], [0, 50]], np.float32),
    ],
)
def test_other_quadrilaterals_are_refused(corners: np.ndarray) -> None:
    with pytest.raises(ValueError, match="convex"):
        rectify(noise(80, 120), corners, width=10, height=10)


def test_other_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="uint8"):
        rectify(np.zeros((80, 120, 3)), WHOLE, width=10, height=10)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="uint8"):
        rectify(np.zeros((80, 120), np.uint8), WHOLE, width=10, height=10)
    with pytest.raises(ValueError, match="four corners"):
        rectify(noise(80, 120), WHOLE[:3], width=10, height=10)
    with pytest.raises(ValueError, match="1 px or more"):
        rectify(noise(80, 120), WHOLE, width=0, height=10)
