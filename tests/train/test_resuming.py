import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from tests.disks import small_disk
from tests.train.conftest import MakeParams, MakeShards, to_inputs
from train.checkpoint import Checkpoint, read_one, write_checkpoint
from train.errors import CheckpointError
from train.job import train_run
from train.origin import find_start
from train.resuming import resume
from train.run import Inputs, Run, prepare_run, read_run, run_key
from train.state import TrainState, make_state, pack, unpack
from train.stored import find_stored
from train.world import World

ALONE = World(rank=0, local_rank=0, size=1)

pytestmark = pytest.mark.usefixtures("tiny_network")

Prepare = Callable[..., Run]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def inputs(make_shards: MakeShards) -> Inputs:
    return to_inputs(make_shards(train=[5, 4], val=[3]))


@pytest.fixture
def prepare(make_params: MakeParams, inputs: Inputs, tmp_path: Path) -> Prepare:
    def make(
        name: str = "run",
        *,
        resume: Path | None = None,
        allow: tuple[str, ...] = (),
        reads: Inputs = inputs,
        **changed: Any,
    ) -> Run:
        params = make_params(**changed)
        if resume is not None:
            start = find_start(resume, params, inputs=reads, allowed=allow, tell=pytest.fail)
            reads = replace(reads, start=start)
        root = tmp_path / f"checkpoints-{name}"
        prepare_run(tmp_path / name, params, inputs=reads, checkpoints_root=root)
        return read_run(tmp_path / name)

    return make


def train(run: Run, *, steps: int | None = None) -> None:
    """Train a run to its end, or stop it after so many steps: at a validation, every second."""
    asked = iter([False] * ((steps or 1) - 1) + [True])
    assert train_run(run, ALONE, stop=lambda: next(asked) if steps else False) == (steps is None)


def list_events(run: Run, kind: str) -> list[dict[str, Any]]:
    lines = (run.folder / "progress.jsonl").read_text().splitlines()
    return [event for line in lines if (event := json.loads(line))["event"] == kind]


def list_notes(run: Run) -> list[str]:
    return [event["message"] for event in list_events(run, "note")]


def read_record(run: Run) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((run.folder / "result" / "model.json").read_text())
    return record


def read_weights(run: Run) -> bytes:
    return (run.folder / "result" / "model.safetensors").read_bytes()


def test_a_checkpoint_says_all_that_decides_what_comes_after_it(prepare: Prepare) -> None:
    run = prepare(steps=7, window=5)
    train(run, steps=4)
    (path, *_) = find_stored(run.checkpoints)
    checkpoint = read_one(path)
    facts = checkpoint.facts
    assert facts["run"]["params"]["lr"] == run.params.lr
    assert not {"threads", "keep", "slurm"} & facts["run"]["params"].keys()
    assert [name for name, _ in facts["run"]["shards"]] == [
        "train-000000.tar",
        "train-000001.tar",
        "val-000000.tar",
    ]
    assert (facts["run"]["size"], len(facts["run"]["code"])) == (64, 64)
    assert facts["world"] == {"processes": 1, "device": "cpu"}
    assert facts["sampler"] == {"epoch": 2, "step_in_epoch": 0, "seed": 3, "window": 5}
    assert (facts["schedule"]["step"], facts["schedule"]["of"]) == (4, 7)
    assert 0 < facts["schedule"]["next_rate"] < run.params.lr
    assert facts["started_from"] is None
    kinds = {name.partition(".")[0] for name in checkpoint.tensors}
    assert kinds == {"model", "ema", "best", "optimizer", "generator"}


def test_the_generator_goes_on_where_it_was(make_params: MakeParams) -> None:
    state = make_state(make_params(), torch.zeros(16, 25, 2), device=torch.device("cpu"))
    for parameter in state.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    state.optimizer.step()
    torch.rand(7)
    packed = pack(state)
    expected = torch.rand(7)
    torch.manual_seed(99)
    unpack(packed, state)
    assert torch.equal(torch.rand(7), expected)


