"""Averages in light, compiled by numba: a scan reduced, and a print laid upright.

Every kernel computes in a fixed order without fused or reordered operations, so that any processor
gives the same bytes. They stand in one file because numba's cache does not see that a function of
another file has changed.

Averages are taken in light, not in the values of sRGB, in which fine detail would come out too
dark. Light is a cubic of the grey level, the sRGB curve (IEC 61966-2-1) to within two levels: a
cubic vectorises where a table does not. The mean is turned back by the same cubic, so that a plain
area keeps its level exactly; what it costs in contrasts, `preprocess.rectify` says.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Float = NDArray[np.float32]
Double = NDArray[np.float64]

_ONE: Final = np.float32(1)
_HALF: Final = np.float32(0.5)
_ZERO: Final = np.float32(0)

_SQUARE: Final = np.float32(385)
_SLOPE: Final = np.float32(6322)
"""Of the cubic x³ + 385 x² + 6322 x, x in 0..255: the least squares to the sRGB curve, errors
counted in grey levels."""

_STEPS: Final = 65535
"""Light is told apart in so many steps when it is turned back; 10 for the darkest grey level."""

_SLIVER: Final = np.float32(1 / 64)
"""Width in pixels of the scan's edge that stands for what lies beyond it."""

_NEAR: Final = 1 / 256
"""Pixels of the scan that two places may lie apart and still count as one."""


def _tabulate_levels() -> Bytes:
    """Tabulate the grey level of each step of light; a few more, because sums are rounded."""
    levels = np.arange(255) + 0.5
    scale = _STEPS / (255 * (255 * (255 + 385) + 6322))
    edges = levels * (levels * (levels + 385) + 6322) * scale
    return np.searchsorted(edges, np.arange(_STEPS + 65)).astype(np.uint8)


_LEVELS: Final = _tabulate_levels()
_PER_LIGHT: Final = np.float32(_STEPS / (255 * (255 * (255 + 385) + 6322)))


