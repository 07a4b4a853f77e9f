"""Edge: find out whether a file that came is a picture of use."""

from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from harvest.records import ScanReason

SMALLEST_SIDE_PX = 64
MOST_PIXELS = 89_000_000
"""Twice a photochrom's largest master, of 7,481 by some 6,000 pixels; a small file with more is
a bomb. Pillow itself warns of more than 89.5 million, and opens no file of twice as many."""

_SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif", "PNG": ".png", "GIF": ".gif"}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a file turned out to be.

    Attributes:
        reason: NONE when it is a picture of use.
        width: Pixels; None when it is no picture.
        height: Pixels, or None.
        suffix: Of a file of this format, such as ".jpg"; "" when it is no picture.
    """

    reason: ScanReason
    width: int | None
    height: int | None
    suffix: str


def verify_picture(path: Path) -> Verdict:
    """Decode a file in full, and say whether it is a picture of use.

    Of a file with several frames the first is the picture: masters may carry a thumbnail.

    Args:
        path: Any file.

    Returns:
        The verdict; never an error, whatever the bytes.

    Raises:
        OSError: If the file cannot be read at all.
    """
    with path.open("rb") as file:
        if not file.read(1):
            return Verdict(ScanReason.EMPTY_FILE, None, None, "")
    try:
        picture = _open(path)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return Verdict(ScanReason.TOO_LARGE, None, None, "")
    except UnidentifiedImageError:
        return Verdict(ScanReason.NOT_AN_IMAGE, None, None, "")
    except Exception:  # Pillow's plugins raise whatever a damaged header leads them to
        return Verdict(ScanReason.NOT_AN_IMAGE, None, None, "")
    with picture:
        width, height = picture.size
        suffix = _SUFFIXES[picture.format or ""]
        return Verdict(_find_fault(picture), width, height, suffix)


def read_size(path: Path) -> tuple[int, int]:
    """Read width and height, in pixels, of a picture that was verified before.

    Raises:
        OSError: If it is no picture any more.
    """
    with _open(path) as picture:
        return picture.size


def _open(path: Path) -> Image.Image:
    return Image.open(path, formats=("JPEG", "TIFF", "PNG", "GIF"))


def _find_fault(picture: Image.Image) -> ScanReason:
    """Decode a picture whose header could be read."""
    width, height = picture.size
    if width * height > MOST_PIXELS:
        return ScanReason.TOO_LARGE
    try:
        picture.load()
    except Exception:  # as above, of damaged data
        return ScanReason.TRUNCATED
    return ScanReason.TOO_SMALL if min(width, height) < SMALLEST_SIDE_PX else ScanReason.NONE
