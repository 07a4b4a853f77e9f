"""Drills: what clusters do to a job; after each the model is the undisturbed run's, to the bit.

One project, and one run on two nodes, ended as SLURM, a node, a disk or a person would end it.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from flows.cluster.script import STALLED
from tests.cluster import Cluster, Layout, borrow_cluster
from tests.pipeline import Checkout, environment, make_project
from tests.train.conftest import write_shards

pytestmark = [pytest.mark.drill, pytest.mark.slurm]

STEPS, BATCH = 60, 8
SETTINGS = (
    *("preprocess.size=64", "train.input=32", f"train.batch={BATCH}", f"train.steps={STEPS}"),
    *("train.validate_every=10", "train.threads=1", "train.slurm.nodes=2"),
    *("train.slurm.gpus_per_node=1", "train.slurm.cpus_per_gpu=1", "train.slurm.poll_s=0.2"),
    *("train.slurm.time_limit_min=60", "train.slurm.signal_lead_s=30"),
)
LIMIT_S = 300.0
"""Longest wait for anything; it only bounds a drill that fails."""

Model = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Site:
    """A cluster, a project that trains on it, and what it learns when nothing disturbs it."""

    cluster: Cluster
    project: Checkout
    model: Model

    @contextmanager
    def run(self, *settings: str) -> Iterator["Running"]:
        """Start the training, and see that no process of it is left afterwards."""
        shutil.rmtree(self.project.data / "model", ignore_errors=True)
        before = set(self.jobs())
        words = [word for one in ("train.runner=slurm", *settings) for word in ("--set", one)]
        with subprocess.Popen(
            ["photochrom", "train", *self.project.overrides(), *words],
            cwd=self.project.root,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                (job,) = wait_for(lambda: set(self.jobs()) - before)
                yield Running(self, process, job)
            finally:
                process.terminate()
                process.communicate()
                for job in set(self.jobs("running,pending")) - before:
                    self.cluster.call("scancel", job)
                wait_for(lambda: not self.jobs("running,pending,completing"))

    def jobs(self, states: str = "all") -> list[str]:
        return self.cluster.call(
            "squeue", "--noheader", f"--states={states}", "--format=%A"
        ).split()

    def read_model(self) -> Model:
        folder = self.project.data / "model"
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@dataclass(frozen=True, slots=True)
class Running:
    """A training that goes on."""

    site: Site
    process: subprocess.Popen[str]
    job: str

    def fact(self, name: str) -> str:
        """Read a field of `scontrol show job`."""
        said = self.site.cluster.call("scontrol", "show", "job", "--oneliner", self.job)
        return next(word.partition("=")[2] for word in said.split() if word.startswith(f"{name}="))

    @property
    def folder(self) -> Path:
        return Path(self.fact("WorkDir"))

    def events(self) -> list[dict[str, Any]]:
        path = self.folder / "progress.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line) for line in lines]

    def await_progress(self, *, starts: int = 1, beyond: int = 10) -> None:
        """Wait until it has saved something, and gone on from there, in its last start."""

        def is_there() -> bool:
            events = self.events()
            begun = [at for at, event in enumerate(events) if event["event"] == "start"]
            return len(begun) >= starts and any(
                event["event"] == "validation" and event["step"] >= beyond
                for event in events[begun[starts - 1] :]
            )

        wait_for(is_there)

    def await_restart(self, count: int = 1) -> None:
        wait_for(lambda: int(self.fact("Restarts")) >= count)

    def ranks(self) -> list[psutil.Process]:
        found = []
        for process in self.site.cluster.processes():
            with suppress(psutil.NoSuchProcess):
                found += [process] if process.cmdline()[1:3] == ["-m", "train"] else []
        return found

    def finish(self) -> str:
        """Wait for the command, which must succeed with the undisturbed model; return its log."""
        _, err = self.process.communicate(timeout=LIMIT_S)
        assert self.process.returncode == 0, err
        assert self.site.read_model() == self.site.model
        return err


def wait_for(find: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + LIMIT_S
    while not (found := find()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)
    return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with borrow_cluster(Layout(nodes=3, gpus=2)) as cluster, pytest.MonkeyPatch.context() as patch:
        yield from settle(tmp_path_factory.mktemp("survival") / "project", cluster, patch)


def settle(root: Path, cluster: Cluster, patch: pytest.MonkeyPatch) -> Iterator[Site]:
    project = make_project(root, *SETTINGS)
    write_shards(project.data / "shards" / "64", train=[20, 17], val=[3])
    for name, value in cluster.environ.items():
        patch.setenv(name, value)
    try:
        # What two nodes learn is what two processes here do: tests/test_cluster_drills.py.
        project.run("train", "--set", "train.processes=2")
        yield Site(cluster, project, Site(cluster, project, {}).read_model())
    finally:
        project.call("photochrom", "down")


def test_scancel_with_a_signal_is_a_warning(site: Site) -> None:
    with site.run() as run:
        run.await_progress()
        site.cluster.call("scancel", "--signal=TERM", run.job)
        run.await_restart()
        run.finish()
        saved = [event["step"] for event in run.events() if event["event"] == "stopped"]
        begun = [event["step"] for event in run.events() if event["event"] == "start"]
    assert begun == [0, *saved]


def test_scontrol_requeue(site: Site) -> None:
    with site.run() as run:
        run.await_progress()
        site.cluster.call("scontrol", "requeue", run.job)
        run.await_restart()
        run.finish()
        assert [event["event"] for event in run.events()].count("stopped") == 1


def test_a_job_of_more_weight_takes_its_nodes(site: Site) -> None:
    with site.run() as run:
        run.await_progress()
        taker = ("--partition=urgent", "--nodes=3", "--exclusive", "--output=/dev/null")
        site.cluster.call("sbatch", *taker, "--wrap=sleep 3")
        run.await_restart()
        run.finish()
        assert [event["event"] for event in run.events()].count("stopped") == 1


def test_a_rank_that_is_killed(site: Site) -> None:
    with site.run() as run:
        run.await_progress()
        run.ranks()[-1].kill()
        run.await_restart()
        log = run.folder / f"job-{run.job}.log"
        run.finish()
        assert "queued again, time 1 of at most 20" in log.read_text()
        begun = [event["step"] for event in run.events() if event["event"] == "start"]
    assert begun[0] == 0 and begun[1] >= 10


def test_a_node_that_loses_its_power(site: Site) -> None:
    with site.run() as run:
        run.await_progress()
        nodes = site.cluster.call("scontrol", "show", "hostnames", run.fact("NodeList")).split()
        site.cluster.kill_node(nodes[-1])
        try:
            run.await_restart()
            run.finish()
            assert nodes[-1] not in run.fact("NodeList")
        finally:
            site.cluster.start_node(nodes[-1])


def test_a_checkpoint_that_is_cut_short(site: Site) -> None:
    with site.run() as run:
        run.await_progress(beyond=20)
        site.cluster.call("scancel", "--signal=TERM", run.job)
        run.await_restart()
        last = sorted((run.folder.parents[1] / "checkpoints").glob("*/step-*"))[-1]
        os.truncate(last / "state.safetensors", 1000)
        run.finish()
        notes = [event["message"] for event in run.events() if event["event"] == "note"]
        begun = [event["step"] for event in run.events() if event["event"] == "start"]
    assert any(f"{last.name}: damaged checkpoint" in note for note in notes)
    assert 0 < begun[1] < int(last.name.removeprefix("step-"))


def test_a_disk_that_is_full_when_a_checkpoint_is_due(site: Site, tmp_path: Path) -> None:
    scratch, filler = tmp_path / "scratch", tmp_path / "scratch" / "filler"
    scratch.mkdir()
    # A model, its average, the best and two moments: five times its weights, and twice for two.
    weights = len(site.model["model.safetensors"])
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={40 * weights}", "none", str(scratch)], check=True
    )
    try:
        with site.run(f"train.slurm.scratch={scratch}") as run:
            run.await_progress()
            fill(filler)
            wait_for(lambda: any("cannot save" in str(event) for event in run.events()))
            assert not list(scratch.rglob("partial-*"))
            filler.unlink()
            run.finish()
            assert int(run.fact("Restarts")) == 0
    finally:
        subprocess.run(["umount", str(scratch)], check=True)


def fill(path: Path) -> None:
    """Write a file until the disk is full."""
    with path.open("wb", buffering=0) as stream, pytest.raises(OSError, match="No space left"):
        while True:
            stream.write(bytes(1 << 16))


def test_a_shard_that_is_damaged_ends_the_job_at_once(site: Site) -> None:
    shard = site.project.data / "shards" / "64" / "train-000001.tar"
    whole = shard.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    shard.write_bytes(damaged)
    try:
        with site.run() as run:
            _, err = run.process.communicate(timeout=LIMIT_S)
            assert run.process.returncode == 1
            assert (run.fact("JobState"), run.fact("Restarts")) == ("FAILED", "0")
    finally:
        shard.write_bytes(whole)
    assert "train-000001.tar: sample" in err and "expected XXH3" in err
    with site.run() as run:
        run.finish()


def test_a_run_that_crashes_again_and_again_ends(site: Site) -> None:
    with site.run("train.slurm.requeue_limit=9") as run:
        for count in range(STALLED):
            wait_for(run.ranks)[0].kill()
            run.await_restart(count + 1)
        _, err = run.process.communicate(timeout=LIMIT_S)
        assert run.process.returncode == 1
        assert run.fact("JobState") == "FAILED"
    assert "starts in a row have saved nothing" in err


def test_a_job_that_is_cancelled_in_slurm_fails_the_run_with_its_last_lines(site: Site) -> None:
    with site.run() as run:
        run.await_progress()
        site.cluster.call("scancel", run.job)
        _, err = run.process.communicate(timeout=LIMIT_S)
    assert run.process.returncode == 1
    assert f"job {run.job} " in err and "ended as CANCELLED" in err
    assert f"job-{run.job}.log ends with:" in err
    with site.run() as run:
        run.finish()
        assert run.events()[1]["step"] > 0 or any(
            event["event"] == "start" and event["step"] > 0 for event in run.events()
        )


@pytest.mark.parametrize(("times", "requeue_exit"), [(5, False), (1, True)])
def test_the_time_limit_is_reached_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, requeue_exit: bool
) -> None:
    # SLURM looks every 30 s, and so tells a job within 16 s of its start.
    limits = ("train.slurm.time_limit_min=2", "train.slurm.signal_lead_s=110")
    layout = Layout(nodes=2, requeue_exit=requeue_exit)
    with borrow_cluster(layout) as cluster:
        for site in settle(tmp_path / "project", cluster, monkeypatch):
            # On this machine, alone: 14 s of training between a start and its end.
            steps = f"train.steps={round(14 * (times + 1) * measure_speed(site))}"
            with site.run(*limits, steps) as run:
                run.await_restart(times)
                cluster.call("scontrol", "update", f"JobId={run.job}", "TimeLimit=60")
                _, err = run.process.communicate(timeout=LIMIT_S)
                assert run.process.returncode == 0, err
                events = run.events()
            begun = [event["step"] for event in events if event["event"] == "start"]
            stopped = [event["step"] for event in events if event["event"] == "stopped"]
            assert begun == [0, *stopped] and len(stopped) >= times
            found = site.read_model()
            shutil.rmtree(site.project.data / "model")
            site.project.run("train", "--set", "train.processes=2", "--set", steps)
            assert found == site.read_model()


def measure_speed(site: Site) -> float:
    """Say how many steps a second the undisturbed run made at most."""
    (progress,) = (site.project.root / ".photochrom" / "runs").glob("train/progress.jsonl")
    events = map(json.loads, progress.read_text().splitlines())
    return float(max(event["images_per_s"] for event in events if event["event"] == "step")) / BATCH
