import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from preprocess.errors import ScanError
from preprocess.images import read_lightness, read_reduced, read_rgb
from preprocess.lab import to_lightness

RAMP = np.linspace(0, 255, 80).astype(np.uint8)[None, :].repeat(60, axis=0)


def save(path: Path, picture: Image.Image, **options: object) -> Path:
    picture.save(path, **options)  # type: ignore[arg-type]
    return path


def linear_profile() -> bytes:
    """Build an RGB profile with sRGB's primaries and a gamma of 1, from the standard's bytes."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(profile[128:132], "big")
    for entry in range(count):
        at = 132 + 12 * entry
        if bytes(profile[at : at + 4]) in (b"rTRC", b"gTRC", b"bTRC"):
            start = int.from_bytes(profile[at + 4 : at + 8], "big")
            # A curve without entries is the identity: ICC.1:2022, 10.6.
            profile[start : start + 12] = b"curv" + bytes(8)
            profile[at + 8 : at + 12] = (12).to_bytes(4, "big")
    return bytes(profile)


def test_a_plain_picture_comes_back(tmp_path: Path) -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    np.testing.assert_array_equal(read_rgb(save(tmp_path / "a.png", Image.fromarray(rgb))), rgb)


@pytest.mark.parametrize("name", ["deep.png", "deep.tif"])
def test_sixteen_bits_become_eight(tmp_path: Path, name: str) -> None:
    deep = Image.fromarray(RAMP.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_rgb(save(tmp_path / name, deep))[..., 1], RAMP)


def test_grey_black_and_white_and_palette_become_rgb(tmp_path: Path) -> None:
    grey = Image.fromarray(RAMP)
    assert (read_rgb(save(tmp_path / "l.png", grey)) == RAMP[..., None]).all()
    bits = grey.point([0] * 128 + [255] * 128).convert("1")
    assert set(np.unique(read_rgb(save(tmp_path / "1.tif", bits)))) == {0, 255}
    palette = grey.convert("RGB").quantize(256)
    assert np.abs(read_rgb(save(tmp_path / "p.gif", palette))[..., 0].astype(int) - RAMP).max() < 4


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    cmyk = Image.new("CMYK", (80, 60), (0, 255, 255, 0))
    rgb = read_rgb(save(tmp_path / "c.tif", cmyk))
    assert rgb.shape == (60, 80, 3)
    assert rgb[0, 0, 0] > 200
    assert rgb[0, 0, 1] < 60


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (80, 60), (10, 20, 30, 0))
    assert (read_rgb(save(tmp_path / "t.png", clear)) == 255).all()


def test_the_embedded_profile_is_converted(tmp_path: Path) -> None:
    grey = Image.new("RGB", (80, 60), (55, 55, 55))
    rgb = read_rgb(save(tmp_path / "i.png", grey, icc_profile=linear_profile()))
    # 55/255 of light is sRGB level 128 (IEC 61966-2-1).
    assert np.abs(rgb.astype(int) - 128).max() <= 1


def test_a_broken_profile_is_taken_for_srgb(tmp_path: Path) -> None:
    grey = Image.new("RGB", (80, 60), (55, 66, 77))
    rgb = read_rgb(save(tmp_path / "b.png", grey, icc_profile=b"no profile at all"))
    assert (rgb == (55, 66, 77)).all()


@pytest.mark.parametrize("long_side", [40, 400])
def test_the_orientation_is_applied(tmp_path: Path, long_side: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "o.jpg", Image.fromarray(RAMP), exif=exif, quality=95)
    upright = read_rgb(path)
    assert upright.shape == (80, 60, 3)
    assert upright[0].mean() < 10
    assert upright[-1].mean() > 245
    reduced = read_reduced(path, long_side=long_side)
    assert max(reduced.shape) == min(80, long_side)
    assert reduced.shape[0] > reduced.shape[1]


def test_the_reduced_lightness_is_that_of_the_whole(tmp_path: Path) -> None:
    rgb = np.zeros((600, 900, 3), np.uint8)
    rgb[:, 300:600] = (200, 120, 60)
    rgb[300:, 600:] = 255
    path = save(tmp_path / "l.jpg", Image.fromarray(rgb), quality=95)
    lightness = read_lightness(path, long_side=90)
    assert lightness.shape == (60, 90)
    assert lightness.dtype == np.float32
    means = to_lightness(rgb).reshape(60, 10, 90, 10).mean(axis=(1, 3))
    assert np.median(np.abs(lightness - means)) < 1


def test_a_small_scan_keeps_its_size(tmp_path: Path) -> None:
    path = save(tmp_path / "s.png", Image.fromarray(RAMP))
    assert read_reduced(path, long_side=500).shape == (60, 80, 3)
    with pytest.raises(ValueError, match="1 px"):
        read_reduced(path, long_side=0)


def test_what_cannot_be_decoded_is_named(tmp_path: Path) -> None:
    whole = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(whole, "JPEG")
    cases = {"cut.jpg": whole.getvalue()[:9000], "page.jpg": b"<html>", "empty.jpg": b""}
    for name, content in cases.items():
        (tmp_path / name).write_bytes(content)
    Image.fromarray(RAMP.astype(np.float32)).save(tmp_path / "float.tif")
    for name in [*cases, "float.tif", "missing.jpg"]:
        with pytest.raises(ScanError, match=rf"{name}: expected a picture that decodes whole"):
            read_rgb(tmp_path / name)
        with pytest.raises(ScanError, match=name):
            read_lightness(tmp_path / name, long_side=64)
