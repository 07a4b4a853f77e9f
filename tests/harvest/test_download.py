import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harvest.catalog import to_rows
from harvest.download import Store, check_reached, download_batch, download_scan, prune_scans
from harvest.errors import BlockedError, DownloadError
from harvest.ledger import Ledger
from harvest.manifest import SCANS_SCHEMA, read_manifest, write_manifest
from harvest.records import CatalogRow, Scan, ScanReason, ScanState
from tests.harvest.conftest import (
    Answer,
    Library,
    MakeClient,
    challenge,
    files_below,
    picture,
    picture_answer,
)
from tests.harvest.records import PNP, item, page

V = f"{PNP}/ppmsc/06700/06712v.jpg"
R = f"{PNP}/ppmsc/06700/06712r.jpg"
U = V.replace("/service/", "/master/").replace("v.jpg", "u.tif")


def row_of(number: int = 6712) -> CatalogRow:
    (row,) = to_rows(page(item(number)))
    return row


@pytest.fixture
def store(make_client: MakeClient, tmp_path: Path) -> Iterator[Store]:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        yield Store(make_client(retries=1), ledger, "loc", tmp_path / "data", "loc")


def outcome(scan: Scan) -> tuple[str, str]:
    return str(scan.state), str(scan.reason)


def test_a_scan_is_stored_under_its_id_with_what_is_known_of_it(
    library: Library, store: Store
) -> None:
    body = picture(120, 90)
    library.tell(V, picture_answer(body))
    scan = download_scan(row_of(), store=store, rendition="v")
    assert scan == Scan(
        scan_id="ppmsc.06712",
        item_id="2001006712",
        role=row_of().role,
        title="[The arsenal, Venice, Italy]",
        url=V,
        path="scans/loc/ppmsc/06712v.jpg",
        rendition=row_of().renditions[3].kind,
        sha256=hashlib.sha256(body).hexdigest(),
        size_bytes=len(body),
        width=120,
        height=90,
        state=scan.state,
        reason=scan.reason,
    )
    assert outcome(scan) == ("stored", "")
    assert files_below(store.data) == ["scans/loc/ppmsc/06712v.jpg"]
    assert (store.data / "scans/loc/ppmsc/06712v.jpg").read_bytes() == body


def test_scans_can_be_written_as_a_manifest(library: Library, store: Store, tmp_path: Path) -> None:
    library.tell(V, picture_answer(picture()))
    scans = download_batch([row_of(), row_of(1)], store=store, rendition="v", workers=2)
    write_manifest(tmp_path / "scans.parquet", scans, SCANS_SCHEMA)
    rows = read_manifest(tmp_path / "scans.parquet", SCANS_SCHEMA)
    assert [(row["scan_id"], row["state"], row["reason"]) for row in rows] == [
        ("ppmsc.00001", "failed", "not_found"),
        ("ppmsc.06712", "stored", ""),
    ]


def test_a_scan_that_is_there_is_not_asked_for_again(library: Library, store: Store) -> None:
    library.tell(V, picture_answer(picture()))
    first = download_scan(row_of(), store=store, rendition="v")
    assert download_scan(row_of(), store=store, rendition="v") == first
    assert len(library.asked) == 1


@pytest.mark.parametrize("change", ["remove", "truncate", "alter"])
def test_a_file_that_is_not_as_recorded_is_fetched_again(
    library: Library, store: Store, change: str
) -> None:
    body = picture()
    library.tell(V, picture_answer(body))
    path = store.data / str(download_scan(row_of(), store=store, rendition="v").path)
    if change == "remove":
        path.unlink()
    else:
        path.write_bytes(body[:-9] if change == "truncate" else body[:-9] + b"x" * 9)
    assert outcome(download_scan(row_of(), store=store, rendition="v")) == ("stored", "")
    assert path.read_bytes() == body


def test_a_file_of_another_scope_is_not_reused(library: Library, store: Store) -> None:
    library.tell(V, picture_answer(picture(80, 80)), picture_answer(picture(90, 90)))
    download_scan(row_of(), store=store, rendition="v")
    scan = download_scan(row_of(), store=replace(store, scope="other"), rendition="v")
    assert scan.width == 90


def test_a_missing_file_gives_way_to_the_next_and_is_not_asked_for_again(
    library: Library, store: Store
) -> None:
    library.tell(R, picture_answer(picture()))
    first = download_scan(row_of(), store=store, rendition="v")
    assert outcome(first) == ("stored", "wanted_v_got_r")
    assert (first.rendition, first.path) == ("r", "scans/loc/ppmsc/06712r.jpg")
    assert download_scan(row_of(), store=store, rendition="v") == first
    assert [asked.path[-5:] for asked in library.asked] == ["v.jpg", "r.jpg"]


