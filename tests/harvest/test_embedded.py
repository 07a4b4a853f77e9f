import io
from pathlib import Path

import pytest
from PIL import Image

from harvest.embedded import HEAD_BYTES, MOST_RIGHTS, judge_head, read_embedded
from tests.harvest.conftest import picture

COPYRIGHT, SUBFILE = 33432, 254


def embedded_of(tmp_path: Path, body: bytes) -> tuple[str, str]:
    (tmp_path / "file").write_bytes(body)
    with (tmp_path / "file").open("rb") as file:
        return read_embedded(file)


def with_tags(format: str, **tags: object) -> bytes:
    exif = Image.Exif()
    for name, value in tags.items():
        exif[{"rights": COPYRIGHT, "subfile": SUBFILE}[name]] = value
    stream = io.BytesIO()
    Image.new("RGB", (80, 70)).save(stream, format, exif=exif)
    return stream.getvalue()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "TIFF"])
def test_the_four_formats_are_pictures(format: str) -> None:
    assert judge_head(picture(format=format)[:HEAD_BYTES]) == (True, "")


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"\0\0\0\x18ftypheic", "HEIC"),
        (b"\0\0\0\x18ftypavif", "AVIF"),
        (b"\0\0\0\x18ftypcrx ", "a camera's raw file"),
        (b"II*\0\x10\0\0\0CR\x02\0", "a camera's raw file"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "WebP"),
        (b"BM\x10\0\0\0\0\0\0\0", "BMP"),
        (b"8BPS\0\x01", "Photoshop"),
    ],
)
def test_a_picture_that_is_not_read_is_named(head: bytes, name: str) -> None:
    is_picture, note = judge_head(head)
    assert not is_picture
    assert note.startswith(f"{name}, which is not read here")


@pytest.mark.parametrize("head", [b"x", b"BMW of 1930", b"\0\0\0\x18ftypisom", b"\xff\xd8", b"II*"])
def test_anything_else_is_no_picture(head: bytes) -> None:
    assert judge_head(head) == (False, "no picture")


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("  (c) A\tPerson ", "(c) A Person"),
        ("© Größe", "© Größe"),
        ("Photographer\0Editor", "Photographer; Editor"),
        ("x" * 2000, "x" * MOST_RIGHTS),
    ],
)
def test_a_pictures_own_statement_of_rights_is_read(
    tmp_path: Path, format: str, given: str, said: str
) -> None:
    assert embedded_of(tmp_path, with_tags(format, rights=given.encode())) == (said, "")


def test_a_tiff_that_begins_with_a_small_copy_is_a_raw_file(tmp_path: Path) -> None:
    assert "raw file" in embedded_of(tmp_path, with_tags("TIFF", subfile=1))[1]
    assert embedded_of(tmp_path, with_tags("TIFF", subfile=0)) == ("", "")


@pytest.mark.parametrize("format", ["JPEG", "TIFF", "PNG", "GIF"])
def test_damage_says_nothing_and_raises_nothing(tmp_path: Path, format: str) -> None:
    whole = with_tags(format, rights=b"me") if format != "GIF" else picture(format="GIF")
    for end in range(0, len(whole), max(1, len(whole) // 60)):
        assert embedded_of(tmp_path, whole[:end])[1] == ""
