from pathlib import Path

import pytest
import torch

from train.checkpoint import KEPT, Checkpoint, read_checkpoint, write_checkpoint
from train.errors import CheckpointError


def make_checkpoint(step: int) -> Checkpoint:
    return Checkpoint(
        step=step,
        tensors={"weights": torch.arange(6.0).reshape(2, 3) * step},
        facts={"loss_sum": 0.1 * step, "curve": [{"step": step, "val_loss": None}]},
    )


def fail(message: str) -> None:
    pytest.fail(message)


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, make_checkpoint(7))
    found = read_checkpoint(tmp_path, on_damage=fail)
    assert found is not None
    assert (found.step, found.facts) == (7, make_checkpoint(7).facts)
    assert torch.equal(found.tensors["weights"], make_checkpoint(7).tensors["weights"])


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    for step in (5, 100, 20):
        write_checkpoint(tmp_path, make_checkpoint(step))
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["step-00000020", "step-00000100"]
    assert KEPT == 2


def test_there_may_be_none(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "missing", on_damage=fail) is None


@pytest.mark.parametrize("name", ["state.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_a_damaged_one_is_passed_over_with_a_word(tmp_path: Path, name: str, damage: str) -> None:
    for step in (1, 2):
        write_checkpoint(tmp_path, make_checkpoint(step))
    path = tmp_path / "step-00000002" / name
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        content[len(content) // 4] ^= 0x20
        path.write_bytes(content)
    told: list[str] = []
    found = read_checkpoint(tmp_path, on_damage=told.append)
    assert found is not None and found.step == 1
    assert len(told) == 1 and "step-00000002: damaged checkpoint passed over" in told[0]


def test_what_a_kill_left_half_written_is_no_checkpoint(tmp_path: Path) -> None:
    write_checkpoint(tmp_path, make_checkpoint(1))
    partial = tmp_path / "partial-step-00000002"
    partial.mkdir()
    (partial / "state.safetensors").write_bytes(b"half")
    found = read_checkpoint(tmp_path, on_damage=fail)
    assert found is not None and found.step == 1
    write_checkpoint(tmp_path, make_checkpoint(2))
    assert not partial.exists()


def test_a_disk_that_refuses_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CheckpointError, match="cannot save step 3"):
        write_checkpoint(tmp_path / "file", make_checkpoint(3))
