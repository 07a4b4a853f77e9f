import cv2
import numpy as np
import pytest

from preprocess.fine import refine_lines


def sheet(
    lines: np.ndarray, *, inside: int = 60, outside: int = 200, shape: tuple[int, int] = (600, 800)
) -> np.ndarray:
    """A grey sheet between four lines, drawn eight times as fine and reduced."""
    height, width = shape
    y, x = (np.mgrid[0 : 2 * height, 0 : 2 * width] + 0.5) / 2
    top = lines[0, 0] + lines[0, 1] * (x - width / 2)
    right = width - (lines[1, 0] + lines[1, 1] * (y - height / 2))
    bottom = height - (lines[2, 0] - lines[2, 1] * (x - width / 2))
    left = lines[3, 0] - lines[3, 1] * (y - height / 2)
    covered = (y > top) & (x < right) & (y < bottom) & (x > left)
    fine = np.where(covered, inside, outside).astype(np.uint8)
    small = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
    return np.repeat(small[..., None], 3, axis=2)


TRUTH = np.array([[30.3, 0.011], [41.7, 0.009], [25.2, 0.013], [52.6, 0.01]])


@pytest.mark.parametrize("times", [1, 3])
def test_lines_from_the_reduced_picture_move_to_the_edges(times: int) -> None:
    shape = (600 * times, 800 * times)
    picture = sheet(TRUTH * (times, 1), shape=shape)
    coarse = TRUTH * (512 / 800, 1) + np.array([[1.5, 0], [-1, 0.004], [0.6, -0.003], [-1.4, 0]])
    found = refine_lines(picture, coarse, bare=(False,) * 4)
    np.testing.assert_allclose(found[:, 0], TRUTH[:, 0] * times, atol=0.25 * times)
    np.testing.assert_allclose(found[:, 1], TRUTH[:, 1], atol=0.0012)


def test_where_nothing_steps_the_line_stays() -> None:
    picture = np.full((600, 800, 3), 128, np.uint8)
    coarse = TRUTH * (512 / 800, 1)
    found = refine_lines(picture, coarse, bare=(False,) * 4)
    np.testing.assert_allclose(found[:, 0], TRUTH[:, 0], rtol=0.01)


def test_a_side_without_a_mount_stays_at_the_end() -> None:
    coarse = TRUTH * (512 / 800, 1)
    coarse[1] = 0
    found = refine_lines(sheet(TRUTH), coarse, bare=(False, True, False, False))
    np.testing.assert_array_equal(found[1], [0, 0])


def test_lightness_is_refined_too() -> None:
    picture = np.asarray(sheet(TRUTH)[..., 0] / 2.55, np.float32)
    found = refine_lines(picture, TRUTH * (512 / 800, 1) + (0.5, 0), bare=(False,) * 4)
    np.testing.assert_allclose(found[:, 0], TRUTH[:, 0], atol=0.3)
