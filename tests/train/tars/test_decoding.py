from typing import Any

import cv2
import numpy as np
import pytest
import simplejpeg
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from tests.train.tars.webdatasets import Bytes, draw, encode, to_jpeg
from train.tars.decoding import LAB_PADDING, Box, Kind, decode, measure

SIDE = 32


def read(
    content: bytes, *, kind: Kind = Kind.PICTURE, side: int = SIDE, within: Box | None = None
) -> tuple[Bytes, Box]:
    out = np.full((side, side, 3), 77, np.uint8)
    return out, decode(kind, content, out, within=within)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "NPY"])
def test_a_picture_of_the_square_comes_as_it_is(kind: str) -> None:
    picture = draw(1)
    options = {"lossless": True} if kind == "WEBP" else {}
    how = Kind.RGB if kind == "NPY" else Kind.PICTURE
    found, valid = read(encode(picture, kind, **options), kind=how)
    assert np.array_equal(found, picture)
    assert valid == (0, 0, SIDE, SIDE)


def test_a_jpeg_of_the_square_is_decoded_into_it(monkeypatch: pytest.MonkeyPatch) -> None:
    content = to_jpeg(draw(1))
    wanted = simplejpeg.decode_jpeg(content, "RGB")
    buffers: list[Any] = []
    real = simplejpeg.decode_jpeg

    def watched(*args: Any, **options: Any) -> Any:
        buffers.append(options.get("buffer"))
        return real(*args, **options)

    monkeypatch.setattr("simplejpeg.decode_jpeg", watched)
    out = np.zeros((SIDE, SIDE, 3), np.uint8)
    assert decode(Kind.PICTURE, content, out) == (0, 0, SIDE, SIDE)
    assert buffers[0] is out
    assert np.array_equal(out, wanted)


@pytest.mark.parametrize(
    ("height", "width", "box"),
    [(32, 24, (0, 4, 32, 28)), (15, 30, (8, 0, 24, 32)), (200, 100, (0, 8, 32, 24))],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "NPY"])
