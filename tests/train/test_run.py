import json
import shutil
from pathlib import Path

import pytest

from tests.train.conftest import SIZE, MakeParams, MakeShards, to_inputs
from train.errors import DataError, TrainError
from train.run import Inputs, prepare_run, read_run, run_key


def test_what_is_prepared_is_what_the_job_reads(
    make_params: MakeParams, make_shards: MakeShards, tmp_path: Path
) -> None:
    params, inputs = make_params(), to_inputs(make_shards(train=[2]))
    prepare_run(tmp_path / "run", params, inputs=inputs, checkpoints_root=tmp_path / "checkpoints")
    run = read_run(tmp_path / "run")
    assert (run.params, run.inputs) == (params, inputs)
    assert run.checkpoints == tmp_path / "checkpoints" / run_key(params, inputs=inputs)


def test_a_job_elsewhere_finds_what_was_named_here(
    make_shards: MakeShards, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_shards(train=[2])
    monkeypatch.chdir(tmp_path)
    near = Inputs(Path("shards"), SIZE, Path("indexes"), "tars/{00..03}.tar").resolve()
    assert near == Inputs(
        tmp_path / "shards", SIZE, tmp_path / "indexes", f"{tmp_path}/tars/{{00..03}}.tar"
    )
    afar = Inputs(Path("shards"), SIZE, Path("indexes"), "s3://bucket/{00..03}.tar").resolve()
    assert afar.data == "s3://bucket/{00..03}.tar"


def test_preparing_anew_removes_what_an_earlier_job_left(
    make_params: MakeParams, make_shards: MakeShards, tmp_path: Path
) -> None:
    (tmp_path / "run" / "result").mkdir(parents=True)
    prepare_run(
        tmp_path / "run",
        make_params(),
        inputs=to_inputs(make_shards(train=[1])),
        checkpoints_root=tmp_path,
    )
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.json"]


def test_the_key_changes_with_what_decides_the_result_alone(
    make_params: MakeParams, make_shards: MakeShards
) -> None:
    one = to_inputs(make_shards("one", train=[2]))
    other = to_inputs(make_shards("other", train=[3]))
    key = run_key(make_params(), inputs=one)
    where = {
        "processes": 2,
        "threads": 4,
        "residence": "stream",
        "read": "pread",
        "ahead": 9,
        "keep": 5,
    }
    assert key == run_key(make_params(**where), inputs=one)
    assert key != run_key(make_params(seed=4), inputs=one)
    assert key != run_key(make_params(window=2), inputs=one)
    assert key != run_key(make_params(), inputs=other)


def test_the_key_of_foreign_tars_is_that_of_their_samples_in_order_wherever_they_lie(
    make_params: MakeParams, make_shards: MakeShards, tmp_path: Path
) -> None:
    tars = make_shards("tars", train=[2, 1])
    nowhere = tmp_path / "nowhere"
    key = run_key(make_params(), inputs=to_inputs(nowhere, data=str(tars)))
    shutil.copytree(tars, tmp_path / "moved")
    moved = f"{tmp_path}/moved/train-{{000000..000001}}.tar"
    assert run_key(make_params(), inputs=to_inputs(nowhere, data=moved)) == key
    turned = f"{tars}/train-{{000001..000000}}.tar"  # so are the numbers of their samples
    assert run_key(make_params(), inputs=to_inputs(nowhere, data=turned)) != key
    less = str(tars / "train-000000.tar")
    assert run_key(make_params(), inputs=to_inputs(nowhere, data=less)) != key


def test_no_shards_are_an_error(make_params: MakeParams, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="photochrom shards"):
        prepare_run(
            tmp_path / "run", make_params(), inputs=to_inputs(tmp_path), checkpoints_root=tmp_path
        )


@pytest.mark.parametrize(
    "content", ["", "{}", json.dumps({"params": {}, "inputs": {}, "checkpoints": "b"})]
)
def test_a_malformed_run_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(TrainError, match="expected params, inputs and checkpoints"):
        read_run(tmp_path)


def test_a_folder_without_a_run_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainError, match="no run here"):
        read_run(tmp_path)
