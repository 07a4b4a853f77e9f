import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from preprocess.index import read_index
from tests.train.tars.webdatasets import draw, to_jpeg, write_members, write_pictures

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of its own, and the folder that the command is run in."""
    shutil.copyfile(ROOT / "params.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_webdataset_is_packed(project: Path) -> None:
    write_pictures(project / "set", [3, 2], prefix="train")
    write_members(project / "set" / "val-000000.tar", [("a.jpg", to_jpeg(draw(1))), ("b.txt", b"")])
    done = CliRunner().invoke(app, ["pack", "set", "out", "--size", "32"])
    assert done.exit_code == 0, done.output
    assert "out: 2 shards of 32 px: 5 train, 1 val, 0 test" in done.output
    assert "left out, without a picture: 1 of val-000000.tar ('b')" in done.output
    assert read_index(project / "out").size == 32
    assert list((project / ".photochrom" / "indexes").glob("*.npz"))


def test_the_size_is_the_projects_where_none_is_given(project: Path) -> None:
    write_pictures(project / "set", [1], prefix="train")
    done = CliRunner().invoke(
        app, ["pack", "set/train-{000000..000000}.tar", "out", "--set", "preprocess.size=64"]
    )
    assert done.exit_code == 0, done.output
    assert read_index(project / "out").size == 64


def test_shards_are_as_large_as_those_of_the_pipeline(project: Path) -> None:
    write_pictures(project / "set", [5], prefix="train")
    options = ["--size", "32", "--set", "preprocess.shard_mb=0.02"]
    done = CliRunner().invoke(app, ["pack", "set", "out", *options])
    assert done.exit_code == 0, done.output
    shards = read_index(project / "out").shards
    assert len(shards) > 1
    assert all(shard.samples * shard.stride <= 20_000 for shard in shards)


def test_help_says_what_it_makes(project: Path) -> None:
    done = CliRunner().invoke(app, ["pack", "--help"], terminal_width=80)
    assert "shards that stream without decoding" in " ".join(done.output.split())
    assert len(done.output.splitlines()) <= 24
