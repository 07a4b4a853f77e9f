import hashlib
import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

import harvest.copies
from harvest.answers import Version
from harvest.copies import FolderClient, check_still_there, forget_changed
from harvest.download import download_scan, prune_scans
from harvest.errors import (
    AstrayError,
    DownloadError,
    ForbiddenError,
    HarvestError,
    NotFoundError,
    StoppedError,
    TooLargeError,
)
from harvest.folder import look_at_all, open_regular, walk_folder
from harvest.found import to_own_rows
from harvest.known import Known
from harvest.ledger import Ledger
from harvest.records import CatalogRow, Scan
from harvest.store import Store
from tests.harvest.conftest import files_below, picture
from tests.harvest.shelf import next_run, outcome

MOST = 1 << 20


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "own" / "sub").mkdir(parents=True)
    return tmp_path / "own"


def copy(folder: Path, url: str, *, most_bytes: int = MOST, since: Version | None = None) -> Any:
    target = folder.parent / "copies" / "x"
    return FolderClient(folder).download(url, target, since=since, most_bytes=most_bytes)


def test_a_copy_has_the_bytes_and_their_checksum(folder: Path) -> None:
    body = picture()
    (folder / "sub" / "a b.jpg").write_bytes(body)
    came = copy(folder, "folder:sub/a%20b.jpg")
    assert (folder.parent / "copies" / "x").read_bytes() == body
    assert (came.sha256, came.size_bytes) == (hashlib.sha256(body).hexdigest(), len(body))
    assert copy(folder, "folder:sub/a%20b.jpg", since=Version(came.etag, "")) is None
    assert files_below(folder.parent / "copies") == []


def test_an_edit_of_the_original_in_place_leaves_the_copy(folder: Path) -> None:
    (folder / "a.jpg").write_bytes(picture())
    copy(folder, "folder:a.jpg")
    with (folder / "a.jpg").open("r+b") as file:
        file.write(b"other")
    assert (folder.parent / "copies" / "x").read_bytes() == picture()


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("folder:gone.jpg", NotFoundError),
        ("folder:out.jpg", AstrayError),
        ("folder:../secret.jpg", AstrayError),
        ("folder:sub/../../secret.jpg", AstrayError),
        ("folder:{above}/secret.jpg", AstrayError),
        ("folder:pipe", AstrayError),
        ("folder:sub", AstrayError),
        ("folder:a.jpg/b.jpg", AstrayError),
        ("folder:", AstrayError),
        ("folder:a%00.jpg", HarvestError),
        ("https://example.org/a.jpg", HarvestError),
        ("file:///etc/hostname", HarvestError),
    ],
)
def test_nothing_but_plain_files_of_the_folder_is_copied(
    folder: Path, url: str, error: type[Exception]
) -> None:
    (folder.parent / "secret.jpg").write_bytes(picture())
    (folder / "a.jpg").write_bytes(picture())
    (folder / "out.jpg").symlink_to("../secret.jpg")
    os.mkfifo(folder / "pipe")
    with pytest.raises(error):
        copy(folder, url.format(above=folder.parent))


def test_a_file_that_is_too_large_is_refused(folder: Path) -> None:
    (folder / "a.jpg").write_bytes(bytes(101))
    with pytest.raises(TooLargeError):
        copy(folder, "folder:a.jpg", most_bytes=100)


def test_what_may_not_be_read_is_forbidden(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, *, folder: Path) -> BytesIO:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(harvest.copies, "open_regular", refuse)
    with pytest.raises(ForbiddenError, match="you may not read it"):
        copy(folder, "folder:a.jpg")


