"""Sharing a tracked folder through each kind of DVC remote, as docs/share.md says."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest

from tests.dvc_projects import DvcProject, make_dvc_project
from tests.remotes import BUCKET, KEYS, serve_http, serve_s3, serve_ssh

FOLDER = "data/shards/64"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project that tracks a folder of two splits and an index, and its store; all pushed."""
    place = tmp_path_factory.mktemp("made")
    project = make_dvc_project(place / "project")
    shards = project.root / FOLDER
    shards.mkdir(parents=True)
    for name in ("train-000000.tar", "train-000001.tar", "val-000000.tar"):
        (shards / name).write_bytes(os.urandom(20_000))
    (shards / "index.json").write_text("{}")
    project.dvc("add", "-q", FOLDER)
    project.dvc("remote", "add", "-q", "-d", "store", "../store")
    project.dvc("push", "-q")
    project.commit("shards")
    return place


@pytest.fixture
def project(made: Path, tmp_path: Path) -> DvcProject:
    """A copy of the project, with a store of its own beside it."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return DvcProject(tmp_path / "project")


def test_a_clone_pulls_one_split_alone_and_then_the_rest(
    project: DvcProject, tmp_path: Path
) -> None:
    clone = project.clone(tmp_path / "clone")
    listed = clone.dvc("list", ".", FOLDER).split()
    wanted = [name for name in listed if name.startswith(("index", "train"))]
    assert len(wanted) == 3
    clone.dvc("pull", "-q", *(f"{FOLDER}/{name}" for name in wanted))
    assert list(clone.files(FOLDER)) == wanted
    clone.dvc("pull", "-q", f"{FOLDER}/val-000000.tar")
    assert clone.files(FOLDER) == project.files(FOLDER)


def test_s3_takes_and_gives_with_the_address_shared_and_the_keys_by_environment(
    project: DvcProject, tmp_path: Path
) -> None:
    with serve_s3() as s3:
        sharing = DvcProject(project.root, KEYS)
        sharing.dvc("remote", "add", "-q", "-f", "store", f"s3://{BUCKET}/shards")
        sharing.dvc("remote", "modify", "store", "endpointurl", s3.url)
        sharing.commit("remote")
        sharing.dvc("push", "-q")
        assert s3.count() == 5  # four files and the list of them
        clone = sharing.clone(tmp_path / "clone")
        clone.dvc("pull", "-q", FOLDER)
        assert clone.files(FOLDER) == project.files(FOLDER)
    assert "dummy" not in (project.root / ".dvc" / "config").read_text()


@pytest.fixture
def over_ssh(project: DvcProject, tmp_path: Path) -> Iterator[DvcProject]:
    with serve_ssh(tmp_path / "host", tmp_path / "key") as ssh:
        sharing = DvcProject(project.root, {"SSH_AUTH_SOCK": ""})
        sharing.dvc("remote", "add", "-q", "-f", "store", ssh.url)
        sharing.dvc("remote", "modify", "--local", "store", "keyfile", str(ssh.key))
        sharing.commit("remote")
        yield sharing


def test_ssh_takes_and_gives_and_the_key_stays_out_of_git(
    over_ssh: DvcProject, tmp_path: Path
) -> None:
    over_ssh.dvc("push", "-q")
    assert len(list((tmp_path / "host" / "store").rglob("*"))) >= 5
    clone = over_ssh.clone(tmp_path / "clone")
    assert "keyfile" not in clone.dvc("config", "--list")
    clone.dvc("remote", "modify", "--local", "store", "keyfile", str(tmp_path / "key"))
    clone.dvc("pull", "-q", FOLDER)
    assert clone.files(FOLDER) == over_ssh.files(FOLDER)


def test_ssh_refuses_a_key_that_the_host_does_not_know(
    over_ssh: DvcProject, tmp_path: Path
) -> None:
    stranger = tmp_path / "stranger"
    stranger.write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    over_ssh.dvc("remote", "modify", "--local", "store", "keyfile", str(stranger))
    assert over_ssh.call("dvc", "push", "-q").returncode != 0
    assert list((tmp_path / "host" / "store").iterdir()) == []


def test_http_gives_and_takes_nothing(project: DvcProject, tmp_path: Path) -> None:
    store = tmp_path / "store"
    before = sorted(store.rglob("*"))
    with serve_http(store) as url:
        clone = project.clone(tmp_path / "clone")
        clone.dvc("remote", "add", "-q", "-d", "web", url)
        clone.dvc("pull", "-q", FOLDER)
        assert clone.files(FOLDER) == project.files(FOLDER)
        (clone.root / FOLDER / "val-000001.tar").write_bytes(b"more")
        clone.dvc("add", "-q", FOLDER)
        assert clone.call("dvc", "push", "-q").returncode != 0
    assert sorted(store.rglob("*")) == before


def test_get_copies_a_file_and_import_follows_a_revision(
    project: DvcProject, tmp_path: Path
) -> None:
    source = str(project.root)
    project.git("tag", "v1")
    (project.root / FOLDER / "val-000000.tar").write_bytes(b"changed")
    project.dvc("add", "-q", FOLDER)
    project.dvc("push", "-q")
    project.commit("changed")
    other = make_dvc_project(tmp_path / "other")
    other.dvc("get", "-q", source, f"{FOLDER}/val-000000.tar", "-o", "one.tar")
    assert (other.root / "one.tar").read_bytes() == b"changed"
    other.dvc("import", "-q", source, FOLDER, "-o", "shards", "--rev", "v1")
    assert len(other.files("shards")["val-000000.tar"]) == 20_000
    other.dvc("update", "-q", "shards.dvc", "--rev", "HEAD")
    assert other.files("shards") == project.files(FOLDER)


def test_dvc_takes_no_further_size_and_several(tmp_path: Path) -> None:
    """The pipeline file with its settings alone: DVC reads no more to name the stages."""
    root = Path(__file__).resolve().parents[1]
    project = make_dvc_project(tmp_path / "project")
    for name in ("dvc.yaml", "params.yaml"):
        (project.root / name).write_text((root / name).read_text())
    none = project.dvc("stage", "list", "--name-only").split()
    params = (project.root / "params.yaml").read_text()
    assert "also_sizes: []" in params
    (project.root / "params.yaml").write_text(params.replace("sizes: []", "sizes: [64, 128]"))
    several = project.dvc("stage", "list", "--name-only").split()
    assert [name for name in several if name not in none] == ["sizes@64", "sizes@128"]
