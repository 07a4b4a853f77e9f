"""Read an uncompressed TIFF in bands, reduced, so that its size does not decide the memory."""

import os
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL.TiffImagePlugin import TiffImageFile

from preprocess.kernels import shrink_band

Bytes = NDArray[np.uint8]

_BAND_BYTES: Final = 1 << 18
"""Read at once: little enough to stay in the processor's cache until it is averaged."""

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_FILL_ORDER, _OFFSETS, _SAMPLES, _STRIP_ROWS, _PLANAR, _FORMAT = 266, 273, 277, 278, 284, 339
"""Tags of TIFF 6.0."""

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB = 0, 1, 2
_CHANNELS: Final = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3}


@dataclass(frozen=True, slots=True)
class Strips:
    """Where the rows of an uncompressed TIFF lie."""

    offsets: tuple[int, ...]
    """Bytes from the file's start to each strip."""
    rows: int
    """Rows in a strip; the last may have fewer."""
    width: int
    height: int
    channels: int
    dtype: str
    """Of a sample, with its byte order: `u1`, `<u2` or `>u2`."""
    inverted: bool
    """Whether 0 is white."""


def find_strips(image: TiffImageFile) -> Strips | None:
    """Find the rows of a TIFF that can be read in bands.

    Args:
        image: As Pillow opens it.

    Returns:
        Where they lie; None for a file that is compressed, tiled or otherwise unlike what a
        scanner writes: unsigned grey or RGB of 8 or 16 bits, without compression.
    """
    tags = image.tag_v2
    photometric, bits = tags.get(_PHOTOMETRIC, -1), tags.get(_BITS, ())
    channels = _CHANNELS.get(photometric, 0)
    width, height = tags[_WIDTH], tags[_HEIGHT]
    rows = min(tags.get(_STRIP_ROWS, height), height)
    offsets = tuple(tags.get(_OFFSETS, ()))
    plain = (
        channels == tags.get(_SAMPLES, 1)
        and bits in {(8,) * channels, (16,) * channels}
        and tags.get(_COMPRESSION, 1) == tags.get(_PLANAR, 1) == tags.get(_FILL_ORDER, 1) == 1
        and set(tags.get(_FORMAT, (1,))) == {1}
        and rows > 0
        and len(offsets) == -(-height // rows)
    )
    if not plain:
        return None
    order = ">" if tags.prefix == b"MM" else "<"
    return Strips(
        offsets=offsets,
        rows=rows,
        width=width,
        height=height,
        channels=channels,
        dtype="u1" if bits[0] == 8 else f"{order}u2",
        inverted=photometric == _WHITE_IS_ZERO,
    )


def read_strips(descriptor: int, strips: Strips, *, part: int) -> Bytes:
    """Read an uncompressed TIFF at 1/1, 1/2, 1/4 or 1/8 of its size, averaged in light.

    Args:
        descriptor: Of the open file.
        strips: Where its rows lie.
        part: 1, 2, 4 or 8; at most its shorter side.

    Returns:
        Shape (height // part, width // part, 3), uint8, as stored: neither turned nor converted
        by its profile.

    Raises:
        ValueError: If the file breaks off.
        OSError: If the disk refuses.
    """
    row_bytes = strips.width * strips.channels * np.dtype(strips.dtype).itemsize
    _check_length(descriptor, strips, row_bytes)
    out = np.empty((strips.height // part, strips.width // part, 3), np.uint8)
    step = max(1, _BAND_BYTES // (row_bytes * part))
    buffer = np.empty((step * part, row_bytes), np.uint8)
    for top in range(0, len(out), step):
        count = min(step, len(out) - top)
        raw = buffer[: count * part]
        _read_rows(descriptor, strips, raw, first=top * part)
        band = _to_rgb(raw, strips)
        out[top : top + count] = band if part == 1 else shrink_band(band, part)
    return out


def _check_length(descriptor: int, strips: Strips, row_bytes: int) -> None:
    """Hold the file's length against what its strips need, before memory is taken for them."""
    last = strips.height - (len(strips.offsets) - 1) * strips.rows
    needed = [offset + strips.rows * row_bytes for offset in strips.offsets[:-1]]
    needed.append(strips.offsets[-1] + last * row_bytes)
    size = os.fstat(descriptor).st_size
    if max(needed) > size:
        raise ValueError(f"{size} of {max(needed)} bytes")


def _read_rows(descriptor: int, strips: Strips, raw: Bytes, *, first: int) -> None:
    """Fill `raw`, shape (n, bytes of a row), with the rows from `first` on."""
    done = 0
    while done < len(raw):
        strip, row = divmod(first + done, strips.rows)
        count = min(strips.rows - row, len(raw) - done)
        piece = raw[done : done + count]
        got = os.preadv(descriptor, [piece.data], strips.offsets[strip] + row * raw.shape[1])
        if got != piece.nbytes:
            raise ValueError(f"{got} of {piece.nbytes} bytes of a strip")
        done += count


def _to_rgb(raw: Bytes, strips: Strips) -> Bytes:
    """Bring rows to RGB of 8 bits."""
    pixels = raw.view(strips.dtype).reshape(len(raw), strips.width, strips.channels)
    if pixels.dtype != np.uint8:
        # Rounds v / 257, for all 65,536 values.
        pixels = ((pixels.astype(np.uint32) * 255 + 32895) >> 16).astype(np.uint8)
    if strips.inverted:
        pixels = 255 - pixels
    return np.repeat(pixels, 3, axis=2) if strips.channels == 1 else pixels