def test_a_disk_that_fails_is_the_pictures_fault(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(BytesIO):
        def fileno(self) -> int:
            return 0

        def read(self, size: int | None = -1) -> bytes:
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(harvest.copies, "open_regular", lambda *_, **__: Failing())
    with pytest.raises(DownloadError, match="the disk does not give it"):
        copy(folder, "folder:a.jpg")


def test_a_disk_that_is_full_is_not_the_pictures_fault(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "a.jpg").write_bytes(picture())
    real_open = Path.open

    def refuse(self: Path, *words: Any, **named: Any) -> Any:
        if self.parent.name == "copies":
            raise OSError(28, "No space left on device", str(self))
        return real_open(self, *words, **named)

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(OSError, match="No space left"):
        copy(folder, "folder:a.jpg")


class Growing:
    """A file to which somebody writes while it is read, the first few times."""

    def __init__(self, path: Path, *, times: int) -> None:
        self.path, self.times = path, times

    def open(self, path: Path, *, folder: Path) -> Any:
        file = open_regular(path, folder=folder)
        if self.times:
            self.times -= 1
            with self.path.open("ab") as more:
                more.write(b"more")
            real_read = file.read

            def read(size: int | None = -1) -> bytes:
                with self.path.open("ab") as more:
                    more.write(b"and more")
                return real_read(size) if self.path.stat().st_size < MOST // 2 else b""

            file.read = read  # type: ignore[method-assign]
        return file


@pytest.mark.parametrize("times", [1, 2])
def test_a_file_that_changes_while_it_is_read_is_read_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    path = folder / "a.jpg"
    path.write_bytes(bytes(MOST // 2 - 40))
    monkeypatch.setattr(harvest.copies, "open_regular", Growing(path, times=times).open)
    came = copy(folder, "folder:a.jpg")
    assert came.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_file_that_never_rests_is_left_for_another_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "a.jpg"
    path.write_bytes(bytes(MOST // 2 - 40))
    monkeypatch.setattr(harvest.copies, "open_regular", Growing(path, times=99).open)
    with pytest.raises(DownloadError, match="it changes while it is read"):
        copy(folder, "folder:a.jpg")


def test_a_copy_stops_when_it_is_told(folder: Path) -> None:
    (folder / "a.jpg").write_bytes(picture())
    client = FolderClient(folder)
    client.stop()
    with pytest.raises(StoppedError):
        client.download("folder:a.jpg", folder.parent / "x", since=None, most_bytes=MOST)


@pytest.fixture
def store(folder: Path, tmp_path: Path) -> Iterator[Store]:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        client = FolderClient(folder)
        yield Store(client, ledger, "folder", tmp_path / "data", "folder", tmp_path / "locks")


def list_rows(folder: Path) -> list[CatalogRow]:
    seen, others = walk_folder(folder)
    known: Known = {}
    look_at_all(seen, folder=folder, known=known, stopping=threading.Event())
    rows = to_own_rows([*others, *(known[one.path][1] for one in seen)])
    return [row for row in rows if row.state == "listed"]


def run(store: Store, folder: Path) -> dict[str, Scan]:
    """One run of the stages catalog and scans, by the pictures' titles."""
    rows = list_rows(folder)
    # A second later: what the run before wrote within the slack of clocks would be spared.
    store = replace(store, began=datetime.now(UTC) + timedelta(seconds=1))
    forget_changed(rows, ledger=store.ledger, scope=store.scope)
    scans = {row.title: download_scan(row, store=store, rendition="u") for row in rows}
    prune_scans(store, read_named=lambda: [scan.path for scan in scans.values()])
    return scans


def test_good_and_bad_pictures_have_their_reasons(folder: Path, store: Store) -> None:
    (folder / "good.png").write_bytes(picture(format="PNG"))
    (folder / "torn.jpg").write_bytes(picture(400, 300)[:9000])
    (folder / "small.jpg").write_bytes(picture(20, 20))
    (folder / "fake.jpg").write_bytes(b"\xff\xd8\xff and no more")
    scans = run(store, folder)
    assert {title: outcome(scan) for title, scan in scans.items()} == {
        "good": ("stored", ""),
        "torn": ("rejected", "truncated"),
        "small": ("rejected", "too_small"),
        "fake": ("rejected", "not_an_image"),
    }
    assert files_below(store.data) == [scans["good"].path]
    assert str(scans["good"].path).endswith("u.png")


def test_an_unchanged_folder_is_not_read_again_and_gives_the_same_scans(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(picture(90 + number, 80))
    first = run(store, folder)
    monkeypatch.setattr(harvest.copies, "_open", lambda *_, **__: pytest.fail("read again"))
    for path in folder.glob("*.jpg"):
        os.utime(path, (1, 1))  # touched, and the same
    assert run(store, folder) == first


def test_a_folder_that_moved_is_the_same_one(
    folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "sub" / "a.jpg").write_bytes(picture())
    first = run(store, folder)
    moved = folder.rename(folder.parent / "moved")
    monkeypatch.setattr(harvest.copies, "_open", lambda *_, **__: pytest.fail("read again"))
    assert run(replace(store, client=FolderClient(moved)), moved) == first


def test_what_changes_and_goes_and_comes_is_followed(folder: Path, store: Store) -> None:
    (folder / "changed.jpg").write_bytes(picture(90, 80))
    (folder / "gone.jpg").write_bytes(picture(91, 80))
    first = run(store, folder)
    (folder / "changed.jpg").write_bytes(picture(92, 80))
    (folder / "gone.jpg").unlink()
    (folder / "new.jpg").write_bytes(picture(93, 80))
    second = run(store, folder)
    assert set(second) == {"changed", "new"}
    assert second["changed"].scan_id == first["changed"].scan_id
    assert second["changed"].width == 92
    assert files_below(store.data) == sorted(str(scan.path) for scan in second.values())


def test_a_picture_that_was_torn_meanwhile_does_not_live_on(folder: Path, store: Store) -> None:
    (folder / "a.jpg").write_bytes(picture(400, 300))
    assert outcome(run(store, folder)["a"]) == ("stored", "")
    (folder / "a.jpg").write_bytes(picture(400, 300)[:9000])
    assert outcome(run(store, folder)["a"]) == ("rejected", "truncated")
    assert files_below(store.data) == []
    (folder / "a.jpg").write_bytes(picture(400, 300))
    assert outcome(run(store, folder)["a"]) == ("stored", "")


def test_the_same_content_twice_is_two_scans(folder: Path, store: Store) -> None:
    for name in ("a.jpg", "A.jpg", "a.png"):
        (folder / name).write_bytes(picture())
    rows = list_rows(folder)
    scans = [download_scan(row, store=store, rendition="u") for row in rows]
    assert len({str(scan.path).casefold() for scan in scans}) == 3
    assert len({scan.sha256 for scan in scans}) == 1


def test_a_folder_of_which_most_is_gone_stops_the_stage(folder: Path, store: Store) -> None:
    for number in range(4):
        (folder / f"{number}.jpg").write_bytes(picture(90 + number, 80))
    rows = list_rows(folder)
    (folder / "0.jpg").unlink()
    (folder / "1.jpg").unlink()
    scans = [download_scan(row, store=store, rendition="u") for row in rows]
    check_still_there(scans, folder=folder)
    (folder / "2.jpg").unlink()
    later = next_run(replace(store, scope="another"))
    scans = [download_scan(row, store=later, rendition="u") for row in rows]
    assert [outcome(scan)[1] for scan in scans] == ["not_found"] * 3 + [""]
    with pytest.raises(DownloadError, match=r"3 of the 4 pictures .* are missing"):
        check_still_there(scans, folder=folder)
