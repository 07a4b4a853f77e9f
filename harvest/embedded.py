"""Edge: what the first bytes of a file, and the metadata in it, say of a picture."""

from contextlib import suppress
from io import BufferedReader
from typing import Any

from PIL import Image

from harvest.fields import to_text

HEAD_BYTES = 64
MOST_RIGHTS = 500
"""Characters of a statement of rights; EXIF's own examples have some 60."""

_READ = (
    b"\xff\xd8\xff",  # JPEG
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"II*\0",  # TIFF, by either order of bytes, and of 64 bits
    b"MM\0*",
    b"II+\0",
    b"MM\0+",
)
"""How the formats begin that `harvest.pictures` decodes."""

_OTHER = (
    (b"8BPS", "Photoshop"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cJXL ", "JPEG XL"),
    (b"\xff\x0a", "JPEG XL"),
    (b"%PDF", "PDF"),
    (b"FUJIFILMCCD-RAW", "a camera's raw file"),
    (b"IIRO", "a camera's raw file"),
    (b"IIRS", "a camera's raw file"),
    (b"IIU\0", "a camera's raw file"),
)
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"), "HEIC"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
    b"crx ": "a camera's raw file",
}
"""By the brand of an ISO media file; all others are video."""

_COPYRIGHT, _SUBFILE = 33432, 254
_REDUCED = 1
"""Bit of NewSubfileType (TIFF 6.0): the picture is a reduced one of another in the file."""

_NOT_READ = "{}, which is not read here: save it as JPEG, PNG or TIFF"


def judge_head(head: bytes) -> tuple[bool, str]:
    """Say by a file's first bytes whether it is a picture of a kind that we read.

    Args:
        head: The first `HEAD_BYTES`, fewer where there are no more.

    Returns:
        Whether it is, and what it is instead: "" for a picture.
    """
    if not head:
        return False, "an empty file"
    if head.startswith(_READ):
        is_raw = head[8:11] == b"CR\x02"  # Canon's, in a TIFF
        return (False, _NOT_READ.format("a camera's raw file")) if is_raw else (True, "")
    name = next((name for start, name in _OTHER if head.startswith(start)), "")
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        name = "WebP"
    elif head[:2] == b"BM" and head[6:10] == bytes(4):
        name = "BMP"
    elif head[4:8] == b"ftyp":
        name = _BRANDS.get(head[8:12], "")
    return False, _NOT_READ.format(name) if name else "no picture"


def read_embedded(file: BufferedReader) -> tuple[str, str]:
    """Read what a picture's metadata say of rights, and whether it stands for another one.

    Args:
        file: Of a kind that `judge_head` accepts.

    Returns:
        The statement of rights, or ""; and what the file is instead of a picture: a camera's
        raw file, whose first picture is a small one for the eye, or "".
    """
    file.seek(0)
    try:
        with Image.open(file, formats=("JPEG", "TIFF", "PNG", "GIF")) as picture:
            tags = picture.getexif()
            reduced = picture.format == "TIFF" and _is_reduced(tags.get(_SUBFILE))
            rights = _to_rights(tags.get(_COPYRIGHT))
    except Exception:  # Pillow raises whatever damage leads it to; `verify_picture` judges that
        return "", ""
    return rights, _NOT_READ.format("a camera's raw file") if reduced else ""


def _is_reduced(value: Any) -> bool:
    return isinstance(value, int) and bool(value & _REDUCED)


def _to_rights(value: Any) -> str:
    """Read EXIF's Copyright: photographer and editor, one after the other, each up to a NUL."""
    if not isinstance(value, str):
        return ""
    with suppress(UnicodeError):  # most programs write UTF-8, and Pillow reads Latin-1
        value = value.encode("latin-1").decode("utf-8")
    parts = (" ".join(to_text(part).split()) for part in value.split("\0"))
    return "; ".join(part for part in parts if part)[:MOST_RIGHTS]
