"""Bring what Pillow decodes to sRGB of 8 bits, reduced: any mode, depth and profile."""

import io
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from preprocess.kernels import shrink_band

Bytes = NDArray[np.uint8]

_PROBE: Final = (np.indices((18, 18, 18)).T * 15).reshape(-1, 18, 3).astype(np.uint8)
"""Colours over the whole cube, shape (324, 18, 3)."""

_SRGB: Final = ImageCms.createProfile("sRGB")

_BAND_PIXELS: Final = 1 << 20
"""Converted at once."""


def to_srgb(image: Image.Image, *, part: int) -> Bytes:
    """Convert a decoded picture to sRGB, reduced.

    Grey and RGB are averaged in light, CMYK and LAB in their own values.

    Args:
        image: Loaded and upright, in any of Pillow's modes but floating point.
        part: 1, 2, 4 or 8; at most its shorter side.

    Returns:
        Shape (height // part, width // part, 3), uint8. An embedded profile is obeyed, what is
        transparent lies on white, 16 bits are rounded to 8.

    Raises:
        ValueError: If the samples are floating-point numbers.
    """
    profile = image.info.get("icc_profile")
    width, height = (side // part * part for side in image.size)
    if image.mode in {"CMYK", "LAB"}:
        reduced = image.crop((0, 0, width, height)).reduce(part)
        return np.array(_convert_profile(reduced, profile).convert("RGB"))
    out = np.empty((height // part, width // part, 3), np.uint8)
    grey = False
    rows = max(1, _BAND_PIXELS // (width * part))
    for top in range(0, len(out), rows):
        bottom = min(len(out), top + rows)
        band = _to_eight_bits(image.crop((0, top * part, width, bottom * part)))
        grey = band.mode == "L"
        pixels = np.array(band.convert("RGB"))
        out[top:bottom] = pixels if part == 1 else shrink_band(pixels, part)
    return apply_profile(out, profile, grey=grey)


def apply_profile(pixels: Bytes, profile: bytes | None, *, grey: bool) -> Bytes:
    """Convert a picture to sRGB.

    Args:
        pixels: Shape (H, W, 3), uint8, in the profile's values.
        profile: Embedded ICC profile; one that is broken, or of another kind of picture, is taken
            for sRGB.
        grey: Whether the profile is to be one of a single channel; the three are alike then.

    Returns:
        The same shape, sRGB; the same array where there is no profile.
    """
    if not profile:
        return pixels
    picture = Image.fromarray(np.ascontiguousarray(pixels[..., 0]) if grey else pixels)
    return np.array(_convert_profile(picture, profile).convert("RGB"))


def _convert_profile(picture: Image.Image, profile: bytes | None) -> Image.Image:
    transform = _find_transform(profile, picture.mode) if profile else None
    if transform is None:
        return picture
    converted = ImageCms.applyTransform(picture, transform)
    return picture if converted is None else converted


@lru_cache(maxsize=8)
def _find_transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """Build the transform to sRGB; a collection's scans share a few profiles.

    None also for the profile that is sRGB in other words: it moves no colour by more than a level,
    and converting takes several times as long as decoding.
    """
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(source, _SRGB, mode, "RGB")
        if mode != "RGB":
            return transform
        moved = np.asarray(ImageCms.applyTransform(Image.fromarray(_PROBE), transform), np.int16)
    except (ImageCms.PyCMSError, OSError):
        return None
    return None if np.abs(moved - _PROBE).max() <= 1 else transform


def _to_eight_bits(image: Image.Image) -> Image.Image:
    """Bring a mode to L or RGB of 8 bits, transparency laid on white."""
    if image.mode.startswith("I"):
        deep = np.asarray(image).astype(np.float64)
        return Image.fromarray(np.rint(np.clip(deep, 0, 65535) / 257).astype(np.uint8))
    if image.mode == "F":
        raise ValueError("floating-point samples")
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        over = image.convert("RGBA")
        white = Image.new("RGBA", over.size, "white")
        return Image.alpha_composite(white, over).convert("RGB")
    if image.mode in {"L", "RGB"}:
        return image
    return image.convert("L" if image.mode == "1" else "RGB")
