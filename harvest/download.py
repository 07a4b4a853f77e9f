"""Edge: from a catalogue row to a verified scan on disk."""

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from harvest.answers import Download
from harvest.catalog import choose_rendition
from harvest.client import Client
from harvest.errors import DownloadError, ForbiddenError, NotFoundError
from harvest.ledger import Entry, Ledger
from harvest.pictures import Verdict, read_size, verify_picture
from harvest.records import CatalogRow, Kind, Rendition, Scan, ScanReason, ScanState

MOST_UNREACHABLE = 0.02
"""Share of scans without an answer that is still a harvest: single files do fail for days."""


@dataclass(frozen=True, slots=True)
class Store:
    """Where scans go, and by which client they come.

    Attributes:
        client: The client.
        ledger: What was downloaded before.
        scope: Identity of the source; a file recorded under another one is not reused.
        data: The data folder.
        source: Folder below data/scans/, such as "loc".
    """

    client: Client
    ledger: Ledger
    scope: str
    data: Path
    source: str


def download_batch(
    rows: Sequence[CatalogRow], *, store: Store, rendition: str, workers: int
) -> list[Scan]:
    """Download the scans of many rows, several at a time.

    Args:
        rows: Listed catalogue rows.
        store: Where they go.
        rendition: Kind wanted: "v", "r" or "u".
        workers: Downloads at a time.

    Returns:
        One scan a row, in the order of the rows.

    Raises:
        BlockedError: If the server asks us to stay away; what came until then is kept,
            and no further request is sent.
        ValueError: If a row has no digital id.
        OSError: If the disk refuses.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="download") as pool:
        futures = [
            pool.submit(download_scan, row, store=store, rendition=rendition) for row in rows
        ]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def download_scan(row: CatalogRow, *, store: Store, rendition: str) -> Scan:
    """Download the best file of a row, unless it is there already; verify it by decoding.

    Args:
        row: A listed catalogue row.
        store: Where it goes.
        rendition: Kind wanted: "v", "r" or "u"; another one is taken where it is missing.

    Returns:
        The scan; a bad or missing file is a state and a reason, no error.

    Raises:
        BlockedError: If the server asks us to stay away.
        ValueError: If the row has no digital id.
        OSError: If the disk refuses.
    """
    scan = _to_scan(row)
    candidates = choose_rendition(row, rendition)
    if not candidates:
        return replace(scan, state=ScanState.REJECTED, reason=ScanReason.NO_RENDITION)
    known = _find_known(scan, candidates, store=store)
    if known is not None:
        return _with_fallback(known, rendition)
    for candidate in candidates:
        scan = replace(scan, url=candidate.url, rendition=candidate.kind)
        try:
            return _with_fallback(_fetch(scan, candidate, store=store), rendition)
        except NotFoundError:
            store.ledger.record(_to_missing(candidate, scope=store.scope))
        except ForbiddenError:
            return replace(scan, reason=ScanReason.FORBIDDEN)
        except DownloadError:
            return replace(scan, reason=ScanReason.UNREACHABLE)
    return replace(scan, reason=ScanReason.NOT_FOUND)


def check_reached(scans: Sequence[Scan]) -> None:
    """Refuse a harvest that most likely met a lost network rather than lost files.

    Args:
        scans: What came of every row.

    Raises:
        DownloadError: If more than `MOST_UNREACHABLE` of them did not come for want of an answer.
    """
    lost = sum(scan.reason is ScanReason.UNREACHABLE for scan in scans)
    if lost > MOST_UNREACHABLE * len(scans):
        raise DownloadError(
            f"{lost} of {len(scans)} scans did not come, for want of an answer; what came is "
            "kept: see that the network is there, and run `photochrom scans` again"
        )


def prune_scans(data: Path, source: str, *, scans: Iterable[Scan]) -> int:
    """Remove the files of a source that no scan names any more.

    Args:
        data: The data folder.
        source: Folder below data/scans/; nothing outside of it is touched.
        scans: All scans of the source; the files that they name stay.

    Returns:
        How many files were removed.
    """
    folder = data / "scans" / source
    kept = {data / scan.path for scan in scans if scan.path is not None}
    gone = [path for path in folder.rglob("*") if path.is_file() and path not in kept]
    for path in gone:
        path.unlink()
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    return len(gone)


def _to_scan(row: CatalogRow) -> Scan:
    """Make the scan of a row of which nothing has come yet."""
    if row.resource_id is None:
        raise ValueError(f"catalogue row {row.row}: expected a digital id, got none")
    return Scan(
        scan_id=row.resource_id,
        item_id=row.item_id,
        role=row.role,
        title=row.title,
        url=None,
        path=None,
        rendition=None,
        sha256=None,
        size_bytes=None,
        width=None,
        height=None,
        state=ScanState.FAILED,
        reason=ScanReason.NONE,
    )


def _find_known(scan: Scan, candidates: Sequence[Rendition], *, store: Store) -> Scan | None:
    """Find the file that came before: the best candidate, or one after others were missing."""
    for candidate in candidates:
        entry = store.ledger.find(store.scope, candidate.url)
        if entry is None:
            return None
        if entry.path is None:
            continue
        path = store.data / entry.path
        if not path.is_file() or path.stat().st_size != entry.size_bytes:
            return None
        if _hash(path) != entry.sha256:
            return None
        width, height = read_size(path)
        return replace(
            scan,
            url=candidate.url,
            path=entry.path,
            rendition=candidate.kind,
            sha256=entry.sha256,
            size_bytes=entry.size_bytes,
            width=width,
            height=height,
            state=ScanState.STORED,
        )
    return None


def _fetch(scan: Scan, candidate: Rendition, *, store: Store) -> Scan:
    """Download one file, verify it, and give it its name; a bad one is not kept."""
    bucket, _, name = scan.scan_id.partition(".")
    folder = Path("scans") / store.source / bucket
    stem = f"{name}{candidate.kind}"
    arrived = store.data / folder / f".{stem}"
    try:
        came = store.client.download(candidate.url, arrived)
        verdict = verify_picture(arrived)
        done = _judge(scan, came, verdict)
        if done.state is not ScanState.STORED:
            return done
        path = (folder / f"{stem}{verdict.suffix}").as_posix()
        arrived.replace(store.data / path)
    finally:
        arrived.unlink(missing_ok=True)
    store.ledger.record(_to_entry(candidate, came, scope=store.scope, path=path))
    return replace(done, path=path)


def _judge(scan: Scan, came: Download, verdict: Verdict) -> Scan:
    """Say what came of a scan whose file came."""
    good = verdict.reason is ScanReason.NONE
    return replace(
        scan,
        sha256=came.sha256,
        size_bytes=came.size_bytes,
        width=verdict.width,
        height=verdict.height,
        state=ScanState.STORED if good else ScanState.REJECTED,
        reason=verdict.reason,
    )


def _with_fallback(scan: Scan, wanted: str) -> Scan:
    """Say in a stored scan's reason that it is another rendition than the wanted one."""
    if scan.state is not ScanState.STORED or scan.rendition in (None, wanted):
        return scan
    return replace(scan, reason=ScanReason(f"wanted_{Kind(wanted)}_got_{scan.rendition}"))


def _to_entry(candidate: Rendition, came: Download, *, scope: str, path: str) -> Entry:
    """Make the ledger's entry of a file that is stored."""
    return Entry(
        scope=scope,
        url=candidate.url,
        path=path,
        sha256=came.sha256,
        size_bytes=came.size_bytes,
        etag=came.etag,
        fetched_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=came.seconds,
        attempts=came.attempts,
    )


def _to_missing(candidate: Rendition, *, scope: str) -> Entry:
    """Make the ledger's entry of a file that the server does not have."""
    return Entry(
        scope=scope,
        url=candidate.url,
        path=None,
        sha256="",
        size_bytes=0,
        etag="",
        fetched_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=0.0,
        attempts=1,
    )


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
