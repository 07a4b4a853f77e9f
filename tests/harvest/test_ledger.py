import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from harvest.entries import Entry, EntryState
from harvest.errors import HarvestError
from harvest.ledger import Ledger, Sums

ENTRY = Entry(
    scope="loc",
    url="https://tile.loc.gov/a",
    state=EntryState.STORED,
    reason="",
    path="scans/a.jpg",
    sha256="ab",
    size_bytes=3,
    width=90,
    height=80,
    mtime_ns=1_764_000_000_123_456_789,
    etag='"e"',
    last_modified="Fri, 20 Nov 2026 09:00:00 GMT",
    modified="2016-04-20",
    fetched_at="2026-11-20T09:00:00+00:00",
    seconds=0.5,
    attempts=1,
)
LOST = replace(
    ENTRY,
    url="https://tile.loc.gov/b",
    state=EntryState.MISSING,
    reason="not_found",
    path=None,
    sha256="",
    size_bytes=0,
    width=None,
    height=None,
    mtime_ns=None,
)
VERSION_1 = """
CREATE TABLE files (scope TEXT NOT NULL, url TEXT NOT NULL, path TEXT, sha256 TEXT NOT NULL,
    size_bytes INTEGER NOT NULL, etag TEXT NOT NULL, fetched_at TEXT NOT NULL,
    seconds REAL NOT NULL, attempts INTEGER NOT NULL, PRIMARY KEY (scope, url)) WITHOUT ROWID;
INSERT INTO files VALUES ('loc', 'https://tile.loc.gov/a', 'scans/a.jpg', 'ab', 3, '"e"',
    '2026-11-20T09:00:00+00:00', 0.5, 1),
    ('loc', 'https://tile.loc.gov/b', NULL, '', 0, '', '2026-11-20T09:00:00+00:00', 0.0, 1);
PRAGMA user_version = 1;
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "ledger.sqlite"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    with Ledger(path) as ledger:
        yield ledger


def run(path: Path, program: str, *, processes: int = 1) -> list[int]:
    """Run a program that finds `ledger` and `Entry`, in several processes at once."""
    program = (
        "import os, pathlib, sys\nfrom dataclasses import replace\n"
        "from harvest.ledger import Ledger\nfrom tests.harvest.test_ledger import ENTRY\n"
        f"ledger = Ledger(pathlib.Path({str(path)!r}))\n{program}"
    )
    root = Path(__file__).parents[2]
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(number)], cwd=root)
        for number in range(processes)
    ]
    return [process.wait() for process in started]


def test_an_entry_is_found_in_its_own_scope_only(ledger: Ledger) -> None:
    ledger.record(ENTRY)
    ledger.record(LOST)
    assert ledger.find("loc", ENTRY.url) == ENTRY
    assert ledger.find("loc", LOST.url) == LOST
    assert ledger.find("sample:seed=1", ENTRY.url) is None
    assert ledger.find("loc", "https://tile.loc.gov/c") is None


def test_a_later_entry_replaces_the_earlier(path: Path) -> None:
    later = replace(LOST, url=ENTRY.url)
    with Ledger(path) as ledger:
        ledger.record(ENTRY)
        ledger.record(later)
    with Ledger(path) as ledger:
        assert ledger.find("loc", ENTRY.url) == later


def test_entries_survive_a_kill(path: Path) -> None:
    program = (
        "for n in range(20):\n    ledger.record(replace(ENTRY, url=f'u{n}'))\n"
        "os.kill(os.getpid(), 9)\n"
    )
    assert run(path, program) == [-9]
    with Ledger(path) as ledger:
        assert ledger.sum_up("loc").files == 20


def test_several_processes_may_start_it_and_write_at_once(path: Path) -> None:
    program = (
        "for n in range(30):\n"
        "    ledger.record(replace(ENTRY, url=f'{sys.argv[1]}-{n}'))\n"
        "    ledger.record(replace(ENTRY, url=f'same-{n}'))\n"
    )
    assert run(path, program, processes=3) == [0, 0, 0]
    with Ledger(path) as ledger:
        assert ledger.sum_up("loc").files == 4 * 30


def test_threads_may_share_it(ledger: Ledger) -> None:
    def record(start: int) -> None:
        for number in range(start, start + 20):
            ledger.record(replace(ENTRY, url=f"u{number}"))

    threads = [threading.Thread(target=record, args=(start,)) for start in (0, 20, 40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(ledger.find("loc", f"u{number}") for number in range(60))


def test_sums_are_of_one_scope_and_of_what_is_stored(ledger: Ledger) -> None:
    ledger.record(ENTRY)
    ledger.record(replace(ENTRY, url="b", size_bytes=4))
    ledger.record(replace(ENTRY, url="c", state=EntryState.REJECTED, path=None))
    ledger.record(LOST)
    ledger.record(replace(ENTRY, scope="other"))
    assert ledger.sum_up("loc") == Sums(files=2, size_bytes=7, seconds=1.0)
    assert ledger.sum_up("none") == Sums(files=0, size_bytes=0, seconds=0.0)


def test_what_is_forgotten_is_of_one_scope_and_of_the_states_named(ledger: Ledger) -> None:
    for number, state in enumerate(EntryState):
        ledger.record(replace(LOST, url=f"u{number}", state=state))
    ledger.record(replace(LOST, scope="other", state=EntryState.FAILED))
    assert ledger.forget("loc", [EntryState.FAILED, EntryState.FORBIDDEN]) == 2
    assert ledger.forget("loc", [EntryState.FAILED]) == 0
    assert ledger.forget("loc", []) == 0
    kept = [state for n, state in enumerate(EntryState) if ledger.find("loc", f"u{n}")]
    assert kept == ["stored", "rejected", "missing"]
    assert ledger.find("other", LOST.url) is not None


def test_stored_files_are_not_forgotten(ledger: Ledger) -> None:
    with pytest.raises(ValueError, match="remove the files"):
        ledger.forget("loc", list(EntryState))


def test_a_ledger_of_version_1_is_brought_up_to_date_with_its_entries(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as old:
        old.executescript(VERSION_1)
    stored = replace(ENTRY, width=None, height=None, mtime_ns=None, last_modified="", modified="")
    missing = replace(LOST, etag="", seconds=0.0, last_modified="", modified="")
    for _ in range(2):
        with Ledger(path) as ledger:
            assert ledger.find("loc", ENTRY.url) == stored
            assert ledger.find("loc", LOST.url) == missing
            ledger.record(replace(ENTRY, url="new"))
    assert run(path, "", processes=2) == [0, 0]


def test_a_ledger_without_times_gets_them_and_keeps_its_entries(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.record(ENTRY)
        ledger.record(LOST)
    with closing(sqlite3.connect(path)) as old:
        old.execute("ALTER TABLE files DROP COLUMN mtime_ns")
    assert run(path, "", processes=2) == [0, 0]
    with Ledger(path) as ledger:
        assert ledger.find("loc", ENTRY.url) == replace(ENTRY, mtime_ns=None)
        assert ledger.find("loc", LOST.url) == LOST
        ledger.confirm(ENTRY)
        assert ledger.find("loc", ENTRY.url) == ENTRY


def test_a_file_is_confirmed_only_while_it_is_the_one_recorded(ledger: Ledger) -> None:
    newer = replace(ENTRY, sha256="cd", mtime_ns=8)
    ledger.record(newer)
    ledger.confirm(ENTRY)
    ledger.confirm(replace(LOST, state=EntryState.STORED, mtime_ns=8))
    assert ledger.find("loc", ENTRY.url) == newer
    assert ledger.find("loc", LOST.url) is None


def test_a_ledger_of_a_later_version_is_refused_and_left_alone(path: Path) -> None:
    Ledger(path).close()
    with closing(sqlite3.connect(path)) as later:
        later.execute("PRAGMA user_version = 3")
    with pytest.raises(HarvestError, match="version 3, expected 2 or older"):
        Ledger(path)


def test_a_file_that_is_no_ledger_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"nothing of the kind" * 99)
    with pytest.raises(HarvestError, match="move it away"):
        Ledger(path)


@pytest.mark.parametrize("name", ["ledger.sqlite", "ledger.sqlite.lock"])
def test_a_folder_in_the_place_of_the_ledger_is_refused(path: Path, name: str) -> None:
    path.with_name(name).mkdir(parents=True)
    with pytest.raises(HarvestError, match=f"{name}: .*; see that"):
        Ledger(path)


def test_a_file_in_the_place_of_the_ledgers_folder_is_refused(path: Path) -> None:
    path.parent.write_bytes(b"")
    with pytest.raises(HarvestError, match="deep: the disk refuses this file or folder"):
        Ledger(path)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("state", "lost", "'lost' is not a valid EntryState"),
        ("reason", "no_idea", "'no_idea' is not a valid ScanReason"),
        ("fetched_at", "yesterday", "Invalid isoformat string: 'yesterday'"),
        ("fetched_at", "2026-11-20T09:00:00", "expected a time with a zone"),
        ("fetched_at", b"x", "argument must be str"),
    ],
)
def test_an_entry_that_no_ledger_holds_is_refused(
    path: Path, column: str, value: object, message: str
) -> None:
    with Ledger(path) as ledger:
        ledger.record(LOST)
        with closing(sqlite3.connect(path)) as other:
            other.execute(f"UPDATE files SET {column} = ?", (value,))
            other.commit()
        with pytest.raises(HarvestError, match=f"b: .*{message}.* move it away"):
            ledger.find("loc", LOST.url)


def test_a_ledger_that_cannot_be_written_says_so(path: Path) -> None:
    with Ledger(path) as ledger:
        with closing(sqlite3.connect(path)) as other:
            other.execute("DROP TABLE files")
        with pytest.raises(HarvestError, match="see that the disk has room"):
            ledger.record(ENTRY)
