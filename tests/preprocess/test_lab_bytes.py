import hashlib
import subprocess
import sys

import numpy as np
import pytest
from skimage.color import rgb2lab

from preprocess.lab import to_bytes, to_lab
from preprocess.lab_bytes import to_lab_bytes

PUBLISHED = {
    (255, 255, 255): (100.0, 0.0, 0.0),
    (0, 0, 0): (0.0, 0.0, 0.0),
    (255, 0, 0): (53.2408, 80.0925, 67.2032),
    (0, 255, 0): (87.7347, -86.1827, 83.1793),
    (0, 0, 255): (32.2970, 79.1875, -107.8602),
    (255, 255, 0): (97.1393, -21.5537, 94.4780),
    (0, 255, 255): (91.1132, -48.0875, -14.1312),
    (255, 0, 255): (60.3242, 98.2343, -60.8249),
    (128, 128, 128): (53.5850, 0.0, 0.0),
}
"""B. Lindbloom's colour calculator (brucelindbloom.com, CIE Color Calculator): sRGB, D65."""


def cube(red: range) -> np.ndarray:
    levels = np.arange(256, dtype=np.uint8)
    grid = np.meshgrid(np.array(red, np.uint8), levels, levels, indexing="ij")
    return np.stack(grid, axis=-1).reshape(-1, 256, 3)


@pytest.mark.parametrize(("rgb", "lab"), PUBLISHED.items())
def test_known_colours_have_their_published_values(
    rgb: tuple[int, int, int], lab: tuple[float, float, float]
) -> None:
    found = to_lab_bytes(np.array([[rgb]], np.uint8))[0, 0]
    # Half a step for the rounding, and what six digits of the matrix leave open.
    assert np.abs(found - np.array(lab) * (2.55, 1, 1) - (0, 128, 128)).max() < 0.53


def test_greys_are_neutral_and_have_the_lightness_of_cie() -> None:
    levels = np.arange(256)
    encoded = levels / 255
    y = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    lightness = np.where(y > 216 / 24389, 116 * np.cbrt(y) - 16, 24389 / 27 * y)
    found = to_lab_bytes(np.repeat(levels.astype(np.uint8)[:, None, None], 3, axis=2))[:, 0]
    np.testing.assert_array_equal(found[:, 0], np.rint(lightness * 2.55))
    assert (found[:, 1:] == 128).all()


def test_every_colour_agrees_with_scikit_image() -> None:
    """All 16,777,216, in slabs of red."""
    off, worst = 0, 0.0
    for start in range(0, 256, 16):
        rgb = cube(range(start, start + 16))
        exact = rgb2lab(rgb / 255.0) * (2.55, 1, 1) + (0, 128, 128)
        found = to_lab_bytes(rgb)
        worst = max(worst, float(np.abs(found - exact).max()))
        off += int((found != np.rint(exact)).any(axis=-1).sum())
    assert worst < 0.501
    assert off < 1e-4 * 256**3


def test_the_numpy_way_gives_the_same_but_at_the_edges_of_rounding() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (500, 500, 3), dtype=np.uint8)
    difference = to_lab_bytes(rgb).astype(int) - to_bytes(to_lab(rgb))
    assert np.abs(difference).max() <= 1
    assert np.mean(difference != 0) < 1e-3


PROGRAM = """
import hashlib
import numpy as np
from preprocess.lab_bytes import to_lab_bytes
rgb = np.random.default_rng(1).integers(0, 256, (300, 300, 3), dtype=np.uint8)
print(hashlib.sha256(to_lab_bytes(rgb).tobytes()).hexdigest())
"""


def test_another_process_gives_the_same_bytes() -> None:
    rgb = np.random.default_rng(1).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert run.stdout.strip() == hashlib.sha256(to_lab_bytes(rgb).tobytes()).hexdigest()


def test_pictures_of_any_layout_are_read() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    np.testing.assert_array_equal(
        to_lab_bytes(rgb[::2, ::3]), to_lab_bytes(np.ascontiguousarray(rgb[::2, ::3]))
    )


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32)])
def test_other_arrays_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"expected uint8 of shape \(H, W, 3\)"):
        to_lab_bytes(wrong)
