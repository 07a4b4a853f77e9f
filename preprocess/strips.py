"""Pure: the outer bands of a picture, reduced to cells, one strip a side.

Each side is seen with that side on top, as `np.rot90` turns it: its first row is the outermost.
A strip is cut into segments along the side, and a cell is the mean of one row of one segment.
So whatever lies along a side is compared as a whole, and no single roof or mast decides.
"""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
Picture = NDArray[np.uint8] | NDArray[np.float32]

COARSE: Final = 512
"""Long side of the reduced picture, in pixels."""

TEXTURE_PX: Final = 1024
"""Least long side at which texture is measured, where the picture has it: fibres are finer than a
cell."""

SEGMENTS: Final = 64
"""Cells along each side."""

DEPTH: Final = 0.4
"""Share of the picture, from each side inwards, in which an edge of the print is looked for."""

_MOST_TEXTURE: Final = np.uint8(20)
"""Step between neighbours, in grey levels, beyond which it is an edge and no texture."""

_TEXTURE_UNIT: Final = 0.4
"""Lightness units in a grey level, about."""

_LEAST_TEXTURE: Final = np.float32(0.12)
"""Lightness units added to a texture, so that bare white and bare black have a logarithm."""

_FINER: Final = 8
"""Parts of a grey level in which texture is averaged, so that bytes hold it."""


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """The outer band along one side."""

    colour: Float
    """Shape (3, rows, SEGMENTS): L, a and b of each cell."""
    texture: Float
    """Shape (2, rows, SEGMENTS): logarithm of the mean step between neighbours, in lightness
    units, along the side and across it."""
    sums: Float
    """Sums of the rows of `colour` before each boundary between rows, shape (3, rows + 1, ...)."""
    width: int
    """Pixels of the reduced picture along the side."""

    @property
    def rows(self) -> int:
        """Pixels of the reduced picture across the strip."""
        return int(self.colour.shape[1])

    @property
    def middles(self) -> NDArray[np.float64]:
        """Middles of the segments, in pixels from the middle of the side."""
        return (np.arange(SEGMENTS) + 0.5) / SEGMENTS * self.width - self.width / 2


def cut_strips(picture: Picture) -> tuple[Strip, ...]:
    """Reduce a picture and cut its outer bands.

    Args:
        picture: uint8 of shape (H, W, 3), sRGB, 0..255; or lightness, float32 of shape (H, W),
            0..100.

    Returns:
        Strips of the top, right, bottom and left side.
    """
    height, width = reduced_shape(picture.shape)
    lab = to_plane(_reduce(picture, (height, width)))
    along, across = _to_texture(_thin(picture, TEXTURE_PX), (width, height))
    planes = (*cv2.split(lab), along, across)
    rows = _to_cells(planes, size=(SEGMENTS, height))
    columns = _to_cells((*planes[:3], across, along), size=(width, SEGMENTS))
    deep, wide = round(DEPTH * height), round(DEPTH * width)
    return (
        _to_strip(rows[:, :deep], width),
        _to_strip(np.rot90(columns, axes=(1, 2))[:, :wide], height),
        _to_strip(rows[:, ::-1, ::-1][:, :deep], width),
        _to_strip(np.rot90(columns, 3, axes=(1, 2))[:, :wide], height),
    )


