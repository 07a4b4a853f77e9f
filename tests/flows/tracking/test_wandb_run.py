import struct
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from flows.errors import TrackingError
from flows.tracking import wandb_run
from flows.tracking.wandb_run import WandbRun, check_wandb
from tests.flows.tracking.test_live import make_event, make_pictures
from tests.pipeline import make_project
from tests.train.conftest import MakeParams, make_params
from train.pictures import write_picture

__all__ = ["make_params"]

KEY = "0123456789abcdef"
BLOCK = 32_768
STEP = {"event": "step", "step": 1, "of": 6, "loss": 2.5, "data_wait": 0.0, "gpu_gb": None}
STEP |= {"images_per_s": 128.0}


def read_records(path: Path) -> Iterator[Any]:
    """Read a .wandb file: LevelDB's log, after a header of 7 bytes, with records of protobuf."""
    wandb_internal_pb2: Any = import_module("wandb.proto.wandb_internal_pb2")
    data, place, whole = path.read_bytes(), 7, b""
    while place + 7 <= len(data):
        left = BLOCK - place % BLOCK
        if left < 7:
            place += left
            continue
        length, kind = struct.unpack_from("<HB", data, place + 4)
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(whole)
            yield record
            whole = b""


def read_history(state: Path) -> list[dict[str, str]]:
    (path,) = state.glob("wandb/offline-run-*/*.wandb")
    return [
        {".".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
        for record in read_records(path)
        if record.WhichOneof("record_type") == "history"
    ]


def test_an_offline_run_holds_figures_speed_and_pictures_and_sends_nothing(
    make_params: MakeParams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")  # where nobody listens
    monkeypatch.setenv("WANDB_API_KEY", "a" * 40)
    run, state = tmp_path / "run", tmp_path / "state"
    (run / "pictures").mkdir(parents=True)
    write_picture(run / make_pictures(2)["path"], np.zeros((8, 8, 3), np.uint8))
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    tracker = WandbRun(make_params(wandb="offline"), key=KEY, run=run, state=state)
    events = [STEP, make_event(2, 5.0), make_pictures(2), STEP, make_event(2, 5.0)]
    for event in [*events, STEP | {"step": 3, "gpu_gb": 1.5}, make_event(4, None)]:
        tracker.take(event)
    tracker.close()
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before
    first, second, third, fourth = read_history(state)
    assert (first["loss"], first["images_per_s"], first["_step"]) == ("2.5", "128", "1")
    assert "gpu_gb" not in first
    assert (second["val_dE00"], second["_step"]) == ("5", "2")
    assert "pictures.path" in second or "media/images" in second["pictures"]
    assert (third["gpu_gb"], third["_step"]) == ("1.5", "3")
    assert "val_dE00" not in fourth
    assert len(list(state.glob("wandb/offline-run-*/files/media/images/*.jpg"))) == 1
    assert not list(state.glob("wandb/offline-run-*/files/*.log"))


def test_without_the_package_nothing_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wandb_run, "find_spec", lambda _: None)
    check_wandb(None)
    with pytest.raises(TrackingError, match=r"offline: expected the package wandb.*\[wandb\]"):
        check_wandb("offline")


def test_without_a_login_online_is_refused_and_nobody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    check_wandb("offline")
    with pytest.raises(TrackingError, match=r"expected a login .* set WANDB_API_KEY"):
        check_wandb("online")


def test_a_training_that_may_not_be_told_of_does_not_begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    project = make_project(tmp_path / "project", "train.wandb=online")
    done = project.call("photochrom", "train", *project.overrides())
    assert done.returncode == 1
    assert done.stderr.startswith("photochrom: train.wandb is online: expected a login")
    assert not (project.root / ".photochrom").exists()
