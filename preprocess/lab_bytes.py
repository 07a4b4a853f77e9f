"""The bytes of LAB straight from sRGB, compiled by numba; `preprocess.lab` has them in numpy.

Only preprocessing imports this: training and colorizing need no numba.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from preprocess.lab import LINEAR_OF_BYTE, XYZ_OF_LINEAR

Bytes = NDArray[np.uint8]
Double = NDArray[np.float64]

_KNOTS: Final = 1 << 14
"""Steps of the table of LAB's cube root; between them it is straight."""


def _tabulate_root() -> Double:
    """Tabulate LAB's f(t), t in 0..1 (CIE 15:2004, 8.2.1), as lines from knot to knot.

    Returns:
        Shape (knots, 2): f at the line's own zero, and its rise for a knot.
    """
    t = np.arange(_KNOTS + 2) / _KNOTS
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    rise = np.diff(f)
    return np.stack([f[:-1] - rise * np.arange(_KNOTS + 1), rise], axis=1)


_ROOT: Final = _tabulate_root()
_KNOTS_OF_RGB: Final = tuple(tuple(row) for row in (XYZ_OF_LINEAR * _KNOTS).tolist())


def to_lab_bytes(rgb: Bytes) -> Bytes:
    """Convert an sRGB picture to the bytes LAB has in a shard: L*255/100, a+128, b+128.

    Over all 16.7 million colours, each byte is at most 0.5002 from scikit-image's float64, and
    0.0005 % of the colours have a byte other than its nearest.

    Args:
        rgb: Shape (H, W, 3), sRGB, 0..255.

    Returns:
        The same shape, uint8.

    Raises:
        ValueError: If `rgb` is not uint8 of shape (H, W, 3).
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3:
        raise ValueError(f"expected uint8 of shape (H, W, 3), got {rgb.dtype} {rgb.shape}")
    pixels = np.ascontiguousarray(rgb).reshape(-1, 3)
    out = np.empty_like(pixels)
    _to_lab(pixels, LINEAR_OF_BYTE, _KNOTS_OF_RGB, _ROOT, out)
    return out.reshape(rgb.shape)


@njit(cache=True, error_model="numpy")
def _to_lab(rgb, linear, knots_of_rgb, root, out):  # type: ignore[no-untyped-def]
    (xr, xg, xb), (yr, yg, yb), (zr, zg, zb) = knots_of_rgb
    for i in range(len(rgb)):
        r, g, b = linear[rgb[i, 0]], linear[rgb[i, 1]], linear[rgb[i, 2]]
        x = xr * r + xg * g + xb * b
        y = yr * r + yg * g + yb * b
        z = zr * r + zg * g + zb * b
        # Unsigned, because numba looks for a negative index otherwise.
        kx, ky, kz = np.uint32(np.int32(x)), np.uint32(np.int32(y)), np.uint32(np.int32(z))
        fx = root[kx, 0] + x * root[kx, 1]
        fy = root[ky, 0] + y * root[ky, 1]
        fz = root[kz, 0] + z * root[kz, 1]
        # 2.55 L + 0.5, and so on: the cast cuts off.
        out[i, 0] = np.int32(295.8 * fy - 40.3)
        out[i, 1] = np.int32(500 * (fx - fy) + 128.5)
        out[i, 2] = np.int32(200 * (fy - fz) + 128.5)
