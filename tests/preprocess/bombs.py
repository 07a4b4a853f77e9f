"""Small files that say they are huge, or unpack to much: what a scan must not do to a machine."""

import struct
import zlib

from PIL import Image

from tests.preprocess import hostile


def bombs(side: int = 60_000) -> dict[str, bytes]:
    """Make small files that say they are huge, some of which are."""
    rgb = hostile.draw()
    jpeg, tiff = (
        hostile.pack(rgb, "jpeg"),
        hostile.pack_tiff(rgb, photometric="rgb", compression="zlib"),
    )
    frame = jpeg.index(b"\xff\xc0") + 5
    gif = bytearray(hostile.pack_image(Image.fromarray(rgb).quantize(), "gif"))
    gif[6:10] = struct.pack("<2H", side, side)
    return {
        "declared.jpg": jpeg[:frame] + struct.pack(">2H", side, side) + jpeg[frame + 4 :],
        "declared.png": to_png(side, side, zlib.compress(bytes(1000))),
        "declared.tif": _declare(tiff, side),
        "declared.gif": bytes(gif),
        "unpacked.png": to_png(side // 2, side // 2, _zeros((side // 16 + 1) * (side // 2))),
        "profile.png": to_png(200, 140, zlib.compress(bytes(201 * 140)), profile=_zeros(1 << 28)),
        "text.png": to_png(200, 140, zlib.compress(bytes(201 * 140)), text=_zeros(1 << 28)),
    }


def to_png(
    width: int, height: int, data: bytes, *, profile: bytes = b"", text: bytes = b""
) -> bytes:
    """Write a PNG of 1 bit (PNG 1.2, 4.1), or of 8 bits where it is small."""
    depth = 8 if width < 1000 else 1
    chunks = [(b"IHDR", struct.pack(">2I5B", width, height, depth, 0, 0, 0, 0))]
    chunks += [(b"iCCP", b"p\0\0" + profile)] if profile else []
    chunks += [(b"zTXt", b"t\0\0" + text)] if text else []
    chunks += [(b"IDAT", data), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def _zeros(count: int) -> bytes:
    """Pack at least so many zeros, a MiB at a time; the end is left out."""
    packer = zlib.compressobj(9)
    step = bytes(1 << 20)
    first, again = (packer.compress(step) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + again * (count >> 20)


def _declare(tiff: bytes, side: int) -> bytes:
    """Write other sizes into a TIFF's first directory (TIFF 6.0: tags 256, 257 and 278)."""
    changed = bytearray(tiff)
    first = int.from_bytes(tiff[4:8], "little")
    for entry in range(int.from_bytes(tiff[first : first + 2], "little")):
        at = first + 2 + 12 * entry
        if int.from_bytes(tiff[at : at + 2], "little") in (256, 257, 278):
            changed[at : at + 12] = tiff[at : at + 2] + struct.pack("<HII", 4, 1, side)
    return bytes(changed)
