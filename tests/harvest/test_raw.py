import gzip
import os
import time
from pathlib import Path

import pytest

from harvest.errors import CatalogError
from harvest.raw import (
    Shelf,
    begin_listing,
    drop_listing,
    finish_listing,
    keep_reply,
    open_shelf,
    page_stem,
    read_pages,
    read_reply,
    to_stamp,
)
from tests.harvest.conftest import files_below

SETTINGS = {"road": "json", "page_size": 150}


def keep_pages(shelf: Shelf, *numbers: int) -> None:
    for number in numbers:
        keep_reply(page_stem(shelf.begun, number), b"{}", is_json=True)


def test_a_reply_comes_back_as_it_was_with_its_stamp(tmp_path: Path) -> None:
    keep_reply(tmp_path / "a.b", b'{"x": 1}', is_json=True, stamp=to_stamp("2016-04-21T06:01:15Z"))
    kept = read_reply(tmp_path / "a.b")
    assert kept is not None
    assert (kept.data, kept.text, kept.stamp) == ({"x": 1}, "", 1_461_218_475)
    assert gzip.decompress((tmp_path / "a.b.json.gz").read_bytes()) == b'{"x": 1}'
    assert read_reply(tmp_path / "a.c") is None


def test_a_web_page_takes_the_place_of_json_and_back(tmp_path: Path) -> None:
    keep_reply(tmp_path / "a", b"{}", is_json=True)
    keep_reply(tmp_path / "a", "<p>Zürich".encode(), is_json=False)
    assert files_below(tmp_path) == ["a.html.gz"]
    kept = read_reply(tmp_path / "a")
    assert kept is not None
    assert (kept.data, kept.text) == (None, "<p>Zürich")
    keep_reply(tmp_path / "a", b"{}", is_json=True)
    assert files_below(tmp_path) == ["a.json.gz"]


def test_the_same_reply_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        keep_reply(tmp_path / name, b"{}", is_json=True, stamp=7)
    assert (tmp_path / "a.json.gz").read_bytes() == (tmp_path / "b.json.gz").read_bytes()


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b", gzip.compress(b"{", mtime=0), b"plain"])
def test_a_damaged_reply_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.json.gz").write_bytes(content)
    with pytest.raises(CatalogError, match=r"a\.json\.gz: expected a raw reply, got a damaged"):
        read_reply(tmp_path / "a")


def test_a_listing_replaces_the_last_one_when_it_is_whole(tmp_path: Path) -> None:
    shelf = open_shelf(tmp_path, "pictures")
    begin_listing(shelf, SETTINGS)
    keep_pages(shelf, 1, 2, 3)
    finish_listing(shelf, pages=2)
    assert files_below(tmp_path) == [f"pictures/listing/0000{n}.json.gz" for n in (1, 2)]
    assert len(list(read_pages(shelf.listing))) == 2
    begin_listing(shelf, SETTINGS)
    keep_pages(shelf, 1)
    assert len(list(read_pages(shelf.listing))) == 2
    finish_listing(shelf, pages=1)
    assert files_below(tmp_path) == ["pictures/listing/00001.json.gz"]


def test_a_copy_beside_the_pages_is_none_of_them(tmp_path: Path) -> None:
    shelf = open_shelf(tmp_path, "json")
    begin_listing(shelf, SETTINGS)
    keep_pages(shelf, 1)
    (shelf.begun / "00001 (copy).json.gz").write_bytes(b"")
    finish_listing(shelf, pages=1)
    assert files_below(tmp_path) == ["listing/00001.json.gz"]
    (shelf.listing / "00001 (copy).json.gz").write_bytes(b"")
    assert len(list(read_pages(shelf.listing))) == 1


def test_a_listing_with_a_page_gone_replaces_nothing(tmp_path: Path) -> None:
    shelf = open_shelf(tmp_path, "json")
    begin_listing(shelf, SETTINGS)
    keep_pages(shelf, 1)
    finish_listing(shelf, pages=1)
    keep_pages(shelf, 2)
    with pytest.raises(CatalogError, match="another process took them"):
        finish_listing(shelf, pages=2)
    assert len(list(read_pages(shelf.listing))) == 1


def test_pages_serve_again_for_a_day_and_under_the_same_settings_only(tmp_path: Path) -> None:
    shelf = open_shelf(tmp_path, "json")
    begin_listing(shelf, SETTINGS)
    keep_pages(shelf, 1, 2)
    begin_listing(shelf, SETTINGS)
    assert read_reply(page_stem(shelf.begun, 2)) is not None
    drop_listing(shelf, pages=[2])
    assert read_reply(page_stem(shelf.begun, 2)) is None
    os.utime(shelf.begun / "00001.json.gz", (time.time() - 86_500,) * 2)
    begin_listing(shelf, SETTINGS)
    assert files_below(tmp_path) == ["listing.next/settings.json"]
    keep_pages(shelf, 1)
    begin_listing(shelf, SETTINGS | {"page_size": 25})
    assert files_below(tmp_path) == ["listing.next/settings.json"]


@pytest.mark.parametrize(
    "modified", ["", "yesterday", "1890-01-01T00:00:00Z", "2200-01-01T00:00:00Z"]
)
def test_what_gzip_cannot_hold_is_no_stamp(modified: str) -> None:
    assert to_stamp(modified) == 0
