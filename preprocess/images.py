"""Decode a scan to sRGB: profile, orientation, depth."""

import io
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps

from preprocess.errors import ScanError
from preprocess.lab import to_lightness

_SRGB: Final = ImageCms.createProfile("sRGB")

_UNREADABLE: Final = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What Pillow raises on damaged files; SyntaxError is its word for a broken PNG."""


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Decode a scan whole.

    An embedded profile is converted to sRGB, the orientation in the EXIF block is applied, grey,
    16-bit, palette and CMYK pictures become 8-bit RGB, and what is transparent becomes white.

    Args:
        path: JPEG, TIFF, PNG or any other file that Pillow reads.

    Returns:
        Picture, shape (H, W, 3), uint8, sRGB, 0..255.

    Raises:
        ScanError: If the file is missing, is no picture, or breaks off.
    """
    try:
        with Image.open(path) as image:
            return np.array(_to_srgb(image))
    except _UNREADABLE as exc:
        raise _scan_error(path) from exc


def read_reduced(path: Path, *, long_side: int) -> NDArray[np.uint8]:
    """Decode a scan reduced; a JPEG is decoded at a fraction of its size.

    Args:
        path: JPEG, TIFF, PNG or any other file that Pillow reads.
        long_side: Longer side wanted, in pixels; a smaller scan keeps its size.

    Returns:
        Picture, shape (h, w, 3), uint8, sRGB, 0..255.

    Raises:
        ScanError: If the file is missing, is no picture, or breaks off.
        ValueError: If `long_side` is below 1.
    """
    if long_side < 1:
        raise ValueError(f"expected a long side of 1 px or more, got {long_side}")
    try:
        with Image.open(path) as image:
            scale = min(1.0, long_side / max(image.size))
            size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
            image.draft("RGB", (2 * size[0], 2 * size[1]))
            return np.array(_to_srgb(image, size=size))
    except _UNREADABLE as exc:
        raise _scan_error(path) from exc


def read_lightness(path: Path, *, long_side: int) -> NDArray[np.float32]:
    """Decode a scan's lightness, reduced as `read_reduced` does it.

    Args:
        path: JPEG, TIFF, PNG or any other file that Pillow reads.
        long_side: Longer side wanted, in pixels; a smaller scan keeps its size.

    Returns:
        L, shape (h, w), float32, 0..100.

    Raises:
        ScanError: If the file is missing, is no picture, or breaks off.
        ValueError: If `long_side` is below 1.
    """
    return to_lightness(read_reduced(path, long_side=long_side))


def _scan_error(path: Path) -> ScanError:
    return ScanError(
        f"{path}: expected a picture that decodes whole; "
        "delete it and run the scans stage again to fetch it anew"
    )


def _to_srgb(image: Image.Image, *, size: tuple[int, int] | None = None) -> Image.Image:
    profile = image.info.get("icc_profile")
    picture = _to_eight_bits(ImageOps.exif_transpose(image))
    if size is not None:
        turned = (image.width > image.height) != (picture.width > picture.height)
        picture = picture.resize(size[::-1] if turned else size, Image.Resampling.BOX)
    converted = _convert_profile(picture, profile) if profile else picture
    return converted.convert("RGB")


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Bring any mode to L, RGB, CMYK or LAB of 8 bits, transparency laid on white."""
    if image.mode.startswith("I"):
        deep = np.asarray(image).astype(np.float64)
        return Image.fromarray(np.rint(np.clip(deep, 0, 65535) / 257).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("expected whole numbers, got floating-point samples")
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        over = image.convert("RGBA")
        white = Image.new("RGBA", over.size, "white")
        return Image.alpha_composite(white, over).convert("RGB")
    if image.mode in {"L", "RGB", "CMYK", "LAB"}:
        return image
    return image.convert("L" if image.mode == "1" else "RGB")


def _convert_profile(picture: Image.Image, profile: bytes) -> Image.Image:
    """Convert to sRGB; a profile that is broken or of another mode is taken to be sRGB."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(picture, source, _SRGB, outputMode="RGB")
    except (ImageCms.PyCMSError, OSError):
        return picture
    return picture if converted is None else converted
