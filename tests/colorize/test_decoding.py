"""Photographs of every kind, and what is none."""

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from colorize.errors import ColorizeError
from colorize.photo import colorize_photo
from preprocess.lab import to_lightness
from train.predict import Predictor

Grey = NDArray[np.uint8]
Colorize = Callable[..., Path]


def read(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.array(image.convert("RGB"))


def difference(grey: Grey, coloured: NDArray[np.uint8]) -> NDArray[np.float32]:
    found: NDArray[np.float32] = np.abs(
        to_lightness(np.dstack([grey] * 3)) - to_lightness(coloured)
    )
    return found


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK", "P", "1", "LA", "RGBA", "I;16"])
def test_every_mode_is_read(tmp_path: Path, colorize: Colorize, grey: Grey, mode: str) -> None:
    photo = tmp_path / ("quay.tif" if mode == "CMYK" else "quay.png")
    if mode == "I;16":
        Image.fromarray(grey.astype(np.uint16) * 257).save(photo)
    else:
        Image.fromarray(grey).convert(mode).save(photo)
    coloured = read(colorize(photo))
    if mode in {"1", "P"}:
        assert coloured.shape == (*grey.shape, 3)
    else:
        assert difference(grey, coloured).mean() < 0.6


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp", ".jpg"])
def test_alpha_is_kept_where_the_format_has_it(
    tmp_path: Path, colorize: Colorize, grey: Grey, suffix: str
) -> None:
    alpha = np.zeros_like(grey)
    alpha[10:60, 20:100] = 255
    alpha[60:] = 99
    photo = tmp_path / f"cut{suffix}"
    image = Image.fromarray(np.dstack((grey, grey, grey, alpha)))
    if suffix == ".jpg":  # a PNG under a false name
        image.save(photo, "PNG")
    else:
        options: dict[str, Any] = {"lossless": True} if suffix == ".webp" else {}
        image.save(photo, **options)
    with Image.open(colorize(photo)) as out:
        if suffix == ".jpg":
            assert out.mode == "RGB" and out.getpixel((0, 0)) == (255, 255, 255)
        else:
            assert out.mode == "RGBA"
            np.testing.assert_array_equal(np.array(out)[..., 3], alpha)


def test_a_transparent_palette_and_grey_keep_their_alpha(
    tmp_path: Path, colorize: Colorize, grey: Grey
) -> None:
    for mode in ("P", "L", "LA"):
        photo = tmp_path / f"{mode}.png"
        image = Image.fromarray(grey).convert(mode)
        options: dict[str, Any] = {} if mode == "LA" else {"transparency": 0}
        image.save(photo, **options)
        with Image.open(colorize(photo)) as out:
            assert out.mode == "RGBA"


def test_an_embedded_profile_is_honoured(tmp_path: Path, colorize: Colorize, grey: Grey) -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    photo = tmp_path / "lab.tif"
    level = to_lightness(np.dstack([grey] * 3))
    planes = np.dstack((np.rint(level * 2.55), *[np.zeros_like(level)] * 2)).astype(np.uint8)
    Image.frombytes("LAB", (120, 90), planes.tobytes()).save(photo, icc_profile=lab)
    coloured = read(colorize(photo))
    assert np.abs(to_lightness(coloured) - level).mean() < 1.5
    with Image.open(tmp_path / "lab-colorized.tif") as out:
        assert "icc_profile" not in out.info


def test_a_profile_that_cannot_be_used_is_left_aside(
    tmp_path: Path, colorize: Colorize, grey: Grey, caplog: pytest.LogCaptureFixture
) -> None:
    photo = tmp_path / "quay.png"
    Image.fromarray(grey).save(photo, icc_profile=b"no profile")
    assert difference(grey, read(colorize(photo))).mean() < 0.1
    assert "profile" in caplog.text


def damaged(grey: Grey, suffix: str) -> bytes:
    stream = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (300, 300), np.uint8)
    Image.fromarray(noise).save(stream, {".jpg": "JPEG", ".png": "PNG", ".tif": "TIFF"}[suffix])
    return stream.getvalue()[: len(stream.getvalue()) // 2]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.jpg", b"", "empty file"),
        ("notes.jpg", b"these are notes", "expected a photograph"),
        ("page.png", b"<html></html>", "expected a photograph"),
        ("head.jpg", b"\xff\xd8\xff\xe0", "expected a photograph|cannot be decoded"),
    ],
)
def test_what_is_no_picture_is_said_and_nothing_is_written(
    tmp_path: Path, colorize: Colorize, name: str, content: bytes, said: str
) -> None:
    photo = tmp_path / name
    photo.write_bytes(content)
    with pytest.raises(ColorizeError, match=said):
        colorize(photo)
    assert [path.name for path in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif"])
def test_a_picture_that_breaks_off_is_said(
    tmp_path: Path, colorize: Colorize, grey: Grey, suffix: str
) -> None:
    photo = tmp_path / f"half{suffix}"
    photo.write_bytes(damaged(grey, suffix))
    with pytest.raises(ColorizeError, match=r"get a sound copy|something else"):
        colorize(photo)
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_and_a_missing_file_are_said(
    tmp_path: Path, colorize: Colorize, predictor: Predictor
) -> None:
    with pytest.raises(ColorizeError, match="got a folder"):
        colorize_photo(
            tmp_path, out=tmp_path / "a.png", predictor=predictor, strength=1, quality=90
        )
    with pytest.raises(ColorizeError, match="No such file"):
        colorize(tmp_path / "none.jpg")


def test_a_picture_beyond_the_limit_of_pixels_is_said(
    tmp_path: Path, colorize: Colorize, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = tmp_path / "large.png"
    Image.new("L", (300, 300)).save(photo)
    for limit in (60_000, 20_000):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(ColorizeError, match=rf"at most {limit:,} pixels"):
            colorize(photo)
