import numpy as np
import pytest
from skimage.color import deltaE_ciede2000, rgb2lab

from preprocess.lab import from_bytes, to_bytes, to_lab, to_lightness, to_rgb

PUBLISHED = {
    (255, 255, 255): (100.0, 0.0, 0.0),
    (0, 0, 0): (0.0, 0.0, 0.0),
    (255, 0, 0): (53.24, 80.09, 67.20),
    (0, 255, 0): (87.73, -86.18, 83.18),
    (0, 0, 255): (32.30, 79.19, -107.86),
    (128, 128, 128): (53.59, 0.0, 0.0),
}
"""B. Lindbloom's colour calculator, sRGB, D65."""


def dense_rgb() -> np.ndarray:
    levels = np.append(np.arange(0, 255, 6, dtype=np.uint8), np.uint8(255))
    grid = np.stack(np.meshgrid(levels, levels, levels), axis=-1)
    return grid.reshape(-1, len(levels), 3)


@pytest.mark.parametrize(("rgb", "lab"), PUBLISHED.items())
def test_known_colours_have_their_published_values(
    rgb: tuple[int, int, int], lab: tuple[float, float, float]
) -> None:
    np.testing.assert_allclose(to_lab(np.array([[rgb]], np.uint8))[0, 0], lab, atol=0.011)


def test_agrees_with_scikit_image_over_the_whole_cube() -> None:
    rgb = dense_rgb()
    lab = to_lab(rgb)
    assert lab.dtype == np.float32
    assert np.abs(lab - rgb2lab(rgb / 255.0)).max() < 1e-3
    np.testing.assert_array_equal(to_lightness(rgb).shape, rgb.shape[:2])
    assert np.abs(to_lightness(rgb) - lab[..., 0]).max() < 1e-3


def test_every_srgb_colour_comes_back() -> None:
    rgb = dense_rgb()
    np.testing.assert_array_equal(to_rgb(to_lab(rgb)), rgb)


def test_strips_join_without_a_seam() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (1100, 500, 3), dtype=np.uint8)
    whole = to_lab(rgb)
    np.testing.assert_array_equal(whole[700:710], to_lab(rgb[700:710]))
    np.testing.assert_array_equal(to_rgb(whole), rgb)


def test_colours_out_of_gamut_keep_lightness_and_hue() -> None:
    rng = np.random.default_rng(1)
    lightness = rng.uniform(10, 95, (60, 60, 1))
    hue = rng.uniform(-np.pi, np.pi, (60, 60, 1))
    lab = np.concatenate([lightness, 150 * np.cos(hue), 150 * np.sin(hue)], axis=2)
    shown = to_lab(to_rgb(lab.astype(np.float32)))
    chroma = np.hypot(shown[..., 1], shown[..., 2])
    assert np.abs(shown[..., :1] - lightness).max() < 0.6
    turned = np.angle(np.exp(1j * (np.arctan2(shown[..., 2], shown[..., 1]) - hue[..., 0])))
    # Eight bits move a colour by up to about one unit, which turns a weak one further.
    assert (np.abs(turned) * chroma).max() < 1.5
    assert chroma.min() > 5


def test_a_mapped_colour_lies_at_the_edge_of_what_srgb_shows() -> None:
    rgb = to_rgb(np.array([[[53.24, 160.18, 134.40]]], np.float32))
    np.testing.assert_array_equal(rgb, [[[255, 0, 0]]])


def test_lightness_beyond_its_range_is_held() -> None:
    lab = np.array([[[-20, 0, 0], [130, 0, 0]]], np.float32)
    np.testing.assert_array_equal(to_rgb(lab), [[[0, 0, 0], [255, 255, 255]]])


def test_shard_bytes_are_those_of_the_contract() -> None:
    lab = np.array([[0, 0, 0], [100, 0, 0], [50, -128, 127], [53.24, 80.09, 67.2]], np.float32)
    expected = [[0, 128, 128], [255, 128, 128], [128, 0, 255], [136, 208, 195]]
    np.testing.assert_array_equal(to_bytes(lab), expected)


def test_shard_bytes_come_back() -> None:
    values = np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(to_bytes(from_bytes(values)), values)


def test_a_picture_through_a_shard_looks_the_same() -> None:
    rgb = dense_rgb()
    lab = to_lab(rgb)
    shift = deltaE_ciede2000(lab, from_bytes(to_bytes(lab)))  # type: ignore[no-untyped-call]
    assert shift.max() < 1.2


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3), np.float64)],
)
def test_other_arrays_are_refused(wrong: np.ndarray) -> None:
    for convert in (to_lab, to_lightness, to_rgb):
        with pytest.raises(ValueError, match=r"expected .* of shape \(H, W, 3\)"):
            convert(wrong)


def test_bytes_of_another_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="expected float32 LAB"):
        to_bytes(np.zeros((4, 3)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected uint8"):
        from_bytes(np.zeros((4, 3)))  # type: ignore[arg-type]
