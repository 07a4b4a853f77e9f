"""A training on a cluster that things happen to, for drills."""

import json
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

from tests.cluster import Cluster
from tests.pipeline import Checkout, environment, make_project
from tests.train.conftest import write_shards

STEPS = 60
SETTINGS = (
    *("preprocess.size=64", "train.input=32", "train.batch=8", f"train.steps={STEPS}"),
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
        with start(self.project, "train.runner=slurm", *settings) as process:
            try:
                wait_for(lambda: set(self.jobs()) - before or process.poll() is not None)
                assert process.poll() is None, process.communicate()
                (job,) = set(self.jobs()) - before
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
        """Wait until its last start has saved a step from `beyond` on, and goes on from there."""

        def is_there() -> bool:
            events = self.events()
            begun = [at for at, event in enumerate(events) if event["event"] == "start"]
            return len(begun) >= starts and any(
                event["event"] == "saved" and event["step"] >= beyond
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


def lay_project(root: Path) -> Checkout:
    """Make a project that has toy shards to train on."""
    project = make_project(root, *SETTINGS)
    write_shards(project.data / "shards" / "64", train=[20, 17], val=[3])
    return project


def start(project: Checkout, *settings: str) -> subprocess.Popen[str]:
    """Start the training with some settings, and do not wait for it."""
    words = [word for one in settings for word in ("--set", one)]
    return subprocess.Popen(
        ["photochrom", "train", *project.overrides(), *words],
        cwd=project.root,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def settle(root: Path, cluster: Cluster, patch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Learn what the training learns when nothing disturbs it, and then let it be disturbed."""
    project = lay_project(root)
    for name, value in cluster.environ.items():
        patch.setenv(name, value)
    try:
        # What two nodes learn is what two processes here do: tests/test_cluster_drills.py.
        project.run("train", "--set", "train.processes=2")
        yield Site(cluster, project, Site(cluster, project, {}).read_model())
    finally:
        project.call("photochrom", "down")
