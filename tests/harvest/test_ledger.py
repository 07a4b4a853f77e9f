import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from harvest.errors import HarvestError
from harvest.ledger import Entry, Ledger, Sums

ENTRY = Entry("loc", "https://tile.loc.gov/a", "scans/a.jpg", "ab", 3, '"e"', "2026", 0.5, 1)


def test_an_entry_is_found_in_its_own_scope_only(tmp_path: Path) -> None:
    with Ledger(tmp_path / "deep" / "ledger.sqlite") as ledger:
        ledger.record(ENTRY)
        assert ledger.find("loc", ENTRY.url) == ENTRY
        assert ledger.find("sample:seed=1", ENTRY.url) is None
        assert ledger.find("loc", "https://tile.loc.gov/b") is None


def test_a_later_entry_replaces_the_earlier(tmp_path: Path) -> None:
    later = replace(ENTRY, path=None, sha256="", size_bytes=0)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.record(ENTRY)
        ledger.record(later)
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        assert ledger.find("loc", ENTRY.url) == later


def test_entries_survive_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    program = (
        "import os, signal, pathlib\n"
        "from harvest.ledger import Entry, Ledger\n"
        f"ledger = Ledger(pathlib.Path({str(path)!r}))\n"
        "for n in range(20):\n"
        "    ledger.record(Entry('loc', f'u{n}', 'p', 's', n, '', 't', 0.0, 1))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    with Ledger(path) as ledger:
        assert all(ledger.find("loc", f"u{n}") for n in range(20))


def test_sums_are_of_one_scope_and_of_what_came(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        ledger.record(ENTRY)
        ledger.record(replace(ENTRY, url="b", size_bytes=4))
        ledger.record(replace(ENTRY, url="c", path=None, size_bytes=0))
        ledger.record(replace(ENTRY, scope="other"))
        assert ledger.sum_up("loc") == Sums(files=2, size_bytes=7, seconds=1.0)
        assert ledger.sum_up("none") == Sums(files=0, size_bytes=0, seconds=0.0)


def test_threads_may_share_it(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:

        def record(start: int) -> None:
            for number in range(start, start + 20):
                ledger.record(replace(ENTRY, url=f"u{number}"))

        threads = [threading.Thread(target=record, args=(start,)) for start in (0, 20, 40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(ledger.find("loc", f"u{number}") for number in range(60))


def test_a_file_that_is_no_ledger_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"nothing of the kind" * 99)
    with pytest.raises(HarvestError, match="move it away"):
        Ledger(path)
