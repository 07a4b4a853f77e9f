"""The whole room against the replica: its oddities are the Library's."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from harvest.catalog import to_item_rows
from harvest.client import Client
from harvest.crosscheck import compare_rows, find_unmatched
from harvest.download import download_batch
from harvest.ledger import Ledger
from harvest.listing import fetch_catalog, read_catalog
from harvest.manifest import CATALOG_SCHEMA, SCANS_SCHEMA, read_catalog_rows, write_manifest
from harvest.manners import Manners
from harvest.ppoc import to_item_reply
from harvest.records import CatalogRow, CatalogState, Role, ScanState
from harvest.replies import to_items
from harvest.store import Store

ITEMS = 24


@pytest.fixture(scope="module")
def replica() -> Iterator[str]:
    options = ["--items", str(ITEMS), "--seed", "5", "--pixels", "256", "--style", "plain"]
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
    manners = Manners(
        user_agent="photochrom-test",
        limits={},
        retries=2,
        timeout_s=60.0,
        connections=2,
        backoff_s=0.1,
        guard_s=0.0,
        state=None,
    )
    redirect = {"www.loc.gov": replica, "tile.loc.gov": replica}
    with Client(manners, redirect=redirect) as client:
        yield client


def fetch(client: Client, raw: Path, **change: Any) -> list[CatalogRow]:
    how: dict[str, Any] = {"road": "json", "page_size": 7, "detail": "listing", "raw": raw}
    return fetch_catalog(client, **(how | change))[0]


@pytest.mark.parametrize("detail", ["listing", "item"])
@pytest.mark.parametrize("road", ["json", "pictures"])
def test_the_account_of_the_catalogue_adds_up(
    client: Client, tmp_path: Path, road: str, detail: str
) -> None:
    how: dict[str, Any] = {"road": road, "page_size": 7, "detail": detail, "raw": tmp_path}
    rows, seen = fetch_catalog(client, **how)
    assert {row.row for row in rows} == set(range(1, seen + 1))
    listed = [row for row in rows if row.state is CatalogState.LISTED]
    assert len({row.item_id for row in listed if row.role is Role.COLOUR}) == ITEMS
    assert all(row.reason for row in rows if row.state is CatalogState.SKIPPED)
    assert {row.date_from for row in listed} >= {1890}
    assert read_catalog(tmp_path, road, detail=detail) == rows
    if (road, detail) != ("pictures", "listing"):  # whose search does not say it
        assert {row.rights for row in listed} == {"No known restrictions on publication."}


@pytest.mark.parametrize("detail", ["listing", "item"])
def test_both_roads_say_the_same_of_the_same_items(
    client: Client, tmp_path: Path, detail: str
) -> None:
    ours = fetch(client, tmp_path, detail=detail)
    theirs = fetch(client, tmp_path, road="pictures", detail=detail)
    assert compare_rows(ours, theirs) == []
    assert find_unmatched(ours, theirs) == ([], [])
    if detail == "item":
        assert {row.resource_id for row in ours} == {row.resource_id for row in theirs}


def test_the_older_sites_web_pages_say_the_same_too(
    client: Client, replica: str, tmp_path: Path
) -> None:
    ours = fetch(client, tmp_path, detail="item")
    for row, *_ in to_items([row for row in ours if row.state is CatalogState.LISTED]):
        page = Request(f"{replica}/pictures/item/{row.item_id}/", headers={"Host": "www.loc.gov"})
        with urlopen(page) as answer:  # the client would say that it prefers JSON
            html = answer.read().decode()
        reply = to_item_reply(None, html, item_id=row.item_id)
        theirs = to_item_rows(reply, row=row.row)
        same = [mine for mine in ours if mine.item_id == row.item_id]
        assert [mine.resource_id for mine in same] == [its.resource_id for its in theirs]
        assert compare_rows(same, theirs) == []


def test_a_second_reading_gives_the_same_catalogue(client: Client, tmp_path: Path) -> None:
    manifests = []
    for name in ("a", "b"):
        rows = fetch(client, tmp_path / name, page_size=150)
        write_manifest(tmp_path / f"{name}.parquet", rows, CATALOG_SCHEMA)
        manifests.append((tmp_path / f"{name}.parquet").read_bytes())
        ordered = sorted(rows, key=lambda row: (row.row, row.resource_id or "~"))
        assert read_catalog_rows(tmp_path / f"{name}.parquet") == ordered
    assert manifests[0] == manifests[1]


def test_two_harvests_give_the_same_bytes_and_ask_for_each_scan_once(
    client: Client, tmp_path: Path
) -> None:
    rows = fetch(client, tmp_path / "raw", page_size=150)
    listed = [row for row in rows if row.state is CatalogState.LISTED][:4]
    manifests = []
    for _ in range(2):
        with Ledger(tmp_path / "ledger.sqlite") as ledger:
            locks = tmp_path / "locks"
            store = Store(client, ledger, "sample:seed=5", tmp_path / "data", "sample", locks)
            scans = download_batch(listed, store=store, rendition="r", workers=2)
        write_manifest(tmp_path / "scans.parquet", scans, SCANS_SCHEMA)
        manifests.append((tmp_path / "scans.parquet").read_bytes())
    assert {scan.state for scan in scans} == {ScanState.STORED}
    assert all((tmp_path / "data" / str(scan.path)).is_file() for scan in scans)
    assert manifests[0] == manifests[1]
