import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocess.geometry import (
    common_corners,
    inset_corners,
    is_convex,
    place_print,
    print_size,
    quad_homography,
    shape_corners,
)
from preprocess.register import map_points

SKEWED = shape_corners([20, 13, 1004, 18, 1003, 736, 18, 728])


def test_a_print_is_as_large_as_its_sides() -> None:
    assert print_size(shape_corners([10, 5, 110, 5, 110, 65, 10, 65])) == (100, 60)


def test_the_homography_leads_from_the_upright_print_to_its_corners() -> None:
    upright = np.array([[0, 0], [256, 0], [256, 187], [0, 187]])
    homography = quad_homography(SKEWED, width=256, height=187)
    assert map_points(upright, homography) == pytest.approx(SKEWED, abs=1e-3)


def test_folded_and_mirrored_corners_are_not_convex() -> None:
    assert is_convex(SKEWED)
    assert not is_convex(SKEWED[::-1])
    assert not is_convex(SKEWED[[0, 2, 1, 3]])
    assert not is_convex(np.zeros((4, 2), np.float32))


def test_an_inset_leaves_out_the_same_along_every_edge() -> None:
    square = shape_corners([10, 10, 110, 10, 110, 60, 10, 60])
    inner = inset_corners(square, share=0.04)
    assert inner == pytest.approx(shape_corners([12, 12, 108, 12, 108, 58, 12, 58]))
    assert inset_corners(SKEWED, share=0) == pytest.approx(SKEWED, abs=1e-3)


@given(
    st.floats(1, 5000), st.floats(1, 5000), st.integers(32, 512), st.sampled_from(["pad", "crop"])
)
def test_a_print_stands_in_the_middle(width: float, height: float, size: int, fit: str) -> None:
    placement = place_print(width, height, size=size, fit=fit)  # type: ignore[arg-type]
    top, left, bottom, right = placement.valid
    assert 0 <= top < bottom <= size
    assert 0 <= left < right <= size
    assert abs(top - (size - bottom)) <= 1
    assert abs(left - (size - right)) <= 1
    if fit == "crop":
        assert placement.valid == (0, 0, size, size)
    else:
        assert max(placement.width, placement.height) == size
        assert (bottom - top, right - left) == (placement.height, placement.width)


def test_other_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="expected eight numbers"):
        shape_corners([1, 2, 3])
    with pytest.raises(ValueError, match="expected positive lengths"):
        place_print(0, 10, size=64, fit="pad")


def test_the_common_part_is_what_both_scans_show() -> None:
    corners = np.array([[10, 10], [110, 10], [110, 60], [10, 60]], np.float32)
    other = np.array([[0, 0], [60, 0], [60, 100], [0, 100]], np.float32)
    shifted = np.array([[1, 0, -30], [0, 1, 0], [0, 0, 1]], np.float64)
    common, share = common_corners(corners, shifted, other=other)
    np.testing.assert_allclose(common, [[30, 10], [90, 10], [90, 60], [30, 60]], atol=1e-4)
    assert share == pytest.approx(0.6)
