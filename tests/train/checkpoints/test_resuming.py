import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from tests.disks import small_disk
from tests.train.checkpoints.starting import ALONE, list_events, list_notes, read_weights, train
from tests.train.conftest import MakeParams, Prepare
from train.checkpoints.checkpoint import Checkpoint, read_one, write_checkpoint
from train.checkpoints.resuming import resume
from train.checkpoints.stored import find_stored
from train.errors import CheckpointError
from train.job import train_run
from train.run import Run
from train.state import TrainState, make_state, pack, unpack
from train.world import World

pytestmark = pytest.mark.usefixtures("tiny_network")


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


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

    monkeypatch.setattr("train.checkpoints.saving.write_checkpoint", write)
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

    monkeypatch.setattr("train.checkpoints.saving.write_checkpoint", write)
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

    monkeypatch.setattr("train.checkpoints.saving.write_checkpoint", refuse)
    with pytest.raises(CheckpointError, match="cannot save step 2"):
        train_run(prepare(), ALONE, stop=iter([False, True]).__next__)


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
    with pytest.raises(CheckpointError, match=r"(?s)code: \w{8} saved, ffffffff now.*--allow code"):
        train(run)
