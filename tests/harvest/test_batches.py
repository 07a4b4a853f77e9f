import errno
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from harvest.download import Pruned, download_batch, prune_scans, try_batch
from harvest.errors import BlockedError, HarvestError, StoppedError
from harvest.locks import hold, share, to_batch_lock
from harvest.outcomes import to_scan
from harvest.records import Scan
from harvest.store import Store
from tests.harvest.conftest import (
    Library,
    MakeClient,
    challenge,
    files_below,
    picture,
    picture_answer,
)
from tests.harvest.shelf import Shelf, fetch, row_of, state_of, url_of

NOTHING = Pruned(removed=0, spared=0)


def prune(store: Store, scans: list[Scan]) -> Pruned:
    return prune_scans(store, read_named=lambda: [scan.path for scan in scans])


def later_run(store: Store) -> Store:
    """A run that began after all files were written."""
    return replace(store, began=datetime.now(UTC) + timedelta(seconds=1))


@pytest.mark.parametrize("error", [BlockedError("challenge"), StoppedError("stop")])
def test_a_block_or_a_stop_ends_the_batch_and_keeps_what_came(
    shelf: Shelf, store: Store, error: Exception
) -> None:
    for number in range(1, 30):
        shelf.put(url_of(number), picture() if number < 4 else error)
    rows = [row_of(number) for number in range(1, 30)]
    with pytest.raises(type(error)):
        download_batch(rows, store=store, rendition="v", workers=1)
    assert len(files_below(store.data)) == 3
    assert len(shelf.asked) == 4
    states = [state_of(store, number=number) for number in range(1, 30)]
    assert states == [("stored", "")] * 3 + [None] * 26


def test_a_batch_keeps_the_order_of_its_rows_and_tells_of_each_as_it_is_done(
    shelf: Shelf, store: Store
) -> None:
    numbers = [9, 3, 7, 1]
    for number in numbers:
        shelf.put(url_of(number), picture())
    told: list[tuple[str, str]] = []

    def tell(scan: Scan) -> None:
        told.append((scan.scan_id, threading.current_thread().name))

    rows = [row_of(number) for number in numbers]
    scans = download_batch(rows, store=store, rendition="v", workers=4, on_scan=tell)
    assert [scan.scan_id for scan in scans] == [f"ppmsc.0000{number}" for number in numbers]
    here = threading.current_thread().name
    assert sorted(told) == sorted((scan.scan_id, here) for scan in scans)


def test_an_interrupt_stops_the_client_before_it_waits_for_threads(
    shelf: Shelf, store: Store
) -> None:
    def interrupt(_: Scan) -> None:
        raise KeyboardInterrupt

    shelf.put(url_of(1), picture())
    with pytest.raises(KeyboardInterrupt):
        download_batch([row_of()], store=store, rendition="v", workers=1, on_scan=interrupt)
    assert shelf.stopped


def test_a_stopped_store_does_nothing_more(shelf: Shelf, store: Store) -> None:
    shelf.put(url_of(1), picture())
    fetch(store)
    store.stop()
    with pytest.raises(StoppedError):
        fetch(store)
    assert shelf.stopped


def test_a_batch_that_another_holds_is_put_off_and_then_known(shelf: Shelf, store: Store) -> None:
    shelf.put(url_of(1), picture())
    rows = [row_of(1), row_of(2)]
    lock = to_batch_lock(store.locks, ["ppmsc.00001", "ppmsc.00002"])
    with hold(lock, stopping=threading.Event()):
        assert try_batch(rows, store=store, rendition="v", workers=2) is None
        assert try_batch(rows[:1], store=store, rendition="v", workers=2) is not None
    done = try_batch(rows, store=store, rendition="v", workers=2)
    assert done == download_batch(rows, store=store, rendition="v", workers=2)
    assert shelf.asked.count(url_of(1)) == 1


def test_waiting_for_another_process_ends_with_a_stop(store: Store) -> None:
    lock = to_batch_lock(store.locks, ["ppmsc.00001"])
    with hold(lock, stopping=threading.Event()), ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(download_batch, [row_of()], store=store, rendition="v", workers=1)
        threading.Timer(0.1, store.stop).start()
        with pytest.raises(StoppedError):
            waiting.result(timeout=30)


def test_two_batches_with_one_file_in_common_ask_for_it_once(shelf: Shelf, store: Store) -> None:
    for number in range(1, 9):
        shelf.put(url_of(number), picture())
    cuts = [[1, 2, 3, 4, 5], [5, 4, 3, 2, 1], [3, 4, 5, 6, 7, 8]]

    def download(cut: list[int]) -> int:
        rows = [row_of(number) for number in cut]
        return len(download_batch(rows, store=store, rendition="v", workers=3))

    with ThreadPoolExecutor(3) as pool:
        futures = [pool.submit(download, cut) for cut in cuts]
    assert [future.result() for future in futures] == [5, 5, 6]
    assert sorted(shelf.asked) == [url_of(number) for number in range(1, 9)]


