"""The whole pipeline, by its commands, on two dozen small prints; and on files that are none."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import sync_playwright

from flows.stages import STAGES
from harvest.manifest import SCANS_SCHEMA, read_manifest
from preprocess.lab import to_lightness
from preprocess.manifest import CROPS_SCHEMA, GROUPS_SCHEMA
from replica.catalogue import list_rows
from replica.truth import find_truth
from tests.axe import find_violations
from tests.pipeline import Checkout, make_project

SMALL = (
    "replica.items=24",
    "replica.pixels=512",
    "preprocess.size=64",
    "train.input=32",
    "train.steps=3",
    "train.batch=4",
)
Row = dict[str, Any]
NAMES = [stage.name for stage in STAGES]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A project in which all nine stages have run."""
    project = make_project(tmp_path_factory.mktemp("made"), *SMALL)
    try:
        project.run_all(NAMES)
        yield project
    finally:
        project.call("photochrom", "down")


def test_the_account_adds_up(made: Checkout) -> None:
    text = made.run("status")
    assert text.count(" ok") == 8
    assert "not run" not in text


@pytest.mark.parametrize("kind", ["group_id", "view_id"])
def test_groups_and_views_are_the_true_ones(made: Checkout, kind: str) -> None:
    truth = find_truth(list_rows(24, seed=1), pixels=512)
    rows = read_manifest(made.data / "groups.parquet", GROUPS_SCHEMA)
    colour = [row for row in rows if row["role"] == "colour"]
    assert len(colour) > 20
    assert to_sets(colour, lambda row: row[kind]) == to_sets(
        colour, lambda row: getattr(truth[row["scan_id"]], kind)
    )


def to_sets(rows: list[Row], key: Callable[[Row], str]) -> set[frozenset[str]]:
    """Which scans belong together, whatever their group is called."""
    sets: dict[str, set[str]] = {}
    for row in rows:
        sets.setdefault(key(row), set()).add(row["scan_id"])
    return {frozenset(members) for members in sets.values()}


def test_the_report_asks_for_nothing_outside_itself(made: Checkout) -> None:
    page = (made.data / "report.html").read_text("utf-8")
    assert 'src="data:image/' in page
    assert "http://" not in page
    assert "https://" not in page


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_the_report_fits_a_browser_and_requests_nothing(
    made: Checkout, chromium: str, width: int
) -> None:
    outside: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": width, "height": 900})
        page.on("request", lambda request: outside.append(request.url))
        page.goto((made.data / "report.html").as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        shown = "[...document.images].every(i => i.complete && i.naturalWidth > 0)"
        page.wait_for_function(shown)
        assert find_violations(page) == []
        browser.close()
    assert [url for url in outside if not url.startswith(("data:", "file:"))] == []


def test_the_summary_fits_a_screen_and_names_what_still_runs(made: Checkout) -> None:
    lines = made.run("summary").splitlines()
    server = json.loads((made.root / ".photochrom" / "server.json").read_text())
    assert len(lines) <= 24
    assert any(server["url"] in line for line in lines)
    assert any("photochrom down" in line for line in lines)
    assert all(len(line) <= 80 for line in lines if str(made.root) not in line)


def test_a_photograph_keeps_its_size_and_lightness(made: Checkout, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    ramp = np.linspace(10, 245, 150)[None].repeat(90, axis=0) + rng.normal(0, 3, (90, 150))
    grey = np.clip(ramp, 0, 255).astype(np.uint8)
    Image.fromarray(grey).save(tmp_path / "photo.png")
    printed = made.run("colorize", str(tmp_path / "photo.png"), "--out", str(tmp_path / "out"))
    copy = np.asarray(Image.open(printed.strip()))
    assert copy.shape == (90, 150, 3)
    assert np.ptp(copy.astype(int), axis=2).max() > 0
    before, after = to_lightness(np.dstack([grey] * 3)), to_lightness(copy)
    assert np.abs(after - before).mean() < 0.2


def test_a_stage_run_again_gives_the_same_bytes(made: Checkout) -> None:
    """A second harvest asks for no file again, and shards do not depend on processes."""
    kept = ("catalog.parquet", "scans.parquet", "groups.parquet", "crops.parquet")
    before = {name: (made.data / name).read_bytes() for name in kept}
    shards = {path.name: path.read_bytes() for path in (made.data / "shards" / "64").iterdir()}
    stamps = {path: path.stat().st_mtime_ns for path in (made.data / "scans").rglob("*.jpg")}
    made.run_all(["catalog", "scans", "dedupe", "crop"])
    made.run("shards", "--set", "preprocess.workers=1")
    assert {name: (made.data / name).read_bytes() for name in kept} == before
    again = {path.name: path.read_bytes() for path in (made.data / "shards" / "64").iterdir()}
    assert again == shards
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stamps.items())


def test_files_that_are_no_prints_are_rows_with_a_reason(made: Checkout, tmp_path: Path) -> None:
    prints = tmp_path / "prints"
    prints.mkdir()
    good = sorted((made.data / "scans").rglob("*.jpg"))[0].read_bytes()
    (prints / "good.jpg").write_bytes(good)
    (prints / "empty.jpg").touch()
    (prints / "text.jpg").write_text("not a picture\n" * 100)
    (prints / "torn.jpg").write_bytes(good[: len(good) // 2])
    Image.new("RGB", (1, 1)).save(prints / "dot.png")
    project = make_project(tmp_path / "bad", f"replica.images={prints}", "preprocess.size=64")
    try:
        project.run_all(["catalog", "scans", "dedupe", "crop", "pairs", "shards"])
        assert project.run("status").count(" ok") == 6
    finally:
        project.call("photochrom", "down")
    rows = read_manifest(project.data / "scans.parquet", SCANS_SCHEMA)
    assert {row["title"]: (row["state"], row["reason"]) for row in rows} == {
        "good": ("stored", ""),
        "empty": ("rejected", "empty_file"),
        "text": ("rejected", "not_an_image"),
        "torn": ("rejected", "truncated"),
        "dot": ("rejected", "too_small"),
    }
    assert len(read_manifest(project.data / "crops.parquet", CROPS_SCHEMA)) == 1
