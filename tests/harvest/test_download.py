import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harvest.download import check_distinct, check_reached, download_batch, download_scan
from harvest.entries import EntryState
from harvest.errors import CatalogError, DownloadError
from harvest.manifest import SCANS_SCHEMA, read_manifest, write_manifest
from harvest.records import Scan, ScanReason, ScanState
from harvest.store import Store
from tests.harvest.conftest import Answer, Library, MakeClient, files_below, picture, picture_answer
from tests.harvest.shelf import Shelf, fetch, next_run, outcome, row_of, url_of

ROOT = Path(__file__).parents[2]


def test_a_scan_is_stored_under_its_id_with_what_is_known_of_it(shelf: Shelf, store: Store) -> None:
    body = picture(120, 90)
    shelf.put(url_of(1), body)
    scan = fetch(store)
    assert scan == Scan(
        scan_id="ppmsc.00001",
        item_id="2001000001",
        role=row_of().role,
        title="The arsenal, Venice, Italy",
        url=url_of(1),
        path="scans/loc/ppmsc/00001v.jpg",
        rendition=row_of().renditions[0].kind,
        sha256=hashlib.sha256(body).hexdigest(),
        size_bytes=len(body),
        width=120,
        height=90,
        state=ScanState.STORED,
        reason=ScanReason.NONE,
    )
    assert files_below(store.data) == ["scans/loc/ppmsc/00001v.jpg"]
    assert (store.data / str(scan.path)).read_bytes() == body


def test_the_ledger_keeps_when_and_how_a_file_came(shelf: Shelf, store: Store) -> None:
    shelf.put(url_of(1), picture(120, 90))
    scan = fetch(store)
    entry = store.ledger.find("loc", url_of(1))
    assert entry is not None
    assert (entry.state, entry.reason, entry.path) == (EntryState.STORED, "", scan.path)
    assert (entry.width, entry.height, entry.sha256) == (120, 90, scan.sha256)
    assert (entry.etag, entry.modified) == (f'"{scan.sha256}"', "2016-04-20")
    assert entry.last_modified == "Fri, 20 Nov 2026 09:00:00 GMT"
    assert (entry.seconds, entry.attempts) == (0.5, 2)


def test_a_catalogue_that_lists_a_resource_twice_is_refused() -> None:
    rows = [row_of(number) for number in (1, 2, 3, 2, 1)]
    check_distinct(rows[:3])
    with pytest.raises(CatalogError, match=r"2 resources .* the first is ppmsc\.00001"):
        check_distinct(rows)


def test_scans_can_be_written_as_a_manifest(shelf: Shelf, store: Store, tmp_path: Path) -> None:
    shelf.put(url_of(1), picture())
    rows = [row_of(1), row_of(2), replace(row_of(3), resource_id="../../x")]
    scans = download_batch(rows, store=store, rendition="v", workers=2)
    write_manifest(tmp_path / "scans.parquet", scans, SCANS_SCHEMA)
    read = read_manifest(tmp_path / "scans.parquet", SCANS_SCHEMA)
    assert [(row["scan_id"], row["state"], row["reason"]) for row in read] == [
        ("../../x", "rejected", "bad_id"),
        ("ppmsc.00001", "stored", ""),
        ("ppmsc.00002", "failed", "not_found"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "ppmsc./../../etc/x",
        "../x.1",
        "/etc.passwd",
        "ppmsc.1\0",
        "ppmsc.",
        ".06712",
        "ppmsc",
        "ppmsc.1.2",
        "ppmsc." + "9" * 300,
        "ppmsc.1\n",
        "a\\b.1",
    ],
)
def test_an_id_that_may_not_name_a_file_is_rejected_and_not_asked_for(
    shelf: Shelf, store: Store, tmp_path: Path, name: str
) -> None:
    before = files_below(tmp_path)
    scan = download_scan(replace(row_of(), resource_id=name), store=store, rendition="v")
    assert outcome(scan) == ("rejected", "bad_id")
    assert shelf.asked == []
    assert files_below(tmp_path) == before


def test_a_row_without_digital_id_is_a_mistake(store: Store) -> None:
    with pytest.raises(ValueError, match="expected a digital id"):
        download_scan(replace(row_of(), resource_id=None), store=store, rendition="v")


def test_a_row_without_files_has_no_rendition(shelf: Shelf, store: Store) -> None:
    scan = download_scan(row_of(kinds=""), store=store, rendition="v")
    assert outcome(scan) == ("rejected", "no_rendition")
    assert shelf.asked == []


def test_a_missing_file_gives_way_to_the_next_and_is_not_asked_for_again(
    shelf: Shelf, store: Store
) -> None:
    shelf.put(url_of(1, "r"), picture())
    first = fetch(store)
    assert outcome(first) == ("stored", "wanted_v_got_r")
    assert (first.rendition, first.path) == ("r", "scans/loc/ppmsc/00001r.jpg")
    assert fetch(store) == first
    assert shelf.asked == [url_of(1, "v"), url_of(1, "r")]


