"""sRGB to CIELAB and back, D65, in numpy alone; and the bytes LAB has in a shard.

Sources: transfer curve, IEC 61966-2-1; RGB to XYZ, ITU-R BT.709 primaries with the D65 white
(0.95047, 1, 1.08883), to the six digits that scikit-image and OpenCV use; XYZ to LAB, CIE 15:2004
with the exact fractions 216/24389 and 24389/27. Tall pictures are worked in strips of rows, so
that memory beyond the result stays bounded.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]

_XYZ_OF_RGB: Final = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
_WHITE: Final = np.array([0.95047, 1.0, 1.08883])
XYZ_OF_LINEAR: Final = _XYZ_OF_RGB / _WHITE[:, None]
"""Linear RGB to XYZ as shares of the white's, shape (3, 3), float64."""

_TO_XYZ: Final = XYZ_OF_LINEAR.T.astype(np.float32)
_TO_LINEAR: Final = np.linalg.inv(XYZ_OF_LINEAR).T.astype(np.float32)

_EPSILON: Final = np.float32(216 / 24389)
_KAPPA: Final = np.float32(24389 / 27)

_STRIP: Final = 1 << 18
"""Pixels worked at once."""

_BISECTIONS: Final = 12
"""Halvings of the chroma: the last step is 1/4096 of it, below half a grey level."""

_SLACK: Final = np.float32(1e-4)
"""Linear light beyond 0..1 that counts as inside: less than half an 8-bit level."""

_BYTE_OFFSET: Final = np.array([0, 128, 128], dtype=np.float32)
_BYTE_SCALE: Final = np.array([2.55, 1, 1], dtype=np.float32)


def _tabulate_linear() -> NDArray[np.float64]:
    encoded = np.arange(256) / 255
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


LINEAR_OF_BYTE: Final = _tabulate_linear()
"""Linear light of each sRGB byte, shape (256,), float64, 0..1."""

_LINEAR: Final = LINEAR_OF_BYTE.astype(np.float32)


def to_lab(rgb: NDArray[np.uint8]) -> Float:
    """Convert an sRGB picture to LAB.

    Args:
        rgb: Picture, shape (H, W, 3), sRGB, 0..255.

    Returns:
        LAB, shape (H, W, 3), float32: L 0..100, a and b about -128..127.

    Raises:
        ValueError: If `rgb` is not uint8 of shape (H, W, 3).
    """
    _check(rgb, dtype=np.uint8, what="an sRGB picture")
    lab = np.empty(rgb.shape, dtype=np.float32)
    for rows in _strips(rgb.shape):
        ratio = _LINEAR[rgb[rows]] @ _TO_XYZ
        f = np.where(ratio > _EPSILON, np.cbrt(ratio), (_KAPPA * ratio + 16) / 116)
        lab[rows, :, 0] = 116 * f[..., 1] - 16
        lab[rows, :, 1] = 500 * (f[..., 0] - f[..., 1])
        lab[rows, :, 2] = 200 * (f[..., 1] - f[..., 2])
    return lab


def to_lightness(rgb: NDArray[np.uint8]) -> Float:
    """Convert an sRGB picture to its lightness alone.

    Args:
        rgb: Picture, shape (H, W, 3), sRGB, 0..255.

    Returns:
        L, shape (H, W), float32, 0..100; the first plane of `to_lab`.

    Raises:
        ValueError: If `rgb` is not uint8 of shape (H, W, 3).
    """
    _check(rgb, dtype=np.uint8, what="an sRGB picture")
    lightness = np.empty(rgb.shape[:2], dtype=np.float32)
    for rows in _strips(rgb.shape):
        y = _LINEAR[rgb[rows]] @ _TO_XYZ[:, 1]
        lightness[rows] = np.where(y > _EPSILON, 116 * np.cbrt(y) - 16, _KAPPA * y)
    return lightness


