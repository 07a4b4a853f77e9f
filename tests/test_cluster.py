"""The cluster of the drills itself: ranks, nodes and fake GPUs as a real one has them."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster import Cluster, Layout, borrow_cluster, need_slurm
from tests.cluster.layout import Place, render_config
from tests.cluster.processes import find_processes
from tests.pipeline import ROOT

NAMES = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NTASKS", "SLURMD_NODENAME", "CUDA_VISIBLE_DEVICES")
SHOW = f"import json, os; print(json.dumps([os.environ[name] for name in {NAMES}]))"
PATIENCE_S = 60.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with borrow_cluster() as running:
        yield running
    assert find_processes(running.folder) == []
    assert not running.folder.exists()


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.1)


def names(cluster: Cluster, node: str) -> list[str]:
    return [process.name() for process in cluster.processes(node)]


@pytest.mark.slurm
def test_ranks_are_spread_over_nodes_and_see_the_gpus_of_theirs(cluster: Cluster) -> None:
    asked = ("--nodes=2", "--ntasks=4", "--ntasks-per-node=2", "--gres=gpu:2")
    said = cluster.call("srun", *asked, sys.executable, "-c", SHOW)
    assert sorted(json.loads(line) for line in said.splitlines()) == [
        ["0", "0", "4", "n1", "0,1"],
        ["1", "1", "4", "n1", "0,1"],
        ["2", "0", "4", "n2", "0,1"],
        ["3", "1", "4", "n2", "0,1"],
    ]


@pytest.mark.slurm
def test_a_killed_node_takes_what_it_ran_along_and_comes_back(cluster: Cluster) -> None:
    asked = ("--parsable", "--nodelist=n2", "--output=/dev/null", "--wrap=env -i sleep 600")
    job = cluster.call("sbatch", *asked).strip()
    wait_for(lambda: "sleep" in names(cluster, "n2"))
    cluster.kill_node("n2")
    assert names(cluster, "n2") == []
    assert names(cluster, "n1") == ["slurmd"]
    cluster.start_node("n2")
    cluster.call("scancel", job)
    said = cluster.call("srun", "--nodelist=n2", "printenv", "SLURMD_NODENAME")
    assert said.split() == ["n2"]


@pytest.mark.drill
@pytest.mark.slurm
def test_with_accounting_sacct_knows_a_job_that_has_ended() -> None:
    need_slurm(accounting=True)
    with borrow_cluster(Layout(nodes=1, gpus=1, accounting=True)) as cluster:
        cluster.call("srun", "--gres=gpu:1", "true")
        asked = ("--noheader", "--parsable2", "--allocations", "--format=JobID,State,ReqTRES%99")
        wait_for(lambda: "COMPLETED" in cluster.call("sacct", *asked))
        assert "gres/gpu=1" in cluster.call("sacct", *asked)
    assert find_processes(cluster.folder) == []


@pytest.mark.slurm
def test_a_cluster_ends_though_its_controller_was_killed(cluster: Cluster) -> None:
    (controller,) = [one for one in cluster.processes() if one.name() == "slurmctld"]
    controller.kill()
    wait_for(lambda: not cluster.is_up())
    # The fixture ends it, and looks whether anything is left.


@pytest.mark.slurm
def test_a_persons_cluster_starts_once_survives_a_kill_and_ends_whole(tmp_path: Path) -> None:
    def ask(action: str) -> tuple[int, str]:
        done = subprocess.run(
            [sys.executable, "-m", "tests.cluster", action],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert not done.stderr
        return done.returncode, done.stdout

    try:
        assert ask("status") == (3, "The cluster is down; `make cluster` starts it.\n")
        code, said = ask("up")
        cluster = Cluster((tmp_path / ".photochrom" / "cluster").readlink())
        assert (code, f"export SLURM_CONF={cluster.config}" in said) == (0, True)
        assert ask("up") == (0, said)
        before = {process.pid for process in cluster.processes()}
        for process in cluster.processes():
            if process.name() == "slurmd":  # the controller would not miss it for a while
                process.kill()
        assert ask("up")[0] == 0
        assert before.isdisjoint(process.pid for process in cluster.processes())
    finally:
        assert ask("down")[0] == 0
    assert ask("down") == (0, "There was no cluster.\n")
    assert find_processes(cluster.folder) == []
    assert not cluster.folder.exists()


@pytest.mark.parametrize("action", ["up", "down"])
def test_a_link_to_somebodys_folder_is_no_cluster(tmp_path: Path, action: str) -> None:
    precious = tmp_path / "precious"
    precious.mkdir(mode=0o700)
    (tmp_path / ".photochrom").mkdir()
    (tmp_path / ".photochrom" / "cluster").symlink_to(precious)
    done = subprocess.run(
        [sys.executable, "-m", "tests.cluster", action],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "expected a link to photochrom-cluster-*" in done.stderr
    assert precious.is_dir()


def test_a_site_requeues_by_exit_code_only_if_asked() -> None:
    place = Place(Path("/run/pc"), "here", tuple(range(10_000, 10_010)))
    for asked in (False, True):
        text = render_config(Layout(requeue_exit=asked), place)
        assert ("\nRequeueExit=75\n" in text) is asked
