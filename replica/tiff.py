"""Pure: uncompressed TIFFs as the Library's masters are: the directory stands after the pixels.

Pillow and tifffile write the directory first; a client that reads dimensions by two small
ranges, or resumes a master, is to meet it where it really is (loc/FACTS.md, a6).
"""

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SHORT, _LONG = 3, 4
_HEADER_BYTES = 8


@dataclass(frozen=True, slots=True)
class Field:
    """One entry of the directory (TIFF 6.0, section 2).

    Attributes:
        tag: Its number.
        kind: 3 for 16 bits a value, 4 for 32.
        values: At most as many as fit, or they stand after the directory.
    """

    tag: int
    kind: int
    values: tuple[int, ...]


def to_tiff(pixels: NDArray[np.uint8], *, big_endian: bool) -> bytes:
    """Write a picture as a TIFF of one strip.

    Args:
        pixels: Shape (H, W, 3) sRGB or (H, W) grey, 0..255.
        big_endian: Byte order of the numbers, "MM" or "II".

    Returns:
        Header, pixels, then the directory.

    Raises:
        ValueError: If the shape is another.
    """
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3):
        raise ValueError(f"pixels: expected shape (H, W, 3) or (H, W), got {pixels.shape}")
    order, mark = (">", b"MM") if big_endian else ("<", b"II")
    body = pixels.tobytes()
    body += bytes(len(body) % 2)  # the directory begins on a word
    start = _HEADER_BYTES + len(body)
    head = mark + struct.pack(f"{order}HI", 42, start)
    return head + body + _directory(_fields(pixels), order=order, start=start)


def _fields(pixels: NDArray[np.uint8]) -> list[Field]:
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else 3
    return [
        Field(256, _SHORT, (width,)),
        Field(257, _SHORT, (height,)),
        Field(258, _SHORT, (8,) * channels),  # bits per sample
        Field(259, _SHORT, (1,)),  # no compression
        Field(262, _SHORT, (1 if channels == 1 else 2,)),  # black is zero, or RGB
        Field(273, _LONG, (_HEADER_BYTES,)),  # where the strip begins
        Field(277, _SHORT, (channels,)),
        Field(278, _SHORT, (height,)),  # rows in the strip
        Field(279, _LONG, (pixels.nbytes,)),
    ]


def _directory(fields: list[Field], *, order: str, start: int) -> bytes:
    """Write the directory; values that do not fit into four bytes stand after it."""
    after = start + 2 + 12 * len(fields) + 4
    entries, far = b"", b""
    for field in fields:
        code = "H" if field.kind == _SHORT else "I"
        value = struct.pack(f"{order}{len(field.values)}{code}", *field.values)
        if len(value) > 4:
            far, value = far + value, struct.pack(f"{order}I", after + len(far))
        entries += struct.pack(f"{order}HHI", field.tag, field.kind, len(field.values))
        entries += value.ljust(4, b"\0")
    return struct.pack(f"{order}H", len(fields)) + entries + bytes(4) + far