def test_another_wanted_rendition_is_fetched_although_one_is_there(
    library: Library, store: Store
) -> None:
    library.tell(R, picture_answer(picture()))
    library.tell(V, picture_answer(picture(100, 90)))
    assert download_scan(row_of(), store=store, rendition="r").rendition == "r"
    assert download_scan(row_of(), store=store, rendition="v").width == 100


def test_the_extension_is_that_of_the_content(library: Library, store: Store) -> None:
    library.tell(V, picture_answer(picture(format="PNG")))
    assert download_scan(row_of(), store=store, rendition="v").path == "scans/loc/ppmsc/06712v.png"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty_file"),
        (b"this is text", "not_an_image"),
        (picture(400, 300)[:5000], "truncated"),
        (picture(1, 1), "too_small"),
    ],
)
def test_a_bad_file_is_rejected_and_not_kept(
    library: Library, store: Store, body: bytes, reason: str
) -> None:
    library.tell(V, picture_answer(body))
    scan = download_scan(row_of(), store=store, rendition="v")
    assert outcome(scan) == ("rejected", reason)
    assert (scan.path, scan.size_bytes) == (None, len(body))
    assert files_below(store.data) == []


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(404), "not_found"),
        (Answer(500), "unreachable"),
        (Answer(hang_up=True), "unreachable"),
        (Answer(403, b"", {"Content-Type": "application/xml"}), "forbidden"),
        (Answer(400), "unreachable"),
    ],
)
def test_what_does_not_come_is_a_failed_row(
    library: Library, store: Store, answer: Answer, reason: str
) -> None:
    for url in (V, R, U):
        library.tell(url, answer)
    scan = download_scan(row_of(), store=store, rendition="v")
    assert outcome(scan) == ("failed", reason)
    assert files_below(store.data) == []


def test_a_row_with_thumbnails_only_has_no_rendition(library: Library, store: Store) -> None:
    row = row_of()
    row = replace(row, renditions=row.renditions[:2])
    assert outcome(download_scan(row, store=store, rendition="v")) == ("rejected", "no_rendition")
    assert library.asked == []


def test_a_block_stops_the_batch_and_keeps_what_came(library: Library, store: Store) -> None:
    numbers = range(1, 30)
    for number in numbers:
        url = f"{PNP}/ppmsc/00000/{number:05d}v.jpg"
        library.tell(url, picture_answer(picture()) if number < 4 else challenge())
    rows = [row_of(number) for number in numbers]
    with pytest.raises(BlockedError):
        download_batch(rows, store=store, rendition="v", workers=1)
    assert len(library.asked) == 4
    assert len(files_below(store.data)) == 3


def test_a_batch_keeps_the_order_of_its_rows(library: Library, store: Store) -> None:
    numbers = [9, 3, 7, 1]
    for number in numbers:
        library.tell(f"{PNP}/ppmsc/00000/{number:05d}v.jpg", picture_answer(picture()))
    rows = [row_of(number) for number in numbers]
    scans = download_batch(rows, store=store, rendition="v", workers=4)
    assert [scan.scan_id for scan in scans] == [f"ppmsc.0000{number}" for number in numbers]
    assert {scan.state for scan in scans} == {"stored"}


def test_a_row_without_digital_id_is_a_mistake(store: Store) -> None:
    with pytest.raises(ValueError, match="expected a digital id"):
        download_scan(replace(row_of(), resource_id=None), store=store, rendition="v")


def test_a_lost_network_is_no_harvest_and_a_few_lost_files_are() -> None:
    lost = Scan(
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
        state=ScanState.FAILED,
        reason=ScanReason.UNREACHABLE,
    )
    came = replace(lost, state=ScanState.STORED, reason=ScanReason.NONE)
    check_reached([came] * 98 + [lost] * 2)
    check_reached([])
    with pytest.raises(DownloadError, match="3 of 100 scans did not come"):
        check_reached([came] * 97 + [lost] * 3)


def test_files_that_no_scan_names_go_and_nothing_else(library: Library, store: Store) -> None:
    library.tell(V, picture_answer(picture()))
    scan = download_scan(row_of(), store=store, rendition="v")
    folder = store.data / "scans"
    for name in ("loc/ppmsc/.06713v.part", "loc/old/1v.jpg", "sample/ppmsc/1v.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    assert prune_scans(store.data, "loc", scans=[scan]) == 2
    assert files_below(folder) == ["loc/ppmsc/06712v.jpg", "sample/ppmsc/1v.jpg"]
    assert not (folder / "loc/old").exists()
    assert prune_scans(store.data, "none", scans=[]) == 0
