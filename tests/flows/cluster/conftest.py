"""Programs that behave as SLURM's do, without a cluster: real children, which note their words."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.train.conftest import SIZE, write_shards
from tests.train.conftest import make_params as make_params
from train.run import Inputs


@dataclass(frozen=True, slots=True)
class Programs:
    """A folder on the path, and what was asked of what lies in it."""

    folder: Path

    def write(self, name: str, body: str) -> None:
        """Lay a program: a line of its words goes to the file `asked`, then it does `body`."""
        path = self.folder / name
        path.write_text(f'#!/bin/bash\ncd {self.folder}\necho "{name} $*" >> asked\n{body}\n')
        path.chmod(0o755)

    def asked(self, name: str) -> list[str]:
        """What was asked of a program so far."""
        path = self.folder / "asked"
        lines = path.read_text().splitlines() if path.exists() else []
        return [line for line in lines if line.split()[0] == name]


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    """An empty folder, first on the path, and nothing of SLURM behind it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/bin")
    return Programs(folder)


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    """Toy shards, as a run reads them."""
    return Inputs(write_shards(tmp_path / "shards", train=[2]), SIZE, tmp_path / "indexes")
