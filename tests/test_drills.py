"""Drills: the pipeline by DVC, in copies of the checkout, with and without Git."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest
import yaml

from flows.stages import STAGES
from harvest.manifest import SCANS_SCHEMA, read_manifest
from preprocess.manifest import GROUPS_SCHEMA
from tests.pipeline import Checkout, copy_checkout

pytestmark = pytest.mark.drill

SMALL = {
    "replica": {"items": 48, "pixels": 640},
    "preprocess": {"size": 64},
    "train": {"input": 32, "steps": 10, "validate_every": 5},
}
NAMES = [stage.name for stage in STAGES]


def change(checkout: Checkout, **sections: Mapping[str, object]) -> None:
    path = checkout.root / "params.yaml"
    params = yaml.safe_load(path.read_text())
    for name, settings in sections.items():
        params[name] |= settings
    path.write_text(yaml.safe_dump(params))


def must(checkout: Checkout, *words: str) -> str:
    done = checkout.call(*words)
    assert done.returncode == 0, f"{words}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def stages_run(output: str) -> list[str]:
    return re.findall(r"Running stage '(\w+)'", output)


def summaries(output: str) -> list[str]:
    """The stages that printed what came of them."""
    return re.findall(r"^(\w+) .* \(\d+ s\)$", output, re.MULTILINE)


def find_processes(root: Path) -> list[psutil.Process]:
    """Processes that name the folder, or stand in it."""
    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        words = " ".join(process.info["cmdline"] or [])
        inside = str(root) in words or str(root) in (process.info["cwd"] or "")
        if inside and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def read_shards(checkout: Checkout) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (checkout.data / "shards/64").glob("*.tar")}


def test_make_demo_in_a_fresh_clone_beats_the_table(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "clone")
    must(checkout, "git", "init", "-q")
    must(checkout, "git", "add", "-A")
    identity = ("-c", "user.name=drill", "-c", "user.email=drill@localhost")
    must(checkout, "git", *identity, "commit", "-qm", "all")
    try:
        first = must(checkout, "make", "demo")
        assert summaries(first) == NAMES
        assert str(checkout.data / "report.html") in first
        status = must(checkout, "git", "status", "--porcelain").split()
        assert status in ([], ["M", "dvc.lock"])
        figures = json.loads((checkout.data / "evaluation" / "metrics.json").read_text())
        assert figures["difference"]["lightness_by_row"]["de00"]["high"] < 0
    finally:
        must(checkout, "make", "clean")
    assert find_processes(checkout.root) == []


def test_make_demo_without_git_from_elsewhere_in_a_folder_with_a_space(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "a copy")
    change(checkout, **SMALL)
    elsewhere = Checkout(tmp_path)
    try:
        first = must(elsewhere, "make", "-C", str(checkout.root), "demo")
        assert summaries(first) == NAMES
        assert summaries(must(elsewhere, "make", "-C", str(checkout.root), "demo")) == []
    finally:
        must(checkout, "make", "clean")
    assert find_processes(checkout.root) == []


def test_only_what_depends_on_a_change_runs_again(tmp_path: Path) -> None:
    checkout = copy_checkout(tmp_path / "copy")
    must(checkout, "dvc", "config", "--local", "core.no_scm", "true")
    change(checkout, **SMALL)
    try:
        assert stages_run(must(checkout, "dvc", "repro")) == NAMES
        assert stages_run(must(checkout, "dvc", "repro")) == []
        change(checkout, preprocess={"min_confidence": 0.81})
        again = stages_run(must(checkout, "dvc", "repro"))
        assert again[0] == "crop"
        assert not {"catalog", "scans", "dedupe"} & set(again)
        before = read_shards(checkout)
        change(checkout, replica={"items": 49})
        must(checkout, "dvc", "repro", "shards")
        after = read_shards(checkout)
        changed = {name for name in before | after if before.get(name) != after.get(name)}
        # Item 49 is one print; where it has a second resource, that is of the same print.
        assert len(changed) == 1
        must(checkout, "photochrom", "down")
    finally:
        checkout.call("photochrom", "down")
    assert find_processes(checkout.root) == []


@pytest.mark.shared
def test_the_seventy_real_prints(tmp_path: Path, shared: Path) -> None:
    checkout = copy_checkout(tmp_path / "real")
    must(checkout, "dvc", "config", "--local", "core.no_scm", "true")
    change(checkout, replica={"images": str(shared / "photochroms")})
    try:
        must(checkout, "dvc", "repro")
        status = must(checkout, "photochrom", "status")
        assert status.count(" ok") == 8
    finally:
        checkout.call("photochrom", "down")
    titles = {
        row["scan_id"]: row["title"]
        for row in read_manifest(checkout.data / "scans.parquet", SCANS_SCHEMA)
    }
    views: dict[str, set[str]] = {}
    for row in read_manifest(checkout.data / "groups.parquet", GROUPS_SCHEMA):
        views.setdefault(row["view_id"], set()).add(titles[row["scan_id"]])
    assert len(titles) == 70
    assert sorted(sorted(view) for view in views.values() if len(view) > 1) == [
        ["gb-england-devonshire-brixham", "gb-station-322-brixham"],
        ["gb-england-devonshire-torquay", "gb-station-321-torquay"],
    ]
    figures = json.loads((checkout.data / "evaluation" / "metrics.json").read_text())
    assert figures["samples"] > 0
    assert (checkout.data / "report.html").stat().st_size > 1_000_000
