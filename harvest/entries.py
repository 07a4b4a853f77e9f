"""Pure: what the ledger keeps of an address, and the scan that it stands for."""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from harvest.answers import Download
from harvest.outcomes import Wish
from harvest.records import Scan, ScanReason, ScanState

OTHER_SIZE = "size_not_as_recorded"
"""Reason of a stored entry whose file has not the bytes that the record names: a note, no fault."""


class EntryState(StrEnum):
    """What came of an address; only a `failed` one is asked for again by itself."""

    STORED = "stored"
    REJECTED = "rejected"
    MISSING = "missing"
    FORBIDDEN = "forbidden"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of one address in one scope.

    Attributes:
        scope: Identity of the source, such as "loc" or "sample:seed=1:pixels=1024".
        url: Canonical address.
        state: What came of it.
        reason: Why it is not stored, from `ScanReason`; `OTHER_SIZE` or "" when it is.
        path: The file below data/; None unless it is stored.
        sha256: Of the file that came, also when it was rejected; "" when none came.
        size_bytes: Of that file, or 0.
        width: Pixels; None when it is no picture, or was stored by a ledger of version 1.
        height: Pixels, or None.
        mtime_ns: When the stored file was last written, as the disk says; None when it is not
            stored, or was stored by a ledger that did not keep this.
        etag: The server's mark of this version, or "".
        last_modified: The server's date of this version, as sent, or "".
        modified: When the Library last changed the record, as that said when the file was
            asked for, or "".
        fetched_at: UTC, ISO 8601.
        seconds: How long the transfer took; 0 when nothing came.
        attempts: Requests it took; 0 when nothing came.
    """

    scope: str
    url: str
    state: EntryState
    reason: str
    path: str | None
    sha256: str
    size_bytes: int
    width: int | None
    height: int | None
    mtime_ns: int | None
    etag: str
    last_modified: str
    modified: str
    fetched_at: str
    seconds: float
    attempts: int


def to_entry(scan: Scan, *, wish: Wish, came: Download | None, scope: str, now: datetime) -> Entry:
    """Make the ledger's entry of what came of an address.

    Args:
        scan: Its url was asked for; a stored one has a path.
        wish: What was asked for.
        came: The answer; None when no file came.
        scope: Identity of the source.
        now: The time, in UTC.

    Returns:
        The entry; when its file was written, only the disk knows.

    Raises:
        ValueError: If the scan has no address, or is stored and nothing came.
    """
    if scan.url is None or (came is None and scan.state is ScanState.STORED):
        raise ValueError(f"{scan.scan_id}: expected an address and, if stored, what came of it")
    return Entry(
        scope=scope,
        url=scan.url,
        state=_to_state(scan),
        reason=_to_note(came, wish) if scan.state is ScanState.STORED else str(scan.reason),
        path=scan.path,
        sha256=scan.sha256 or "",
        size_bytes=scan.size_bytes or 0,
        width=scan.width,
        height=scan.height,
        mtime_ns=None,
        etag=came.etag if came else "",
        last_modified=came.last_modified if came else "",
        modified=wish.modified,
        fetched_at=now.isoformat(timespec="microseconds"),
        seconds=came.seconds if came else 0.0,
        attempts=came.attempts if came else 0,
    )


def check_entry(entry: Entry) -> None:
    """Check what was read as an entry and is not from this program's own memory.

    Args:
        entry: Of a ledger.

    Raises:
        ValueError: If it has a reason that is none, or a time that is none or without a zone.
    """
    if entry.state is not EntryState.STORED or entry.reason != OTHER_SIZE:
        ScanReason(entry.reason)
    if datetime.fromisoformat(entry.fetched_at).tzinfo is None:
        raise ValueError(f"fetched_at: expected a time with a zone, got {entry.fetched_at!r}")


def to_known_scan(scan: Scan, entry: Entry) -> Scan:
    """Make the scan that an entry stands for, the same as when its address was asked for.

    Args:
        scan: The row's, with nothing known yet; its url and rendition are the entry's.
        entry: Of that address.
    """
    came = bool(entry.sha256)
    stored = entry.state is EntryState.STORED
    return replace(
        scan,
        path=entry.path,
        sha256=entry.sha256 if came else None,
        size_bytes=entry.size_bytes if came else None,
        width=entry.width,
        height=entry.height,
        state=_SCAN_STATES.get(entry.state, ScanState.FAILED),
        reason=ScanReason.NONE if stored else ScanReason(entry.reason),
    )


def is_settled(entry: Entry, *, modified: str, run_began: datetime) -> bool:
    """Say whether an entry still answers for its address.

    Args:
        entry: What is known.
        modified: Of the record now; "" where it does not say, and then nothing speaks for
            a change.
        run_began: When this run did, with its zone.

    Returns:
        False when the record has changed since, and for a failure, which may pass; but not
        for one that befell another process since this run began.
    """
    if modified not in ("", entry.modified):
        return False
    failed = entry.state is EntryState.FAILED
    return not failed or datetime.fromisoformat(entry.fetched_at) >= run_began


_SCAN_STATES = {EntryState.STORED: ScanState.STORED, EntryState.REJECTED: ScanState.REJECTED}
_FAILED_STATES = {
    ScanReason.NOT_FOUND: EntryState.MISSING,
    ScanReason.FORBIDDEN: EntryState.FORBIDDEN,
}


def _to_state(scan: Scan) -> EntryState:
    """Return the ledger's state of a scan, which parts failures by whether they may pass."""
    if scan.state is ScanState.FAILED:
        return _FAILED_STATES.get(scan.reason, EntryState.FAILED)
    return EntryState(str(scan.state))


def _to_note(came: Download | None, wish: Wish) -> str:
    """Note that a file has not the bytes that the record names, where it names them."""
    said = wish.file.bytes
    return OTHER_SIZE if came and said is not None and came.size_bytes != said else ""
