"""Flows: the source's catalogue to a manifest, and its scans to disk."""

from collections.abc import Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from prefect import State, flow, get_run_logger

from flows.artifacts import publish_account, publish_failures
from flows.batches import cut, run_batches
from flows.crosschecking import crosscheck_roads
from flows.errors import SourceError
from flows.gathering import (
    attend_copies,
    check_roads,
    gather_catalog,
    regather_catalog,
)
from flows.opening import alone, open_asked, open_files
from flows.params import Params
from flows.progress import Tally, attend
from flows.project import Project
from flows.watch import or_cancelled
from harvest.addresses import TILE, WWW
from harvest.catalog import mark_repeated
from harvest.client import Client
from harvest.copies import FolderClient, check_still_there, forget_changed
from harvest.download import (
    check_distinct,
    check_reached,
    check_there,
    download_batch,
    prune_scans,
    try_batch,
)
from harvest.entries import EntryState
from harvest.errors import HarvestError
from harvest.items import check_items, fetch_replies
from harvest.ledger import Ledger
from harvest.listing import fetch_catalog, read_catalog
from harvest.locks import share
from harvest.manifest import (
    CATALOG_SCHEMA,
    SCANS_SCHEMA,
    of_source,
    read_catalog_rows,
    read_manifest,
    read_source,
    write_manifest,
)
from harvest.params import HarvestParams
from harvest.records import CatalogRow, CatalogState, Scan, ScanState
from harvest.replies import find_alone, read_items, to_items
from harvest.sources import to_workers
from harvest.store import Store

RETRIED: dict[str, Collection[EntryState]] = {
    "failed": (EntryState.FAILED, EntryState.MISSING, EntryState.FORBIDDEN),
    "rejected": (EntryState.REJECTED,),
    "all": (EntryState.FAILED, EntryState.MISSING, EntryState.FORBIDDEN, EntryState.REJECTED),
}
"""What `photochrom scans --retry` makes the ledger forget."""

SPARED = (
    "{} files that it does not list any more were kept, for they are most of them: run "
    "`photochrom catalog` again, or remove data/scans/<source> if the collection did shrink"
)


@flow(name="catalog", flow_run_name="catalog-{settings[harvest][source]}")
def catalog(
    root: str, settings: dict[str, Any], rebuild: bool = False, crosscheck: int = 0
) -> str | State[str]:
    """Ask the source what there is."""
    project, params = Project(Path(root)), Params.model_validate(settings)
    raw = project.data / "catalog" / params.harvest.source
    if crosscheck:
        check_roads(params)

    def work() -> str:
        rows, by_listing = _get_rows(project, params, raw=raw, rebuild=rebuild)
        schema = of_source(CATALOG_SCHEMA, params.harvest.source)
        write_manifest(project.data / "catalog.parquet", rows, schema)
        line = publish_account(project, "catalog", size=params.preprocess.size)
        said = f"{line.seen} rows, {line.passed} resources listed; {line.held_or_none} held back"
        if by_listing:
            said += f"; items without a reply of their own, as the listing has them: {by_listing}"
        if crosscheck == 0:
            return said
        tally = Tally(WWW, total=crosscheck)
        with (
            open_asked(project, params) as (client, _),
            attend(tally, client=client, params=params.harvest, stop=client.stop),
        ):
            found = crosscheck_roads(client, params, rows=rows, items=crosscheck, raw=raw)
            tally.count(items=crosscheck)
            return f"{said}; {found}"

    return or_cancelled(work)


@flow(name="scans", flow_run_name="scans-{settings[harvest][source]}")
def scans(root: str, settings: dict[str, Any], retry: str | None = None) -> str | State[str]:
    """Download one scan of each resource."""
    project, params = Project(Path(root)), Params.model_validate(settings)
    listed = _read_listed(project.data / "catalog.parquet", source=params.harvest.source)
    locks, manifest = project.state / "locks", project.data / "scans.parquet"

    def work() -> str:
        with (
            open_files(project, params) as (client, scope),
            Ledger(project.state / "ledger.sqlite") as ledger,
        ):
            if retry is not None:
                ledger.forget(scope, RETRIED[retry])
            if isinstance(client, FolderClient):
                forget_changed(listed, ledger=ledger, scope=scope)
            source = params.harvest.source
            store = Store(client, ledger, scope, data=project.data, source=source, locks=locks)
            with share(locks):
                got = _download(listed, client, store=store, params=params)
                publish_failures(got)
                if isinstance(client, FolderClient):
                    check_still_there(got, folder=client.folder)
                else:
                    check_reached(got)
                check_there(store, got)
                write_manifest(manifest, got, SCANS_SCHEMA)
        pruned = prune_scans(
            store,
            read_named=lambda: [row["path"] for row in read_manifest(manifest, SCANS_SCHEMA)],
            may_shrink=params.harvest.source == "sample",
        )
        line = publish_account(project, "scans", size=params.preprocess.size)
        said = f"{line.passed} of {line.seen} scans stored; {line.held_or_none} held back"
        return f"{said}; {SPARED.format(pruned.spared)}" if pruned.spared else said

    return or_cancelled(work)


