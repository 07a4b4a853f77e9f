import errno
import hashlib
import os
from dataclasses import replace
from io import BufferedReader

import pytest

from harvest.answers import Version
from harvest.download import download_scan
from harvest.entries import EntryState
from harvest.errors import (
    AstrayError,
    DisallowedError,
    DownloadError,
    ForbiddenError,
    HarvestError,
    NotFoundError,
    TooLargeError,
)
from harvest.store import Store
from tests.harvest.conftest import files_below, picture
from tests.harvest.shelf import (
    Shelf,
    fetch,
    next_run,
    outcome,
    row_of,
    state_of,
    url_of,
)


@pytest.mark.parametrize(
    ("answer", "reason", "state"),
    [
        (picture(), "", "stored"),
        (b"", "empty_file", "rejected"),
        (b"this is text", "not_an_image", "rejected"),
        (picture(400, 300)[:5000], "truncated", "rejected"),
        (picture(1, 1), "too_small", "rejected"),
        (TooLargeError("50 GB"), "too_large", "rejected"),
        (AstrayError("to example.org"), "led_astray", "rejected"),
        (NotFoundError("404"), "not_found", "failed"),
        (ForbiddenError("403"), "forbidden", "failed"),
    ],
)
def test_what_is_settled_is_not_asked_for_again_and_gives_the_same_scan(
    shelf: Shelf, store: Store, answer: bytes | Exception, reason: str, state: str
) -> None:
    for kind in "vru":
        shelf.put(url_of(1, kind), answer)
    first = fetch(store)
    asked = len(shelf.asked)
    assert outcome(first) == (state, reason)
    assert (first.path is not None) == (state == "stored")
    assert fetch(store) == first
    assert len(shelf.asked) == asked
    assert files_below(store.data) == ([str(first.path)] if first.path else [])


@pytest.mark.parametrize(
    ("error", "reason"),
    [(DownloadError("500"), "unreachable"), (DisallowedError("robots.txt"), "disallowed")],
)
def test_what_may_pass_is_asked_for_again_by_the_next_run_and_not_by_this_one(
    shelf: Shelf, store: Store, error: Exception, reason: str
) -> None:
    shelf.put(url_of(1), error, picture())
    assert outcome(fetch(store)) == ("failed", reason)
    assert state_of(store) == ("failed", reason)
    assert outcome(fetch(store)) == ("failed", reason)
    assert outcome(fetch(next_run(store))) == ("stored", "")
    assert shelf.asked == [url_of(1)] * 2


def test_what_the_ledger_forgets_is_asked_for_again(shelf: Shelf, store: Store) -> None:
    shelf.put(url_of(1), b"damaged", b"damaged", picture())
    assert outcome(fetch(store)) == ("rejected", "not_an_image")
    assert store.ledger.forget("loc", [EntryState.REJECTED]) == 1
    assert outcome(fetch(store)) == ("stored", "")


def test_an_answer_that_is_damaged_once_is_not_the_file(shelf: Shelf, store: Store) -> None:
    good = picture(120, 90)
    shelf.put(url_of(1), good[:-2000], b"<html>Just a moment...</html>", good)
    scan = fetch(store)
    assert outcome(scan) == ("stored", "")
    assert scan.sha256 == hashlib.sha256(good).hexdigest()
    assert len(shelf.asked) == 3


def test_the_same_damage_twice_is_the_files_own(shelf: Shelf, store: Store) -> None:
    shelf.put(url_of(1), b"damaged")
    assert outcome(fetch(store)) == ("rejected", "not_an_image")
    assert len(shelf.asked) == 2


def test_other_damage_each_time_is_given_up(shelf: Shelf, store: Store) -> None:
    shelf.put(url_of(1), *(f"damage {number}".encode() for number in range(9)))
    assert outcome(fetch(store)) == ("rejected", "not_an_image")
    assert len(shelf.asked) == 3


@pytest.mark.parametrize(
    ("said", "reason"), [((120, 90), ""), ((118, 92), ""), ((123, 90), "wrong_size")]
)
def test_a_picture_has_the_sides_that_the_record_says(
    shelf: Shelf, store: Store, said: tuple[int, int], reason: str
) -> None:
    shelf.put(url_of(1), picture(120, 90))
    scan = download_scan(row_of(sides=said), store=store, rendition="v")
    assert (str(scan.reason), scan.width, scan.height) == (reason, 120, 90)


def test_a_file_of_other_bytes_than_the_record_says_is_noted_and_kept(
    shelf: Shelf, store: Store
) -> None:
    shelf.put(url_of(1), picture())
    row = row_of(kinds="v")
    row = replace(row, renditions=(replace(row.renditions[0], bytes=141_000),))
    assert outcome(download_scan(row, store=store, rendition="v")) == ("stored", "")
    assert state_of(store) == ("stored", "size_not_as_recorded")
    assert outcome(download_scan(row, store=store, rendition="v")) == ("stored", "")


@pytest.mark.parametrize("change", ["remove", "truncate", "alter"])
def test_a_file_that_is_not_as_recorded_is_fetched_again(
    shelf: Shelf, store: Store, change: str
) -> None:
    body = picture()
    shelf.put(url_of(1), body)
    path = store.data / str(fetch(store).path)
    if change == "remove":
        path.unlink()
    else:
        path.write_bytes(body[:-9] if change == "truncate" else body[:-9] + b"x" * 9)
        os.utime(path, ns=(0, 0))  # another time than before, however coarse the disk's clock
    assert outcome(fetch(store)) == ("stored", "")
    assert path.read_bytes() == body
    assert shelf.conditions == [None, None]


