"""Drills: training on a SLURM cluster of two nodes, real but for the machines and their GPUs."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.cluster import Cluster, borrow_cluster
from tests.pipeline import Checkout, environment, make_project
from tests.train.conftest import write_shards

pytestmark = [pytest.mark.drill, pytest.mark.slurm]

SMALL = (
    *("preprocess.size=64", "train.input=32", "train.batch=4", "train.steps=8"),
    *("train.validate_every=4", "train.threads=1", "train.slurm.gpus_per_node=2"),
    *("train.slurm.cpus_per_gpu=1", "train.slurm.poll_s=0.2", "train.slurm.signal_lead_s=null"),
)
SLURM = ("train.runner=slurm", "train.slurm.nodes=2")
LONG = ("train.steps=100000", "train.validate_every=100000")
PATIENCE_S = 180


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with borrow_cluster() as running:
        yield running


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> Iterator[Checkout]:
    checkout = make_project(tmp_path_factory.mktemp("a project"), *SMALL)
    write_shards(checkout.data / "shards" / "64", train=[5, 4], val=[3])
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cluster.environ.items():
            patch.setenv(name, value)
        try:
            yield checkout
        finally:
            checkout.call("photochrom", "down")


def words(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def read_model(checkout: Checkout) -> dict[str, bytes]:
    """Read what the stage has written: the model, and DVCLive's files."""
    folders = [checkout.data / "model", checkout.data / "live"]
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(checkout.data).as_posix(): path.read_bytes() for path in paths}


def start(checkout: Checkout, *settings: str) -> subprocess.Popen[str]:
    """Start training and do not wait for it."""
    return subprocess.Popen(
        ["photochrom", "train", *checkout.overrides(), *words(*settings)],
        cwd=checkout.root,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def find_jobs(state: str = "all") -> list[str]:
    said = subprocess.run(
        ["squeue", "--noheader", f"--states={state}", "--format=%A"],
        capture_output=True,
        text=True,
        check=True,
    )
    return said.stdout.split()


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not what():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.2)


def has_begun(job: str) -> bool:
    """Whether a job has made a step."""
    said = subprocess.run(
        ["squeue", "--noheader", f"--jobs={job}", "--format=%Z"],
        capture_output=True,
        text=True,
        check=True,
    )
    return '"step"' in (Path(said.stdout.strip()) / "progress.jsonl").read_text()


def test_two_nodes_of_two_gpus_learn_bit_for_bit_what_four_processes_here_learn(
    project: Checkout,
) -> None:
    project.run("train", *words("train.processes=4"))
    here = read_model(project)
    shown = project.run("train", "--dry-run", *words(*SLURM))
    assert find_jobs() == []
    project.run("train", *words(*SLURM))
    assert read_model(project) == here
    (script,) = (project.root / ".photochrom" / "runs").glob("*/job.sh")
    assert script.read_text() == shown
    log = next(script.parent.glob("job-*.log")).read_text()
    assert "Traceback" not in log


def test_a_job_that_fails_is_reported_with_the_end_of_its_log(project: Checkout) -> None:
    gone = project.data / "shards" / "64" / "train-000000.tar"
    kept = gone.read_bytes()
    gone.unlink()
    try:
        done = project.call(
            "photochrom", "train", *project.overrides(), *words(*SLURM, "train.seed=1")
        )
    finally:
        gone.write_bytes(kept)
    assert done.returncode == 1
    assert re.search(r"job \d+ \(photochrom-\w{16}\) ended as FAILED, exit code \d+", done.stderr)
    assert "train-000000.tar" in done.stderr
    assert "photochrom shards" in done.stderr


def test_what_slurm_refuses_is_said_in_its_words(project: Checkout) -> None:
    before = find_jobs()
    settings = (*SLURM, "train.seed=2", "train.slurm.partition=nowhere")
    done = project.call("photochrom", "train", *project.overrides(), *words(*settings))
    assert done.returncode == 1
    assert "invalid partition specified: nowhere" in done.stderr
    assert "--dry-run" in done.stderr
    assert find_jobs() == before


def test_a_second_run_finds_the_job_and_a_cancel_ends_it(project: Checkout) -> None:
    settings = (*SLURM, *LONG)
    with start(project, *settings) as first:
        wait_for(lambda: find_jobs("running"))
        (job,) = find_jobs("running")
        first.kill()
    wait_for(lambda: has_begun(job))
    with start(project, *settings) as second:
        wait_for(lambda: press_cancel(project, second))
        out, err = second.communicate()
    assert second.returncode == 1, out
    assert "cancelled in the Prefect UI" in err
    wait_for(lambda: not find_jobs("running,pending,completing"))
    assert find_jobs("cancelled") == [job]
    (saved,) = (project.root / ".photochrom" / "checkpoints").glob("*/step-*")
    assert int(saved.name.removeprefix("step-")) > 0


def press_cancel(checkout: Checkout, process: subprocess.Popen[str]) -> bool:
    """Press Cancel on the runs that go on, and say whether the process has ended."""
    server = json.loads((checkout.root / ".photochrom" / "server.json").read_text())
    api = f"{server['url']}/api/flow_runs"
    asked = {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}
    for run in requests.post(f"{api}/filter", json=asked, timeout=30).json():
        state = {"state": {"type": "CANCELLING"}}
        requests.post(f"{api}/{run['id']}/set_state", json=state, timeout=30)
    return process.poll() is not None


def test_control_c_ends_the_job(project: Checkout) -> None:
    before = set(find_jobs())
    with start(project, *SLURM, "train.seed=3", *LONG) as runner:
        wait_for(lambda: find_jobs("running"))
        (job,) = find_jobs("running")
        wait_for(lambda: has_begun(job))
        runner.send_signal(signal.SIGINT)
    assert runner.returncode != 0
    wait_for(lambda: not find_jobs("running,pending,completing"))
    assert job not in before
    assert job in find_jobs("cancelled")


def test_an_array_of_seeds_learns_what_each_alone_would(project: Checkout) -> None:
    said = project.run("seeds", "7-8", *words(*SLURM))
    assert said.count("submitted as job") == 2
    wait_for(lambda: not find_jobs("running,pending,completing"))
    before = find_jobs()
    assert "seeds of one setting" in project.run("jobs")
    project.run("train", *words(*SLURM, "train.seed=8"))
    assert find_jobs() == before
    found = read_model(project)
    project.run("train", *words("train.processes=4", "train.seed=8"))
    assert found == read_model(project)


def test_a_job_that_is_not_to_queue_itself_says_so_and_the_next_run_goes_on(
    project: Checkout,
) -> None:
    settings = (*SLURM, *LONG, "train.seed=4")
    with start(project, *settings, "train.slurm.requeue_limit=0") as first:
        wait_for(lambda: find_jobs("running"))
        (job,) = find_jobs("running")
        wait_for(lambda: has_begun(job))
        subprocess.run(["scancel", "--signal=TERM", job], check=True)
        _, err = first.communicate()
    assert first.returncode == 1
    assert f"job {job} was asked to stop and saved its state; run it again" in err
    with start(project, *settings) as second:
        wait_for(lambda: find_jobs("running"))
        (job,) = find_jobs("running")
        wait_for(lambda: has_begun(job))
        second.send_signal(signal.SIGINT)
    (run,) = (project.root / ".photochrom" / "runs").glob(f"*/job-{job}.log")
    lines = (run.parent / "progress.jsonl").read_text().splitlines()
    first_event = next(event for line in lines if (event := json.loads(line))["event"] != "note")
    assert (first_event["event"], first_event["step"] > 0) == ("start", True)
