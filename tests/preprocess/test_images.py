import io
import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from preprocess.errors import ScanError
from preprocess.images import MAX_SIDE, read_rgb, read_scan
from preprocess.lab import to_lightness

RAMP = np.linspace(0, 255, 80).astype(np.uint8)[None, :].repeat(60, axis=0)
ORIENTATION = 0x0112


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height: int, width: int) -> np.ndarray:
    """Draw a picture of which a JPEG loses little."""
    y, x = np.mgrid[:height, :width]
    planes = [128 + 100 * np.sin(x / 31), 128 + 100 * np.cos(y / 23), 128 + 60 * np.sin(x / 40 + y)]
    planes[2] = 128 + 60 * np.sin((x + y) / 40)
    return np.stack(planes, axis=-1).astype(np.uint8)


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
    rgb = noise(60, 80)
    np.testing.assert_array_equal(read_rgb(save(tmp_path / "a.png", Image.fromarray(rgb))), rgb)
    np.testing.assert_array_equal(read_rgb(save(tmp_path / "a.tif", Image.fromarray(rgb))), rgb)


def test_the_name_of_a_file_says_nothing(tmp_path: Path) -> None:
    rgb = noise(60, 80)
    path = tmp_path / "scan.jpg"
    Image.fromarray(rgb).save(path, "TIFF")
    np.testing.assert_array_equal(read_rgb(path), rgb)


@pytest.mark.parametrize("name", ["deep.png", "deep.tif", "deep.jp2"])
def test_sixteen_bits_become_eight(tmp_path: Path, name: str) -> None:
    deep = Image.fromarray(RAMP.astype(np.uint16) * 257)
    np.testing.assert_array_equal(read_rgb(save(tmp_path / name, deep))[..., 1], RAMP)


@pytest.mark.parametrize("order", ["<", ">"])
def test_sixteen_bits_are_rounded_and_not_cut(tmp_path: Path, order: str) -> None:
    deep = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    with tifffile.TiffWriter(tmp_path / "d.tif", byteorder=order) as writer:  # type: ignore[arg-type]
        writer.write(np.dstack([deep] * 3), photometric="rgb", metadata=None)
    expected = np.rint(deep / 257).astype(np.uint8)
    np.testing.assert_array_equal(read_rgb(tmp_path / "d.tif"), np.dstack([expected] * 3))


def test_grey_black_and_white_and_palette_become_rgb(tmp_path: Path) -> None:
    grey = Image.fromarray(RAMP)
    for name in ("l.png", "l.tif"):
        assert (read_rgb(save(tmp_path / name, grey)) == RAMP[..., None]).all()
    bits = grey.point([0] * 128 + [255] * 128).convert("1")
    assert set(np.unique(read_rgb(save(tmp_path / "1.tif", bits)))) == {0, 255}
    palette = grey.convert("RGB").quantize(256)
    assert np.abs(read_rgb(save(tmp_path / "p.gif", palette))[..., 0].astype(int) - RAMP).max() < 4


def test_white_may_be_zero(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "w.tif", 255 - RAMP, photometric="miniswhite", metadata=None)
    assert (read_rgb(tmp_path / "w.tif") == RAMP[..., None]).all()


@pytest.mark.parametrize("name", ["c.tif", "c.jpg"])
def test_cmyk_becomes_rgb(tmp_path: Path, name: str) -> None:
    cmyk = Image.new("CMYK", (80, 60), (0, 255, 255, 0))
    rgb = read_scan(save(tmp_path / name, cmyk), least=40).rgb
    assert rgb.shape == (30, 40, 3)
    assert rgb[0, 0, 0] > 200
    assert rgb[0, 0, 1] < 60


def test_lab_becomes_rgb(tmp_path: Path) -> None:
    # 53.4, 80, 69 at D50 is sRGB's red.
    lab = np.broadcast_to(np.array([136, 80, 69], np.uint8), (60, 80, 3))
    tifffile.imwrite(tmp_path / "lab.tif", lab, photometric="cielab", metadata=None)
    assert np.abs(read_rgb(tmp_path / "lab.tif").astype(int) - (255, 0, 0)).max() < 12


def test_transparency_is_laid_on_white(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (80, 60), (10, 20, 30, 0))
    for name in ("t.png", "t.tif", "t.webp"):
        assert (read_rgb(save(tmp_path / name, clear)) == 255).all()


@pytest.mark.parametrize("name", ["i.png", "i.jpg", "i.tif"])
@pytest.mark.parametrize("least", [400, 20])
def test_the_embedded_profile_is_converted(tmp_path: Path, name: str, least: int) -> None:
    grey = Image.new("RGB", (80, 60), (55, 55, 55))
    rgb = read_scan(save(tmp_path / name, grey, icc_profile=linear_profile()), least=least).rgb
    # 55/255 of light is sRGB level 128 (IEC 61966-2-1).
    assert np.abs(rgb.astype(int) - 128).max() <= 1


