"""The whole room against the replica: its oddities are the Library's."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harvest.client import Client, Manners
from harvest.download import Store, download_batch
from harvest.ledger import Ledger
from harvest.listing import fetch_catalog, read_catalog
from harvest.manifest import CATALOG_SCHEMA, SCANS_SCHEMA, write_manifest
from harvest.records import CatalogState, Role, ScanState

ITEMS = 10


@pytest.fixture(scope="module")
def replica() -> Iterator[str]:
    options = ["--items", str(ITEMS), "--seed", "5", "--pixels", "256"]
    process = subprocess.Popen(
        [sys.executable, "-m", "replica", "--until-stdin-closes", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


@pytest.fixture
def client(replica: str) -> Iterator[Client]:
    manners = Manners("photochrom-test", {}, retries=2, timeout_s=60, connections=2, backoff_s=0.1)
    redirect = {"www.loc.gov": replica, "tile.loc.gov": replica}
    with Client(manners, redirect=redirect) as client:
        yield client


@pytest.mark.parametrize("detail", ["listing", "item"])
def test_the_account_of_the_catalogue_adds_up(client: Client, tmp_path: Path, detail: str) -> None:
    rows, seen = fetch_catalog(client, page_size=7, detail=detail, raw=tmp_path)
    assert {row.row for row in rows} == set(range(1, seen + 1))
    listed = [row for row in rows if row.state is CatalogState.LISTED]
    assert len({row.item_id for row in listed if row.role is Role.COLOUR}) == ITEMS
    assert all(row.reason for row in rows if row.state is CatalogState.SKIPPED)
    assert {row.rights for row in listed} == {"No known restrictions on publication."}
    if detail == "listing":
        assert read_catalog(tmp_path) == rows


def test_two_harvests_give_the_same_bytes_and_ask_for_each_scan_once(
    client: Client, tmp_path: Path
) -> None:
    rows, _ = fetch_catalog(client, page_size=150, detail="listing", raw=tmp_path / "raw")
    write_manifest(tmp_path / "catalog.parquet", rows, CATALOG_SCHEMA)
    listed = [row for row in rows if row.state is CatalogState.LISTED][:4]
    manifests = []
    for _ in range(2):
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            store = Store(client, ledger, "sample:seed=5", tmp_path / "data", "sample")
            scans = download_batch(listed, store=store, rendition="r", workers=2)
        write_manifest(tmp_path / "scans.parquet", scans, SCANS_SCHEMA)
        manifests.append((tmp_path / "scans.parquet").read_bytes())
    assert {scan.state for scan in scans} == {ScanState.STORED}
    assert all((tmp_path / "data" / str(scan.path)).is_file() for scan in scans)
    assert manifests[0] == manifests[1]
