import cv2
import numpy as np
import pytest

from preprocess.lab import to_lab
from preprocess.strips import (
    SEGMENTS,
    cut_strips,
    mean_rows,
    reduced_shape,
    to_band,
    to_plane,
    to_sums,
)


def painted(height: int = 300, width: int = 400) -> np.ndarray:
    """A picture whose four margins differ: top red, right green, bottom blue, left white."""
    picture = np.full((height, width, 3), 90, np.uint8)
    picture[:, :20] = 255
    picture[:, -20:] = (0, 200, 0)
    picture[:20] = (200, 0, 0)
    picture[-20:] = (0, 0, 200)
    return picture


def test_each_side_lies_on_top_in_its_strip() -> None:
    picture = painted()
    strips = cut_strips(picture)
    for strip, colour in zip(
        strips, [(200, 0, 0), (0, 200, 0), (0, 0, 200), (255,) * 3], strict=True
    ):
        expected = to_lab(np.full((1, 1, 3), colour, np.uint8))[0, 0]
        np.testing.assert_allclose(np.median(strip.colour[:, 3], axis=1), expected, atol=0.6)
    assert [strip.width for strip in strips] == [400, 300, 400, 300]
    assert [strip.rows for strip in strips] == [120, 160, 120, 160]


def test_strips_run_as_rot90_turns_the_picture() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (256, 256, 3)).astype(np.uint8)
    for turns in range(4):
        turned = cut_strips(np.ascontiguousarray(np.rot90(picture, turns)))[0]
        np.testing.assert_allclose(turned.colour, cut_strips(picture)[turns].colour, atol=1e-3)


def test_a_large_picture_is_reduced() -> None:
    picture = cv2.resize(painted(), None, fx=5, fy=5, interpolation=cv2.INTER_NEAREST)
    assert reduced_shape(picture.shape) == (384, 512)
    strips = cut_strips(np.asarray(picture, np.uint8))
    assert strips[0].colour.shape == (3, 154, SEGMENTS)


def test_fibres_have_more_texture_than_a_smooth_board() -> None:
    rng = np.random.default_rng(0)
    smooth = np.full((300, 400, 3), 150, np.uint8)
    fibres = np.clip(150 + rng.normal(0, 6, (300, 400, 1)), 0, 255).astype(np.uint8)
    rough = cut_strips(np.repeat(fibres, 3, axis=2))[0].texture
    assert (np.median(rough, axis=(1, 2)) > cut_strips(smooth)[0].texture.max() + 1).all()


def test_lightness_alone_has_no_colour() -> None:
    lightness = np.random.default_rng(0).uniform(0, 100, (100, 120)).astype(np.float32)
    plane = to_plane(lightness)
    np.testing.assert_array_equal(plane[..., 0], lightness)
    assert not plane[..., 1:].any()
    assert not cut_strips(lightness)[0].colour[1:].any()


def test_lab_is_near_the_exact_one() -> None:
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    np.testing.assert_allclose(to_plane(picture), to_lab(picture), atol=0.6)


def test_bands_average_the_rows_beside_each_boundary() -> None:
    values = np.arange(10, dtype=np.float32)[:, None] * np.ones((1, 2), np.float32)
    sums = to_sums(values)
    inside = to_band(sums, 1, 4)
    assert inside.shape == (11, 2)
    assert inside[2, 0] == pytest.approx(np.mean([3, 4, 5]))
    assert inside[8, 0] == pytest.approx(9)
    assert inside[10, 0] == 0
    rows = np.array([[2, 8], [5, 0]])
    np.testing.assert_allclose(mean_rows(sums, rows, -3, 0)[:, 0], [0.5, 3])
    np.testing.assert_allclose(mean_rows(sums, rows, 1, 4)[:, 1], [9, 2])
