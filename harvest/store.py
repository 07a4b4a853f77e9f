"""Edge: one file of a row, as the ledger knows it or as it comes.

What comes is written down in this order: the transfer goes to a name with a dot, the picture is
checked, the disk keeps it under its name, and only then the ledger lists it. So a kill at any
instruction may leave a file that the ledger does not know, or knows otherwise; it is asked for
again, for nothing on disk is trusted that has not the checksum in the ledger. A file is read for
that once: what has the size and the time that it had then is that file.
"""

import hashlib
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from harvest.answers import Download, Version
from harvest.entries import Entry, EntryState, is_settled, to_entry, to_known_scan
from harvest.errors import DownloadError, StoppedError
from harvest.files import check_inside, disk_explained, put_in_place
from harvest.ledger import Ledger
from harvest.locks import hold, to_file_lock
from harvest.outcomes import DAMAGE, Wish, judge_scan, to_failed
from harvest.pictures import read_size, verify_picture
from harvest.records import Scan, ScanReason, ScanState

MOST_LOOKS = 3
"""Answers that are taken for a file while each is damaged in another way than those before;
the same damage twice is the file's own."""


class Downloader(Protocol):
    """What the store needs of a client."""

    def download(
        self, url: str, target: Path, *, since: Version | None, most_bytes: int
    ) -> Download | None:
        """Download a file; None when it has not changed since that version."""

    def stop(self) -> None:
        """End all that runs, soon, with StoppedError."""


@dataclass(frozen=True, slots=True)
class Store:
    """Where scans go, and by which client they come. Threads may share it.

    Attributes:
        client: The client.
        ledger: What came before.
        scope: Identity of the source; a file recorded under another one is not reused.
        data: The data folder.
        source: Folder below data/scans/, such as "loc".
        locks: Folder of the locks that the processes of a checkout share.
        began: When this run did; what failed since, in whatever process, is not asked for again.
        stopping: Set by `stop`.
    """

    client: Downloader
    ledger: Ledger
    scope: str
    data: Path
    source: str
    locks: Path
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    stopping: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """End all that runs with this store, from any thread, within about a second."""
        self.stopping.set()
        self.client.stop()


def fetch_file(scan: Scan, wish: Wish, *, store: Store) -> Scan:
    """Say what is known of a file, or ask for it.

    Args:
        scan: The row's, with the file's address and kind.
        wish: The file.
        store: Where it goes.

    Returns:
        The scan; a bad or missing file is a state and a reason, no error.

    Raises:
        BlockedError: If the server asks us to stay away.
        StoppedError: If the client or the store was stopped.
        HarvestError: If the ledger cannot be used, or the disk refuses.
    """
    if store.stopping.is_set():
        raise StoppedError(f"{wish.file.url}: stopped before it was asked for; run the stage again")
    with disk_explained(store.data / "scans" / store.source):
        known = _recall(scan, wish, store=store)
        if known is not None:
            return known
        lock = to_file_lock(store.locks, f"{store.source}/{wish.folder}/{wish.stem}")
        with hold(lock, stopping=store.stopping):
            # Another process may have brought it while this one waited.
            return _recall(scan, wish, store=store) or _ask(scan, wish, store=store)


def _recall(scan: Scan, wish: Wish, *, store: Store) -> Scan | None:
    """Say what the ledger knows of a file; None when it must be asked for."""
    entry = store.ledger.find(store.scope, wish.file.url)
    if entry is None or not is_settled(entry, modified=wish.modified, run_began=store.began):
        return None
    known = _read_stored(entry, store=store) if entry.state is EntryState.STORED else entry
    return None if known is None else to_known_scan(scan, known)


def _read_stored(entry: Entry, *, store: Store) -> Entry | None:
    """Return a stored entry, with its sides, if its file is on disk as it was recorded.

    Bytes are read only where the time is not the one in the ledger, which then gets it: all
    of `v` is 2 GB, and masters are hundreds.
    """
    if entry.path is None:
        return None
    path = store.data / entry.path
    if not path.is_file():
        return None
    found = path.stat()  # before the bytes: one who writes meanwhile makes it another time
    if found.st_size != entry.size_bytes:
        return None
    if found.st_mtime_ns == entry.mtime_ns:
        return entry
    if _read_sha256(path) != entry.sha256:
        return None
    # A ledger of version 1 did not keep the sides.
    width, height = (entry.width, entry.height) if entry.width else read_size(path)
    known = replace(entry, mtime_ns=found.st_mtime_ns, width=width, height=height)
    store.ledger.confirm(known)
    return known


def _read_sha256(path: Path) -> str:
    """Read a file's checksum, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _ask(scan: Scan, wish: Wish, *, store: Store) -> Scan:
    """Ask for a file, and write down what came of it.

    A file that is here and whose record has changed is asked for on the condition that it
    has changed too. When nothing better comes it stays, and the next run asks again; only
    the server's word that there is none any more takes it away.
    """
    entry = store.ledger.find(store.scope, wish.file.url)
    have = None if entry is None else _read_stored(entry, store=store)
    came: Download | None = None
    try:
        scan, came = _fetch(scan, wish, have=have, store=store)
    except DownloadError as exc:
        scan = to_failed(scan, exc)
    if have is not None and scan.state is ScanState.STORED and came is None:
        store.ledger.record(replace(have, modified=wish.modified))
        return scan
    lost = scan.state is not ScanState.STORED and scan.reason is not ScanReason.NOT_FOUND
    if have is not None and lost:
        return to_known_scan(scan, have)
    now = datetime.now(UTC)
    entry = to_entry(scan, wish=wish, came=came, scope=store.scope, now=now)
    store.ledger.record(replace(entry, mtime_ns=_read_mtime_ns(scan, store=store)))
    return scan


def _read_mtime_ns(scan: Scan, *, store: Store) -> int | None:
    """Read when a scan's file was last written; None where it has none."""
    return None if scan.path is None else (store.data / scan.path).stat().st_mtime_ns


def _fetch(
    scan: Scan, wish: Wish, *, have: Entry | None, store: Store
) -> tuple[Scan, Download | None]:
    """Download a file, verify it, and give it its name; a bad one is not kept.

    Returns:
        What came of the scan, and the answer: None when the file that is here is unchanged.
    """
    folder = Path("scans") / store.source / wish.folder
    check_inside(store.data / folder, folder=store.data)
    arrived = store.data / folder / f".{wish.stem}"
    damaged: set[str] = set()
    try:
        for _ in range(MOST_LOOKS):
            came = store.client.download(
                wish.file.url, arrived, since=_to_version(have), most_bytes=wish.most_bytes
            )
            if came is None:
                assert have is not None  # only of the version in `since` the client says so
                return to_known_scan(scan, have), None
            verdict = verify_picture(arrived)
            sides = (verdict.width, verdict.height)
            scan = judge_scan(scan, came, reason=verdict.reason, sides=sides, wish=wish)
            if scan.reason not in DAMAGE or came.sha256 in damaged:
                break
            damaged.add(came.sha256)
        if scan.state is ScanState.STORED:
            path = folder / f"{wish.stem}{verdict.suffix}"
            put_in_place(arrived, store.data / path)
            scan = replace(scan, path=path.as_posix())
        return scan, came
    finally:
        arrived.unlink(missing_ok=True)


def _to_version(have: Entry | None) -> Version | None:
    """Return what the server may tell a newer version by; None where it never said."""
    if have is None or not (have.etag or have.last_modified):
        return None
    return Version(have.etag, have.last_modified)
