import ast
import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from train.checkpoints.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from train.checkpoints.stored import last_step, write_stored
from train.errors import CheckpointError

ROOT = Path(__file__).resolve().parents[3]


def make_checkpoint(step: int) -> Checkpoint:
    return Checkpoint(
        step=step,
        tensors={"weights": torch.arange(6.0).reshape(2, 3) * step},
        facts={"loss_sum": 0.1 * step, "curve": [{"step": step, "val_loss": None}]},
    )


def write(folder: Path, *steps: int, keep: int = 2) -> None:
    for step in steps:
        write_checkpoint(folder, make_checkpoint(step), keep=keep)


def list_steps(folder: Path) -> list[int]:
    return sorted(int(path.name.removeprefix("step-")) for path in folder.iterdir())


def fail(message: str) -> None:
    pytest.fail(message)


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    write(tmp_path, 7)
    found = read_checkpoint(tmp_path, on_damage=fail)
    assert found is not None
    assert (found.step, found.facts) == (7, make_checkpoint(7).facts)
    assert torch.equal(found.tensors["weights"], make_checkpoint(7).tensors["weights"])


def test_as_many_are_kept_as_wanted(tmp_path: Path) -> None:
    write(tmp_path / "two", 5, 20, 100)
    assert list_steps(tmp_path / "two") == [20, 100]
    write(tmp_path / "three", 5, 20, 100, 101, keep=3)
    assert list_steps(tmp_path / "three") == [20, 100, 101]


def test_one_of_a_later_step_does_not_count_for_it_was_passed_over(tmp_path: Path) -> None:
    write(tmp_path, 1, 2, keep=9)
    (tmp_path / "step-00000002" / "state.json").unlink()
    write(tmp_path, 3, 4, keep=3)
    assert list_steps(tmp_path) == [2, 3, 4]
    write(tmp_path, 3)
    assert list_steps(tmp_path) == [2, 3]


def test_there_may_be_none(tmp_path: Path) -> None:
    assert read_checkpoint(tmp_path / "missing", on_damage=fail) is None
    assert last_step(tmp_path / "missing") is None


def read_past_damage(folder: Path) -> str:
    """Read the step 1, and return what was said of another one."""
    told: list[str] = []
    found = read_checkpoint(folder, on_damage=told.append)
    assert found is not None and found.step == 1
    (said,) = told
    return said


@pytest.mark.parametrize("name", ["state.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["cut", "empty", "gone", "folder", "of another step"])
def test_a_damaged_one_is_passed_over_with_a_word(tmp_path: Path, name: str, damage: str) -> None:
    write(tmp_path, 1, 2)
    path = tmp_path / "step-00000002" / name
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage == "of another step":
        path.write_bytes((tmp_path / "step-00000001" / name).read_bytes())
    elif damage != "gone":
        path.write_bytes(content[: len(content) // 2] if damage == "cut" else b"")
    assert "step-00000002: damaged checkpoint passed over" in read_past_damage(tmp_path)


@pytest.mark.parametrize("name", ["state.safetensors", "state.json"])
def test_no_byte_can_change_unseen(tmp_path: Path, name: str) -> None:
    write(tmp_path, 1, 2)
    path = tmp_path / "step-00000002" / name
    whole = path.read_bytes()
    for place in range(len(whole)):
        changed = bytearray(whole)
        changed[place] ^= 1
        path.write_bytes(changed)
        assert "passed over" in read_past_damage(tmp_path), place


def test_one_of_another_version_is_passed_over_with_a_word(tmp_path: Path) -> None:
    write(tmp_path, 1, 2)
    path = tmp_path / "step-00000002" / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 1}))
    said = read_past_damage(tmp_path)
    assert "another version passed over (version 1, and this code reads 2)" in said


def test_what_somebody_else_left_is_no_checkpoint(tmp_path: Path) -> None:
    write(tmp_path, 1)
    (tmp_path / "step-by-step.txt").touch()
    found = read_checkpoint(tmp_path, on_damage=fail)
    assert found is not None and found.step == 1


def test_what_a_kill_left_half_written_is_no_checkpoint(tmp_path: Path) -> None:
    write(tmp_path, 1)
    partial = tmp_path / "partial-step-00000002"
    partial.mkdir()
    (partial / "state.safetensors").write_bytes(b"half")
    found = read_checkpoint(tmp_path, on_damage=fail)
    assert found is not None and found.step == 1
    write(tmp_path, 2)
    assert not partial.exists()


def test_a_disk_that_refuses_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(CheckpointError, match="cannot save step 3"):
        write(tmp_path / "file", 3)


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("name", ["state.safetensors", "state.json"])
def test_a_pickle_is_passed_over_and_runs_nothing(tmp_path: Path, name: str) -> None:
    write(tmp_path / "saved", 1, 2)
    pickled = pickle.dumps(Trap(tmp_path / "ran"))
    pickle.loads(pickled)
    assert (tmp_path / "ran").exists()
    (tmp_path / "ran").unlink()
    (tmp_path / "saved" / "step-00000002" / name).write_bytes(pickled)
    assert "damaged checkpoint passed over" in read_past_damage(tmp_path / "saved")
    assert not (tmp_path / "ran").exists()


def test_a_pickle_with_the_right_checksum_runs_nothing_either(tmp_path: Path) -> None:
    write(tmp_path / "saved", 1)
    pickled = pickle.dumps(Trap(tmp_path / "ran"))
    write_stored(tmp_path / "saved", pickled, step=2, facts={}, keep=2)
    assert "damaged checkpoint passed over" in read_past_damage(tmp_path / "saved")
    assert not (tmp_path / "ran").exists()


def find_unpickling(tree: ast.AST) -> Iterator[str]:
    """Name what in a module could run a pickle."""
    picklers = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names if one.name.split(".")[0] in picklers)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if module.split(".")[0] in picklers:
                yield module
            if module == "torch":
                yield from (f"torch.{one.name}" for one in node.names if one.name == "load")
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if called in ("torch.load", "torch.jit.load", "torch.package.PackageImporter"):
                yield called
            yield from (ast.unparse(node) for one in node.keywords if one.arg == "allow_pickle")


def test_what_could_run_a_pickle_is_found() -> None:
    for line in ("import pickle", "from pickle import loads", "x = torch.load(path)"):
        assert list(find_unpickling(ast.parse(line))), line
    assert list(find_unpickling(ast.parse("numpy.load(path, allow_pickle=True)")))
    assert not list(find_unpickling(ast.parse("numpy.load(path); load(content)")))


@pytest.mark.parametrize("room", ["train", "colorize"])
def test_no_module_could_run_a_pickle(room: str) -> None:
    paths = sorted((ROOT / room).rglob("*.py"))
    assert len(paths) > 5
    for path in paths:
        found = list(find_unpickling(ast.parse(path.read_text("utf-8"))))
        assert [one for one in found if "allow_pickle=False" not in one] == [], path
