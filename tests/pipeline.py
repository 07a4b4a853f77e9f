"""Runs the `photochrom` command in a project of a test's own, against a replica if it likes."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from replica.entries import Entry, read_log

ROOT = Path(__file__).resolve().parents[1]
WORKERS = 4


@dataclass(frozen=True, slots=True)
class Checkout:
    """A folder with a params.yaml, in which commands run."""

    root: Path
    settings: tuple[str, ...] = ()
    """`--set` of every command that takes it."""

    @property
    def data(self) -> Path:
        return self.root / "data"

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program of this environment, wherever it is, and return what came of it."""
        return subprocess.run(
            words, cwd=self.root, env=environment(), capture_output=True, text=True, check=False
        )

    def run(self, stage: str, *words: str) -> str:
        """Run one `photochrom` command that must succeed, and return what it printed."""
        done = self.call("photochrom", stage, *words, *self.overrides())
        assert done.returncode == 0, f"{stage}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def run_all(self, stages: Sequence[str]) -> None:
        for stage in stages:
            self.run(stage)

    def overrides(self) -> list[str]:
        return [word for setting in self.settings for word in ("--set", setting)]


def environment() -> dict[str, str]:
    """The environment of a user who has activated this virtual environment."""
    here = Path(sys.executable).parent
    kept = {key: value for key, value in os.environ.items() if not key.startswith("PREFECT_")}
    return {**kept, "PATH": f"{here}{os.pathsep}{os.environ['PATH']}"}


def make_project(root: Path, *settings: str) -> Checkout:
    """Make a folder with this checkout's params.yaml."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "params.yaml", root)
    return Checkout(root, settings)


def copy_checkout(root: Path) -> Checkout:
    """Copy the files that Git tracks, without Git: what an archive of the project holds."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    return Checkout(root)


@contextmanager
def serve(items: int, *words: str) -> Iterator[str]:
    """A replica of plain pictures in a process of its own; gives its address."""
    command = [sys.executable, "-m", "replica", "--items", str(items), "--seed", "1"]
    command += ["--style", "plain", "--until-stdin-closes", *words]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield json.loads(process.stdout.readline())["url"]
        process.stdin.close()


def lay_plan(path: Path, **plan: object) -> Path:
    path.write_text(yaml.safe_dump({"seed": 1, **plan}))
    return path


def aim(root: Path, url: str, items: int, *settings: str) -> Checkout:
    """A project that harvests the replica at an address."""
    shown = (f"replica.url={url}", f"replica.items={items}", "replica.style=plain")
    return make_project(root, *shown, f"harvest.workers={WORKERS}", *settings)


def read_lines(log: Path) -> list[Entry]:
    """What the Library was asked; a harvest also asks the replica what it shows."""
    return [entry for entry in read_log(log) if entry.route != "about"] if log.is_file() else []
