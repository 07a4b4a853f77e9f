from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from harvest.answers import Download
from harvest.entries import Entry, EntryState, is_settled, to_entry, to_known_scan
from harvest.errors import DownloadError, NotFoundError, TooLargeError
from harvest.outcomes import (
    is_fit_name,
    judge_scan,
    to_failed,
    to_most_bytes,
    to_scan,
    to_wish,
    with_fallback,
)
from harvest.records import Kind, Scan, ScanReason, ScanState
from tests.harvest.shelf import row_of

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
CAME = Download(
    sha256="ab",
    size_bytes=9,
    etag='"e"',
    last_modified="then",
    content_type="image/jpeg",
    seconds=0.5,
    attempts=3,
)
ROW = row_of()
FILE = ROW.renditions[0]
WISH = to_wish(ROW, FILE, wanted="v")
ASKED = replace(to_scan(ROW), url=FILE.url, rendition=FILE.kind)
STORED = replace(
    judge_scan(ASKED, CAME, reason=ScanReason.NONE, sides=(90, 80), wish=WISH), path="scans/a"
)


def entry_of(scan: Scan, *, came: Download | None = CAME) -> Entry:
    return to_entry(scan, wish=WISH, came=came, scope="loc", now=NOW)


@pytest.mark.parametrize(
    ("name", "fit"),
    [
        ("ppmsc.06712", True),
        ("highsm.1-2_b", True),
        ("ppmsc", False),
        ("a.b.c", False),
        ("a/b.c", False),
        ("a.é", False),
    ],
)
def test_a_digital_id_of_plain_letters_may_name_a_file(name: str, fit: bool) -> None:
    assert is_fit_name(name) is fit


def test_a_wish_says_where_a_file_goes_and_how_large_it_may_be() -> None:
    wish = to_wish(ROW, FILE, wanted="v")
    assert (wish.folder, wish.stem, wish.modified) == ("ppmsc", "00001v", "2016-04-20")
    made = to_wish(ROW, replace(FILE, kind=Kind.IIIF), wanted="iiif:512")
    assert (made.stem, made.most_bytes) == ("00001iiif512", 3 * 512 * 512 + 2**20)
    with pytest.raises(ValueError, match="expected a digital id"):
        to_wish(replace(ROW, resource_id="a/../b"), FILE, wanted="v")


def test_a_made_picture_may_not_be_larger_than_a_master() -> None:
    assert to_most_bytes(Kind.IIIF, pixels=99_999) == to_most_bytes(Kind.MASTER) == 2**29


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (NotFoundError(""), "failed", "not_found"),
        (TooLargeError(""), "rejected", "too_large"),
        (DownloadError(""), "failed", "unreachable"),
    ],
)
def test_an_error_is_a_state_and_a_reason(error: DownloadError, state: str, reason: str) -> None:
    failed = to_failed(ASKED, error)
    assert (failed.state, failed.reason) == (state, reason)


@pytest.mark.parametrize(
    ("wanted", "got", "reason"),
    [
        ("v", Kind.V, ""),
        ("v", Kind.R, "wanted_v_got_r"),
        ("u", Kind.V, "wanted_u_got_v"),
        ("iiif:2048", Kind.MASTER, "wanted_iiif_got_u"),
        ("iiif:2048", Kind.IIIF, ""),
    ],
)
def test_a_stored_scan_says_that_it_is_another_file_than_the_wanted(
    wanted: str, got: Kind, reason: str
) -> None:
    assert with_fallback(replace(STORED, rendition=got), wanted).reason == reason


@pytest.mark.parametrize(
    "scan",
    [
        STORED,
        judge_scan(ASKED, CAME, reason=ScanReason.TRUNCATED, sides=(90, 80), wish=WISH),
        judge_scan(ASKED, CAME, reason=ScanReason.NOT_AN_IMAGE, sides=(None, None), wish=WISH),
    ],
)
def test_an_entry_stands_for_the_very_scan_that_made_it(scan: Scan) -> None:
    assert to_known_scan(ASKED, entry_of(scan)) == scan


@pytest.mark.parametrize("error", [NotFoundError(""), TooLargeError(""), DownloadError("")])
def test_so_does_the_entry_of_a_file_that_did_not_come(error: DownloadError) -> None:
    scan = to_failed(ASKED, error)
    assert to_known_scan(ASKED, entry_of(scan, came=None)) == scan


def test_an_entry_of_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="expected an address"):
        entry_of(STORED, came=None)
    with pytest.raises(ValueError, match="expected an address"):
        entry_of(replace(STORED, url=None))


LATER = NOW + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("state", "modified", "run_began", "settled"),
    [
        (EntryState.STORED, "2016-04-20", LATER, True),
        (EntryState.STORED, "", LATER, True),
        (EntryState.STORED, "2026-11-20", LATER, False),
        (EntryState.STORED, "2026-11-20", NOW, False),
        (EntryState.FAILED, "2016-04-20", LATER, False),
        (EntryState.FAILED, "2016-04-20", NOW, True),
        (EntryState.FAILED, "2026-11-20", NOW, False),
        (EntryState.MISSING, "2016-04-20", LATER, True),
    ],
)
def test_a_changed_record_settles_nothing_and_a_failure_this_run_only(
    state: EntryState, modified: str, run_began: datetime, settled: bool
) -> None:
    entry = replace(entry_of(STORED), state=state)
    assert is_settled(entry, modified=modified, run_began=run_began) is settled


def test_a_picture_without_stated_sides_is_taken_as_it_is() -> None:
    narrow = replace(FILE, width=100)
    judged = [
        judge_scan(ASKED, CAME, reason=ScanReason.NONE, sides=(90, 80), wish=wish)
        for wish in (WISH, replace(WISH, file=narrow))
    ]
    assert [(scan.state, scan.reason) for scan in judged] == [
        (ScanState.STORED, ScanReason.NONE),
        (ScanState.REJECTED, ScanReason.WRONG_SIZE),
    ]


def test_a_picture_smaller_than_a_lesser_file_of_its_row_is_none_of_its_kind() -> None:
    v, r, u = ROW.renditions[:3]
    sized = replace(ROW, renditions=(v, replace(r, width=640, height=480), u))
    least = {
        kind: to_wish(sized, file, wanted=kind).least_px
        for kind, file in zip("vru", (v, r, u), strict=True)
    }
    assert least == {"v": 640, "r": 0, "u": 640}
    wish = to_wish(sized, v, wanted="v")
    small, large = (
        judge_scan(ASKED, CAME, reason=ScanReason.NONE, sides=sides, wish=wish)
        for sides in ((512, 384), (1024, 768))
    )
    assert small.reason is ScanReason.WRONG_SIZE
    assert large.state is ScanState.STORED
