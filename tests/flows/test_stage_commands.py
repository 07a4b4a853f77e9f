import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.inputs import find_inputs
from flows.params import read_params
from flows.project import Project
from tests.pipeline import make_project
from tests.train.conftest import write_shards
from train.checkpoints.stored import write_stored
from train.errors import CheckpointError
from train.run import read_identity


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
    assert f"\nrun='{checkout.root}/.photochrom/runs/" in done.stdout
    assert sorted(path.name for path in checkout.root.iterdir()) == ["data", "params.yaml"]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A checkout with shards, and with a checkpoint of step 80 in its folder `saved`."""
    checkout = Project(make_project(tmp_path / "project").root)
    write_shards(checkout.shards(64), train=[2])
    monkeypatch.chdir(checkout.root)
    params = read_params(checkout.root / "params.yaml", ["preprocess.size=64"])
    identity = read_identity(params.train, inputs=find_inputs(checkout, params))
    facts = {"run": identity}
    write_stored(checkout.root / "saved", b"tensors", step=80, facts=facts, keep=2)
    return checkout


def dry_run(*words: str) -> tuple[str, str]:
    """Print a batch script; return the name of its job, and what was said beside it."""
    said = ["train", "--dry-run", "--set", "preprocess.size=64", *words]
    done = CliRunner().invoke(app, said, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    name = re.search(r"--job-name=(\S+)", done.stdout)
    assert name is not None
    return name[1], done.stderr


def test_a_job_that_starts_from_a_checkpoint_is_another_one(checkout: Project) -> None:
    afresh, (started, said) = dry_run()[0], dry_run("--resume", "saved")
    assert (started != afresh, said) == (True, "")
    assert dry_run("--resume", "saved/step-00000080")[0] == started
    (checkout.root / "saved" / "step-00000081").mkdir()
    same, said = dry_run("--resume", "saved")
    assert same == started
    assert "step-00000081: damaged checkpoint passed over" in said


def test_what_differs_must_be_allowed_key_by_key(checkout: Project) -> None:
    words = ("--resume", "saved", "--set", "train.lr=0.5", "--set", "train.steps=700")
    with pytest.raises(CheckpointError, match=r"(?s)train\.lr: 0\.002 saved.*train\.steps"):
        dry_run(*words, "--allow", "code")
    with pytest.raises(CheckpointError, match=r"--allow train\.steps`$"):
        dry_run(*words, "--allow", "train.lr")
    dry_run(*words, "--allow", "train.lr", "--allow", "train.steps")
    with pytest.raises(CheckpointError, match="no such key"):
        dry_run(*words, "--allow", "train.runner")


def test_what_is_allowed_goes_with_what_is_resumed(checkout: Project) -> None:
    done = CliRunner().invoke(app, ["train", "--allow", "code"])
    assert done.exit_code == 2
    assert "it goes with --resume" in done.stderr
