"""Edge: decode a scan to sRGB: profile, orientation, depth; no larger than it is needed."""

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from preprocess.errors import ScanError
from preprocess.jpeg import decode_jpeg
from preprocess.srgb import apply_profile, to_srgb
from preprocess.tiff import find_strips, read_strips

Bytes = NDArray[np.uint8]

MAX_PIXELS: Final = 12_000 * 12_000
MAX_SIDE: Final = 32_000
"""What a scan may measure, in pixels; the largest masters have 7,000 to 12,000 on a side. OpenCV
maps no side beyond 32,766. A JPEG or an uncompressed TIFF takes memory for what is asked of it
alone; every other file takes 4 bytes for each of its own pixels, and 8 where it is turned."""

_FORMATS: Final = ("JPEG", "TIFF", "PNG", "WEBP", "AVIF", "JPEG2000", "GIF", "BMP", "PPM")
"""What Pillow may try. Among the others are those that it hands to other programs (EPS)."""

_ORIENTATION: Final = 0x0112
_FLIPS_X: Final = frozenset({2, 3, 7, 8})
_FLIPS_Y: Final = frozenset({3, 4, 6, 7})
_TURNS: Final = frozenset({5, 6, 7, 8})
"""Orientations (EXIF 2.32, 4.6.4) for which stored columns or rows run backwards, and for which
they change places."""


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """A decoded scan, perhaps reduced."""

    rgb: Bytes
    """Shape (height // part, width // part, 3), sRGB, 0..255, upright."""
    width: int
    height: int
    """Size in pixels of the scan as stored, upright; manifests count in these pixels."""
    part: int = 1
    """1, 2, 4 or 8: pixels as stored for a pixel of `rgb`, along each side."""

    @property
    def scale(self) -> NDArray[np.float64]:
        """Pixels of `rgb` for a pixel as stored, x and y; exact, also where rows were left out."""
        return np.full(2, 1 / self.part)


def read_scan(path: Path, *, least: int = 1, shrink: float = 8) -> Scan:
    """Decode a scan no larger than it is needed, in memory that its size does not decide.

    An embedded profile is converted to sRGB, the orientation in the EXIF block is applied, grey,
    16-bit, palette, CMYK and LAB pictures become 8-bit RGB, and what is transparent becomes
    white. The name of the file says nothing; of several pictures in it, the first counts.

    Args:
        path: JPEG, TIFF, PNG, WebP, AVIF, JPEG 2000, GIF, BMP or PPM.
        least: Fewest pixels wanted along the longer side; the scan comes at the smallest of 1,
            1/2, 1/4 and 1/8 of its size that has so many, whole where it has fewer itself.
        shrink: Largest share wanted: 1 gives the whole scan, 5 gives 1/4 at most.

    Returns:
        The scan.

    Raises:
        ScanError: If the file is missing, is no picture, breaks off or is too large.
        ValueError: If `least` or `shrink` is below 1.
    """
    if least < 1 or not shrink >= 1:
        raise ValueError(f"expected 1 px or more and a shrink of 1 or more, got {least}, {shrink}")
    try:
        # A pipe would be waited for, and a device never ends.
        if not path.is_file():
            raise FileNotFoundError(path)
        with path.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _decode(stream, _Wanted(least, shrink))
    except Exception as exc:
        # Decoders raise what their parsers stumble on: any of some twenty kinds.
        raise _explain(path, exc) from exc


def read_rgb(path: Path) -> Bytes:
    """Decode a scan whole; as `read_scan`.

    Args:
        path: As there.

    Returns:
        Picture, shape (H, W, 3), uint8, sRGB, 0..255.

    Raises:
        ScanError: As there.
    """
    return read_scan(path, shrink=1).rgb


@dataclass(frozen=True, slots=True)
class _Wanted:
    """How much of a scan is wanted."""

    least: int
    shrink: float

    def find_part(self, size: tuple[int, int], *, orientation: int = 1) -> int:
        """Find into how many pixels a side is divided.

        Where rows or columns run backwards, those that fill no whole pixel would have to be left
        out at the start, and shift the picture; such a scan is reduced only if it divides evenly.
        """
        width, height = size
        for part in (8, 4, 2):
            even_x = orientation not in _FLIPS_X or width % part == 0
            even_y = orientation not in _FLIPS_Y or height % part == 0
            fits = min(size) >= part <= self.shrink and max(size) // part >= self.least
            if fits and even_x and even_y:
                return part
        return 1


class _TooLargeError(ValueError):
    """A scan that measures more than may be decoded."""


def _explain(path: Path, exc: Exception) -> ScanError:
    """Say what came in place of a picture, and what to do."""
    if isinstance(exc, (_TooLargeError, Image.DecompressionBombError)):
        return ScanError(
            f"{path}: expected at most {MAX_PIXELS:,} px and {MAX_SIDE:,} px on a side, got "
            f"{exc}; store it smaller"
        )
    if isinstance(exc, FileNotFoundError):
        what = "no file"
    elif isinstance(exc, UnidentifiedImageError):
        what = "nothing that is known as a picture"
    elif isinstance(exc, OSError) and exc.strerror:
        what = exc.strerror
    else:
        what = f"{type(exc).__name__}: {exc}"
    return ScanError(
        f"{path}: expected a picture that decodes whole, got {what}; "
        "delete it and run the scans stage again to fetch it anew"
    )


def _decode(stream: BinaryIO, wanted: _Wanted) -> Scan:
    with Image.open(stream, formats=_FORMATS) as image:
        width, height = image.size
        if width * height > MAX_PIXELS or max(image.size) > MAX_SIDE:
            raise _TooLargeError(f"{width:,} x {height:,} px")
        scan = _read_in_part(stream, image, wanted)
        return _read_whole(image, wanted) if scan is None else scan


def _read_in_part(stream: BinaryIO, image: Image.Image, wanted: _Wanted) -> Scan | None:
    """Read a JPEG or an uncompressed TIFF at the size wanted; None where it is another file."""
    orientation = image.getexif().get(_ORIENTATION, 1)
    if isinstance(image, TiffImageFile):
        strips = find_strips(image)
        if strips is None:
            return None
        size, grey = (strips.width, strips.height), strips.channels == 1
        part = wanted.find_part(size, orientation=orientation)
        pixels = read_strips(stream.fileno(), strips, part=part)
    elif image.format in {"JPEG", "MPO"} and image.mode in {"L", "RGB"}:
        size, grey = image.size, image.mode == "L"
        part = wanted.find_part(size, orientation=orientation)
        stream.seek(0)
        passes = "progressive" in image.info
        decoded = decode_jpeg(stream.read(), size=size, part=part, grey=grey, progressive=passes)
        if decoded is None:
            return None
        pixels = decoded
    else:
        return None
    upright = _turn(pixels, orientation)
    width, height = size[::-1] if orientation in _TURNS else size
    return Scan(
        apply_profile(upright, image.info.get("icc_profile"), grey=grey), width, height, part
    )


def _turn(pixels: Bytes, orientation: int) -> Bytes:
    """Lay a picture upright."""
    down = -1 if orientation in _FLIPS_Y else 1
    across = -1 if orientation in _FLIPS_X else 1
    flipped = pixels[::down, ::across]
    return np.ascontiguousarray(flipped.transpose(1, 0, 2) if orientation in _TURNS else flipped)


def _read_whole(image: Image.Image, wanted: _Wanted) -> Scan:
    """Read any other file by Pillow, which decodes it whole."""
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    part = wanted.find_part(image.size)
    return Scan(to_srgb(image, part=part), *image.size, part)
