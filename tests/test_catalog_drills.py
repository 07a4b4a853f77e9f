"""Drills of the catalogue with its items: on a bad day it is the same, byte for byte, or none."""

import logging
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import requests

from flows.project import Project
from flows.server import find_server
from harvest.manifest import CATALOG_SCHEMA, read_manifest
from replica.entries import Entry
from tests.pipeline import Checkout, aim, lay_plan, read_lines, serve

pytestmark = pytest.mark.drill

ITEMS = 100
ROADS = ("json", "pictures")
ROUTES = ["listing", "item", "search", "picture_item"]
RATES = {
    "too_many_seconds": 0.005,
    "too_many_date": 0.005,
    "too_many_bare": 0.01,
    "error_500": 0.015,
    "error_502": 0.015,
    "unavailable": 0.005,
    "too_busy": 0.015,
    "error_504": 0.015,
    "html": 0.03,
    "broken_json": 0.02,
    "wrong_charset": 0.02,
    "deep_json": 0.02,
    "reset": 0.02,
    "cut": 0.02,
    "silence": 0.01,
    "stall": 0.01,
}
SECONDS = {"too_many_seconds": 1, "too_many_date": 1, "unavailable": 1, "silence": 1, "stall": 1}
PAGES = ("empty_page", "rows_missing", "rows_repeated")
REDIRECTS = ("redirect_host", "redirect_http", "redirect_private", "redirect_loop")
SETTINGS = ("harvest.detail=item", "harvest.page_size=20", "harvest.timeout_s=0.5")


def rule(
    kind: str, rate: float, routes: Sequence[str] = ROUTES, **more: object
) -> dict[str, object]:
    seconds = {"seconds": SECONDS[kind]} if kind in SECONDS else {}
    return {"kind": kind, "route": list(routes), "rate": rate, **seconds, **more}


BAD_DAY = [
    *(rule(kind, 0.1, ["listing", "search"]) for kind in PAGES),
    *(rule(kind, 0.01, times=1) for kind in REDIRECTS),
    *(rule(kind, rate) for kind, rate in RATES.items()),
]


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the catalogue is on a good day, by road."""
    made = {}
    with serve(ITEMS) as url:
        for road in ROADS:
            root = tmp_path_factory.mktemp(f"clean-{road}")
            project = aim(root, url, ITEMS, *SETTINGS, f"harvest.road={road}")
            try:
                assert "without a reply" not in project.run("catalog")
            finally:
                project.call("photochrom", "down")
            made[road] = (project.data / "catalog.parquet").read_bytes()
    return made


def find_items(root: Path, catalog: bytes) -> list[str]:
    """The LCCNs that are asked for, in order."""
    path = root / "clean.parquet"
    path.write_bytes(catalog)
    rows = read_manifest(path, CATALOG_SCHEMA)
    return list(dict.fromkeys(row["item_id"] for row in rows if row["state"] == "listed"))


def try_catalog(project: Checkout, *, runs: int) -> list[str]:
    """Run `photochrom catalog` until it is through, as its messages say; gives these."""
    said = []
    for _ in range(runs):
        done = project.call("photochrom", "catalog", *project.overrides())
        assert "Traceback" not in done.stderr
        said.append(done.stdout if done.returncode == 0 else done.stderr)
        if done.returncode == 0:
            return said
        assert not (project.data / "catalog.parquet").exists()
    raise AssertionError(said)


@pytest.mark.parametrize("road", ROADS)
def test_a_bad_day_gives_the_same_catalogue(
    tmp_path: Path, clean: dict[str, bytes], road: str
) -> None:
    log, plan = tmp_path / "log.jsonl", lay_plan(tmp_path / "plan.yaml", faults=BAD_DAY, most=4)
    with serve(ITEMS, "--faults", str(plan), "--log", str(log)) as url:
        project = aim(tmp_path / "project", url, ITEMS, *SETTINGS, f"harvest.road={road}")
        try:
            said = try_catalog(project, runs=4)
        finally:
            project.call("photochrom", "down")
    assert (project.data / "catalog.parquet").read_bytes() == clean[road]
    assert "without a reply" not in said[-1]
    lines = read_lines(log)
    faulty = Counter(line.fault for line in lines if line.fault)
    assert faulty.total() >= 0.2 * len(lines)
    assert len(faulty) >= 15


@pytest.mark.parametrize(
    ("road", "kind"),
    [("json", "error_500"), ("json", "stall"), ("pictures", "html"), ("pictures", "reset")],
)
def test_an_item_that_does_not_come_today_ends_the_run_and_comes_tomorrow(
    tmp_path: Path, clean: dict[str, bytes], road: str, kind: str
) -> None:
    lost = find_items(tmp_path, clean[road])[70]
    # Its own page fails in three attempts of each of three looks; all others come.
    faults = [rule(kind, 1.0, ["item", "picture_item"], match=f"/{lost}/", times=9)]
    plan = lay_plan(tmp_path / "plan.yaml", faults=faults, most=9)
    log = tmp_path / "log.jsonl"
    with serve(ITEMS, "--faults", str(plan), "--log", str(log)) as url:
        settings = (*SETTINGS, f"harvest.road={road}", "harvest.retries=2")
        project = aim(tmp_path / "project", url, ITEMS, *settings)
        try:
            first, second = try_catalog(project, runs=2)
        finally:
            project.call("photochrom", "down")
    assert f"items without an answer: 1, the first one {lost}" in first.replace("\n", " ")
    assert "run photochrom catalog again" in " ".join(first.split())
    assert "without a reply" not in second
    assert (project.data / "catalog.parquet").read_bytes() == clean[road]
    assert set(count_items(read_lines(log)).values()) == {1, 10}


def count_items(lines: Sequence[Entry]) -> Counter[str]:
    """How often each item was asked for."""
    return Counter(line.path for line in lines if line.route in ("item", "picture_item"))


@pytest.mark.parametrize("road", ROADS)
def test_an_item_that_the_library_does_not_have_is_told_and_counted(
    tmp_path: Path, clean: dict[str, bytes], road: str
) -> None:
    gone = find_items(tmp_path, clean[road])[7]
    faults = [rule("not_found", 1.0, ["item", "picture_item"], match=f"/{gone}/")]
    plan = lay_plan(tmp_path / "plan.yaml", faults=faults, most=99)
    with serve(ITEMS, "--faults", str(plan)) as url:
        project = aim(tmp_path / "project", url, ITEMS, *SETTINGS, f"harvest.road={road}")
        try:
            done = project.call("photochrom", "catalog", *project.overrides())
            again = project.run("catalog", "--rebuild")
            warnings = read_warnings(project)
        finally:
            project.call("photochrom", "down")
    assert done.returncode == 0, done.stderr
    (warning,) = warnings
    assert warning.startswith(f"item {gone}: no reply of its own: ")
    assert "HTTP 404" in warning
    for said in (done.stdout, again):
        assert "items without a reply of their own, as the listing has them: 1" in said
    rows = read_manifest(project.data / "catalog.parquet", CATALOG_SCHEMA)
    assert gone in {row["item_id"] for row in rows if row["state"] == "listed"}


def read_warnings(project: Checkout) -> list[str]:
    """The warnings of the project's runs, as the Prefect UI shows them."""
    server = find_server(Project(project.root))
    assert server is not None
    query = {"logs": {"level": {"ge_": logging.WARNING}}}
    answer = requests.post(f"{server.url}/api/logs/filter", json=query, timeout=10)
    return [log["message"] for log in answer.json()]