def test_files_that_no_scan_names_go_and_nothing_else(shelf: Shelf, store: Store) -> None:
    shelf.put(url_of(1), picture())
    scan = fetch(store)
    folder = store.data / "scans"
    for name in ("loc/ppmsc/..2v.part", "loc/ppmsc/..2v.part.json", "loc/old/1v.jpg", "sample/1"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    # All of it is of this run, or of one beside it.
    assert prune(store, [scan]) == NOTHING
    later = later_run(store)
    assert prune(later, [scan]) == Pruned(removed=3, spared=0)
    assert files_below(folder) == ["loc/ppmsc/00001v.jpg", "sample/1"]
    assert not (folder / "loc/old").exists()
    assert prune(replace(later, source="none"), []) == NOTHING


def test_most_files_at_once_are_spared(store: Store) -> None:
    folder = store.data / "scans/loc/ppmsc"
    folder.mkdir(parents=True)
    for number in range(42):
        (folder / f"{number}v.jpg").write_bytes(b"x")
    scans = [
        replace(to_scan(row_of()), path=f"scans/loc/ppmsc/{number}v.jpg") for number in range(42)
    ]
    later = later_run(store)
    assert prune(later, scans[:20]) == Pruned(removed=0, spared=22)
    assert len(files_below(folder)) == 42
    assert prune(later, scans[:21]) == Pruned(removed=21, spared=0)
    assert prune(later, scans[:1]) == Pruned(removed=20, spared=0)
    assert files_below(folder) == ["0v.jpg"]


def test_a_file_that_cannot_be_removed_is_a_clear_error(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store.data / "scans/loc/1v.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")

    def refuse(path: Path, **_: bool) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(HarvestError, match=r"1v\.jpg: .* \(Permission denied\); see"):
        prune(later_run(store), [])


def test_links_stay_and_what_they_lead_to_is_left_alone(store: Store, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    (mine / "empty").mkdir(parents=True)
    (mine / "photo.jpg").write_bytes(b"x")
    os.utime(mine / "photo.jpg", (0, 0))
    folder = store.data / "scans/loc"
    folder.mkdir(parents=True)
    for name in ("", "empty", "photo.jpg", "none"):
        (folder / f"to-{name}").symlink_to(mine / name)
    assert prune(later_run(store), []) == NOTHING
    assert files_below(mine) == ["photo.jpg"]
    assert (mine / "empty").is_dir()
    assert len(list(folder.iterdir())) == 4


@pytest.mark.parametrize("link", ["scans", "scans/loc", "scans/loc/ppmsc"])
def test_a_folder_that_leads_out_of_the_data_is_refused_before_anything_is_written(
    shelf: Shelf, store: Store, tmp_path: Path, link: str
) -> None:
    shelf.put(url_of(1), picture())
    mine = tmp_path / "mine"
    (mine / "loc").mkdir(parents=True)
    (mine / "loc/photo.jpg").write_bytes(b"x")
    (store.data / link).parent.mkdir(parents=True)
    (store.data / link).symlink_to(mine)
    with pytest.raises(HarvestError, match="replace the link by a folder"):
        fetch(store)
    if link != "scans/loc/ppmsc":
        with pytest.raises(HarvestError, match="replace the link by a folder"):
            prune(later_run(store), [])
    assert shelf.asked == []
    assert files_below(mine) == ["loc/photo.jpg"]


def test_the_data_folder_itself_may_be_a_link(shelf: Shelf, store: Store, tmp_path: Path) -> None:
    shelf.put(url_of(1), picture())
    (tmp_path / "disk").mkdir()
    store.data.symlink_to(tmp_path / "disk")
    assert fetch(store).path == "scans/loc/ppmsc/00001v.jpg"
    assert prune(later_run(store), []) == Pruned(removed=1, spared=0)


def test_nothing_is_removed_while_another_process_writes(store: Store) -> None:
    part = store.data / "scans/loc/ppmsc/..00001v.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"half")
    later = later_run(store)
    with share(store.locks):
        assert prune(later, []) == NOTHING
        assert part.is_file()
    assert prune(later, []) == Pruned(removed=1, spared=0)


def test_a_real_client_keeps_what_came_when_it_is_blocked(
    library: Library, make_client: MakeClient, store: Store
) -> None:
    for number in range(1, 9):
        library.tell(url_of(number), picture_answer(picture()) if number < 4 else challenge())
    store = replace(store, client=make_client(retries=1))
    with pytest.raises(BlockedError):
        download_batch(
            [row_of(number) for number in range(1, 9)], store=store, rendition="v", workers=1
        )
    assert len(files_below(store.data)) == 3
    assert library.count(url_of(5)) == 0