def _read_listed(path: Path, *, source: str) -> list[CatalogRow]:
    """Read what the catalogue lists.

    Raises:
        SourceError: If it is another source's.
        CatalogError: If it lists a resource twice.
        ManifestError: If it cannot be read.
    """
    rows = read_catalog_rows(path)
    if (other := read_source(path)) != source:
        raise SourceError(
            f"{path}: expected the catalogue of harvest.source {source!r}, got that of "
            f"{other or 'an earlier version'!r}; run photochrom catalog first"
        )
    listed = [row for row in rows if row.state is CatalogState.LISTED]
    check_distinct(listed)
    return listed


def _get_rows(
    project: Project, params: Params, *, raw: Path, rebuild: bool
) -> tuple[list[CatalogRow], int]:
    """Get the catalogue's rows; count the items of which the listing alone tells."""
    is_folder = params.harvest.source == "folder"
    if rebuild and is_folder:
        return regather_catalog(raw), 0
    if rebuild:
        listing = read_catalog(raw, params.harvest.road, detail="listing")
        return _read_rows(listing, params.harvest, raw=raw)
    with alone(project):
        if is_folder:
            return gather_catalog(project, params, raw=raw), 0
        with open_asked(project, params) as (client, _):
            listing = _ask_catalog(client, params, raw=raw)
    return _read_rows(listing, params.harvest, raw=raw)


def _ask_catalog(client: Client, params: Params, *, raw: Path) -> list[CatalogRow]:
    """Ask for the listing and, where `harvest.detail` says so, for each of its items.

    Returns:
        The listing's rows; the items' replies are on the disk.
    """
    harvest, tally = params.harvest, Tally(WWW, total=0)

    def ask_listing(_: Sequence[None]) -> list[CatalogRow]:
        rows, _seen = fetch_catalog(
            client,
            road=harvest.road,
            page_size=harvest.page_size,
            detail="listing",
            raw=raw,
            may_shrink=harvest.source == "sample",
            on_page=tally.set,
        )
        return rows

    def ask_items(batch: Sequence[list[CatalogRow]]) -> dict[str, HarvestError]:
        missing = fetch_replies(client, batch, road=harvest.road, raw=raw)
        for item_id, error in missing.items():
            get_run_logger().warning("item %s: no reply of its own: %s", item_id, error)
            tally.count("no_reply")
        tally.count(items=len(batch) - len(missing))
        return missing

    with attend(tally, client=client, params=harvest, stop=client.stop):
        run = partial(run_batches, show=_ignore, stop=client.stop)
        (rows,) = run(ask_listing, [[None]], stage="catalog")
        if harvest.detail == "item":
            items = to_items(rows)
            tally.set(0, len(items))
            missing = run(ask_items, cut(items), stage="items")
            check_items({item_id: why for part in missing for item_id, why in part.items()})
        return rows


def _read_rows(
    listing: Sequence[CatalogRow], harvest: HarvestParams, *, raw: Path
) -> tuple[list[CatalogRow], int]:
    """Read what the items' own replies add to the listing; count the items that have none."""
    if harvest.detail == "listing":
        return list(listing), 0
    items = to_items(listing)
    rows = mark_repeated(read_items(items, road=harvest.road, raw=raw))
    return rows, len(find_alone(items, road=harvest.road, raw=raw))


def _download(
    rows: Sequence[CatalogRow], client: Client | FolderClient, *, store: Store, params: Params
) -> list[Scan]:
    """Download batch after batch; one that another process is at is done at the end."""
    is_folder = isinstance(client, FolderClient)
    tally = Tally("folder" if is_folder else TILE, total=len(rows))
    log = get_run_logger()

    def count(scan: Scan) -> None:
        if scan.state is not ScanState.STORED:
            log.warning("%s %s, %s: %s", scan.scan_id, scan.state, scan.reason, scan.url)
        tally.count("" if scan.state is ScanState.STORED else scan.reason)

    how: dict[str, Any] = {
        "store": store,
        "rendition": "u" if is_folder else params.harvest.rendition,  # a folder has the one file
        "workers": to_workers(params.harvest),
        "on_scan": count,
    }
    stop = store.stop
    watched = (
        attend_copies(tally, stop=stop)
        if isinstance(client, FolderClient)
        else attend(tally, client=client, params=params.harvest, stop=stop)
    )
    with watched:
        # One batch at a time: the threads within it are `harvest.workers`, and the pace is theirs.
        run = partial(run_batches, show=_ignore, stop=stop)
        batches = cut(rows)
        first = run(partial(try_batch, **how), batches, stage="scans")
        put_off = [batch for batch, got in zip(batches, first, strict=True) if got is None]
        later = iter(run(partial(download_batch, **how), put_off, stage="scans") if put_off else ())
        return [scan for got in first for scan in (next(later) if got is None else got)]


def _ignore(share: float) -> None:
    """Show nothing: the host's own progress does."""