def to_rgb(lab: Float) -> NDArray[np.uint8]:
    """Convert LAB to the nearest sRGB picture of the same lightness and hue.

    A colour that sRGB cannot show loses chroma until it can; clipping the channels instead would
    move its lightness.

    Args:
        lab: Picture, shape (H, W, 3), float32: L 0..100 (held to that range), a and b.

    Returns:
        Picture, shape (H, W, 3), uint8, sRGB, 0..255.

    Raises:
        ValueError: If `lab` is not float32 of shape (H, W, 3).
    """
    _check(lab, dtype=np.float32, what="a LAB picture")
    rgb = np.empty(lab.shape, dtype=np.uint8)
    for rows in _strips(lab.shape):
        rgb[rows] = _encode(_linear_in_gamut(lab[rows]))
    return rgb


def to_bytes(lab: Float) -> NDArray[np.uint8]:
    """Round LAB to the bytes of a shard: L*255/100, a+128, b+128.

    Args:
        lab: Picture, shape (..., 3), float32: L 0..100, a and b -128..127 (held to that range).

    Returns:
        The same shape, uint8.

    Raises:
        ValueError: If `lab` is not float32 with a last axis of 3.
    """
    if lab.dtype != np.float32 or lab.shape[-1:] != (3,):
        raise ValueError(f"expected float32 LAB of shape (..., 3), got {lab.dtype} {lab.shape}")
    held: Float = np.clip(lab * _BYTE_SCALE + _BYTE_OFFSET, 0, 255)
    return np.rint(held).astype(np.uint8)


def from_bytes(encoded: NDArray[np.uint8]) -> Float:
    """Read LAB from the bytes of a shard; the inverse of `to_bytes` up to its rounding.

    Args:
        encoded: Bytes, shape (..., 3), uint8.

    Returns:
        The same shape, float32: L 0..100, a and b -128..127.

    Raises:
        ValueError: If `encoded` is not uint8 with a last axis of 3.
    """
    if encoded.dtype != np.uint8 or encoded.shape[-1:] != (3,):
        raise ValueError(f"expected uint8 of shape (..., 3), got {encoded.dtype} {encoded.shape}")
    return (encoded.astype(np.float32) - _BYTE_OFFSET) / _BYTE_SCALE


def _check(picture: NDArray[np.generic], *, dtype: type[np.generic], what: str) -> None:
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != dtype:
        raise ValueError(
            f"expected {what}, {dtype.__name__} of shape (H, W, 3); "
            f"got {picture.dtype} of shape {picture.shape}"
        )


def _strips(shape: tuple[int, ...]) -> Iterator[slice]:
    rows = max(1, _STRIP // max(1, shape[1]))
    for top in range(0, shape[0], rows):
        yield slice(top, top + rows)


def _linear(lightness: Float, ab: Float) -> Float:
    fy = (lightness + 16) / 116
    f = np.stack([fy + ab[..., 0] / 500, fy, fy - ab[..., 1] / 200], axis=-1)
    ratio = np.where(f**3 > _EPSILON, f**3, (116 * f - 16) / _KAPPA)
    linear: Float = ratio @ _TO_LINEAR
    return linear


def _inside(linear: Float) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = np.all((linear >= -_SLACK) & (linear <= 1 + _SLACK), axis=-1)
    return inside


def _linear_in_gamut(lab: Float) -> Float:
    lightness, ab = np.clip(lab[..., 0], 0, 100), lab[..., 1:]
    linear = _linear(lightness, ab)
    outside = ~_inside(linear)
    if outside.any():
        l_out, ab_out = lightness[outside], ab[outside]
        low, high = np.zeros_like(l_out), np.ones_like(l_out)
        for _ in range(_BISECTIONS):
            middle: Float = (low + high) / np.float32(2)
            fits = _inside(_linear(l_out, ab_out * middle[:, None]))
            low, high = np.where(fits, middle, low), np.where(fits, high, middle)
        linear[outside] = _linear(l_out, ab_out * low[:, None])
    return linear


def _encode(linear: Float) -> NDArray[np.uint8]:
    held: Float = np.clip(linear, 0, 1)
    curve: Float = np.where(
        held <= 0.0031308, 12.92 * held, 1.055 * held ** np.float32(1 / 2.4) - 0.055
    )
    return np.rint(curve * 255).astype(np.uint8)