def test_a_file_that_an_old_ledger_stored_without_its_sides_is_known(
    shelf: Shelf, store: Store
) -> None:
    shelf.put(url_of(1), picture())
    first = fetch(store)
    entry = store.ledger.find("loc", url_of(1))
    assert entry is not None
    store.ledger.record(replace(entry, width=None, height=None, mtime_ns=None, modified=""))
    assert fetch(store) == first
    assert [condition is None for condition in shelf.conditions] == [True, False]
    store.ledger.record(replace(entry, width=None, height=None, mtime_ns=None))
    assert fetch(store) == first
    assert store.ledger.find("loc", url_of(1)) == entry
    assert len(shelf.asked) == 2


def test_a_file_is_read_again_only_when_its_time_is_another(
    shelf: Shelf, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []

    def digest(file: BufferedReader, name: str) -> "hashlib._Hash":
        read.append(file.name)
        return real(file, name)

    real = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", digest)
    shelf.put(url_of(1), picture())
    first = fetch(store)
    path = store.data / str(first.path)
    for modified in ("2016-04-20", "2026-11-20"):
        assert fetch(next_run(store), modified=modified) == first
    assert read == []
    os.utime(path, ns=(7, 7))
    for _ in range(2):
        assert fetch(next_run(store), modified="2026-11-20") == first
    assert read == [str(path)]
    entry = store.ledger.find("loc", url_of(1))
    assert entry is not None
    assert (entry.mtime_ns, entry.modified) == (7, "2026-11-20")
    assert len(shelf.asked) == 2


def test_a_file_that_the_ledger_does_not_know_is_not_trusted(shelf: Shelf, store: Store) -> None:
    shelf.put(url_of(1), picture())
    path = store.data / "scans/loc/ppmsc/00001v.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(picture(99, 99))
    assert fetch(store).width == 96
    assert shelf.asked == [url_of(1)]


def test_a_folder_in_the_place_of_a_scan_is_a_clear_error(shelf: Shelf, store: Store) -> None:
    shelf.put(url_of(1), picture())
    (store.data / "scans/loc/ppmsc/00001v.jpg/mine").mkdir(parents=True)
    with pytest.raises(HarvestError, match=r"ppmsc.*: the disk refuses .*\(Is a directory\)"):
        fetch(store)
    assert files_below(store.data) == []


def test_a_full_disk_is_a_clear_error_that_names_the_folder(shelf: Shelf, store: Store) -> None:
    shelf.put(url_of(1), OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    with pytest.raises(HarvestError, match=r"scans/loc: .* \(No space left on device\); see"):
        fetch(store)


def test_a_file_of_another_scope_is_not_reused(shelf: Shelf, store: Store) -> None:
    shelf.put(url_of(1), picture(80, 80), picture(90, 90))
    fetch(store)
    assert fetch(replace(store, scope="other")).width == 90


def test_an_unchanged_file_of_a_changed_record_is_asked_for_once_and_kept(
    shelf: Shelf, store: Store
) -> None:
    shelf.put(url_of(1), picture())
    first = fetch(store)
    path = store.data / str(first.path)
    written = path.stat().st_mtime_ns
    for _ in range(2):
        assert fetch(store, modified="2026-11-20") == first
    version = Version(f'"{first.sha256}"', "Fri, 20 Nov 2026 09:00:00 GMT")
    assert shelf.conditions == [None, version]
    assert path.stat().st_mtime_ns == written
    entry = store.ledger.find("loc", url_of(1))
    assert entry is not None
    assert (entry.state, entry.modified) == (EntryState.STORED, "2026-11-20")


def test_a_changed_file_of_a_changed_record_replaces_the_old(shelf: Shelf, store: Store) -> None:
    shelf.put(url_of(1), picture(90, 80), picture(120, 90))
    fetch(store)
    scan = fetch(store, modified="2026-11-20")
    assert (scan.width, outcome(scan)) == (120, ("stored", ""))
    assert fetch(store, modified="2026-11-20") == scan
    assert files_below(store.data) == ["scans/loc/ppmsc/00001v.jpg"]
    assert len(shelf.asked) == 2


def test_a_record_that_does_not_say_when_it_changed_speaks_for_no_change(
    shelf: Shelf, store: Store
) -> None:
    shelf.put(url_of(1), picture())
    first = fetch(store)
    assert fetch(store, modified="") == first
    assert len(shelf.asked) == 1


@pytest.mark.parametrize(
    "answer", [DownloadError("500"), ForbiddenError("403"), TooLargeError("50 GB"), b"damaged"]
)
def test_what_we_have_stays_when_nothing_better_comes(
    shelf: Shelf, store: Store, answer: bytes | Exception
) -> None:
    shelf.put(url_of(1), picture())
    first = fetch(store)
    shelf.put(url_of(1), answer)
    assert fetch(store, modified="2026-11-20") == first
    assert (store.data / str(first.path)).is_file()
    shelf.put(url_of(1), picture(120, 90))
    assert fetch(store, modified="2026-11-20").width == 120


def test_a_file_that_the_library_took_away_gives_way(shelf: Shelf, store: Store) -> None:
    shelf.put(url_of(1), picture(), NotFoundError("404"))
    shelf.put(url_of(1, "r"), picture(80, 70))
    fetch(store)
    assert outcome(fetch(store, modified="2026-11-20")) == ("stored", "wanted_v_got_r")
    assert state_of(store) == ("missing", "not_found")


def test_a_changed_record_brings_back_what_was_settled(shelf: Shelf, store: Store) -> None:
    shelf.put(url_of(1, "v"), NotFoundError("404"), picture(120, 90))
    shelf.put(url_of(1, "r"), picture())
    assert fetch(store).rendition == "r"
    assert fetch(store, modified="2026-11-20").rendition == "v"
