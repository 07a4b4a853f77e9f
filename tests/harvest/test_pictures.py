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


def test_a_tiff_whose_directory_lies_at_the_end_is_read(tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (100, 80), "red").save(stream, "TIFF")
    body = stream.getvalue()
    assert struct.unpack("<I", body[4:8])[0] >= 8
    assert verdict_of(tmp_path, body) == ("", 100, 80, ".tif")
    assert verdict_of(tmp_path, body[:-100])[0] in {"truncated", "not_an_image"}