def test_a_picture_stands_in_the_middle_whole_on_black(
    height: int, width: int, box: Box, kind: str
) -> None:
    picture = np.full((height, width, 3), (200, 150, 100), np.uint8)
    how = Kind.RGB if kind == "NPY" else Kind.PICTURE
    content = to_jpeg(picture) if kind == "JPEG" else encode(picture, kind)
    found, valid = read(content, kind=how)
    top, left, bottom, right = box
    assert valid == box
    assert np.abs(found[top:bottom, left:right].astype(int) - (200, 150, 100)).max() <= 6
    found[top:bottom, left:right] = 0
    assert not found.any()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("side", [32, 24])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_exif_orientation_is_followed(orientation: int, side: int, kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = Image.fromarray(draw(3, height=16, width=32))
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {"lossless": True}
    content = encode(stored, kind, exif=exif, **options)
    found, valid = read(content, side=side)
    stored.getexif()[0x0112] = orientation
    upright = ImageOps.exif_transpose(stored)
    size = (side, side // 2) if upright.width > upright.height else (side // 2, side)
    wanted = cv2.resize(np.asarray(upright), size, interpolation=cv2.INTER_AREA)
    top, left, bottom, right = valid
    apart = np.abs(found[top:bottom, left:right].astype(int) - wanted)
    assert (right - left, bottom - top) == size
    assert np.median(apart) <= 4
    assert measure(Kind.PICTURE, content) == upright.size


def test_grey_is_three_planes_alike() -> None:
    grey = Image.fromarray(draw(2)[..., 0])
    for kind in ("PNG", "JPEG", "WEBP"):
        found, _ = read(encode(grey, kind, quality=95))
        assert np.abs(np.ptp(found.astype(int), axis=-1)).max() <= (2 if kind == "WEBP" else 0)
        assert np.abs(found[..., 0].astype(int) - np.asarray(grey)).mean() < 4


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_what_is_transparent_lies_on_white(mode: str, kind: str) -> None:
    image = Image.new("RGBA", (SIDE, SIDE), (100, 100, 100, 255))
    image.paste((0, 0, 0, 0), (0, 0, 16, SIDE))
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    found, _ = read(encode(image.convert(mode) if kind == "PNG" else image, kind, **options))
    assert np.abs(found[:, :16].astype(int) - 255).max() <= 1
    assert np.abs(found[:, 16:].astype(int) - 100).max() <= 1


def test_a_palette_and_sixteen_bits_become_eight() -> None:
    flat = Image.new("RGB", (SIDE, SIDE), (10, 200, 30))
    assert (read(encode(flat.quantize(4), "PNG"))[0] == (10, 200, 30)).all()
    deep = Image.fromarray(np.full((SIDE, SIDE), 200 * 257 + 100, np.uint16))
    assert (read(encode(deep, "PNG"))[0] == 200).all()


def test_a_jpeg_in_cmyk_is_read() -> None:
    found, _ = read(encode(Image.new("RGB", (SIDE, SIDE), (220, 40, 40)).convert("CMYK"), "JPEG"))
    assert np.abs(found.astype(int) - (220, 40, 40)).max() <= 4


def test_a_large_jpeg_is_decoded_at_a_fraction(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[tuple[int, ...]] = []
    real = simplejpeg.decode_jpeg

    def watched(*args: Any, **options: Any) -> Any:
        pixels = real(*args, **options)
        sizes.append(pixels.shape)
        return pixels

    monkeypatch.setattr("simplejpeg.decode_jpeg", watched)
    for side, wanted in ((64, 32), (60, 60), (256, 32), (200, 50)):
        read(to_jpeg(draw(1, height=side, width=side)))
        assert sizes.pop()[0] == wanted


def test_a_name_that_lies_about_the_kind_does_not_matter() -> None:
    picture = draw(4)
    found, _ = read(encode(picture, "PNG"), kind=Kind.PICTURE)
    assert np.array_equal(found, picture)


def test_lab_keeps_its_valid_box_and_is_padded_as_in_a_shard() -> None:
    lab = np.full((SIDE, SIDE, 3), LAB_PADDING, np.uint8)
    lab[4:28] = 99
    found, valid = read(encode(lab, "NPY"), kind=Kind.LAB, within=(4, 0, 28, SIDE))
    assert np.array_equal(found, lab)
    assert valid == (4, 0, 28, SIDE)
    smaller, box = read(encode(lab, "NPY"), kind=Kind.LAB, within=(4, 0, 28, SIDE), side=16)
    assert box == (2, 0, 14, 16)
    assert (smaller[2:14] == 99).all()
    assert (smaller[:2] == LAB_PADDING).all()
    assert (smaller[14:] == LAB_PADDING).all()


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((8, 8, 3), np.float32),
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
        np.asfortranarray(np.zeros((8, 8, 3), np.uint8)),
    ],
    ids=["float", "grey", "rgba", "empty", "fortran"],
)
def test_another_array_is_refused(array: Bytes) -> None:
    with pytest.raises(ValueError, match=r"expected uint8 of shape \(H, W, 3\)"):
        read(encode(array, "NPY"), kind=Kind.RGB)


@pytest.mark.parametrize("side", [32, 20, 100])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "NPY"])
def test_what_breaks_off_is_refused(kind: str, side: int) -> None:
    picture = draw(5, height=side, width=side)
    content = to_jpeg(picture) if kind == "JPEG" else encode(picture, kind)
    how = Kind.RGB if kind == "NPY" else Kind.PICTURE
    for length in (0, 1, 10, len(content) // 2, len(content) - 30):
        with pytest.raises(ValueError, match=r"."):
            read(content[:length], kind=how)


def test_a_damaged_jpeg_is_refused_and_an_odd_one_is_not() -> None:
    content = to_jpeg(draw(5))
    middle = len(content) // 2
    with pytest.raises(ValueError, match="Corrupt JPEG"):
        read(content[:middle] + b"\xff\xd1" + content[middle + 2 :])
    odd = content[:-2] + b"\0\0" + content[-2:]
    assert np.abs(read(odd)[0].astype(int) - read(content)[0]).max() <= 2


def test_a_picture_of_another_form_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"expected a JPEG, .*got [\d,]+ bytes that begin 47 49 46"
    ) as no:
        read(encode(draw(1), "GIF"))
    assert "object at 0x" not in str(no.value)
    with pytest.raises(ValueError, match=r"got 0 bytes$"):
        read(b"")


def test_a_picture_that_claims_a_huge_size_is_refused() -> None:
    content = bytearray(to_jpeg(draw(1)))
    at = content.index(b"\xff\xc0")
    content[at + 5 : at + 9] = b"\xff\x00\xff\x00"
    png = bytearray(encode(draw(1), "PNG"))
    png[16:24] = b"\0\0\xff\0" * 2
    for claim in (content, png):
        with pytest.raises(ValueError, match="expected at most 144,000,000 px"):
            read(bytes(claim))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of EXIF that breaks off
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@given(
    kind=st.sampled_from(["JPEG", "EXIF", "PNG", "WEBP", "NPY"]),
    side=st.sampled_from([32, 20, 70]),
    flips=st.lists(st.tuples(st.integers(0, 1 << 16), st.integers(1, 255)), max_size=4),
    cut=st.integers(0, 1 << 16),
)
def test_damage_gives_a_picture_or_a_value_error(
    kind: str, side: int, flips: list[tuple[int, int]], cut: int
) -> None:
    picture = draw(side, height=side, width=side)
    if kind == "EXIF":
        exif = Image.Exif()
        exif[0x0112], exif[0x010E] = 6, "a description"
        content = bytearray(encode(picture, "JPEG", exif=exif))
        flips = [(place % 80, flip) for place, flip in flips]
    else:
        content = bytearray(to_jpeg(picture) if kind == "JPEG" else encode(picture, kind))
    for place, flip in flips:
        content[place % len(content)] ^= flip
    del content[len(content) - cut % 40 :]
    try:
        _, (top, left, bottom, right) = read(
            bytes(content), kind=Kind.RGB if kind == "NPY" else Kind.PICTURE
        )
    except ValueError:
        return
    assert 0 <= top < bottom <= SIDE
    assert 0 <= left < right <= SIDE
