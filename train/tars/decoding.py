"""Pure: a member of anyone's WebDataset into a square of pixels, and its valid box.

What a picture is, its first bytes say, not its name: many sets hold PNG under `.jpg`. Colours are
taken as sRGB, as `webdataset` takes them: an embedded profile is not applied. What is transparent
lies on white, EXIF orientation is followed, 16 bits are rounded to 8.

Dimensions: S side in pixels of the square.
"""

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import IntEnum
from tokenize import TokenError
from typing import Final

import cv2
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from preprocess.geometry import place_print
from preprocess.jpeg import decode_jpeg

Bytes = NDArray[np.uint8]
Box = tuple[int, int, int, int]
"""Top, left, bottom, right (exclusive)."""

MAX_PIXELS: Final = 12_000 * 12_000
"""What a picture may measure: four times a large scan's; a small file can claim far more."""

RGB_PADDING: Final = (0, 0, 0)
LAB_PADDING: Final = (0, 128, 128)
"""The same colour, black, in either's bytes."""

_JPEG: Final = b"\xff\xd8\xff"
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PLAIN_PNG: Final = frozenset({(8, 0), (8, 2)})
"""Bits of a sample and colour type: grey, RGB."""

_BROKEN: Final = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    struct.error,
)
"""What Pillow raises of a broken file."""

_ORIENTATION: Final = 0x0112
_TURNED: Final = 4
"""Orientations above this one swap width and height."""
_FORMATS: Final = ("JPEG", "PNG", "WEBP")


class Kind(IntEnum):
    """What a member holds; the number stands in the index."""

    PICTURE = 0
    """JPEG, PNG or WebP."""
    RGB = 1
    """npy: uint8, (H, W, 3), sRGB."""
    LAB = 2
    """npy: uint8, (H, W, 3), LAB as in a shard of ours."""


def decode(kind: Kind, content: bytes, out_SS3: Bytes, *, within: Box | None = None) -> Box:
    """Decode one member into a square: the whole picture, as large as fits, in the middle.

    A picture that is S x S already is decoded into the square itself, without another copy.

    Args:
        kind: What the member holds.
        content: All of it.
        out_SS3: Takes RGB, or LAB of `Kind.LAB`; uint8, contiguous.
        within: The part of an array that is picture, where that is known; None is all of it.

    Returns:
        The valid box of the square; around it is padding.

    Raises:
        ValueError: If the content is damaged, breaks off, or is something else.
    """
    if kind is not Kind.PICTURE:
        padding = LAB_PADDING if kind is Kind.LAB else RGB_PADDING
        return _place_array(_read_npy(content), out_SS3, padding=padding, within=within)
    if content.startswith(_JPEG):
        return _decode_jpeg(content, out_SS3)
    if _is_plain(content):
        flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
        with suppress(cv2.error):
            pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
            if pixels is not None:
                return _letterbox(np.asarray(pixels, np.uint8), out_SS3, padding=RGB_PADDING)
    return _letterbox(_read_by_pillow(content), out_SS3, padding=RGB_PADDING)


def measure(kind: Kind, content: bytes) -> tuple[int, int]:
    """Measure a member that decodes.

    Args:
        kind: What it holds.
        content: All of it.

    Returns:
        Width and height in pixels, upright.

    Raises:
        ValueError: If its header is broken.
    """
    if kind is not Kind.PICTURE:
        height, width, _ = _read_npy(content).shape
        return width, height
    with _explained(content), Image.open(io.BytesIO(content), formats=_FORMATS) as image:
        width, height = image.size
        turned = image.getexif().get(_ORIENTATION, 1) in range(_TURNED + 1, 9)
        return (height, width) if turned else (width, height)


def _decode_jpeg(content: bytes, out_SS3: Bytes) -> Box:
    """Decode by libjpeg-turbo; where that is odd but whole, by Pillow."""
    height, width, space, _ = simplejpeg.decode_jpeg_header(content)
    orientation = _find_orientation(content)
    side = len(out_SS3)
    _check_size(width, height)
    if space in {"CMYK", "YCCK"}:
        return _letterbox(_read_by_pillow(content), out_SS3, padding=RGB_PADDING)
    try:
        if height == width == side and orientation == 1:
            simplejpeg.decode_jpeg(content, "RGB", buffer=out_SS3)
            return 0, 0, side, side
        place = place_print(width, height, size=side, fit="pad")
        pixels = simplejpeg.decode_jpeg(
            content, "RGB", min_height=place.height, min_width=place.width, min_factor=2
        )
    except ValueError:
        # Raises where it is damaged; what it only finds odd, Pillow reads.
        decode_jpeg(content, size=(width, height), part=1, grey=space == "Gray", progressive=True)
        return _letterbox(_read_by_pillow(content), out_SS3, padding=RGB_PADDING)
    return _letterbox(_turn(pixels, orientation), out_SS3, padding=RGB_PADDING)


def _find_orientation(content: bytes) -> int:
    """Find the EXIF orientation of a JPEG, 1 to 8; 1 where there is none.

    Only the application segments at the head are looked through: in nearly every file that is one.
    """
    at = 2
    while content[at : at + 1] == b"\xff" and 0xE0 <= content[at + 1] <= 0xEF:
        if content[at + 1] == 0xE1 and content[at + 4 : at + 10] == b"Exif\0\0":
            return _read_orientation(content[at + 4 : at + 2 + _read_length(content, at)])
        at += 2 + _read_length(content, at)
    return 1


def _read_length(content: bytes, at: int) -> int:
    return int.from_bytes(content[at + 2 : at + 4])


