import json
from pathlib import Path

import pytest

from tests.train.conftest import MakeParams, MakeShards
from train.errors import DataError, TrainError
from train.run import prepare_run, read_run, run_key


def test_what_is_prepared_is_what_the_job_reads(
    make_params: MakeParams, make_shards: MakeShards, tmp_path: Path
) -> None:
    params, shards = make_params(), make_shards(train=[2])
    prepare_run(tmp_path / "run", params, shards=shards, checkpoints_root=tmp_path / "checkpoints")
    run = read_run(tmp_path / "run")
    assert (run.params, run.shards) == (params, shards)
    assert run.checkpoints == tmp_path / "checkpoints" / run_key(params, shards=shards)


def test_preparing_anew_removes_what_an_earlier_job_left(
    make_params: MakeParams, make_shards: MakeShards, tmp_path: Path
) -> None:
    (tmp_path / "run" / "result").mkdir(parents=True)
    prepare_run(
        tmp_path / "run", make_params(), shards=make_shards(train=[1]), checkpoints_root=tmp_path
    )
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.json"]


def test_the_key_changes_with_what_decides_the_result_alone(
    make_params: MakeParams, make_shards: MakeShards
) -> None:
    one, other = make_shards("one", train=[2]), make_shards("other", train=[3])
    key = run_key(make_params(), shards=one)
    assert key == run_key(make_params(processes=2, threads=4), shards=one)
    assert key != run_key(make_params(seed=4), shards=one)
    assert key != run_key(make_params(), shards=other)


def test_no_shards_are_an_error(make_params: MakeParams, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="photochrom shards"):
        prepare_run(tmp_path / "run", make_params(), shards=tmp_path, checkpoints_root=tmp_path)


@pytest.mark.parametrize(
    "content", ["", "{}", json.dumps({"params": {}, "shards": "a", "checkpoints": "b"})]
)
def test_a_malformed_run_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(TrainError, match="expected params, shards and checkpoints"):
        read_run(tmp_path)


def test_a_folder_without_a_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="no run here"):
        read_run(tmp_path)
