"""Edge: from catalogue rows to verified scans on disk, shared among processes."""

import os
import stat
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

from harvest.catalog import choose_rendition
from harvest.entries import EntryState
from harvest.errors import CatalogError, DownloadError, HarvestError
from harvest.files import check_inside, disk_explained
from harvest.locks import hold, share, to_batch_lock, try_alone, try_hold
from harvest.outcomes import is_fit_name, to_scan, to_wish, with_fallback
from harvest.records import CatalogRow, Kind, Rendition, Scan, ScanReason, ScanState
from harvest.store import Store, fetch_file

CLOCK_SLACK_S = 0.02
"""Linux stamps files by its tick, which may be 10 ms old."""

MOST_UNREACHABLE = 0.02
"""Share of scans without an answer that is still a harvest: single files do fail for days."""

LEAST_SUSPECT = 20
"""Files that may go at once, however few stay; more, if most of all, speak for a torn catalogue."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What became of the files that no scan names.

    Attributes:
        removed: How many were removed.
        spared: How many would have gone and were kept, for they are most of all files.
    """

    removed: int
    spared: int


def download_batch(
    rows: Sequence[CatalogRow],
    *,
    store: Store,
    rendition: str,
    workers: int,
    on_scan: Callable[[Scan], None] = lambda _: None,
) -> list[Scan]:
    """Download the scans of many rows, several at a time; wait while another process does.

    Args:
        rows: Listed catalogue rows.
        store: Where they go.
        rendition: Kind wanted: "v", "r", "u" or "iiif:<pixels>".
        workers: Downloads at a time.
        on_scan: Called with every scan as it is done, in the calling thread.

    Returns:
        One scan a row, in the order of the rows.

    Raises:
        BlockedError: If the server asks us to stay away; what came until then is kept,
            and no further request is sent.
        StoppedError: If the client or the store was stopped; what came is kept too.
        HarvestError: If the ledger cannot be used, or the disk refuses.
        ValueError: If a row has no digital id.
    """
    lock = to_batch_lock(store.locks, [row.resource_id or "" for row in rows])
    with hold(lock, stopping=store.stopping):
        return _download_all(
            rows, store=store, rendition=rendition, workers=workers, on_scan=on_scan
        )


def try_batch(
    rows: Sequence[CatalogRow],
    *,
    store: Store,
    rendition: str,
    workers: int,
    on_scan: Callable[[Scan], None] = lambda _: None,
) -> list[Scan] | None:
    """Do as `download_batch`, unless another process is at this batch: then put it off.

    Returns:
        The scans; None when another process, or thread, holds the batch. Done later with
        `download_batch`, most of it is then known.
    """
    lock = to_batch_lock(store.locks, [row.resource_id or "" for row in rows])
    with try_hold(lock) as free:
        if not free:
            return None
        return _download_all(
            rows, store=store, rendition=rendition, workers=workers, on_scan=on_scan
        )


def download_scan(row: CatalogRow, *, store: Store, rendition: str) -> Scan:
    """Download the best file of a row, unless it is there already; verify it by decoding.

    Args:
        row: A listed catalogue row.
        store: Where it goes.
        rendition: Kind wanted: "v", "r", "u" or "iiif:<pixels>"; another one is taken where
            it is missing.

    Returns:
        The scan; a bad or missing file is a state and a reason, no error.

    Raises:
        BlockedError: If the server asks us to stay away.
        StoppedError: If the client or the store was stopped.
        HarvestError: If the ledger cannot be used, or the disk refuses.
        ValueError: If the row has no digital id.
    """
    scan = to_scan(row)
    if not is_fit_name(scan.scan_id):
        return replace(scan, state=ScanState.REJECTED, reason=ScanReason.BAD_ID)
    files = choose_rendition(row, rendition)
    if not files:
        return replace(scan, state=ScanState.REJECTED, reason=ScanReason.NO_RENDITION)
    for file in _without_given_up(files, row.modified, store=store):
        asked = replace(to_scan(row), url=file.url, rendition=file.kind)
        scan = fetch_file(asked, to_wish(row, file, wanted=rendition), store=store)
        if not _gives_way(scan):
            break
    return with_fallback(scan, rendition)


def check_distinct(rows: Sequence[CatalogRow]) -> None:
    """Refuse a catalogue that lists a resource twice, as `photochrom catalog` writes none.

    Args:
        rows: Listed catalogue rows.

    Raises:
        CatalogError: If two of them are of one resource, which would be one file and two scans.
    """
    counts = Counter(row.resource_id for row in rows)
    if twice := sorted(str(name) for name, count in counts.items() if count > 1):
        raise CatalogError(
            f"the catalogue lists {len(twice)} resources more than once, the first is {twice[0]}; "
            "run `photochrom catalog` again"
        )


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


