"""Flows: the source's catalogue to a manifest, and its scans to disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from prefect import flow

from flows.artifacts import publish_account
from flows.batches import cut, run_batches
from flows.params import Params
from flows.project import Project
from flows.source import open_source
from harvest.client import Client
from harvest.download import Store, check_reached, download_batch, prune_scans
from harvest.ledger import Ledger
from harvest.listing import fetch_catalog
from harvest.manifest import CATALOG_SCHEMA, SCANS_SCHEMA, read_catalog_rows, write_manifest
from harvest.records import CatalogState
from harvest.sources import open_client, to_workers


@flow(name="catalog", flow_run_name="catalog-{settings[harvest][source]}")
def catalog(root: str, settings: dict[str, Any]) -> str:
    """Ask the source what there is."""
    project, params = Project(Path(root)), Params.model_validate(settings)
    fetch = partial(fetch_catalog, page_size=params.harvest.page_size, detail=params.harvest.detail)
    raw = project.data / "catalog" / params.harvest.source
    with _open(project, params) as (client, _):
        ((rows, _seen),) = run_batches(
            lambda clients: fetch(clients[0], raw=raw), [[client]], stage="catalog"
        )
    write_manifest(project.data / "catalog.parquet", rows, CATALOG_SCHEMA)
    line = publish_account(project, "catalog", size=params.preprocess.size)
    return f"{line.seen} rows, {line.passed} resources listed; {line.held_text or 'none'} held back"


@flow(name="scans", flow_run_name="scans-{settings[harvest][source]}")
def scans(root: str, settings: dict[str, Any]) -> str:
    """Download one scan of each resource."""
    project, params = Project(Path(root)), Params.model_validate(settings)
    catalogued = read_catalog_rows(project.data / "catalog.parquet")
    listed = [row for row in catalogued if row.state is CatalogState.LISTED]
    with (
        _open(project, params) as (client, scope),
        Ledger(project.state / "ledger.sqlite") as ledger,
    ):
        store = Store(client, ledger, scope, data=project.data, source=params.harvest.source)
        download = partial(
            download_batch,
            store=store,
            rendition=params.harvest.rendition,
            workers=to_workers(params.harvest),
        )
        # One batch at a time: the threads within it are `harvest.workers`, and the pace is theirs.
        got = list(chain.from_iterable(run_batches(download, cut(listed), stage="scans")))
    check_reached(got)
    prune_scans(project.data, source=params.harvest.source, scans=got)
    write_manifest(project.data / "scans.parquet", got, SCANS_SCHEMA)
    line = publish_account(project, "scans", size=params.preprocess.size)
    return f"{line.passed} of {line.seen} scans stored; {line.held_text or 'none held back'}"


@contextmanager
def _open(project: Project, params: Params) -> Iterator[tuple[Client, str]]:
    """Open the source and a client for it; yield the client and the scope of its files."""
    with (
        open_source(project, params) as source,
        open_client(params.harvest, redirect=source.redirect) as client,
    ):
        yield client, source.scope
