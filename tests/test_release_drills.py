"""Drills: two releases of the whole pipeline, the first one killed at several places."""

import csv
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from harvest.manifest import read_manifest
from preprocess.manifest import SAMPLES_SCHEMA
from preprocess.released import read_released
from tests.pipeline import Checkout, copy_checkout, environment
from tests.test_drills import SMALL, change, find_processes, must

pytestmark = pytest.mark.drill

IDENTITY = {
    f"GIT_{who}_{what}": value
    for who in ("AUTHOR", "COMMITTER")
    for what, value in (("NAME", "drill"), ("EMAIL", "drill@localhost"))
}
PLACES = (
    ".photochrom/release.json",
    "splits/sample.parquet",
    "releases/sample/SHA256SUMS",
    "releases/sample/release.json",
)
"""Files that a release makes one after the other; it is killed as soon as each is there."""
PATIENCE_S = 600


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    for name, value in IDENTITY.items():
        monkeypatch.setenv(name, value)
    checkout = copy_checkout(tmp_path / "clone")
    change(checkout, **SMALL)
    change(checkout, replica={"style": "plain"})
    must(checkout, "git", "init", "-q")
    must(checkout, "dvc", "repro", "--quiet")
    commit(checkout, "48 items")
    return checkout


def commit(checkout: Checkout, message: str) -> None:
    must(checkout, "git", "add", "-A")
    must(checkout, "git", "commit", "-qm", message)


def read_keys(checkout: Checkout) -> dict[str, str]:
    """Split of each sample by its key."""
    rows = read_manifest(checkout.data / "shards/64/samples.parquet", SAMPLES_SCHEMA)
    return {row["key"]: row["split"] for row in rows if row["state"] == "written"}


def kill_release(checkout: Checkout, place: str) -> None:
    """Start a release and kill it, it alone and not what it started, once a file is there."""
    path = checkout.root / place
    with subprocess.Popen(
        ["photochrom", "release", "v1"],
        cwd=checkout.root,
        env=environment(),
        stdout=subprocess.DEVNULL,
    ) as process:
        # What an earlier kill left is taken back first, and is not what is waited for.
        for there in (False, True):
            until = time.monotonic() + PATIENCE_S
            while path.exists() != there:
                assert process.poll() is None, f"ended before {place} was there"
                assert time.monotonic() < until
                time.sleep(0.002)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def test_releases_name_what_came_and_a_killed_one_is_completed(checkout: Checkout) -> None:
    try:
        for place in PLACES:
            kill_release(checkout, place)
        must(checkout, "photochrom", "release", "v1")
        assert must(checkout, "git", "status", "--porcelain") == ""
        assert must(checkout, "dvc", "status").strip() == "Data and pipelines are up to date."
        assert must(checkout, "git", "rev-list", "--count", "HEAD").strip() == "2"
        first = read_keys(checkout)
        released = read_released(checkout.root / "splits/sample.parquet")

        change(checkout, replica={"items": 60})
        must(checkout, "dvc", "repro", "--quiet")
        commit(checkout, "60 items")
        must(checkout, "photochrom", "release", "v2", "-m", "Twelve more items.")
        second = read_keys(checkout)
        said = must(checkout, "photochrom", "diff", "v1", "v2", "--all", "--out", "diff.html")
        with (checkout.root / "releases/sample/changes.csv").open() as stream:
            listed = {row["key"]: row["change"] for row in csv.DictReader(stream)}
        came, went = second.keys() - first.keys(), first.keys() - second.keys()
        assert {key for key, kind in listed.items() if kind == "added"} == came
        assert {key for key, kind in listed.items() if kind == "dropped"} == went
        assert came
        assert all(f" {key} " in said for key in came | went)
        moved = [key for key in first.keys() & second.keys() if first[key] != second[key]]
        assert moved == []
        now = read_released(checkout.root / "splits/sample.parquet")
        assert {scan: now[scan][1] for scan in released} == {
            scan: split for scan, (_, split) in released.items()
        }
        assert 'class="none"' not in (checkout.root / "diff.html").read_text()
        assert "held against SHA256SUMS" in must(checkout, "photochrom", "verify", "--complete")
    finally:
        checkout.call("photochrom", "down")
    assert find_processes(checkout.root) == []
