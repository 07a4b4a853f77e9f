import io
import random
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image

from harvest.pictures import read_size, verify_picture
from harvest.records import ScanReason
from tests.harvest.conftest import picture


def verdict_of(tmp_path: Path, body: bytes) -> tuple[str, int | None, int | None, str]:
    path = tmp_path / "file"
    path.write_bytes(body)
    verdict = verify_picture(path)
    return str(verdict.reason), verdict.width, verdict.height, verdict.suffix


def bomb() -> bytes:
    """A PNG of a few hundred bytes that claims 12,000 by 13,000 pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", 12_000, 13_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 999))


@pytest.mark.parametrize(
    ("format", "suffix"), [("JPEG", ".jpg"), ("TIFF", ".tif"), ("PNG", ".png"), ("GIF", ".gif")]
)
def test_a_whole_picture_is_of_use(tmp_path: Path, format: str, suffix: str) -> None:
    assert verdict_of(tmp_path, picture(90, 70, format)) == ("", 90, 70, suffix)
    assert read_size(tmp_path / "file") == (90, 70)


@pytest.mark.parametrize(
    ("body", "verdict"),
    [
        (b"", ("empty_file", None, None, "")),
        (b"<html>Just a moment...</html>", ("not_an_image", None, None, "")),
        (b"\xff\xd8\xff\xe0 a JPEG in name only", ("not_an_image", None, None, "")),
        (picture(1, 1), ("too_small", 1, 1, ".jpg")),
        (picture(63, 640), ("too_small", 63, 640, ".jpg")),
        (picture(400, 300)[:9000], ("truncated", 400, 300, ".jpg")),
        (picture(400, 300, "PNG")[:9000], ("truncated", 400, 300, ".png")),
    ],
)
def test_a_bad_file_has_its_reason(
    tmp_path: Path, body: bytes, verdict: tuple[str, int | None, int | None, str]
) -> None:
    assert verdict_of(tmp_path, body) == verdict


def test_a_decompression_bomb_is_not_decoded(tmp_path: Path) -> None:
    assert verdict_of(tmp_path, bomb())[0] == "too_large"


@pytest.mark.filterwarnings("ignore")
def test_damage_anywhere_is_a_verdict_never_an_error(tmp_path: Path) -> None:
    rng = random.Random(7)
    for format in ("JPEG", "TIFF", "PNG", "GIF"):
        whole = picture(80, 70, format)
        for _ in range(40):
            body = bytearray(whole[: rng.randrange(1, len(whole))] if rng.random() < 0.5 else whole)
            for _ in range(rng.randrange(8)):
                body[rng.randrange(min(len(body), 600))] = rng.randrange(256)
            reason, *_ = verdict_of(tmp_path, bytes(body))
            assert reason in set(ScanReason)


def tiff(width: int, height: int, *, order: str, bits: int = 8, claimed: int = 0) -> bytes:
    """A TIFF of three channels, uncompressed, whose directory lies at its end.

    `order` is "<" (II) or ">" (MM); `claimed` stands for the width in the directory.
    """
    strip = bytes(range(256)) * (width * height * 3 * bits // 8 // 256 + 1)
    strip = strip[: width * height * 3 * bits // 8]
    sizes = struct.pack(f"{order}3H", bits, bits, bits)
    short, long = 3, 4
    entries = [
        (256, long, 1, claimed or width),
        (257, long, 1, height),
        (258, short, 3, 8 + len(strip)),
        (259, short, 1, 1),
        (262, short, 1, 2),
        (273, long, 1, 8),
        (277, short, 1, 3),
        (278, long, 1, height),
        (279, long, 1, len(strip)),
    ]
    directory = struct.pack(f"{order}H", len(entries))
    for tag, kind, count, value in entries:
        inline = struct.pack(f"{order}HH", value, 0) if kind == short and count == 1 else None
        directory += struct.pack(f"{order}HHI", tag, kind, count)
        directory += inline or struct.pack(f"{order}I", value)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(
        f"{order}I", 8 + len(strip) + len(sizes)
    )
    return head + strip + sizes + directory + bytes(4)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("bits", [8, 16])
def test_a_tiff_of_either_byte_order_with_its_directory_at_the_end_is_read(
    tmp_path: Path, order: str, bits: int
) -> None:
    body = tiff(100, 80, order=order, bits=bits)
    assert struct.unpack(f"{order}I", body[4:8])[0] > 100 * 80 * 3
    assert verdict_of(tmp_path, body) == ("", 100, 80, ".tif")
    for cut in (body[:-100], body[: len(body) // 2], body[:8]):
        assert verdict_of(tmp_path, cut)[0] == "not_an_image"


@pytest.mark.parametrize("order", "<>")
def test_a_tiff_with_less_in_it_than_it_claims_is_no_picture(tmp_path: Path, order: str) -> None:
    reason, *_ = verdict_of(tmp_path, tiff(100, 80, order=order, claimed=900))
    assert reason == "truncated"
    reason, *_ = verdict_of(tmp_path, tiff(100, 80, order=order, claimed=2_000_000_000))
    assert reason == "too_large"


@pytest.mark.parametrize(("format", "suffix"), [("TIFF", ".tif"), ("GIF", ".gif")])
def test_of_several_frames_the_first_is_the_picture(
    tmp_path: Path, format: str, suffix: str
) -> None:
    frames = [
        Image.new("RGB", size, color) for size, color in (((90, 70), "red"), ((9, 7), "blue"))
    ]
    stream = io.BytesIO()
    frames[0].save(stream, format, save_all=True, append_images=frames[1:])
    assert verdict_of(tmp_path, stream.getvalue()) == ("", 90, 70, suffix)


def test_huge_sides_in_a_small_header_are_not_decoded(tmp_path: Path) -> None:
    body = picture(90, 70)
    frame = body.index(b"\xff\xc0")
    claimed = body[: frame + 5] + struct.pack(">HH", 65_000, 65_000) + body[frame + 9 :]
    assert verdict_of(tmp_path, claimed) == ("too_large", None, None, "")
