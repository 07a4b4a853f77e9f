"""A program: kill a harvest before every line that it runs, and see that the next run mends it.

Usage: python -m tests.harvest.killed FOLDER CASE STEP, where CASE is one of CASES and STEP is how
many lines lie between two kills; prints how many kills there were.
"""

import hashlib
import io
import itertools
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, cast

import requests

import harvest
from harvest.answers import Download, Reply, Version
from harvest.client import Client
from harvest.download import download_scan, prune_scans
from harvest.errors import CatalogError
from harvest.ledger import Ledger
from harvest.listing import fetch_catalog, read_catalog
from harvest.locks import share
from harvest.partial import Partial
from harvest.questions import FileQuestion
from harvest.records import ScanState
from harvest.store import Store
from tests.harvest.conftest import files_below, picture
from tests.harvest.records import item, page
from tests.harvest.shelf import row_of, url_of

OLD, NEW = picture(300, 200), picture(320, 200)
OLD_ROWS, NEW_ROWS = range(1, 6), range(11, 14)
MODULES = ("store", "ledger", "files", "partial", "questions", "raw", "listing")
WATCHED = {str(Path(harvest.__path__[0]) / f"{name}.py") for name in MODULES} | {shutil.__file__}


@dataclass
class Line:
    """A client without a network; its one file comes piece by piece, and the rest of it too."""

    body: bytes
    ranges: list[str | None] = field(default_factory=list)

    def download(
        self, url: str, target: Path, *, since: Version | None, most_bytes: int
    ) -> Download | None:
        question = FileQuestion(
            target, url=url, since=since, most_bytes=most_bytes, body=read_pieces
        )
        return question.read(self.answer(question.to_headers()), 1)

    def answer(self, asked: Mapping[str, str]) -> requests.Response:
        answer, mark = requests.Response(), to_mark(self.body)
        self.ranges.append(asked.get("Range"))
        first = 0
        answer.status_code = 304 if asked.get("If-None-Match") == mark else 200
        if asked.get("If-Range") == mark:
            first, size = int(asked["Range"][len("bytes=") : -1]), len(self.body)
            answer.status_code = 206
            answer.headers["Content-Range"] = f"bytes {first}-{size - 1}/{size}"
        answer.headers.update({"ETag": mark, "Content-Length": str(len(self.body) - first)})
        answer.raw = io.BytesIO(self.body[first:])
        return answer

    def stop(self) -> None:
        raise NotImplementedError


def read_pieces(response: requests.Response, _: int) -> Iterator[bytes]:
    return iter(partial(response.raw.read, 20_000), b"")


def to_mark(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()}"'


def run_scan(folder: Path, body: bytes, modified: str = "2016-04-20") -> list[str | None]:
    """Download one scan whole; return the ranges that were asked for."""
    line, locks = Line(body), folder / "locks"
    with Ledger(folder / "ledger.sqlite") as ledger, share(locks):
        store = Store(line, ledger, "loc", folder / "data", "loc", locks)
        scan = download_scan(row_of(modified=modified), store=store, rendition="v")
        entry = ledger.find("loc", url_of(1))
    prune_scans(store, read_named=lambda: [scan.path])
    stored = folder / "data" / str(scan.path)
    assert scan.state is ScanState.STORED
    assert entry is not None and entry.sha256 == scan.sha256
    assert entry.mtime_ns == stored.stat().st_mtime_ns
    assert stored.read_bytes() == body
    assert files_below(folder / "data") == [scan.path]
    return line.ranges


def leave_part(folder: Path) -> None:
    """Leave what a killed process leaves of a scan."""
    part = Partial(folder / "data/scans/loc/ppmsc/.00001v", url=url_of(1))
    with part.begin(validator=to_mark(OLD), size_bytes=len(OLD)) as sink:
        sink.write(OLD[: len(OLD) // 2])


def go_on(folder: Path) -> None:
    assert run_scan(folder, OLD) == [f"bytes={len(OLD) // 2}-"]


@dataclass
class Pages:
    """A client without a network that has a listing, two rows a page."""

    rows: range

    def get_json(
        self, _: str, *, params: Mapping[str, Any], is_doubtful: Callable[[Reply], bool]
    ) -> Reply:
        number = params["sp"]
        rows = [item(row) for row in self.rows[2 * number - 2 : 2 * number]]
        data = page(*rows, number=number, of=len(self.rows), perpage=2)
        reply = Reply(data, json.dumps(data).encode(), cacheable=True)
        assert not is_doubtful(reply)
        return reply


def to_ids(rows: range) -> list[str | None]:
    return [f"ppmsc.{row:05d}" for row in rows]


def run_listing(folder: Path, rows: range) -> None:
    """List the catalogue whole."""
    client = cast(Client, Pages(rows))
    how: dict[str, Any] = {"road": "json", "page_size": 2, "detail": "listing", "raw": folder}
    came, _ = fetch_catalog(client, may_shrink=True, **how)
    assert [row.resource_id for row in came] == to_ids(rows)
    assert read_catalog(folder, "json") == came
    pages = (len(rows) + 1) // 2
    assert files_below(folder) == [f"listing/{n:05d}.json.gz" for n in range(1, pages + 1)]


def list_again(folder: Path) -> None:
    """See that what a kill left is one listing or the other, or said to be none; list anew."""
    with suppress(CatalogError):
        came = [row.resource_id for row in read_catalog(folder, "json")]
        assert came in (to_ids(OLD_ROWS), to_ids(NEW_ROWS))
    run_listing(folder, NEW_ROWS)


@dataclass(frozen=True)
class Case:
    """What stands before, what is killed, and what mends it."""

    before: Callable[[Path], object]
    work: Callable[[Path], object]
    again: Callable[[Path], object]


def to_case(before: Callable[[Path], object], work: Callable[[Path], object]) -> Case:
    return Case(before, work, work)


first = partial(run_scan, body=OLD)
CASES = {
    "first": to_case(lambda _: None, first),
    "changed": to_case(first, partial(run_scan, body=NEW, modified="2026-11-20")),
    "unchanged": to_case(first, partial(run_scan, body=OLD, modified="2026-11-20")),
    "rest": Case(leave_part, go_on, first),
    "listing": Case(
        partial(run_listing, rows=OLD_ROWS), partial(run_listing, rows=NEW_ROWS), list_again
    ),
}


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


def in_child(work: Callable[[], object]) -> int:
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


def main(folder: Path, case: Case, *, step: int) -> int:
    for kills, line in enumerate(itertools.count(1, step)):
        place = folder / str(line)

        def killed(place: Path = place, line: int = line) -> None:
            case.before(place)
            sys.settrace(kill_before(line))
            case.work(place)

        end = in_child(killed)
        if end == 0:
            return kills
        if end != -signal.SIGKILL or in_child(partial(case.again, place)) != 0:
            raise SystemExit(f"line {line}: ended with {end}, or the next run did not mend it")
    raise AssertionError("unreachable")


if __name__ == "__main__":
    sys.stdout.write(f"{main(Path(sys.argv[1]), CASES[sys.argv[2]], step=int(sys.argv[3]))}\n")