def _read_orientation(segment: bytes) -> int:
    """Read the orientation that EXIF gives; 1 where it is broken, as browsers show it."""
    exif = Image.Exif()
    with suppress(*_BROKEN):
        exif.load(segment)
        found = exif.get(_ORIENTATION, 1)
        if found in range(1, 9):
            return int(found)
    return 1


def _turn(pixels: Bytes, orientation: int) -> Bytes:
    """Lay a picture upright."""
    down = -1 if orientation in {3, 4, 7, 8} else 1
    across = -1 if orientation in {2, 3, 6, 7} else 1
    if orientation > _TURNED:
        return pixels.transpose(1, 0, 2)[::down, ::across]
    return pixels[::down, ::across]


def _is_plain(content: bytes) -> bool:
    """Say whether a PNG or WebP is grey or RGB of 8 bits, opaque and upright by its header."""
    if content.startswith(_PNG):
        _check_size(int.from_bytes(content[16:20]), int.from_bytes(content[20:24]))
        data = content.find(b"IDAT")
        odd = any(content.find(name, 0, data) >= 0 for name in (b"tRNS", b"eXIf"))
        return tuple(content[24:26]) in _PLAIN_PNG and not odd
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP":
        return False
    match content[12:16]:
        case b"VP8 ":
            return True
        case b"VP8L":
            return len(content) > 24 and not content[24] & 0x10
        case b"VP8X":  # alpha 0x10, EXIF 0x08, animation 0x02
            return len(content) > 20 and not content[20] & 0x1A
    return False


def _read_by_pillow(content: bytes) -> Bytes:
    """Read any JPEG, PNG or WebP, upright, as sRGB of 8 bits; (H, W, 3)."""
    with _explained(content), Image.open(io.BytesIO(content), formats=_FORMATS) as image:
        _check_size(*image.size)
        image.load()
        return np.asarray(_to_rgb(ImageOps.exif_transpose(image)), np.uint8)


@contextmanager
def _explained(content: bytes) -> Iterator[None]:
    """Say what Pillow raises of a broken file as one kind of error."""
    try:
        yield
    except _BROKEN as exc:
        start = f" that begin {content[:8].hex(' ')}" if content else ""
        # Of what it does not know at all, Pillow names but the object in memory.
        said = "" if isinstance(exc, UnidentifiedImageError) else f" ({exc})"
        raise ValueError(
            "expected a JPEG, PNG or WebP that decodes whole, "
            f"got {len(content):,} bytes{start}{said}"
        ) from exc


def _to_rgb(image: Image.Image) -> Image.Image:
    """Bring a mode to RGB of 8 bits, transparency laid on white."""
    if image.mode.startswith("I"):
        deep = np.clip(np.asarray(image).astype(np.float64), 0, 65535)
        return Image.fromarray(np.rint(deep / 257).astype(np.uint8)).convert("RGB")
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        over = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")
    return image.convert("RGB")


def _read_npy(content: bytes) -> Bytes:
    """Read an array in npy form without a copy; (H, W, 3)."""
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, columns_first, dtype = np.lib.format.read_array_header_1_0(stream)
        else:
            shape, columns_first, dtype = np.lib.format.read_array_header_2_0(stream)
    except (*_BROKEN, TokenError) as exc:
        raise ValueError(f"expected an array in npy form, got {exc}") from exc
    if dtype != np.uint8 or len(shape) != 3 or shape[2] != 3 or columns_first or min(shape) < 1:
        raise ValueError(f"expected uint8 of shape (H, W, 3) in C order, got {dtype} {shape}")
    size = shape[0] * shape[1] * 3
    if len(content) - stream.tell() < size:
        raise ValueError(f"expected {size} bytes of pixels, got {len(content) - stream.tell()}")
    return np.frombuffer(content, np.uint8, size, stream.tell()).reshape(shape)


def _place_array(
    pixels: Bytes, out_SS3: Bytes, *, padding: tuple[int, int, int], within: Box | None
) -> Box:
    """Copy an array that is a sample already as it is; letterbox the picture in another."""
    height, width, _ = pixels.shape
    top, left, bottom, right = within or (0, 0, height, width)
    if not (0 <= top < bottom <= height and 0 <= left < right <= width):
        raise ValueError(f"expected a box within {height} x {width} px, got {within}")
    if pixels.shape == out_SS3.shape:
        out_SS3[:] = pixels
        return top, left, bottom, right
    return _letterbox(pixels[top:bottom, left:right], out_SS3, padding=padding)


def _letterbox(pixels: Bytes, out_SS3: Bytes, *, padding: tuple[int, int, int]) -> Box:
    """Put a picture into the middle of the square, resized to fit, and pad around it."""
    height, width, _ = pixels.shape
    place = place_print(width, height, size=len(out_SS3), fit="pad")
    if (height, width) != (place.height, place.width):
        # The exact kinds give the same bytes on every processor.
        smaller = width > place.width or height > place.height
        how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR_EXACT
        resized = cv2.resize(
            np.ascontiguousarray(pixels), (place.width, place.height), dst=None, interpolation=how
        )
        pixels = np.asarray(resized, np.uint8)
    top, left, bottom, right = place.valid
    if (bottom - top, right - left) != out_SS3.shape[:2]:
        out_SS3[:top] = out_SS3[bottom:] = padding
        out_SS3[top:bottom, :left] = out_SS3[top:bottom, right:] = padding
    out_SS3[top:bottom, left:right] = pixels
    return place.valid


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ValueError(f"expected at most {MAX_PIXELS:,} px, got {width:,} x {height:,}")
