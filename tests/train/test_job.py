import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.train.conftest import SIZE, MakeParams, MakeShards, make_picture
from train.errors import DataError
from train.export import TOLERANCE, compare_onnx
from train.job import train_run
from train.model import UNet
from train.predict import Predictor
from train.run import Run, prepare_run, read_run
from train.world import World

ALONE = World(rank=0, local_rank=0, size=1)

pytestmark = pytest.mark.usefixtures("tiny_network")
FILES = ["curve.csv", "curve.png", "model.json", "model.onnx", "model.safetensors"]


def read_events(run: Run) -> list[dict[str, Any]]:
    lines = (run.folder / "progress.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


@pytest.fixture
def make_run(make_params: MakeParams, make_shards: MakeShards, tmp_path: Path) -> Any:
    def make(name: str = "run", *, shards: Path | None = None, **changed: Any) -> Run:
        prepare_run(
            tmp_path / name,
            make_params(**changed),
            shards=shards or make_shards(f"shards-{name}", train=[5, 4], val=[3]),
            checkpoints_root=tmp_path / f"checkpoints-{name}",
        )
        return read_run(tmp_path / name)

    return make


def test_a_run_leaves_a_model_that_predicts_what_torch_predicts(make_run: Any) -> None:
    run = make_run()
    assert train_run(run, ALONE, stop=lambda: False)
    result = run.folder / "result"
    assert sorted(path.name for path in result.iterdir()) == FILES
    lightness = make_picture(1, height=SIZE, width=96)[..., 0].astype(np.float32) / 2.55
    found = Predictor.load(result).predict_grid(lightness)

    record = json.loads((result / "model.json").read_text())
    model = UNet(torch.tensor(record["table"]["ab"]))
    model.load_state_dict(load_file(result / "model.safetensors"))
    assert compare_onnx(result / "model.onnx", model) <= TOLERANCE
    assert record["onnx_difference"] <= TOLERANCE
    assert found.shape == (12, 8, 12)
    assert np.abs(found).max() > 1e-3


def test_the_record_says_what_the_model_came_from(make_run: Any) -> None:
    run = make_run(steps=4, processes=1, threads=1)
    train_run(run, ALONE, stop=lambda: False)
    record = json.loads((run.folder / "result" / "model.json").read_text())
    assert record["version"] == 1
    assert (record["steps"], record["input"], record["nodes"][-1]) == (4, 32, 100)
    assert sorted(record["shards"]) == ["train-000000.tar", "train-000001.tar", "val-000000.tar"]
    assert record["samples"] == {"train": 9, "val": 3}
    assert not {"runner", "processes", "threads"} & record["params"].keys()
    with (run.folder / "result" / "curve.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["step"] for row in rows] == ["2", "4"]
    best = min(rows, key=lambda row: float(row["val_dE00"]))
    assert str(record["kept_step"]) == best["step"]
    assert record["metrics"]["val_dE00"] == pytest.approx(float(best["val_dE00"]), rel=1e-4)
    with Image.open(run.folder / "result" / "curve.png") as plot:
        assert plot.width > 600


def test_the_same_run_gives_the_same_bytes_stopped_or_not(make_run: Any) -> None:
    whole, stopped = make_run("whole"), make_run("stopped")
    assert train_run(whole, ALONE, stop=lambda: False)
    asked = iter([False, False, True])
    assert not train_run(stopped, ALONE, stop=lambda: next(asked))
    assert not (stopped.folder / "result").exists()
    assert read_events(stopped)[-1] == {"event": "stopped", "step": 3, "of": 6}
    assert train_run(stopped, ALONE, stop=lambda: False)
    assert [event["step"] for event in read_events(stopped) if event["event"] == "start"] == [0, 3]
    for name in FILES:
        left, right = (run.folder / "result" / name for run in (whole, stopped))
        assert left.read_bytes() == right.read_bytes(), name


def test_a_damaged_checkpoint_costs_the_way_from_the_one_before(make_run: Any) -> None:
    run = make_run(steps=6)
    train_run(run, ALONE, stop=lambda: False)
    weights = (run.folder / "result" / "model.safetensors").read_bytes()
    (run.checkpoints / "step-00000006" / "state.json").write_text("{")
    train_run(run, ALONE, stop=lambda: False)
    notes = [event["message"] for event in read_events(run) if event["event"] == "note"]
    assert len(notes) == 1 and "step-00000006: damaged checkpoint" in notes[0]
    assert [event["step"] for event in read_events(run) if event["event"] == "start"] == [0, 4]
    assert (run.folder / "result" / "model.safetensors").read_bytes() == weights


def test_a_split_smaller_than_the_batch_is_one_batch_and_val_may_be_empty(
    make_run: Any, make_shards: MakeShards
) -> None:
    run = make_run(shards=make_shards(train=[3]), batch=16, steps=3)
    assert train_run(run, ALONE, stop=lambda: False)
    assert "the split holds 3 samples" in read_events(run)[0]["message"]
    record = json.loads((run.folder / "result" / "model.json").read_text())
    assert record["kept_by"] == "last step: no val"
    assert record["metrics"]["val_dE00"] is None


def test_nothing_to_train_on_is_an_error(make_run: Any, make_shards: MakeShards) -> None:
    run = make_run(shards=make_shards(val=[2]))
    with pytest.raises(DataError, match="the train split has no samples"):
        train_run(run, ALONE, stop=lambda: False)


def test_more_processes_than_samples_are_an_error(make_run: Any, make_shards: MakeShards) -> None:
    run = make_run(shards=make_shards(train=[2]))
    with pytest.raises(DataError, match=r"lower train\.processes"):
        train_run(run, World(rank=0, local_rank=0, size=3), stop=lambda: False)
