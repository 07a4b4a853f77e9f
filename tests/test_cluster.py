"""The cluster of the drills itself: ranks, nodes and fake GPUs as a real one has them."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster import Cluster, Layout, borrow_cluster, need_slurm
from tests.cluster.layout import Place, render_config
from tests.cluster.processes import find_processes

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
    asked = ("--parsable", "--nodelist=n2", "--output=/dev/null", "--wrap=sleep 600")
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


def test_a_site_requeues_by_exit_code_only_if_asked() -> None:
    place = Place(Path("/run/pc"), "here", tuple(range(10_000, 10_010)))
    for asked in (False, True):
        text = render_config(Layout(requeue_exit=asked), place)
        assert ("\nRequeueExit=75\n" in text) is asked
