"""Drills: `prefect deployment run train/slurm`, as a user runs it and as machines fail."""

import csv
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from tests.cluster import Cluster, borrow_cluster
from tests.deploying import ENDED, House, make_training_house, wait_for
from tests.pipeline import ROOT

pytestmark = [pytest.mark.drill, pytest.mark.slurm]

TOLERANCE = 1e-3
"""Largest relative difference of a figure of the curve to that of one process: rounding, which 60
steps of training carry on."""

SLURM = {"nodes": 2, "gpus_per_node": 2, "cpus_per_gpu": 1, "time_limit_min": 60, "poll_s": 0.5}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with borrow_cluster() as cluster:
        yield cluster


@pytest.fixture
def house(tmp_path: Path, cluster: Cluster) -> Iterator[House]:
    whole = yaml.safe_load((ROOT / "params.yaml").read_text())["train"]["slurm"]
    house = make_training_house(
        tmp_path / "house", cluster.environ, batch=8, residence="stream", slurm=whole | SLURM
    )
    house.must("photochrom", "ui")
    try:
        yield house
    finally:
        house.must("photochrom", "down")
        cluster.call("scancel", "--user=root")
        wait_for(lambda: not cluster.call("squeue", "--noheader"))


def find_jobs(cluster: Cluster) -> list[str]:
    return cluster.call("squeue", "--noheader", "--states=all", "--format=%A").split()


def await_steps(house: House) -> None:
    """Wait until the job has validated."""
    runs = house.root / ".photochrom" / "runs"
    wait_for(lambda: any('"validation"' in read(path) for path in runs.glob("*/progress.jsonl")))


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def read_curve(house: House) -> list[dict[str, float]]:
    with (house.root / "data" / "model" / "curve.csv").open() as stream:
        return [
            {name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)
        ]


def complete(house: House, run: str) -> dict[str, Any]:
    found = house.await_state(run, *ENDED)
    assert found["state_type"] == "COMPLETED", found["state"]
    return found


def read_log(house: House, run: str) -> str:
    """Read the messages of a run's log."""
    asked = {"flow_run_id": {"any_": [run]}}
    logs = house.ask("/logs/filter", logs=asked, limit=200, sort="TIMESTAMP_ASC")
    return "\n".join(line["message"] for line in logs)


def read_table(house: House, run: str) -> str:
    """Read what a run's own page says of the training; "" until it does."""
    found = house.ask("/artifacts/filter", flow_runs={"id": {"any_": [run]}})
    return next((str(one["data"]) for one in found if one["key"] == "training"), "")


def test_a_run_of_two_nodes_comes_home_and_dvc_agrees(house: House, cluster: Cluster) -> None:
    before = find_jobs(cluster)
    run = house.run("train/slurm")
    wait_for(lambda: "| nodes | n[1-2] |" in read_table(house, run))
    table = read_table(house, run)
    (job,) = set(find_jobs(cluster)) - set(before)
    assert f"| job | {job} (photochrom-" in table
    assert f"/job-{job}.log |" in table
    complete(house, run)
    assert "| state | COMPLETED |" in read_table(house, run)
    shown = cluster.call("scontrol", "show", "job", job)
    assert "NumNodes=2" in shown and "NumTasks=4" in shown
    assert f"submitted job {job}" in read_log(house, run)
    # DVC finds that everything is as it should be, and trains nothing.
    lock = (house.root / "dvc.lock").read_bytes()
    assert "didn't change, skipping" in house.must("dvc", "repro")
    assert (house.root / "dvc.lock").read_bytes() == lock
    assert set(find_jobs(cluster)) == {*before, job}
    curve = read_curve(house)
    shutil.rmtree(house.root / "data" / "model")
    house.must("photochrom", "train", "--set", "train.processes=1")
    for one, other in zip(curve, read_curve(house), strict=True):
        assert one == pytest.approx(other, rel=TOLERANCE)


def test_a_cancelled_run_cancels_its_job(house: House, cluster: Cluster) -> None:
    before = find_jobs(cluster)
    run = house.run("train/slurm")
    await_steps(house)
    (job,) = set(find_jobs(cluster)) - set(before)
    house.ask(f"/flow_runs/{run}/set_state", state={"type": "CANCELLING"})
    house.await_state(run, "CANCELLED")
    wait_for(lambda: "JobState=CANCELLED" in cluster.call("scontrol", "show", "job", job))


def test_a_worker_that_is_killed_leaves_a_job_that_the_next_run_adopts(
    house: House, cluster: Cluster
) -> None:
    before = find_jobs(cluster)
    first = house.run("train/slurm")
    await_steps(house)
    (job,) = set(find_jobs(cluster)) - set(before)
    # As a login node that goes down: the worker, the run, DVC and the stage, all at once.
    lost = [one for one in house.family() if one.pid != house.record("server")["pid"]]
    for process in lost:
        process.kill()
    psutil.wait_procs(lost, timeout=30)
    house.must("photochrom", "ui")
    assert house.state(first) == "CRASHED"
    second = house.run("train/slurm")
    complete(house, second)
    assert set(find_jobs(cluster)) - set(before) == {job}
    assert "submitted job" not in read_log(house, second)


def test_a_server_that_is_killed_and_comes_back_sees_the_run_complete(
    house: House, cluster: Cluster
) -> None:
    before = find_jobs(cluster)
    run = house.run("train/slurm")
    await_steps(house)
    psutil.Process(house.record("server")["pid"]).kill()
    house.must("photochrom", "ui")
    complete(house, run)
    assert len(set(find_jobs(cluster)) - set(before)) == 1
    assert (house.root / "data" / "model" / "model.json").is_file()
