"""Drills: a training over ssh, from a machine that shares no file with the cluster."""

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import Cluster, borrow_cluster
from tests.pipeline import Checkout, make_project
from tests.sshd import LoginNode, need_sshd, run_login_node
from tests.train.conftest import write_shards

pytestmark = [pytest.mark.drill, pytest.mark.slurm]

SETTINGS = (
    *("preprocess.size=64", "train.input=32", "train.batch=8", "train.steps=20"),
    *("train.validate_every=10", "train.threads=1", "train.slurm.nodes=2"),
    *("train.slurm.gpus_per_node=1", "train.slurm.cpus_per_gpu=1", "train.slurm.poll_s=1"),
)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    need_sshd()
    with borrow_cluster() as cluster:
        yield cluster


@pytest.fixture
def login(cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoginNode]:
    """A login node that `ssh login` reaches, as by one's own configuration."""
    with run_login_node(cluster.environ) as login:
        folder = tmp_path / "bin"
        folder.mkdir()
        ssh = shutil.which("ssh")
        (folder / "ssh").write_text(f'#!/bin/sh\nexec {ssh} -F {login.config} "$@"\n')
        (folder / "ssh").chmod(0o755)
        # Of SLURM the laptop has nothing.
        for name in ("sbatch", "squeue", "scontrol", "scancel", "sacct", "sinfo"):
            (folder / name).write_text("#!/bin/sh\necho 'not on this machine' >&2; exit 9\n")
            (folder / name).chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
        yield login


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Checkout]:
    project = make_project(tmp_path / "a laptop", *SETTINGS)
    write_shards(project.data / "shards" / "64", train=[10, 7], val=[3])
    try:
        yield project
    finally:
        project.call("photochrom", "down")


def test_a_training_over_ssh_brings_home_what_it_learns_here(
    login: LoginNode, project: Checkout, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch of the cluster"
    venv = Path(sys.executable).parents[1]
    over = ("runner=slurm", "slurm.ssh=login", f"slurm.scratch={scratch}", f"slurm.venv={venv}")
    words = [word for one in over for word in ("--set", f"train.{one}")]
    project.run("train", *words)
    found = {path.name: path.read_bytes() for path in (project.data / "model").iterdir()}
    listed = project.run("jobs", *words)
    assert "done" in listed and "20/20" in listed
    # What it leaves there are the shards, for the next run.
    assert sorted(path.name for path in scratch.iterdir()) == ["checkpoints", "runs", "shards"]
    assert not [*(scratch / "runs").iterdir(), *(scratch / "checkpoints").iterdir()]
    project.run("train", "--set", "train.processes=2")
    assert found == {path.name: path.read_bytes() for path in (project.data / "model").iterdir()}
