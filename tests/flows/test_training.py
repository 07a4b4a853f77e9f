import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from prefect.exceptions import CancelledRun

from flows import training
from flows.errors import ClusterError, JobLeftError
from flows.params import read_params
from flows.training import collect
from tests.pipeline import ROOT


class Killed(BaseException):
    """Stands for a kill: nothing in the code catches it."""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    run = tmp_path / "scratch" / "run"
    (run / "result").mkdir(parents=True)
    for name in ("model.json", "weights"):
        (run / "result" / name).write_text(f"new {name}")
    return run


@pytest.fixture
def model(tmp_path: Path) -> Path:
    model = tmp_path / "data" / "model"
    model.mkdir(parents=True)
    (model / "model.json").write_text("old")
    return model


def read(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_the_result_takes_the_place_of_the_model(run: Path, model: Path) -> None:
    (model.parent / ".model.part").mkdir()  # a kill has left it
    (model.parent / ".model.part" / "half").touch()
    collect(run, model)
    assert read(model) == {"model.json": "new model.json", "weights": "new weights"}
    assert list(model.parent.iterdir()) == [model]
    assert list(run.iterdir()) == []


def test_a_kill_while_it_is_copied_leaves_the_old_model_and_the_whole_result(
    run: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(source: Path, target: Path) -> None:
        target.mkdir()
        shutil.copy(source / "weights", target)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(shutil, "copytree", half)
        with pytest.raises(Killed):
            collect(run, model)
    assert read(model) == {"model.json": "old"}
    collect(run, model)
    assert len(read(model)) == 2


def test_a_kill_while_the_result_is_removed_leaves_no_half_of_it(
    run: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    remove = shutil.rmtree

    def half(folder: Path) -> None:
        if folder == model:
            return remove(folder)
        (folder / "model.json").unlink()
        raise Killed

    monkeypatch.setattr(shutil, "rmtree", half)
    with pytest.raises(Killed):
        collect(run, model)
    assert len(read(model)) == 2
    assert not (run / "result").exists()


@pytest.mark.parametrize(
    ("cause", "raised"),
    [(JobLeftError("job 7 may go on"), JobLeftError), (ClusterError("ended"), CancelledRun)],
)
def test_a_run_whose_job_may_go_on_does_not_pass_for_cancelled(
    cause: Exception, raised: type[Exception], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: object, **__: object) -> Path:
        raise CancelledRun("cancelled in the UI") from cause

    monkeypatch.setattr(training, "_run_job", work)
    settings: dict[str, Any] = json.loads(read_params(ROOT / "params.yaml").model_dump_json())
    # What `or_cancelled` makes of it is its own test's matter.
    monkeypatch.setattr(training, "or_cancelled", lambda body: body())
    with pytest.raises(raised):
        training.train.fn(str(tmp_path), settings)