def shrink_band(band: Bytes, part: int) -> Bytes:
    """Average blocks of part x part pixels.

    Args:
        band: Shape (h, w, 3), uint8, 0..255, C-contiguous.
        part: Side of a block, in pixels.

    Returns:
        Shape (h // part, w // part, 3), uint8; what is not a whole block is left out.
    """
    out = np.empty((len(band) // part, band.shape[1] // part, 3), np.uint8)
    _shrink(band.reshape(len(band), -1), part, _LEVELS, out.reshape(len(out), -1))
    return out


def resample(scan: Bytes, to_scan: Double, to_print: Double, *, width: int, height: int) -> Bytes:
    """Lay a print upright: the mean light of the scan under each pixel.

    Args:
        scan: Shape (h, w, 3), uint8, C-contiguous.
        to_scan: Homography, shape (3, 3), from pixels of the result to pixels of the scan; the
            result's rows run from left to right in the scan.
        to_print: Its inverse.
        width: Width of the result, in pixels.
        height: Its height.

    Returns:
        Shape (height, width, 3), uint8.
    """
    out = np.empty((height, width * 3), np.uint8)
    _resample(scan.reshape(len(scan), -1), to_scan, to_print, _LEVELS, out)
    return out.reshape(height, width, 3)


@njit(cache=True, error_model="numpy")
def _shrink(band, part, levels, out):  # type: ignore[no-untyped-def]
    light = np.empty(band.shape[1], np.float32)
    scale = _PER_LIGHT / np.float32(part * part)
    for row in range(len(out)):
        light[:] = _ZERO
        for line in range(row * part, row * part + part):
            _add(band[line], _ONE, light)
        at = np.uint64(0)
        for i in range(0, out.shape[1], 3):
            r, g, b = _ZERO, _ZERO, _ZERO
            for _ in range(part):
                r += light[at]
                g += light[at + np.uint64(1)]
                b += light[at + np.uint64(2)]
                at += np.uint64(3)
            out[row, i] = levels[np.int32(r * scale + _HALF)]
            out[row, i + 1] = levels[np.int32(g * scale + _HALF)]
            out[row, i + 2] = levels[np.int32(b * scale + _HALF)]


@njit(cache=True, error_model="numpy")
def _add(row, weight, light):  # type: ignore[no-untyped-def]
    """Add a row's light, by one weight."""
    for k in range(len(light)):
        x = np.float32(row[k])
        light[k] += weight * (x * (x * (x + _SQUARE) + _SLOPE))


@njit(cache=True, error_model="numpy")
def _add_between(row, line, top, bottom, light):  # type: ignore[no-untyped-def]
    """Add a row's light, by how much of the row lies between two edges."""
    for k in range(len(light)):
        weight = max(_ZERO, min(bottom[k], line + _ONE) - max(top[k], line))
        x = np.float32(row[k])
        light[k] += weight * (x * (x * (x + _SQUARE) + _SLOPE))


@njit(cache=True, error_model="numpy")
def _resample(scan, to_scan, to_print, levels, out):  # type: ignore[no-untyped-def]
    width, length = out.shape[1] // 3, scan.shape[1]
    left, right = np.empty(width, np.float32), np.empty(width, np.float32)
    first, weights = np.empty(width, np.uint32), np.empty((4, width), np.float32)
    light = np.zeros(length + 3 * len(weights), np.float32)
    top, bottom = np.empty(length, np.float32), np.empty(length, np.float32)
    centres = np.empty(length, np.float32)
    for k in range(length):
        centres[k] = np.float32(k // 3) + _HALF
    taps, before = 0, (np.inf, np.inf, np.inf)
    for row in range(len(out)):
        ends = _find_ends(to_scan, row + 0.5, width)
        # Rows of a level print lie alike.
        if (
            max(abs(ends[0] - before[0]), abs(ends[1] - before[1]), abs(ends[2] - before[2]))
            > _NEAR
        ):
            before = ends
            _find_columns(to_scan, row + 0.5, left, right)
            # Along a line a homography widens pixels steadily: the widest stands at an end.
            widest = max(right[0] - left[0], right[-1] - left[-1], np.float32(1))
            taps = int(np.ceil(widest)) + 1
            if taps > len(weights):
                weights = np.empty((taps, width), np.float32)
                light = np.zeros(length + 3 * taps, np.float32)
            _hold(left, right, np.float32(length // 3))
            _weigh(left, right, first, weights[:taps])
        start = 3 * int(min(left[0], left[-1]))
        end = min(length, 3 * int(max(right[0], right[-1])) + 3)
        light[:] = _ZERO
        part = slice(start, end)
        edges = top[part], bottom[part], centres[part]
        _gather(scan, part, to_print, row, edges, light[part])
        _emit(light, first, weights[:taps], levels, out[row])


@njit(cache=True, error_model="numpy")
def _find_ends(to_scan, v, width):  # type: ignore[no-untyped-def]
    """Find where a row starts in the scan, where its middle lies, and where it ends."""
    over, under = to_scan[0, 1] * v + to_scan[0, 2], to_scan[2, 1] * v + to_scan[2, 2]
    middle = (over + to_scan[0, 0] * width / 2) / (under + to_scan[2, 0] * width / 2)
    return (
        over / under,
        middle,
        (over + to_scan[0, 0] * width) / (under + to_scan[2, 0] * width),
    )


@njit(cache=True, error_model="numpy")
def _find_columns(to_scan, v, left, right):  # type: ignore[no-untyped-def]
    """Find from where to where each pixel of a row reaches in the scan; at least a pixel."""
    over, over_step = to_scan[0, 1] * v + to_scan[0, 2], to_scan[0, 0]
    under, under_step = to_scan[2, 1] * v + to_scan[2, 2], to_scan[2, 0]
    for i in range(len(left)):
        x = (over + over_step * i) / (under + under_step * i)
        after = (over + over_step * (i + 1)) / (under + under_step * (i + 1))
        middle, half = (x + after) * 0.5, max(abs(after - x) * 0.5, 0.5)
        left[i] = np.float32(middle - half)
        right[i] = np.float32(middle + half)


@njit(cache=True, error_model="numpy")
def _hold(low, high, end):  # type: ignore[no-untyped-def]
    """Hold ranges within 0..end; one beyond becomes a sliver of the edge."""
    for k in range(len(low)):
        low[k] = min(max(low[k], _ZERO), end - _SLIVER)
        high[k] = max(min(high[k], end), _SLIVER)


@njit(cache=True, error_model="numpy")
def _weigh(left, right, first, weights):  # type: ignore[no-untyped-def]
    """Weigh the scan's pixels under each pixel of a row by how much of them lies under it."""
    for i in range(len(left)):
        first[i] = 3 * np.int32(left[i])
    for tap in range(len(weights)):
        here = weights[tap]
        for i in range(len(left)):
            x = np.float32(np.int32(left[i]) + np.int32(tap))
            share = max(_ZERO, min(right[i], x + _ONE) - max(left[i], x))
            here[i] = share * (_PER_LIGHT / (right[i] - left[i]))


@njit(cache=True, error_model="numpy")
def _emit(light, first, weights, levels, out):  # type: ignore[no-untyped-def]
    """Average along a row, and turn light back to grey levels."""
    for i in range(len(first)):
        at = first[i]
        r, g, b = _HALF, _HALF, _HALF
        for tap in range(len(weights)):
            weight = weights[tap, i]
            r += weight * light[at]
            g += weight * light[at + 1]
            b += weight * light[at + 2]
            at += 3
        out[3 * i] = levels[np.int32(r)]
        out[3 * i + 1] = levels[np.int32(g)]
        out[3 * i + 2] = levels[np.int32(b)]


@njit(cache=True, error_model="numpy")
def _line(to_print, v):  # type: ignore[no-untyped-def]
    """Find the line y = a + b x of the scan that is the line v of the print."""
    steep = to_print[1, 1] - v * to_print[2, 1]
    if abs(steep) < 1e-12:
        steep = 1e-12
    rise = -(to_print[1, 0] - v * to_print[2, 0]) / steep
    return -(to_print[1, 2] - v * to_print[2, 2]) / steep, rise


@njit(cache=True, error_model="numpy")
def _gather(scan, columns, to_print, row, edges, light):  # type: ignore[no-untyped-def]
    """Average down the columns, between the two lines of the scan that bound a row."""
    top, bottom, centres = edges
    across, start = len(centres) // 3, centres[0]
    a, b = _line(to_print, row)
    after, rise = _line(to_print, row + 1)
    middle = start - 0.5 + across / 2
    if max(abs(b), abs(rise)) * across < _NEAR:
        _gather_level(scan, columns, a + b * middle, after + rise * middle, light)
        return
    bounds = np.float32(a), np.float32(b), np.float32(after), np.float32(rise)
    _find_rows(bounds, centres, top, bottom)
    _hold(top, bottom, np.float32(len(scan)))
    # A line of the scan meets the row where the row's middle is at most half its height away.
    first, last = after - a + (rise - b) * start, after - a + (rise - b) * (start + across)
    reach = max(1.0, abs(first), abs(last)) / 2 + 0.01
    a, b = (a + after) / 2 + (b + rise) / 2 * (start - 0.5), (b + rise) / 2
    high, low = min(top[0], top[-1]), max(bottom[0], bottom[-1])
    for line in range(int(high), min(len(scan), int(low) + 1)):
        one, other = 0.0, float(across)
        if 0 < line < len(scan) - 1 and abs(b) > 1e-9:
            ends = (line - reach - a) / b, (line + 1 + reach - a) / b
            one, other = max(one, min(ends)), min(other, max(ends) + 1)
        if one < other:
            part = slice(3 * int(one), 3 * int(other))
            here = scan[line, columns][part]
            _add_between(here, np.float32(line), top[part], bottom[part], light[part])
    for k in range(len(light)):
        light[k] /= bottom[k] - top[k]


@njit(cache=True, error_model="numpy")
def _gather_level(scan, columns, high, low, light):  # type: ignore[no-untyped-def]
    middle, half = (high + low) / 2, max((low - high) / 2, 0.5)
    high = min(max(middle - half, 0.0), len(scan) - float(_SLIVER))
    low = max(min(middle + half, float(len(scan))), float(_SLIVER))
    for line in range(int(high), min(len(scan), int(low) + 1)):
        weight = min(low, line + 1.0) - max(high, float(line))
        _add(scan[line, columns], np.float32(weight / (low - high)), light)


@njit(cache=True, error_model="numpy")
def _find_rows(bounds, centres, top, bottom):  # type: ignore[no-untyped-def]
    """Find from where to where a row reaches in the scan, for each element of a line."""
    a, b, after, rise = bounds
    for k in range(len(top)):
        high, low = a + b * centres[k], after + rise * centres[k]
        middle, half = (high + low) * _HALF, max(abs(low - high) * _HALF, _HALF)
        top[k], bottom[k] = middle - half, middle + half
