"""Runs the `photochrom` command in a project of a test's own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


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
        done = self.call("photochrom", stage, *words, *self._overrides())
        assert done.returncode == 0, f"{stage}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def run_all(self, stages: Sequence[str]) -> None:
        for stage in stages:
            self.run(stage)

    def _overrides(self) -> list[str]:
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