@pytest.mark.parametrize("name", ["b.png", "b.jpg", "b.tif"])
def test_a_broken_profile_is_taken_for_srgb(tmp_path: Path, name: str) -> None:
    grey = Image.new("RGB", (80, 60), (55, 66, 77))
    rgb = read_rgb(save(tmp_path / name, grey, icc_profile=b"no profile at all"))
    assert np.abs(rgb.astype(int) - (55, 66, 77)).max() <= 1


def test_a_profile_that_is_srgb_changes_nothing(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    rgb = noise(60, 80)
    path = save(tmp_path / "s.png", Image.fromarray(rgb), icc_profile=profile)
    np.testing.assert_array_equal(read_rgb(path), rgb)


TURNS: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda rgb: rgb,
    2: lambda rgb: rgb[:, ::-1],
    3: lambda rgb: rgb[::-1, ::-1],
    4: lambda rgb: rgb[::-1],
    5: lambda rgb: rgb.transpose(1, 0, 2),
    6: lambda rgb: np.rot90(rgb, 1),
    7: lambda rgb: rgb[::-1, ::-1].transpose(1, 0, 2),
    8: lambda rgb: np.rot90(rgb, -1),
}
"""How a picture is stored for each orientation (EXIF 2.32, 4.6.4)."""


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("name", ["o.jpg", "o.tif", "grey.tif", "lzw.tif", "o.png"])
@pytest.mark.parametrize("side", [160, 163])
def test_the_orientation_is_applied(tmp_path: Path, orientation: int, name: str, side: int) -> None:
    upright = smooth(120, side)
    stored = np.ascontiguousarray(TURNS[orientation](upright))
    if name == "grey.tif":
        stored, upright = stored[..., 0], np.dstack([upright[..., 0]] * 3)
    options: dict[str, object] = {}
    if name.endswith("tif"):
        tags = ImageFileDirectory_v2()
        tags[ORIENTATION] = orientation
        options = {"tiffinfo": tags} | ({"compression": "tiff_lzw"} if name == "lzw.tif" else {})
    else:
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        options = {"exif": exif, "quality": 98}
    path = save(tmp_path / name, Image.fromarray(stored), **options)
    whole = read_scan(path, least=1000)
    assert (whole.rgb.shape, whole.part) == (upright.shape, 1)
    assert np.abs(whole.rgb.astype(int) - upright).mean() < 2
    reduced = read_scan(path, least=20)
    assert (reduced.width, reduced.height) == (side, 120)
    rows, columns = (length // reduced.part for length in (120, side))
    assert reduced.rgb.shape == (rows, columns, 3)
    # Reduced or not, what stands at a place stays there.
    cut = upright[: rows * reduced.part, : columns * reduced.part]
    blocks = cut.reshape(rows, reduced.part, columns, reduced.part, 3).mean(axis=(1, 3))
    assert np.abs(reduced.rgb - blocks).mean() < 4


@pytest.mark.parametrize("name", ["s.jpg", "s.tif", "s.png", "s.webp", "grey.jpg", "lzw.tif"])
@pytest.mark.parametrize(
    ("least", "part"), [(1, 8), (128, 8), (129, 4), (256, 4), (257, 2), (600, 1), (5000, 1)]
)
def test_a_scan_comes_at_the_smallest_size_that_suffices(
    tmp_path: Path, name: str, least: int, part: int
) -> None:
    image = Image.fromarray(smooth(707, 1025))
    image = image.convert("L") if name == "grey.jpg" else image
    options = {"compression": "tiff_lzw"} if name == "lzw.tif" else {"quality": 95}
    path = save(tmp_path / name, image, **options)
    scan = read_scan(path, least=least)
    assert (scan.part, scan.rgb.shape) == (part, (707 // part, 1025 // part, 3))
    assert (scan.width, scan.height) == (1025, 707)
    np.testing.assert_array_equal(scan.scale, [1 / part, 1 / part])
    assert scan.rgb.flags.c_contiguous


@pytest.mark.parametrize(("shrink", "part"), [(1, 1), (1.99, 1), (2, 2), (3, 2), (7, 4), (50, 8)])
def test_a_scan_is_reduced_no_further_than_asked(tmp_path: Path, shrink: float, part: int) -> None:
    path = save(tmp_path / "s.jpg", Image.fromarray(smooth(707, 1025)))
    assert read_scan(path, shrink=shrink).part == part


@pytest.mark.parametrize("name", ["l.jpg", "l.png", "l.tif"])
def test_reducing_keeps_the_mean_of_the_light(tmp_path: Path, name: str) -> None:
    rgb = np.zeros((600, 960, 3), np.uint8)
    rgb[:, 320:640] = (200, 120, 60)
    rgb[296:, 640:] = 255
    path = save(tmp_path / name, Image.fromarray(rgb), quality=95)
    lightness = to_lightness(read_scan(path, least=120).rgb)
    assert lightness.shape == (75, 120)
    means = to_lightness(rgb).reshape(75, 8, 120, 8).mean(axis=(1, 3))
    assert np.median(np.abs(lightness - means)) < 0.7


def test_stripes_reduce_to_half_the_light_and_not_to_half_the_level(tmp_path: Path) -> None:
    stripes = np.zeros((160, 160, 3), np.uint8)
    stripes[:, ::2] = 255
    for name in ("s.tif", "s.png"):
        path = save(tmp_path / name, Image.fromarray(stripes))
        # Half of the light is level 188 (IEC 61966-2-1).
        assert np.abs(read_scan(path, least=80).rgb.astype(int) - 188).max() <= 2


def test_thin_pictures_are_never_reduced_to_nothing(tmp_path: Path) -> None:
    for width, height in ((5000, 2), (1, 3000), (1, 1), (7, 900)):
        path = save(tmp_path / "thin.png", Image.fromarray(noise(height, width)))
        scan = read_scan(path, least=64)
        assert min(scan.rgb.shape) >= 1
        assert (scan.width, scan.height) == (width, height)


@pytest.mark.parametrize("rows", [1, 7, 64, 1000])
def test_a_tiff_is_read_whatever_its_strips(tmp_path: Path, rows: int) -> None:
    rgb = noise(333, 501)
    tifffile.imwrite(
        tmp_path / "s.tif", rgb, photometric="rgb", rowsperstrip=rows, metadata=None, bigtiff=True
    )
    np.testing.assert_array_equal(read_rgb(tmp_path / "s.tif"), rgb)
    half = read_scan(tmp_path / "s.tif", least=250)
    whole = read_scan(save(tmp_path / "s.png", Image.fromarray(rgb)), least=250)
    np.testing.assert_array_equal(half.rgb, whole.rgb)


def test_only_a_size_above_zero_can_be_asked_for(tmp_path: Path) -> None:
    path = save(tmp_path / "s.png", Image.fromarray(RAMP))
    with pytest.raises(ValueError, match="1 px"):
        read_scan(path, least=0)
    with pytest.raises(ValueError, match="shrink"):
        read_scan(path, shrink=0.5)


def broken_files() -> dict[str, tuple[bytes, str]]:
    """Make files that do not decode, and what is said of each."""
    jpeg, tiff, lzw, passes = (io.BytesIO() for _ in range(4))
    image = Image.fromarray(noise(200, 200))
    image.save(jpeg, "JPEG")
    image.save(passes, "JPEG", progressive=True)
    image.save(tiff, "TIFF")
    image.save(lzw, "TIFF", compression="tiff_lzw")
    return {
        "cut.jpg": (jpeg.getvalue()[:9000], "Premature end of JPEG"),
        "cut.tif": (tiff.getvalue()[:-50000], "of 120"),
        "cut-lzw.tif": (lzw.getvalue()[:-3000], "got "),
        "passes.jpg": (passes.getvalue() + b"\xff\xda" * 200, "more than 100 passes"),
        "page.jpg": (b"<html>", "nothing that is known as a picture"),
        "empty.jpg": (b"", "nothing that is known as a picture"),
        "float.tif": (_to_tiff(RAMP.astype(np.float32)), "floating-point"),
    }


def _to_tiff(picture: np.ndarray) -> bytes:
    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "TIFF")
    return packed.getvalue()


@pytest.mark.parametrize("name", broken_files())
def test_what_cannot_be_decoded_is_named_with_what_came(tmp_path: Path, name: str) -> None:
    content, said = broken_files()[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ScanError, match=rf"{name}: expected a picture that decodes whole.*{said}"):
        read_scan(tmp_path / name, least=64)


def test_what_is_no_file_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "missing.jpg", tmp_path):
        with pytest.raises(ScanError, match="got no file"):
            read_scan(path, least=64)


def declare(side: int) -> bytes:
    """Make a JPEG of a few bytes that says how large it is."""
    packed = io.BytesIO()
    Image.fromarray(noise(16, 16)).save(packed, "JPEG")
    content = packed.getvalue()
    at = content.index(b"\xff\xc0") + 5
    return content[:at] + struct.pack(">2H", side, side) + content[at + 4 :]


@pytest.mark.parametrize("side", [12_001, 60_000])
def test_what_says_it_is_too_large_is_not_decoded(tmp_path: Path, side: int) -> None:
    (tmp_path / "bomb.jpg").write_bytes(declare(side))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ScanError, match="expected at most 144,000,000 px"):
            read_scan(tmp_path / "bomb.jpg", least=64)
    Image.new("1", (MAX_SIDE + 1, 2)).save(tmp_path / "long.png")
    with pytest.raises(ScanError, match="got 32,001 x 2 px; store it smaller"):
        read_scan(tmp_path / "long.png", least=64)


def test_a_master_of_twelve_thousand_pixels_passes(tmp_path: Path) -> None:
    path = tmp_path / "master.tif"
    row = np.repeat(np.arange(12_000, dtype=np.uint32) * 255 // 11_999, 3).astype(np.uint8)
    with tifffile.TiffWriter(path) as writer:
        writer.write(
            (row.tobytes() for _ in range(900)),
            shape=(900, 12_000, 3),
            dtype=np.uint8,
            rowsperstrip=1,
            photometric="rgb",
            metadata=None,
        )
    scan = read_scan(path, least=512)
    assert scan.rgb.shape == (112, 1500, 3)
    assert (np.diff(scan.rgb[50, :, 1].astype(int)) >= 0).all()