def check_there(store: Store, scans: Iterable[Scan]) -> None:
    """See that no other run has removed a file meanwhile; to be called while `locks.share` holds.

    Args:
        store: Where they went.
        scans: All scans of the source.

    Raises:
        HarvestError: If a stored scan has no file.
    """
    gone = [scan.path for scan in scans if scan.path and not (store.data / scan.path).is_file()]
    if gone:
        raise HarvestError(
            f"{store.data / gone[0]}: expected a file that came, and it is gone, with "
            f"{len(gone) - 1} more; another run has removed them: run `photochrom scans` again"
        )


def prune_scans(
    store: Store, *, read_named: Callable[[], Iterable[str | None]], may_shrink: bool = False
) -> Pruned:
    """Remove the files of a source that no scan names, leftovers of killed processes included.

    Nothing is removed while another process writes (see `locks.share`): the last one prunes.
    What was written since this run began stays: it is another run's, or a transfer that the
    next run can go on with. So do links and what they lead to. More than `LEAST_SUSPECT` files
    that are more than half of all are spared, for then the catalogue may have lost its rows.

    Args:
        store: Of a run that is through; nothing outside of its source's folder is touched.
        read_named: Reads what data/scans.parquet names, paths below the data folder, once no
            one else can write it; those files stay.
        may_shrink: Whether most of the files may go.

    Returns:
        How many files were removed, and how many were spared.

    Raises:
        HarvestError: If the source's folder leads outside of the data folder, or the disk
            refuses.
    """
    folder = store.data / "scans" / store.source
    check_inside(folder, folder=store.data)
    began_s = store.began.timestamp() - CLOCK_SLACK_S
    with try_alone(store.locks) as alone, disk_explained(folder):
        if not alone:
            return Pruned(0, 0)
        kept = {store.data / path for path in read_named() if path is not None}
        files = _find_files(folder)
        gone = [path for path, written_s in files if path not in kept and written_s < began_s]
        if not may_shrink and len(gone) > max(LEAST_SUSPECT, len(files) / 2):
            return Pruned(0, len(gone))
        for path in gone:
            path.unlink(missing_ok=True)
        _remove_empty(folder)
    return Pruned(len(gone), 0)


def _find_files(folder: Path) -> list[tuple[Path, float]]:
    """Find the files below a folder, and when they were written; links are none."""
    paths = (Path(root, name) for root, _, names in os.walk(folder) for name in names)
    found = ((path, path.lstat()) for path in paths)
    return [(path, state.st_mtime) for path, state in found if stat.S_ISREG(state.st_mode)]


def _remove_empty(folder: Path) -> None:
    """Remove the folders below a folder that hold nothing."""
    for root, _, _ in os.walk(folder, topdown=False):
        if (path := Path(root)) != folder and not any(path.iterdir()):
            path.rmdir()


def _download_all(
    rows: Sequence[CatalogRow],
    *,
    store: Store,
    rendition: str,
    workers: int,
    on_scan: Callable[[Scan], None],
) -> list[Scan]:
    """Download the scans of a batch that is held."""
    over = threading.Event()

    def download(row: CatalogRow) -> Scan | None:
        if over.is_set():
            return None
        try:
            return download_scan(row, store=store, rendition=rendition)
        except BaseException:
            over.set()  # before this thread takes another row: a block lets nothing more out
            raise

    with share(store.locks), ThreadPoolExecutor(workers, thread_name_prefix="download") as pool:
        futures = [pool.submit(download, row) for row in rows]
        try:
            for future in as_completed(futures):
                scan = future.result()
                if scan is not None:
                    on_scan(scan)
        except BaseException as exc:
            if not isinstance(exc, Exception):  # an interrupt does not wait for transfers
                store.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
        return [scan for future in futures if (scan := future.result()) is not None]


def _gives_way(scan: Scan) -> bool:
    """Say whether another file of the row is asked for in place of this one."""
    # The image server answers 500 for masters that are too large for it; they come themselves.
    made = scan.rendition is Kind.IIIF and scan.reason is ScanReason.UNREACHABLE
    return made or scan.reason is ScanReason.NOT_FOUND


def _without_given_up(
    files: Sequence[Rendition], modified: str, *, store: Store
) -> list[Rendition]:
    """Leave out what the image server did not make and another file stands for since."""
    known = [store.ledger.find(store.scope, file.url) for file in files]
    stored = any(entry is not None and entry.state is EntryState.STORED for entry in known)
    return [
        file
        for file, entry in zip(files, known, strict=True)
        if not stored
        or entry is None
        or entry.state is not EntryState.FAILED
        or file.kind is not Kind.IIIF
        or modified not in ("", entry.modified)
    ]
