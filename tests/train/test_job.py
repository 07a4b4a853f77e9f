import csv
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tests.train.conftest import REMOTE, SIZE, MakeParams, MakeShards, make_picture, to_inputs
from train.errors import DataError, StoppedError, TrainError
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
    def make(
        name: str = "run", *, shards: Path | None = None, data: str | None = None, **changed: Any
    ) -> Run:
        prepare_run(
            tmp_path / name,
            make_params(**changed),
            inputs=to_inputs(
                shards or make_shards(f"shards-{name}", train=[5, 4], val=[3]), data=data
            ),
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
    asked = iter([False, False, True, False])
    assert not train_run(stopped, ALONE, stop=lambda: next(asked))
    assert not (stopped.folder / "result").exists()
    last = read_events(stopped)[-1]
    assert 0 <= last.pop("data_wait") <= 1
    # What is asked in a step is heard when the next one is queued.
    assert last == {"event": "stopped", "step": 4, "of": 6}
    assert train_run(stopped, ALONE, stop=lambda: False)
    assert [event["step"] for event in read_events(stopped) if event["event"] == "start"] == [0, 4]
    for name in FILES:
        left, right = (run.folder / "result" / name for run in (whole, stopped))
        assert left.read_bytes() == right.read_bytes(), name


def test_a_run_that_goes_on_in_a_new_folder_tells_of_its_earlier_rows_again(make_run: Any) -> None:
    run = make_run("run")
    asked = iter([False, False, True, False])
    assert not train_run(run, ALONE, stop=lambda: next(asked))
    first = [event for event in read_events(run) if event["event"] == "validation"]
    (run.folder / "progress.jsonl").unlink()
    assert train_run(run, ALONE, stop=lambda: False)
    told = [event for event in read_events(run) if event["event"] in ("validation", "start")]
    assert [(event["event"], event["step"]) for event in told] == [
        ("validation", 2),
        ("validation", 4),
        ("start", 4),
        ("validation", 6),
    ]
    assert told[:2] == first


def test_a_rank_that_stops_while_it_waits_for_samples_ends_in_order(
    make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_waiting(*_: Any) -> bool:
        raise StoppedError("told to stop while waiting")

    run = make_run()
    monkeypatch.setattr("train.job.fit", stop_waiting)
    assert not train_run(run, ALONE, stop=lambda: True)
    assert read_events(run)[-1] == {"event": "note", "message": "told to stop while waiting"}


def test_a_job_whose_code_changed_while_it_waited_is_not_what_it_is_called(
    make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run()
    monkeypatch.setattr("train.run._hash_code", lambda: "f" * 64)
    with pytest.raises(TrainError, match=r"expected run \w{16}, as it was prepared, got \w{16}"):
        train_run(run, ALONE, stop=lambda: False)
    assert not (run.folder / "result").exists()


def read_weights(run: Run) -> bytes:
    assert train_run(run, ALONE, stop=lambda: False)
    return (run.folder / "result" / "model.safetensors").read_bytes()


def test_a_line_says_where_the_samples_are_held_and_the_last_how_long_they_were_waited_for(
    make_run: Any,
) -> None:
    run = make_run()
    read_weights(run)
    events = read_events(run)
    assert events[0]["event"] == "note"
    assert re.fullmatch(
        r"samples: 12 of 64 px are 0\.00 GB, held on the device: within half of [\d.]+ GB free",
        events[0]["message"],
    )
    assert events[-1]["event"] == "done" and 0 <= events[-1]["data_wait"] <= 1
    for name in ("model.json", "curve.csv"):
        assert "data_wait" not in (run.folder / "result" / name).read_text()


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_any_webdataset_trains_the_model_that_shards_of_the_same_samples_do(
    make_run: Any, tmp_path: Path, scheme: str
) -> None:
    whole = make_run("whole")
    weights = read_weights(whole)
    # They lie elsewhere, and the pipeline has made no shards.
    data = f"{scheme}{whole.inputs.shards}/{{train-000000,train-000001,val-000000}}.tar"
    foreign = make_run(
        "foreign",
        shards=tmp_path / "nowhere" / "64",
        data=data,
        residence="stream",
        remote=REMOTE | {"folder": str(tmp_path / "scratch")},
    )
    assert read_weights(foreign) == weights
    said = [event["message"] for event in read_events(foreign) if event["event"] == "note"]
    assert "streamed, as train.residence says" in said[0]
    assert "photochrom pack" in said[1]
    ours, theirs = (
        json.loads((run.folder / "result" / "model.json").read_text()) for run in (whole, foreign)
    )
    assert (ours["data"], theirs["data"]) == ("shards", "webdataset")
    assert ours["shards"].keys() == theirs["shards"].keys()
    assert str(tmp_path) not in json.dumps(theirs)


@pytest.mark.parametrize("residence", ["device", "stream"])
def test_shards_from_afar_train_the_same_model(
    make_run: Any, tmp_path: Path, residence: str
) -> None:
    whole = make_run("whole")
    weights = read_weights(whole)
    near = tmp_path / "near" / "64"
    near.mkdir(parents=True)
    for name in ("index.json", "index.npy"):
        shutil.copy(whole.inputs.shards / name, near)
    remote = REMOTE | {"url": whole.inputs.shards.as_uri(), "folder": str(tmp_path / "scratch")}
    afar = make_run("afar", shards=near, remote=remote, residence=residence)
    assert read_weights(afar) == weights
    assert len(list((tmp_path / "scratch").glob("*.tar"))) == 3


def test_a_damaged_checkpoint_costs_the_way_from_the_one_before(make_run: Any) -> None:
    run = make_run(steps=6)
    train_run(run, ALONE, stop=lambda: False)
    weights = (run.folder / "result" / "model.safetensors").read_bytes()
    (run.checkpoints / "step-00000006" / "state.json").write_text("{")
    train_run(run, ALONE, stop=lambda: False)
    notes = [event["message"] for event in read_events(run) if event["event"] == "note"]
    assert sum("step-00000006: damaged checkpoint" in note for note in notes) == 1
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
