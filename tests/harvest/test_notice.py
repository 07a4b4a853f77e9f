from datetime import UTC, datetime
from pathlib import Path

import pytest

from harvest.bucket import hold, open_lock
from harvest.errors import HarvestError
from harvest.notice import Board, Notice

ORIGIN = "https://www.loc.gov"


def test_a_notice_is_read_as_it_was_written(tmp_path: Path) -> None:
    board = Board(tmp_path / "deep" / "www.loc.gov.json", ORIGIN)
    notice = Notice(origin=ORIGIN, until=datetime(2026, 11, 20, 9, tzinfo=UTC), why="429")
    assert board.read() == Notice(origin=ORIGIN)
    board.write(notice)
    assert board.read() == notice
    assert Board(board.path, "http://127.0.0.1:1").read() == Notice(origin="http://127.0.0.1:1")


@pytest.mark.parametrize("key", ["not_before", "until"])
def test_a_time_without_a_zone_is_no_notice(tmp_path: Path, key: str) -> None:
    path = tmp_path / "www.loc.gov.json"
    path.write_text(f'{{"origin": "{ORIGIN}", "{key}": "2026-11-20T09:00:00"}}')
    with pytest.raises(HarvestError, match="remove it if no host has blocked us"):
        Board(path, ORIGIN).read()


def test_a_notice_that_the_disk_refuses_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "www.loc.gov.json"
    (path / "a").mkdir(parents=True)
    with pytest.raises(HarvestError, match=r"gov\.json.*: the disk refuses .*\(Is a directory\)"):
        Board(path, ORIGIN).write(Notice(origin=ORIGIN))


def test_a_folder_in_the_place_of_the_limiters_lock_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "www.loc.gov.sqlite"
    path.with_name(f"{path.name}.lock").mkdir()
    with (
        pytest.raises(HarvestError, match=r"sqlite\.lock: not a lock that can be used"),
        hold(open_lock(path), lambda: False),
    ):
        pass
