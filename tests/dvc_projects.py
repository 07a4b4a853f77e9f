"""Small DVC projects of a test's own, and the commands a person would give in them."""

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.pipeline import environment

IDENTITY = ("-c", "user.name=test", "-c", "user.email=test@localhost")


@dataclass(frozen=True, slots=True)
class DvcProject:
    """A Git repository with DVC in it."""

    root: Path
    more: Mapping[str, str] = field(default_factory=dict)
    """Environment of its commands, such as the keys of a store."""

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a program of this environment and return what came of it."""
        return subprocess.run(
            words,
            cwd=self.root,
            env=self.environment(),
            capture_output=True,
            text=True,
            check=False,
        )

    def environment(self) -> dict[str, str]:
        return environment() | {"DVC_NO_ANALYTICS": "1", **self.more}

    def run(self, *words: str) -> str:
        """Run a program that must succeed, and return what it printed."""
        done = self.call(*words)
        assert done.returncode == 0, f"{words}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def dvc(self, *words: str) -> str:
        return self.run(sys.executable, "-m", "dvc", *words)

    def git(self, *words: str) -> str:
        return self.run("git", *IDENTITY, *words)

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-qm", message)

    def clone(self, root: Path) -> "DvcProject":
        """What a collaborator has after `git clone`."""
        self.git("clone", "-q", str(self.root), str(root))
        return DvcProject(root, self.more)

    def files(self, folder: str) -> dict[str, bytes]:
        """Every file below a folder, by its path in it; empty where there is none."""
        base = self.root / folder
        return {
            path.relative_to(base).as_posix(): path.read_bytes()
            for path in sorted(base.rglob("*"))
            if path.is_file()
        }


def make_dvc_project(root: Path, **more: str) -> DvcProject:
    """Make an empty repository with DVC."""
    root.mkdir(parents=True)
    project = DvcProject(root, more)
    project.git("init", "-q")
    project.dvc("init", "-q")
    project.dvc("config", "core.analytics", "false")
    return project
