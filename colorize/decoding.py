"""Edge: a photograph's file to upright sRGB pixels, and what else the file says."""

import io
import logging
import struct
import warnings
import zlib
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from colorize.errors import ColorizeError
from colorize.metadata import (
    copy_dpi,
    copy_exif,
    copy_texts,
    copy_xmp,
    read_exif,
    to_upright,
)
from colorize.records import Photo

log = logging.getLogger(__name__)

_SRGB: Final = ImageCms.createProfile("sRGB")

_TOO_LARGE: Final = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_DAMAGED: Final = (
    OSError, ValueError, SyntaxError, EOFError, TypeError, KeyError, IndexError, struct.error,
    zlib.error,
)  # fmt: skip
"""What Pillow raises on damaged files; SyntaxError is its word for a broken PNG."""


def read_photo(path: Path) -> Photo:
    """Decode a photograph whole.

    Any mode becomes 8-bit RGB (grey of 16 bits is divided by 257), an embedded profile is
    converted to sRGB, and the pixels are turned as the EXIF orientation says. Of a file with
    several frames the first is taken.

    Args:
        path: JPEG, PNG, TIFF, WebP, or another file that Pillow reads.

    Returns:
        The photograph, at its own size.

    Raises:
        ColorizeError: If there is no such file, it is no picture, is damaged or breaks off, or
            has more pixels than Pillow's limit against decompression bombs.
    """
    _check_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # From a stream: a path lets Pillow 12.3 map an uncompressed grey TIFF into memory, and
            # then it scrambles the pixels of one that its orientation turns by 90 degrees.
            with path.open("rb") as stream, Image.open(stream) as image:
                return _to_photo(image, path=path)
    except _TOO_LARGE as exc:
        raise ColorizeError(
            f"{path}: expected at most {Image.MAX_IMAGE_PIXELS:,} pixels, got more; "
            "reduce the picture first"
        ) from exc
    except UnidentifiedImageError as exc:
        raise ColorizeError(
            f"{path}: expected a photograph (JPEG, PNG, TIFF, WebP), got something else; "
            "convert it to one of these first"
        ) from exc
    except _DAMAGED as exc:
        raise ColorizeError(
            f"{path}: the picture cannot be decoded whole ({exc}); get a sound copy of the file"
        ) from exc


def _check_file(path: Path) -> None:
    try:
        if path.is_dir():
            raise ColorizeError(
                f"{path}: expected a photograph, got a folder; name the photographs in it"
            )
        size_bytes = path.stat().st_size
    except OSError as exc:
        raise ColorizeError(f"{path}: {exc.strerror}; check the name of the photograph") from exc
    if size_bytes == 0:
        raise ColorizeError(
            f"{path}: expected a photograph, got an empty file; get a sound copy of it"
        )


def _to_photo(image: Image.Image, *, path: Path) -> Photo:
    if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
        log.warning("%s: has several frames; only the first is colorized", path)
    image.load()
    exif = read_exif(image, path=path)
    upright = to_upright(image, exif)
    opaque, alpha = _split_alpha(upright)
    rgb = _to_srgb(opaque, image.info.get("icc_profile"), path=path)
    comment = image.info.get("comment")
    return Photo(
        rgb=np.array(rgb),
        alpha=None if alpha is None else np.array(alpha),
        exif=copy_exif(exif, upright.size, path=path),
        xmp=copy_xmp(image),
        comment=comment if isinstance(comment, bytes) else None,
        texts=copy_texts(image),
        dpi=copy_dpi(image),
    )


def _split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    if image.mode.startswith("I"):
        return _to_eight_bits(image), None
    if image.mode == "F":
        raise ValueError("expected whole numbers, got floating-point samples")
    if image.has_transparency_data:
        grey = image.mode in {"L", "LA", "La", "1"}
        both = image.convert("RGBA")
        return both.convert("L" if grey else "RGB"), both.getchannel("A")
    if image.mode in {"L", "RGB", "CMYK", "LAB"}:
        return image, None
    return image.convert("L" if image.mode == "1" else "RGB"), None


def _to_eight_bits(image: Image.Image) -> Image.Image:
    deep = np.asarray(image)
    if deep.min() < 0 or deep.max() > 65535:
        raise ValueError(f"expected grey of 16 bits, got {deep.min()} to {deep.max()}")
    return Image.fromarray(((deep.astype(np.uint32) + 128) // 257).astype(np.uint8))


def _to_srgb(image: Image.Image, profile: bytes | None, *, path: Path) -> Image.Image:
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, _SRGB, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError) as exc:
            log.warning("%s: its colour profile cannot be used (%s); taken as sRGB", path, exc)
        else:
            return converted or image
    return image.convert("RGB")