def test_another_wanted_rendition_is_fetched_although_one_is_there(
    shelf: Shelf, store: Store
) -> None:
    shelf.put(url_of(1, "r"), picture())
    shelf.put(url_of(1, "v"), picture(100, 90))
    assert fetch(store, "r").rendition == "r"
    assert fetch(store, "v").width == 100


def test_a_picture_that_the_image_server_makes_is_named_by_its_size(
    shelf: Shelf, store: Store
) -> None:
    shelf.put(url_of(1, "iiif"), picture(120, 90))
    scan = fetch(store, "iiif:2048", kinds="v u iiif")
    assert outcome(scan) == ("stored", "")
    assert scan.path == "scans/loc/ppmsc/00001iiif2048.jpg"
    assert shelf.ceilings == [3 * 2048 * 2048 + (1 << 20)]


def test_what_the_image_server_cannot_make_gives_way_and_is_not_asked_for_again(
    shelf: Shelf, store: Store
) -> None:
    shelf.put(url_of(1, "iiif"), DownloadError("500 after all retries"))
    shelf.put(url_of(1, "u"), picture(120, 90, "TIFF"))
    first = fetch(store, "iiif:2048", kinds="u iiif")
    assert outcome(first) == ("stored", "wanted_iiif_got_u")
    for again in (store, next_run(store)):
        assert fetch(again, "iiif:2048", kinds="u iiif") == first
    assert shelf.asked == [url_of(1, "iiif"), url_of(1, "u")]
    store.ledger.forget("loc", [EntryState.FAILED])
    shelf.put(url_of(1, "iiif"), picture())
    assert outcome(fetch(store, "iiif:2048", kinds="u iiif")) == ("stored", "")


def test_a_lost_network_does_not_settle_for_the_master(shelf: Shelf, store: Store) -> None:
    for kind in ("iiif", "u"):
        shelf.put(url_of(1, kind), DownloadError("no network"), picture())
    assert outcome(fetch(store, "iiif:2048", kinds="u iiif")) == ("failed", "unreachable")
    later = next_run(store)
    assert outcome(fetch(later, "iiif:2048", kinds="u iiif")) == ("stored", "")


def test_the_extension_is_that_of_the_content(shelf: Shelf, store: Store) -> None:
    shelf.put(url_of(1), picture(format="PNG"))
    assert fetch(store).path == "scans/loc/ppmsc/00001v.png"


def test_every_kind_has_its_ceiling(shelf: Shelf, store: Store) -> None:
    fetch(store, kinds="v r u")
    assert dict(zip(shelf.asked, shelf.ceilings, strict=True)) == {
        url_of(1, "v"): 8 << 20,
        url_of(1, "r"): 4 << 20,
        url_of(1, "u"): 512 << 20,
    }


def scan_of(state: ScanState, reason: ScanReason) -> Scan:
    return Scan(
        scan_id="a.1",
        item_id="",
        role=None,
        title="",
        url=None,
        path=None,
        rendition=None,
        sha256=None,
        size_bytes=None,
        width=None,
        height=None,
        state=state,
        reason=reason,
    )


def test_a_lost_network_is_no_harvest_and_a_few_lost_files_are() -> None:
    lost = scan_of(ScanState.FAILED, ScanReason.UNREACHABLE)
    came = scan_of(ScanState.STORED, ScanReason.NONE)
    check_reached([came] * 98 + [lost] * 2)
    check_reached([])
    with pytest.raises(DownloadError, match="3 of 100 scans did not come"):
        check_reached([came] * 97 + [lost] * 3)


def mend_kills(tmp_path: Path, case: str, *, step: int) -> int:
    words = ["-W", "error", "-m", "tests.harvest.killed", str(tmp_path), case, str(step)]
    command = [sys.executable, *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


KILLED = ["first", "changed", "unchanged", "rest", "listing"]


@pytest.mark.parametrize("case", KILLED)
def test_a_kill_is_mended_by_the_next_run(tmp_path: Path, case: str) -> None:
    assert mend_kills(tmp_path, case, step=37) > 5


@pytest.mark.drill
@pytest.mark.parametrize("case", KILLED)
def test_a_kill_before_any_line_is_mended_by_the_next_run(tmp_path: Path, case: str) -> None:
    assert mend_kills(tmp_path, case, step=1) > 200


def test_a_real_client_brings_a_scan_and_hears_that_it_has_not_changed(
    library: Library, make_client: MakeClient, store: Store
) -> None:
    library.tell(url_of(1), picture_answer(picture()), Answer(304, b"", {"ETag": '"e1"'}))
    store = replace(store, client=make_client(retries=1))
    first = fetch(store)
    assert outcome(first) == ("stored", "")
    assert fetch(store, modified="2026-11-20") == first
    asked = [asked.headers.get("If-None-Match") for asked in library.asked if "v.jpg" in asked.path]
    assert asked == [None, '"e1"']
