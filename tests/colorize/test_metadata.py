"""What a file says besides its pixels, before and after."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from colorize.errors import ColorizeError
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


def make_exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010E] = "Der Zürcher Quai".encode()
    exif[0x0112] = orientation
    exif[0x0131] = "Scanner 3"
    exif[0x013B] = "Orell Füssli".encode("latin-1")
    exif.get_ifd(0x8769).update(
        {0x9003: "1899:06:01 12:00:00", 0xA001: 65535, 0xA002: 120, 0xA003: 90, 0x9286: b"\0note"}
    )
    exif.get_ifd(0x8825).update({1: "N", 2: (47.0, 22.0, 1.5), 3: "E", 4: (8.0, 32.0, 0.0)})
    exif[0x8769] = exif[0x8825] = 0  # without them Pillow leaves both tables out of a TIFF
    return exif


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_exif_stays_and_says_what_was_done(
    tmp_path: Path, colorize: Colorize, predictor: Predictor, grey: Grey, suffix: str
) -> None:
    photo = tmp_path / f"quay{suffix}"
    Image.fromarray(grey).convert("RGB").save(photo, exif=make_exif(1), dpi=(300, 300))
    with Image.open(colorize(photo)) as out:
        exif = out.getexif()
        camera, place = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
        raw = exif.tobytes() if suffix == ".tif" else out.info["exif"]
        if suffix in {".jpg", ".png", ".tif"}:
            assert out.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert exif[0x0131].startswith("Scanner 3; photochrom ")
    described = exif[0x010E].encode("latin-1").decode()
    assert described.startswith("Der Zürcher Quai; colorized by photochrom ")
    assert f"model {predictor.sha256[:12]}, strength 1" in described
    assert exif[0x013B] == "Orell Füssli"
    assert exif[0x0112] == 1
    assert camera[0x9003] == "1899:06:01 12:00:00" and camera[0x9286] == b"\0note"
    assert camera[0xA001] == 1
    assert place[2] == (47.0, 22.0, 1.5) and place[3] == "E"
    assert raw


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_come_out_upright(
    tmp_path: Path, colorize: Colorize, grey: Grey, suffix: str, orientation: int
) -> None:
    turned = {
        1: grey,
        2: grey[:, ::-1],
        3: grey[::-1, ::-1],
        4: grey[::-1],
        5: grey.T,
        6: np.rot90(grey, 1),
        7: grey[::-1, ::-1].T,
        8: np.rot90(grey, -1),
    }[orientation]
    photo = tmp_path / f"turned{suffix}"
    options = {"lossless": True} if suffix == ".webp" else {"quality": 98}
    stored = Image.fromarray(np.ascontiguousarray(turned))
    stored.save(photo, exif=make_exif(orientation), **options)
    out = colorize(photo)
    assert read(out).shape == (90, 120, 3)
    assert difference(grey, read(out)).mean() < 1
    with Image.open(out) as image:
        assert image.getexif()[0x0112] == 1
        assert image.getexif().get_ifd(0x8769)[0xA002] == 120


def test_a_malformed_exif_tag_is_left_out_and_the_others_stay(
    tmp_path: Path, colorize: Colorize, grey: Grey, caplog: pytest.LogCaptureFixture
) -> None:
    photo = tmp_path / "quay.jpg"
    exif = make_exif(6)
    Image.fromarray(grey).save(photo, exif=exif)
    # The type of GPSLatitude becomes text.
    content = photo.read_bytes()
    entry = b"\x00\x02\x00\x05\x00\x00\x00\x03"
    assert content.count(entry) == 1
    photo.write_bytes(content.replace(entry, b"\x00\x02\x00\x07\x00\x00\x00\x03"))
    with Image.open(colorize(photo)) as out:
        assert out.size == (90, 120)
        place = out.getexif().get_ifd(0x8825)
        assert 2 not in place and place[3] == "E"
    assert "tag 2 is malformed" in caplog.text


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp"])
def test_damage_anywhere_gives_a_picture_or_a_clear_error(
    tmp_path: Path, colorize: Colorize, grey: Grey, suffix: str
) -> None:
    photo = tmp_path / f"quay{suffix}"
    Image.fromarray(grey[:40, :50]).convert("RGB").save(photo, exif=make_exif(6))
    sound, rng = photo.read_bytes(), np.random.default_rng(0)
    for _ in range(60):
        content = bytearray(sound)
        for place in rng.integers(0, min(len(content), 700), 3):
            content[place] = rng.integers(0, 256)
        photo.write_bytes(content)
        try:
            read(colorize(photo))
        except ColorizeError as exc:
            assert str(photo.parent) in str(exc)


def test_orientation_leaves_the_xmp_too(tmp_path: Path, colorize: Colorize, grey: Grey) -> None:
    photo = tmp_path / "quay.jpg"
    xmp = b'<rdf:Description tiff:Orientation="6" dc:title="Quai"/>'
    Image.fromarray(np.rot90(grey)).save(photo, xmp=xmp, exif=make_exif(6))
    with Image.open(colorize(photo)) as out:
        assert out.size == (120, 90)
        assert out.info["xmp"] == b'<rdf:Description dc:title="Quai"/>'


def test_text_of_a_png_and_comment_and_xmp_of_a_jpeg_stay(
    tmp_path: Path, colorize: Colorize, grey: Grey
) -> None:
    info = PngImagePlugin.PngInfo()
    info.add_text("Title", "Zürich, Quai")
    info.add_itxt("Description", "Zürich – 8028")
    Image.fromarray(grey).save(tmp_path / "quay.png", pnginfo=info)
    with Image.open(colorize(tmp_path / "quay.png")) as out:
        assert isinstance(out, PngImagePlugin.PngImageFile)
        out.load()
        assert out.text["Title"] == "Zürich, Quai"
        assert out.text["Description"].startswith("Zürich – 8028; colorized by photochrom ")
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">8028</x:xmpmeta>'
    Image.fromarray(grey).save(tmp_path / "quay.jpg", comment=b"box 7", xmp=xmp)
    with Image.open(colorize(tmp_path / "quay.jpg")) as out:
        assert out.info["comment"] == b"box 7"
        assert out.info["xmp"] == xmp