def test_a_checkpoint_is_written_while_training_goes_on_and_holds_the_step_it_is_of(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, slow = prepare("whole", keep=9), prepare("slow", keep=9)
    train(whole)
    later, steps = threading.Event(), iter(range(99))

    def write(folder: Path, checkpoint: Checkpoint, *, keep: int) -> None:
        # The state of step 2 is written when step 4 is on its way.
        assert later.wait(60)
        write_checkpoint(folder, checkpoint, keep=keep)

    def stop() -> bool:
        if next(steps) == 3:
            later.set()
        return False

    monkeypatch.setattr("train.saving.write_checkpoint", write)
    assert train_run(slow, ALONE, stop=stop)
    for one, other in zip(*(find_stored(run.checkpoints) for run in (whole, slow)), strict=True):
        assert one.name == other.name
        for name in ("state.safetensors", "state.json"):
            assert (one / name).read_bytes() == (other / name).read_bytes(), one
    assert [event["step"] for event in list_events(slow, "saved")] == [2, 4, 6]
    assert read_weights(slow) == read_weights(whole)


def test_a_disk_that_is_full_for_a_while_costs_a_checkpoint_and_nothing_else(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, full = prepare("whole"), prepare("full")
    train(whole)

    def write(folder: Path, checkpoint: Checkpoint, *, keep: int) -> None:
        if checkpoint.step != 4:
            write_checkpoint(folder, checkpoint, keep=keep)
            return
        with small_disk():
            write_checkpoint(folder, checkpoint, keep=keep)

    monkeypatch.setattr("train.saving.write_checkpoint", write)
    train(full)
    assert read_weights(full) == read_weights(whole)
    assert [path.name for path in sorted(full.checkpoints.iterdir())] == [
        "step-00000002",
        "step-00000006",
    ]
    (note,) = (note for note in list_notes(full) if "cannot save" in note)
    assert "cannot save step 4" in note and "step 2 is the last that is saved" in note


def test_a_disk_that_is_full_at_a_stop_is_an_error(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path, checkpoint: Checkpoint, *, keep: int) -> None:
        raise CheckpointError(f"cannot save step {checkpoint.step}")

    monkeypatch.setattr("train.saving.write_checkpoint", refuse)
    with pytest.raises(CheckpointError, match="cannot save step 2"):
        train_run(prepare(), ALONE, stop=iter([False, True]).__next__)


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
    assert "seed" not in said
    assert "--allow shards --allow train.lr" in said


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


class Follower(World):
    """Rank 1, which hears from rank 0 which checkpoint that one has read."""

    heard: ClassVar[list[int]]

    def add(self, values: torch.Tensor) -> None:
        values += torch.tensor(self.heard)

    def wait(self) -> None:
        pass


@pytest.fixture
def follow(make_params: MakeParams) -> Callable[[Run, list[int]], TrainState]:
    def resumed(run: Run, heard: list[int]) -> TrainState:
        Follower.heard = heard
        state = make_state(make_params(), torch.zeros(16, 25, 2), device=torch.device("cpu"))
        world = Follower(rank=1, local_rank=1, size=2, local_size=2)
        resume(state, run, world=world, identity=None, note=pytest.fail)
        return state

    return resumed


def test_every_rank_takes_up_what_rank_0_has_read(
    prepare: Prepare, follow: Callable[[Run, list[int]], TrainState]
) -> None:
    run = prepare(keep=9)
    train(run, steps=4)
    four, two = find_stored(run.checkpoints)
    number = int(read_one(two).sha256[:15], 16)
    state = follow(run, [2, 2, number, 0])
    assert state.step == 2 and state.best is not None
    assert follow(run, [2, 2, number, 1]).best is None
    assert follow(run, [0, 0, 0, 0]).step == 0
    with pytest.raises(CheckpointError, match="rank 0 read another file there"):
        follow(run, [2, 4, number, 0])
    shutil.rmtree(four)
    with pytest.raises(CheckpointError, match="rank 0 could read it, and this one cannot"):
        follow(run, [2, 4, number, 0])


def test_a_run_whose_code_changed_under_it_says_so_and_how_to_go_on(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = prepare()
    train(run, steps=4)
    monkeypatch.setattr("train.run._hash_code", lambda: "f" * 64)
    with pytest.raises(
        CheckpointError, match=r"code: \w{8} saved, ffffffff now(?s:.)*--allow code"
    ):
        train(run)


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
