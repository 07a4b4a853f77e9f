import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.disks import small_disk
from tests.train.conftest import MakeParams
from train.checkpoints.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from train.checkpoints.saving import Saver
from train.checkpoints.snapshot import Block
from train.checkpoints.stored import find_stored
from train.errors import CheckpointError
from train.state import TrainState, make_state, pack

SAVING = "train.checkpoints.saving.write_checkpoint"

pytestmark = pytest.mark.usefixtures("tiny_network")


class Gate:
    """Lets a write go on when it is opened, and notes how many were under way at once."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.entered = threading.Event()
        self.busy = self.most = 0

    def write(self, folder: Path, checkpoint: Checkpoint, *, keep: int) -> None:
        self.busy += 1
        self.most = max(self.most, self.busy)
        self.entered.set()
        assert self.open.wait(60)
        write_checkpoint(folder, checkpoint, keep=keep)
        self.busy -= 1


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Gate:
    gate = Gate()
    monkeypatch.setattr(SAVING, gate.write)
    return gate


@pytest.fixture
def state(make_params: MakeParams) -> TrainState:
    state = make_state(make_params(), torch.zeros(16, 25, 2), device=torch.device("cpu"))
    train_on(state)
    return state


def train_on(state: TrainState) -> None:
    """Change all that a step and a validation change."""
    for parameter in state.model.parameters():
        parameter.grad = torch.ones_like(parameter)
    state.optimizer.step()
    for average in state.ema.parameters():
        average.add_(1)
    state.step += 1
    state.loss_sum += 0.5
    state.curve.append({"step": state.step, "train_loss": 0.5})
    state.best = {name: value.clone() for name, value in state.ema.named_parameters()}


@pytest.fixture
def events() -> list[dict[str, Any]]:
    return []


@pytest.fixture
def saver(tmp_path: Path, events: list[dict[str, Any]]) -> Saver:
    return Saver(tmp_path, keep=2, describe=lambda step: {"next": step}, report=events.append)


def read_last(folder: Path) -> Checkpoint:
    found = read_checkpoint(folder, on_damage=pytest.fail)
    assert found is not None
    return found


def test_what_is_written_is_the_state_of_the_save_though_training_goes_on(
    saver: Saver, state: TrainState, gate: Gate, tmp_path: Path
) -> None:
    before = {name: value.clone() for name, value in state.model.state_dict().items()}
    with saver:
        saver.save(state, final=False)
        assert gate.entered.wait(60)
        train_on(state)
        gate.open.set()
    found = read_last(tmp_path)
    assert found.step == 1
    assert found.facts["curve"] == [{"step": 1, "train_loss": 0.5}]
    assert (found.facts["loss_sum"], found.facts["next"]) == (0.5, 1)
    for name, value in before.items():
        assert torch.equal(found.tensors[f"model.{name}"], value), name
    assert not torch.equal(state.model.head.weight, before["head.weight"])


def test_memory_for_copies_is_got_before_the_first_save(
    saver: Saver, state: TrainState, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        pytest.fail("there was too little")

    with saver:
        saver.prepare(state)
        saver._wait()
        monkeypatch.setattr("train.checkpoints.snapshot.Block.prepare", refuse)
        saver.save(state, final=True)
    found = read_last(tmp_path).tensors
    packed = pack(state).tensors
    assert found.keys() == packed.keys()
    for name, value in packed.items():
        assert torch.equal(found[name], value), name


def test_copies_are_laid_out_as_what_they_are_copies_of() -> None:
    tensors = {
        "last": torch.arange(48.0).reshape(2, 3, 2, 4).to(memory_format=torch.channels_last),
        "part": torch.arange(12.0)[::2],
        "bytes": torch.arange(7, dtype=torch.uint8),
        "number": torch.tensor(3, dtype=torch.int64),
        "none": torch.empty(0, 3),
    }
    block = Block()
    for _ in range(2):
        copies = block.take(tensors).wait()
        for name, tensor in tensors.items():
            assert torch.equal(copies[name], tensor), name
            assert copies[name].dtype == tensor.dtype
        assert copies["last"].stride() == tensors["last"].stride()
        tensors = {name: tensor + 1 for name, tensor in tensors.items()}


def test_one_copy_is_written_at_a_time_and_the_next_save_waits_for_it(
    saver: Saver, state: TrainState, gate: Gate, tmp_path: Path, events: list[dict[str, Any]]
) -> None:
    with saver:
        saver.save(state, final=False)
        first = state.model.state_dict()["head.weight"].clone()
        train_on(state)
        second = threading.Thread(target=saver.save, args=(state,), kwargs={"final": False})
        second.start()
        assert gate.entered.wait(60)
        assert second.is_alive()
        gate.open.set()
        second.join(60)
    assert gate.most == 1
    assert [event["step"] for event in events] == [1, 2]
    assert all(event["event"] == "saved" for event in events)
    older = find_stored(tmp_path)[1]
    (older.parent / "step-00000002" / "state.json").unlink()
    found = read_checkpoint(tmp_path, on_damage=lambda _: None)
    assert found is not None and torch.equal(found.tensors["model.head.weight"], first)


def test_a_final_save_is_on_the_disk_when_it_returns(
    saver: Saver, state: TrainState, tmp_path: Path, events: list[dict[str, Any]]
) -> None:
    with saver:
        saver.save(state, final=True)
        assert read_last(tmp_path).step == 1
        (event,) = events
        assert (event["event"], event["step"]) == ("saved", 1)
        assert event["paused_s"] >= event["took_s"] > 0


def test_a_step_is_not_saved_twice(
    saver: Saver, state: TrainState, events: list[dict[str, Any]]
) -> None:
    with saver:
        saver.save(state, final=False)
        saver.save(state, final=True)
    assert len(events) == 1


def write_to(disk: Callable[[int], bool]) -> Any:
    """Write, where `disk` says so of a step, on a disk that is full."""

    def write(folder: Path, checkpoint: Checkpoint, *, keep: int) -> None:
        if not disk(checkpoint.step):
            write_checkpoint(folder, checkpoint, keep=keep)
            return
        with small_disk():
            write_checkpoint(folder, checkpoint, keep=keep)

    return write


def test_a_full_disk_leaves_nothing_half_written_and_the_next_save_tries_again(
    saver: Saver,
    state: TrainState,
    tmp_path: Path,
    events: list[dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(SAVING, write_to(lambda step: step in (1, 3)))
    with saver:
        for _ in range(4):
            saver.save(state, final=False)
            train_on(state)
    assert [event["event"] for event in events] == ["note", "saved", "note", "saved"]
    assert "cannot save step 1: [Errno 27]" in events[0]["message"]
    assert "no step is saved yet; training goes on" in events[0]["message"]
    assert "step 2 is the last that is saved; training goes on" in events[2]["message"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000002", "step-00000004"]


def test_a_full_disk_at_a_stop_is_an_error(
    saver: Saver, state: TrainState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SAVING, write_to(lambda step: step == 2))
    with pytest.raises(CheckpointError, match="cannot save step 2"), saver:
        saver.save(state, final=False)
        train_on(state)
        saver.save(state, final=True)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000001"]


def test_an_error_of_the_code_itself_ends_the_run_at_the_next_save(
    saver: Saver, state: TrainState
) -> None:
    state.loss_sum = float("nan")
    with pytest.raises(ValueError, match="JSON"), saver:
        saver.save(state, final=False)
        train_on(state)
        saver.save(state, final=False)
