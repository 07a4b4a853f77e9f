"""Edge: what a photograph's file says besides its pixels, fit for a new file."""

import logging
import re
import struct
from pathlib import Path
from typing import Any, Final

from PIL import ExifTags, Image

log = logging.getLogger(__name__)

LAYOUT_TAGS: Final = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 266, 273, 274, 277, 278, 279, 280, 281, 284, 288, 289}
    | {290, 291, 292, 293, 297, 301, 317, 318, 319, 320, 322, 323, 324, 325, 330, 332, 338, 339}
    | {340, 341, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532}
    | {700, 34665, 34675, 34853, 37724}
)
"""TIFF tags of how a file's pixels are stored (TIFF 6.0, sections 8 to 22), of its profile, and of
where other tables lie: true of the old file alone. Also XMP, which `Photo` holds by itself."""

_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What brings the pixels of each EXIF orientation upright (EXIF 2.32, section 4.6.4)."""

_ORIENTATION: Final = re.compile(
    rb'\s*tiff:Orientation="\d+"|<tiff:Orientation>\s*\d+\s*</tiff:Orientation>'
)
_MALFORMED: Final = (
    OSError, ValueError, SyntaxError, TypeError, KeyError, IndexError, AttributeError, struct.error,
    OverflowError,
)  # fmt: skip
"""What Pillow raises over malformed EXIF."""


class ExifText(str):
    """Text of an EXIF tag, which keeps its bytes whatever their encoding is.

    Pillow reads such text as Latin-1 and writes it as ASCII with question marks for the rest;
    this writes what was read.
    """

    def encode(self, encoding: str = "latin-1", errors: str = "strict") -> bytes:
        """Give the bytes that the file had, whatever encoding is asked for."""
        return super().encode("latin-1")


def read_exif(image: Image.Image, *, path: Path) -> Image.Exif:
    """Read the EXIF of a loaded image; malformed EXIF is left aside, with a warning in the log.

    Args:
        image: The image; loading a TIFF has turned it upright, and its orientation is gone.
        path: Its file, for the log.

    Returns:
        The EXIF, with the tables of camera and place read; empty where there is none.
    """
    try:
        exif = image.getexif()
        for ifd in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
            exif.get_ifd(ifd)
    except _MALFORMED as exc:
        log.warning("%s: its EXIF cannot be read (%s) and is left out", path, exc)
        return Image.Exif()
    return exif


def to_upright(image: Image.Image, exif: Image.Exif) -> Image.Image:
    """Turn an image as its EXIF orientation says.

    Not by Pillow's `exif_transpose`, which writes the EXIF anew and fails on a malformed tag.
    """
    turn = _TURNS.get(exif.get(ExifTags.Base.Orientation, 1))
    return image if turn is None else image.transpose(turn)


def copy_exif(exif: Image.Exif, size: tuple[int, int], *, path: Path) -> Image.Exif:
    """Copy what EXIF says of the photograph, not of the file it lay in.

    Args:
        exif: What the file had.
        size: Width and height of the upright picture, in pixels.
        path: The file, for the log, where a tag cannot be written again and is left out.

    Returns:
        A copy without orientation, layout and thumbnail; camera and place stay.
    """
    kept = Image.Exif()
    for tag, value in exif.items():
        if tag not in LAYOUT_TAGS and _is_writable(tag, value, path=path):
            kept[tag] = _to_value(value)
    now = {
        ExifTags.Base.ExifImageWidth: size[0],
        ExifTags.Base.ExifImageHeight: size[1],
        ExifTags.Base.ColorSpace: 1,  # sRGB
    }
    for ifd in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        entries = {
            tag: _to_value(value)
            for tag, value in exif.get_ifd(ifd).items()
            if tag != ExifTags.IFD.Interop and _is_writable(tag, value, path=path, ifd=ifd)
        }
        if ifd == ExifTags.IFD.Exif:
            entries |= {tag: value for tag, value in now.items() if tag in entries}
        if entries:
            kept.get_ifd(ifd).update(entries)
            # Pillow's TIFF writer looks for the tag that leads there; it writes the offset itself.
            kept[ifd] = 0
    return kept


def _to_value(value: Any) -> Any:
    return ExifText(value) if isinstance(value, str) else value


def _is_writable(tag: int, value: Any, *, path: Path, ifd: int | None = None) -> bool:
    trial = Image.Exif()
    if ifd is None:
        trial[tag] = _to_value(value)
    else:
        trial.get_ifd(ifd)[tag] = _to_value(value)
    try:
        trial.tobytes()
    except _MALFORMED as exc:
        log.warning("%s: its EXIF tag %d is malformed (%s) and is left out", path, tag, exc)
        return False
    return True


def copy_xmp(image: Image.Image) -> bytes | None:
    """Copy an image's XMP without its orientation, which holds no more."""
    xmp = image.info.get("xmp")
    return _ORIENTATION.sub(b"", xmp) if isinstance(xmp, bytes) and xmp else None


def copy_texts(image: Image.Image) -> dict[str, str]:
    """Copy a PNG's text chunks; not those in which some tools repeat EXIF and XMP."""
    texts = getattr(image, "text", {})
    return {
        key: str(text)
        for key, text in texts.items()
        if not key.startswith("Raw profile type") and key != "XML:com.adobe.xmp"
    }


def copy_dpi(image: Image.Image) -> tuple[float, float] | None:
    """Copy an image's resolution, if it has a usable one."""
    try:
        across, down = (float(value) for value in image.info["dpi"])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return None
    return (across, down) if 0 < across < 1e5 and 0 < down < 1e5 else None
