import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.train.checkpoints.starting import (
    list_events,
    list_notes,
    read_record,
    read_weights,
    train,
)
from tests.train.conftest import MakeParams, MakeShards, Prepare, to_inputs
from train.checkpoints.checkpoint import read_one, write_checkpoint
from train.checkpoints.origin import find_start
from train.checkpoints.stored import find_stored
from train.errors import CheckpointError
from train.run import Inputs, run_key

pytestmark = pytest.mark.usefixtures("tiny_network")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_a_run_starts_from_another_ones_checkpoint_where_it_may_differ(prepare: Prepare) -> None:
    old = prepare("old")
    train(old, steps=4)
    (path, *_) = find_stored(old.checkpoints)
    changed: dict[str, Any] = {"steps": 9, "lr": 1e-3}
    allow = ("train.steps", "train.lr")
    new = prepare("new", resume=old.checkpoints, allow=allow, **changed)
    assert new.checkpoints.name != prepare("fresh", **changed).checkpoints.name
    train(new, steps=2)
    (said,) = (note for note in list_notes(new) if "of another run" in note)
    assert "starts from step 4 of another run" in said
    assert "differs in train.lr: 0.002 saved, 0.001 now; train.steps: 6 saved, 9 now" in said
    assert [event["step"] for event in list_events(new, "start")] == [4]
    # Once the run has a checkpoint of its own, that is taken, and the other one is not looked at.
    shutil.rmtree(old.checkpoints)
    train(new)
    assert [event["step"] for event in list_events(new, "start")] == [4, 6]
    record = read_record(new)
    assert record["started_from"] == {
        "step": 4,
        "sha256": new.inputs.start.sha256 if new.inputs.start else "",
        "allowed": ["train.lr", "train.steps"],
    }
    assert record["steps"] == 9
    assert path.name == "step-00000004"


def test_a_run_that_starts_from_its_own_step_learns_what_it_would_have(prepare: Prepare) -> None:
    whole = prepare("whole")
    train(whole)
    again = prepare("again", resume=whole.checkpoints / "step-00000004")
    train(again)
    assert read_weights(again) == read_weights(whole)
    assert read_record(whole)["started_from"] is None


def test_what_differs_is_an_error_that_names_all_of_it(
    prepare: Prepare, make_shards: MakeShards
) -> None:
    old = prepare("old")
    train(old, steps=2)
    other = to_inputs(make_shards("other", train=[5, 4], val=[2]))
    with pytest.raises(CheckpointError) as caught:
        prepare("new", resume=old.checkpoints, reads=other, lr=1.0, seed=4, allow=("train.seed",))
    said = str(caught.value)
    assert "train.lr: 0.002 saved, 1.0 now" in said
    assert "shards: changed val-000000.tar" in said
    assert "train.seed:" not in said
    assert said.endswith("--allow shards --allow train.lr --allow train.seed`")


def test_a_key_that_nobody_knows_is_an_error(prepare: Prepare) -> None:
    old = prepare("old")
    train(old, steps=2)
    with pytest.raises(CheckpointError, match=r"--allow lr: no such key; .*train\.lr"):
        prepare("new", resume=old.checkpoints, allow=("lr",))
    with pytest.raises(CheckpointError, match=r"--allow train\.threads"):
        prepare("new", resume=old.checkpoints, allow=("train.threads",))


def test_a_checkpoint_beyond_the_last_step_is_an_error(prepare: Prepare) -> None:
    old = prepare("old")
    train(old, steps=4)
    for steps in (3, 4):
        with pytest.raises(CheckpointError, match=rf"step 4.*ends at {steps}: .*train\.steps"):
            prepare("new", resume=old.checkpoints, steps=steps, allow=("train.steps",))


def test_a_folder_without_a_good_checkpoint_is_an_error(prepare: Prepare, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="expected a checkpoint"):
        prepare("new", resume=tmp_path)


def test_a_damaged_one_is_passed_over_when_a_run_starts_from_a_folder(
    prepare: Prepare, make_params: MakeParams, inputs: Inputs
) -> None:
    old = prepare("old")
    train(old, steps=4)
    (old.checkpoints / "step-00000004" / "state.safetensors").write_bytes(b"")
    told: list[str] = []
    folder = old.checkpoints
    start = find_start(folder, make_params(), inputs=inputs, allowed=(), tell=told.append)
    assert start.step == 2
    assert len(told) == 1 and "step-00000004: damaged checkpoint passed over" in told[0]


def test_another_network_cannot_be_allowed(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = prepare("old")
    train(old, steps=2)
    monkeypatch.setattr("train.model.WIDTHS", (16, 16, 32, 48))
    new = prepare("new", resume=old.checkpoints, allow=("code",))
    with pytest.raises(CheckpointError, match=r"(?s)is not of this network.*leave --resume out"):
        train(new)


def test_a_checkpoint_that_changed_since_the_run_was_prepared_is_an_error(
    prepare: Prepare,
) -> None:
    old = prepare("old")
    train(old, steps=2)
    new = prepare("new", resume=old.checkpoints)
    (path,) = find_stored(old.checkpoints)
    write_checkpoint(path.parent, replace(read_one(path), facts={}), keep=2)
    with pytest.raises(CheckpointError, match="as when the run was prepared"):
        train(new)
    shutil.rmtree(path)
    with pytest.raises(CheckpointError, match="cannot be read"):
        train(new)


def test_figures_of_another_validation_split_do_not_keep_old_weights(
    prepare: Prepare, make_shards: MakeShards
) -> None:
    old = prepare("old")
    train(old, steps=4)
    other = to_inputs(make_shards("other", train=[5, 4], val=[2]))
    new = prepare("new", resume=old.checkpoints, reads=other, allow=("shards",))
    train(new)
    assert any("best weights so far are forgotten" in note for note in list_notes(new))
    assert read_record(new)["kept_step"] > 4


def test_what_a_run_starts_from_and_may_differ_in_names_it(
    prepare: Prepare, make_params: MakeParams, inputs: Inputs
) -> None:
    old = prepare("old", keep=9)
    train(old, steps=4)
    two, four = reversed(find_stored(old.checkpoints))
    params = make_params()

    def key(path: Path, *allowed: str) -> str:
        start = find_start(path, params, inputs=inputs, allowed=allowed, tell=pytest.fail)
        return run_key(params, inputs=replace(inputs, start=start))

    keys = {run_key(params, inputs=inputs), key(two), key(four), key(two, "code")}
    assert len(keys) == 4
    moved = old.checkpoints.parent / "moved" / two.name
    shutil.copytree(two, moved)
    assert key(moved) == key(two)
    assert key(two, "code", "size") == key(two, "size", "code", "code")
