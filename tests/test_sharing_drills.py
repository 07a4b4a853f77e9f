"""Drills: the pipeline as its users share and rebuild it, through every kind of DVC remote."""

import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from tests.dvc_projects import DvcProject
from tests.pipeline import copy_checkout
from tests.remotes import BUCKET, KEYS, S3Store, Wire, serve_http, serve_s3, serve_ssh

pytestmark = pytest.mark.drill

SMALL: dict[str, dict[str, object]] = {
    "replica": {"items": 48, "pixels": 640},
    "preprocess": {"size": 64, "also_sizes": [32]},
    "train": {"input": 32, "steps": 10, "validate_every": 5},
}
SIZE = "data/shards/64"
FURTHER = "data/shards/32"
PASSED_BYTES = 3_000_000
"""What goes up before the wire stops: part of the model's file, after some scans."""


def change(project: DvcProject, sections: dict[str, dict[str, object]]) -> None:
    path = project.root / "params.yaml"
    params = yaml.safe_load(path.read_text())
    for name, settings in sections.items():
        params[name] |= settings
    path.write_text(yaml.safe_dump(params))


def stages_run(output: str) -> list[str]:
    return re.findall(r"Running stage '([^']+)'", output)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small pipeline, run by DVC and committed."""
    root = tmp_path_factory.mktemp("built") / "project"
    copy_checkout(root)
    project = DvcProject(root)
    change(project, SMALL)
    project.git("init", "-q")
    project.commit("all")
    try:
        project.dvc("repro", "-q")
    finally:
        project.run("photochrom", "down")
    project.commit("data")
    return root


@pytest.fixture
def project(built: Path, tmp_path: Path) -> Iterator[DvcProject]:
    """A copy of it, whose server ends with the test."""
    shutil.copytree(built, tmp_path / "project", symlinks=True)
    project = DvcProject(tmp_path / "project")
    yield project
    project.run("photochrom", "down")


@contextmanager
def shared(kind: str, project: DvcProject, place: Path) -> Iterator[DvcProject]:
    """Push all to a store of the kind; gives the project with what its remote needs."""
    store = place / "store"
    if kind in ("folder", "http"):
        project.dvc("remote", "add", "-q", "-d", "store", str(store))
        project.dvc("push", "-q")
        if kind == "folder":
            yield project
            return
        with serve_http(store) as url:
            project.dvc("remote", "add", "-q", "-f", "store", url)
            yield project
    elif kind == "s3":
        with serve_s3() as s3:
            sharing = DvcProject(project.root, KEYS)
            lead_to_s3(sharing, s3.url)
            sharing.dvc("push", "-q")
            yield sharing
    else:
        with serve_ssh(place / "host", place / "key") as ssh:
            sharing = DvcProject(project.root, {"SSH_AUTH_SOCK": ""})
            sharing.dvc("remote", "add", "-q", "-d", "store", ssh.url)
            # In a user's project this is `--local`; here the clone shall have it too.
            sharing.dvc("remote", "modify", "store", "keyfile", str(ssh.key))
            sharing.dvc("push", "-q")
            yield sharing


def lead_to_s3(project: DvcProject, url: str) -> None:
    project.dvc("remote", "add", "-q", "-d", "-f", "store", f"s3://{BUCKET}/photochrom")
    project.dvc("remote", "modify", "store", "endpointurl", url)


def pull_splits(clone: DvcProject, *splits: str) -> None:
    """Pull the index and the shards of some splits, as docs/share.md says."""
    listed = clone.dvc("list", ".", SIZE).split()
    wanted = [f"{SIZE}/{name}" for name in listed if name.startswith(("index.", *splits))]
    clone.dvc("pull", "-q", *wanted)


def check_shards(folder: Path) -> None:
    """Hold every shard against the checksum of its index."""
    shards = json.loads((folder / "index.json").read_text())["shards"]
    assert shards
    for shard in shards:
        content = (folder / shard["name"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == shard["sha256"]


@pytest.mark.parametrize("kind", ["folder", "s3", "ssh", "http"])
def test_a_collaborator_pulls_two_splits_trains_and_pulls_another_size(
    kind: str, project: DvcProject, tmp_path: Path
) -> None:
    with shared(kind, project, tmp_path) as sharing:
        sharing.commit("remote")
        clone = sharing.clone(tmp_path / "clone")
        try:
            pull_splits(clone, "train", "val")
            assert not [name for name in clone.files(SIZE) if name.startswith(("test", "pairs"))]
            clone.run("photochrom", "train")
        finally:
            clone.run("photochrom", "down")
        clone.dvc("pull", "-q", FURTHER)
    ours, theirs = project.files("data/model"), clone.files("data/model")
    assert theirs["model.safetensors"] == ours["model.safetensors"]
    assert clone.files(FURTHER) == project.files(FURTHER)
    check_shards(clone.root / FURTHER)
    assert clone.files("data/scans") == {}


def test_a_whole_size_trains_by_dvc_and_the_lock_stays(project: DvcProject, tmp_path: Path) -> None:
    with shared("folder", project, tmp_path) as sharing:
        sharing.commit("remote")
        clone = sharing.clone(tmp_path / "clone")
        clone.dvc("pull", "-q", SIZE)
        try:
            assert stages_run(clone.dvc("repro", "--single-item", "train")) == ["train"]
        finally:
            clone.run("photochrom", "down")
        assert clone.git("status", "--porcelain") == ""
        clone.dvc("push", "-q", "train")
    assert clone.files("data/model") == project.files("data/model")


@pytest.mark.parametrize("victim", ["network", "store", "push"])
def test_what_was_killed_in_mid_push_is_made_good_by_the_next_push(
    victim: str, project: DvcProject, tmp_path: Path
) -> None:
    with serve_s3() as s3:
        sharing, wire = DvcProject(project.root, KEYS), Wire(s3.port)
        lead_to_s3(sharing, wire.url)
        sharing.commit("remote")
        wire.lay(size_bytes=PASSED_BYTES)
        push = subprocess.Popen(
            ("dvc", "push", "-q"),
            cwd=sharing.root,
            env=sharing.environment(),
            stderr=subprocess.DEVNULL,
        )
        try:
            assert wire.full.wait(timeout=120)
            kill(victim, push=push, wire=wire, s3=s3)
            assert push.wait(timeout=300) != 0
        finally:
            push.kill()
            push.wait()
            wire.cut()
        if victim == "store":
            s3.start_again()  # empty: it held its objects in memory
        kept = s3.count()
        wire.lay(size_bytes=1_000_000_000)
        said = sharing.dvc("push")
        pushed = int(re.findall(r"(\d+) files? pushed", said)[0])
        # What had come whole is not sent again.
        assert (kept > 0 and pushed < s3.count()) == (victim != "store")
        clone = sharing.clone(tmp_path / "clone")
        clone.dvc("pull", "-q")
        wire.cut()
    for folder in ("data/scans", "data/shards", "data/model", "data/evaluation"):
        assert clone.files(folder) == project.files(folder)
    check_shards(clone.root / SIZE)
    assert "up to date" in clone.dvc("status")


def kill(victim: str, *, push: subprocess.Popen[bytes], wire: Wire, s3: S3Store) -> None:
    """Kill one of the three that a push needs."""
    if victim == "push":
        push.kill()
    elif victim == "store":
        s3.kill()
        wire.cut()
    else:
        wire.cut()


def test_an_experiment_stands_in_the_table_beside_what_it_came_from(project: DvcProject) -> None:
    project.dvc("exp", "run", "-q", "-n", "longer", "-S", "train.steps=12", "evaluate")
    table = project.dvc("exp", "show", "--only-changed", "--csv")
    rows = {row["Experiment"] or row["rev"]: row for row in csv.DictReader(io.StringIO(table))}
    assert rows["longer"]["train.steps"] == "12"
    base = next(row for row in rows.values() if row["train.steps"] == "10")
    assert base["dE00"] != rows["longer"]["dE00"]


def test_a_setting_changed_back_takes_the_earlier_result_without_running(
    project: DvcProject,
) -> None:
    before = project.files("data/model")
    change(project, {"train": {"steps": 12}})
    assert stages_run(project.dvc("repro", "evaluate")) == ["train", "evaluate"]
    assert project.files("data/model") != before
    change(project, {"train": {"steps": 10}})
    said = project.dvc("repro", "evaluate")
    assert stages_run(said) == []
    assert "Stage 'train' is cached" in said
    assert project.files("data/model") == before


def test_a_changed_source_file_reruns_its_stage_and_takes_no_stale_result(
    project: DvcProject,
) -> None:
    source = project.root / "train" / "curve.py"
    content = source.read_text()
    source.write_text(content + "# changed\n")
    # The model comes out as it was, so what reads the model does not run.
    assert stages_run(project.dvc("repro", "evaluate")) == ["train"]
    source.write_text(content)
    assert stages_run(project.dvc("repro", "evaluate")) == []


def test_another_size_is_made_and_changes_no_other_stage(project: DvcProject) -> None:
    before = project.files(SIZE)
    change(project, {"preprocess": {"also_sizes": [32, 48]}})
    assert stages_run(project.dvc("repro", "--keep-going")) == ["sizes@48"]
    assert project.files(SIZE) == before
    check_shards(project.root / "data/shards/48")
    assert "wrong" not in project.run("photochrom", "status")


def test_a_refresh_with_hard_links_leaves_the_cache_whole(project: DvcProject) -> None:
    project.dvc("config", "cache.type", "hardlink,copy")
    project.dvc("checkout", "-q", "--relink")
    scans = sorted((project.root / "data/scans").rglob("*.jpg"))
    assert scans[0].stat().st_nlink > 1
    # Run by hand, a stage meets outs that are links into the cache; DVC takes them away first.
    for stage in ("catalog", "scans", "dedupe", "crop", "pairs", "shards", "train", "evaluate"):
        project.run("photochrom", stage)
    assert find_spoilt(project.root / ".dvc/cache") == []
    change(project, {"replica": {"items": 49}})
    assert stages_run(project.dvc("repro", "scans")) == ["catalog", "scans"]
    assert len(sorted((project.root / "data/scans").rglob("*.jpg"))) > len(scans)
    assert find_spoilt(project.root / ".dvc/cache") == []


def find_spoilt(cache: Path) -> list[str]:
    """Files of DVC's cache whose content is not that of their name."""
    spoilt = []
    for path in (cache / "files" / "md5").rglob("*"):
        if path.is_file():
            name = path.parent.name + path.name.removesuffix(".dir")
            if hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest() != name:
                spoilt.append(name)
    return spoilt
