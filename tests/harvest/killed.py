"""A program: kill a download before every line that it runs, and see that the next run mends it.

Usage: python -m tests.harvest.killed FOLDER STEP [--refresh], where STEP is how many lines lie
between two kills; prints how many kills there were.
"""

import hashlib
import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import harvest
from harvest.download import download_scan, prune_scans
from harvest.ledger import Ledger
from harvest.locks import share
from harvest.records import ScanState
from harvest.store import Store
from tests.harvest.conftest import files_below, picture
from tests.harvest.shelf import Shelf, row_of, url_of

OLD, NEW = picture(90, 80), picture(96, 80)
WATCHED = {
    str(Path(harvest.__path__[0]) / name) for name in ("store.py", "ledger.py", "files.py")
} | {str(Path(__file__).with_name("shelf.py"))}


def run(folder: Path, body: bytes, modified: str) -> str | None:
    """Download one scan whole; return its checksum."""
    shelf = Shelf({url_of(1): [body]})
    locks = folder / "locks"
    with Ledger(folder / "ledger.sqlite") as ledger, share(locks):
        store = Store(shelf, ledger, "loc", folder / "data", "loc", locks)
        scan = download_scan(row_of(modified=modified), store=store, rendition="v")
        entry = ledger.find("loc", url_of(1))
    prune_scans(store, scans=[scan])
    stored = folder / "data" / str(scan.path)
    assert scan.state is ScanState.STORED
    assert entry is not None and entry.sha256 == scan.sha256
    assert hashlib.sha256(stored.read_bytes()).hexdigest() == scan.sha256
    assert files_below(folder / "data") == [scan.path]
    return scan.sha256


def kill_before(line: int) -> Callable[[FrameType, str, Any], Any]:
    """Make a trace that kills this process before the so-manieth line of the watched files."""
    seen = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal seen
        if frame.f_code.co_filename not in WATCHED:
            return None
        seen += event == "line"
        if seen == line:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    return trace


def in_child(work: Callable[[], None]) -> int:
    """Run in a child, for SIGKILL ends a process; return what `os.waitstatus_to_exitcode` says."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main(folder: Path, *, step: int, refresh: bool) -> int:
    body, modified = (NEW, "2026-11-20") if refresh else (OLD, "2016-04-20")
    for kills, line in enumerate(itertools.count(1, step)):
        place = folder / str(line)

        def killed(place: Path = place, line: int = line) -> None:
            if refresh:
                run(place, OLD, "2016-04-20")
            sys.settrace(kill_before(line))
            run(place, body, modified)

        def mended(place: Path = place) -> None:
            assert run(place, body, modified) == hashlib.sha256(body).hexdigest()

        end = in_child(killed)
        if end == 0:
            return kills
        if end != -signal.SIGKILL or in_child(mended) != 0:
            raise SystemExit(f"line {line}: ended with {end}, or the next run did not mend it")
    raise AssertionError("unreachable")


if __name__ == "__main__":
    sys.stdout.write(
        f"{main(Path(sys.argv[1]), step=int(sys.argv[2]), refresh='--refresh' in sys.argv)}\n"
    )
