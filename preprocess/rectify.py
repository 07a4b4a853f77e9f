"""Lay a print upright, in one resampling from the scan.

In numpy's elementwise arithmetic alone: OpenCV's warps give other bytes on another CPU.
"""

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Float = NDArray[np.float32]
Double = NDArray[np.float64]


def rectify(scan: Bytes, corners: NDArray[np.float32], *, width: int, height: int) -> Bytes:
    """Resample the print in a scan to an upright rectangle.

    Each pixel of the result averages the part of the scan under it: whole blocks of the scan
    first where the print shrinks much, then a grid of points at most one block apart.

    Args:
        scan: Scan, shape (H, W) or (H, W, C), 0..255.
        corners: Shape (4, 2), x and y of the print's top-left, top-right, bottom-right and
            bottom-left, in pixels of the scan; x runs from 0 at its left edge to W.
        width: Width of the result, in pixels.
        height: Its height.

    Returns:
        Shape (height, width) or (height, width, C), uint8; what lies outside the scan repeats
        its edge.

    Raises:
        ValueError: If the scan is not uint8 of two or three dimensions, the corners are not those
            of a convex quadrilateral, clockwise from top-left, or a side of the result is below 1.
    """
    quad = np.asarray(corners, dtype=np.float64)
    _check(scan, quad, width=width, height=height)
    shrink = _shrink(quad, width=width, height=height)
    block = max(1, int(shrink / 2))
    reduced, origin = _reduce(scan, quad, block=block)
    points = max(1, int(np.ceil(shrink / block)))
    square = (quad - origin) / block
    rows_at_once = max(1, (1 << 18) // (width * points * points))
    result = np.empty((height, width, *scan.shape[2:]), dtype=np.uint8)
    for top in range(0, height, rows_at_once):
        bottom = min(height, top + rows_at_once)
        v = (np.arange(top * points, bottom * points) + 0.5) / (height * points)
        u = (np.arange(width * points) + 0.5) / (width * points)
        x, y = _to_quad(square, u=u[None, :], v=v[:, None])
        fine = _sample(reduced, x, y)
        grid = fine.reshape(bottom - top, points, width, points, *scan.shape[2:])
        mean = grid.sum(axis=3).sum(axis=1) / np.float32(points * points)
        result[top:bottom] = np.rint(mean).astype(np.uint8)
    return result


def _check(scan: Bytes, quad: Double, *, width: int, height: int) -> None:
    if scan.dtype != np.uint8 or scan.ndim not in (2, 3):
        raise ValueError(
            f"expected uint8 of shape (H, W) or (H, W, C), got {scan.dtype} {scan.shape}"
        )
    if width < 1 or height < 1:
        raise ValueError(f"expected a result of 1 px or more, got {width} x {height}")
    if quad.shape != (4, 2):
        raise ValueError(f"expected four corners, shape (4, 2), got {quad.shape}")
    edge = np.roll(quad, -1, axis=0) - quad
    after = np.roll(edge, -1, axis=0)
    if not np.all(edge[:, 0] * after[:, 1] - edge[:, 1] * after[:, 0] > 0):
        raise ValueError(
            "expected a convex quadrilateral, clockwise from the top-left corner, "
            f"got {quad.tolist()}"
        )


def _shrink(quad: Double, *, width: int, height: int) -> float:
    """Return scan pixels per pixel of the result, along the side where there are fewest."""
    sides = np.roll(quad, -1, axis=0) - quad
    top, right, bottom, left = np.sqrt(sides[:, 0] ** 2 + sides[:, 1] ** 2)
    return float(min(max(top, bottom) / width, max(left, right) / height))


def _reduce(scan: Bytes, quad: Double, *, block: int) -> tuple[Float, Double]:
    """Average blocks of the part of the scan that the print covers; return also its origin."""
    low = np.floor(quad.min(axis=0)).astype(int) - 2 * block
    high = np.ceil(quad.max(axis=0)).astype(int) + 2 * block
    left, top = (int(start) for start in np.maximum(low, 0))
    part = scan[top : high[1], left : high[0]]
    origin = np.array([left, top])
    if block == 1:
        return part.astype(np.float32), origin
    rows, columns = part.shape[0] // block, part.shape[1] // block
    tall = np.zeros((rows, columns * block, *part.shape[2:]), dtype=np.uint32)
    for row in range(block):
        tall += part[row : rows * block : block, : columns * block]
    sums = np.zeros((rows, columns, *part.shape[2:]), dtype=np.uint32)
    for column in range(block):
        sums += tall[:, column::block]
    return sums.astype(np.float32) / np.float32(block * block), origin


def _to_quad(quad: Double, *, u: Double, v: Double) -> tuple[Double, Double]:
    """Map the unit square to a quadrilateral by a homography (Heckbert 1989, 2.2.3)."""
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = quad
    dx1, dx2, sx = x1 - x2, x3 - x2, x0 - x1 + x2 - x3
    dy1, dy2, sy = y1 - y2, y3 - y2, y0 - y1 + y2 - y3
    base = dx1 * dy2 - dx2 * dy1
    g, h = (sx * dy2 - dx2 * sy) / base, (dx1 * sy - sx * dy1) / base
    w = g * u + h * v + 1
    x = ((x1 - x0 + g * x1) * u + (x3 - x0 + h * x3) * v + x0) / w
    y = ((y1 - y0 + g * y1) * u + (y3 - y0 + h * y3) * v + y0) / w
    return x, y


def _sample(picture: Float, x: Double, y: Double) -> Float:
    """Read a picture between its pixels' centres, linearly; its edge is repeated outside."""
    height, width = picture.shape[:2]
    x, y = np.clip(x - 0.5, 0, width - 1), np.clip(y - 0.5, 0, height - 1)
    left, top = np.floor(x).astype(np.int32), np.floor(y).astype(np.int32)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    shape = (*x.shape, *(1 for _ in picture.shape[2:]))
    across = (x - left).astype(np.float32).reshape(shape)
    down = (y - top).astype(np.float32).reshape(shape)
    upper = picture[top, left] * (1 - across) + picture[top, right] * across
    lower = picture[bottom, left] * (1 - across) + picture[bottom, right] * across
    read: Float = upper * (1 - down) + lower * down
    return read
