from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from tests.pipeline import make_project
from tests.train.conftest import write_shards


def test_a_dry_run_prints_the_batch_script_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkout = make_project(tmp_path / "a project")
    write_shards(checkout.data / "shards" / "64", train=[2])
    monkeypatch.chdir(checkout.root)
    words = ["train", "--dry-run", "--set", "preprocess.size=64", "--set", "train.slurm.nodes=3"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("#!/bin/bash\n#SBATCH --job-name=photochrom-")
    assert "\n#SBATCH --nodes=3\n" in done.stdout
    assert f"-m train '{checkout.root}/.photochrom/runs/" in done.stdout
    assert sorted(path.name for path in checkout.root.iterdir()) == ["data", "params.yaml"]
