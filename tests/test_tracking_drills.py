"""Drills: a deployed training on its own page, and a server that goes while it trains."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import sync_playwright

from flows.deploying.processes import find_family
from tests.deploying import ENDED, House, make_training_house, wait_for

pytestmark = pytest.mark.drill

KEYS = {"training", "live-curve", "live-pictures"}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = make_training_house(tmp_path / "house", {}, batch=4)
    house.must("photochrom", "ui")
    token = house.record("workers")["token"]
    try:
        yield house
    finally:
        house.must("photochrom", "down")
        assert find_family(token) == []


def find(house: House, run: str) -> dict[str, dict[str, str]]:
    """Read the artifacts of a run by key; there is one of each."""
    found = house.ask("/artifacts/filter", flow_runs={"id": {"any_": [run]}})
    assert len({one["key"] for one in found}) == len(found)
    return {one["key"]: one for one in found}


def find_stage(house: House, deployed: str) -> str:
    """Find the run of the stage that a deployed run has started: its tag is that run's name."""
    tags = {"tags": {"all_": [house.read(deployed)["name"]]}}
    (run,) = house.ask("/flow_runs/filter", flow_runs=tags)
    return str(run["id"])


def test_a_deployed_training_is_shown_on_its_own_page_while_it_goes_on(
    house: House, chromium: str
) -> None:
    run = house.run("train/local")
    wait_for(lambda: find(house, run).keys() >= KEYS)
    assert house.state(run) == "RUNNING"
    first = find(house, run)
    assert house.await_state(run, *ENDED)["state_type"] == "COMPLETED"
    for where in (run, find_stage(house, run)):
        last = find(house, where)
        assert "| step | 60 of 60 |" in last["training"]["data"]
        assert "| time left | done |" in last["training"]["data"]
    for key in KEYS:
        shown = find(house, run)[key]
        assert (shown["id"], shown["data"] != first[key]["data"]) == (first[key]["id"], True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(f"{house.url}/artifacts/artifact/{first['training']['id']}")
        page.get_by_text("60 of 60").wait_for()
        page.goto(f"{house.url}/artifacts/artifact/{first['live-curve']['id']}")
        page.locator("img[src^='data:image/png']").wait_for()
        browser.close()


def test_a_server_that_is_away_for_a_while_ends_no_training(house: House) -> None:
    run = house.run("train/local")
    wait_for(lambda: "training" in find(house, run))
    server = psutil.Process(house.record("server")["pid"])
    server.kill()
    server.wait(30)
    house.must("photochrom", "ui")
    assert house.await_state(run, *ENDED)["state_type"] == "COMPLETED"
    assert "| step | 60 of 60 |" in find(house, run)["training"]["data"]
    before = (house.root / "dvc.lock").read_bytes()
    live = house.root / "data" / "live"
    files = {path: path.read_bytes() for path in live.rglob("*") if path.is_file()}
    # The same training again, undisturbed: DVC finds the same files.
    shutil.rmtree(house.root / ".dvc" / "cache" / "runs")
    house.must("dvc", "repro", "--force", "--single-item", "train")
    assert (house.root / "dvc.lock").read_bytes() == before
    assert {path: path.read_bytes() for path in files} == files