def reduced_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Say how high and wide the reduced picture is.

    Args:
        shape: Height and width of the picture, in pixels.
    """
    height, width = shape[:2]
    scale = min(1.0, COARSE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def to_plane(picture: NDArray[Any]) -> Float:
    """Convert to LAB, quickly: good to half a unit, which a search for edges does not notice.

    Args:
        picture: sRGB, uint8, shape (H, W, 3), 0..255; or lightness, float32, (H, W), 0..100.

    Returns:
        LAB, shape (H, W, 3); of lightness, a and b are 0.
    """
    if picture.ndim == 2:
        return np.stack([picture, *(2 * [np.zeros_like(picture)])], axis=2)
    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.asarray(lab, np.float32)


def to_sums(values: Float) -> Float:
    """Sum the rows before each boundary between rows.

    Args:
        values: Shape (..., R, J).

    Returns:
        Shape (..., R + 1, J); boundary `c` lies between rows c - 1 and c.
    """
    sums = np.zeros((*values.shape[:-2], values.shape[-2] + 1, values.shape[-1]), np.float32)
    np.cumsum(values, axis=-2, dtype=np.float32, out=sums[..., 1:, :])
    return sums


def to_band(sums: Float, first: int, last: int) -> Float:
    """Average the rows near each boundary.

    Args:
        sums: From `to_sums`, shape (..., R + 1, J).
        first: First row, counted from the boundary; negative lies outside it.
        last: The row after the last.

    Returns:
        Shape (..., R + 1, J); rows beyond the strip are left out, and none make 0.
    """
    rows = sums.shape[-2] - 1
    at = np.arange(rows + 1)
    low, high = np.clip(at + first, 0, rows), np.clip(at + last, 0, rows)
    share = 1 / np.maximum(high - low, 1).astype(np.float32)
    total: Float = np.take(sums, high, axis=-2)
    total -= np.take(sums, low, axis=-2)
    total *= share[:, None]
    return total


def mean_rows(sums: Float, rows: NDArray[np.intp], first: int, last: int) -> Float:
    """Average the rows near some boundaries, as `to_band` does near all.

    Args:
        sums: From `to_sums`, shape (..., R + 1, J).
        rows: A boundary for each of the J segments, shape (n, J).
        first: First row, counted from the boundary; negative lies outside it.
        last: The row after the last.

    Returns:
        Shape (..., n, J).
    """
    most = sums.shape[-2] - 1
    segment = np.arange(sums.shape[-1])
    low, high = np.clip(rows + first, 0, most), np.clip(rows + last, 0, most)
    total = sums[..., high, segment] - sums[..., low, segment]
    return np.asarray(total / np.maximum(high - low, 1).astype(np.float32))


def _reduce(picture: Picture, shape: tuple[int, int]) -> NDArray[Any]:
    """Reduce a picture: by a whole factor, which is quick, then by what is left."""
    height, width = shape
    if picture.shape[:2] == shape:
        return picture
    nearly = _thin(picture, max(shape))
    return np.asarray(cv2.resize(nearly, (width, height), interpolation=cv2.INTER_AREA))


def _thin(picture: Picture, long_side: int) -> NDArray[Any]:
    """Reduce a large picture by a whole factor, its longer side no shorter than asked."""
    height, width = picture.shape[:2]
    factor = max(height, width) // long_side
    if factor < 2 or min(height, width) < factor:
        return picture
    size = (width // factor, height // factor)
    even = picture[: size[1] * factor, : size[0] * factor]
    return np.asarray(cv2.resize(even, size, interpolation=cv2.INTER_AREA))


def _to_texture(picture: NDArray[Any], size: tuple[int, int]) -> tuple[Float, Float]:
    """Average the steps between neighbours in a row, and in a column: two pictures of a size."""
    if picture.ndim == 3:
        grey = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY))
    else:
        grey = np.rint(picture / _TEXTURE_UNIT).astype(np.uint8)
    planes = []
    for steps in (cv2.absdiff(grey[:, 1:], grey[:, :-1]), cv2.absdiff(grey[1:], grey[:-1])):
        finer = np.minimum(steps, _MOST_TEXTURE) * np.uint8(_FINER)
        small = cv2.resize(finer, size, interpolation=cv2.INTER_LINEAR)  # a sample is enough
        planes.append(small.astype(np.float32) * np.float32(_TEXTURE_UNIT / _FINER))
    return planes[0], planes[1]


def _to_cells(planes: tuple[NDArray[Any], ...], *, size: tuple[int, int]) -> Float:
    """Average L, a, b and both textures over cells: shape (5, rows, columns)."""
    return np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_AREA) for plane in planes])


def _to_strip(cells: Float, width: int) -> Strip:
    colour = np.ascontiguousarray(cells[:3])
    smooth = [cv2.blur(np.ascontiguousarray(plane), (3, 3)) for plane in cells[3:]]
    texture = np.log(np.stack(smooth) + _LEAST_TEXTURE)
    return Strip(colour, texture, to_sums(colour), width)
