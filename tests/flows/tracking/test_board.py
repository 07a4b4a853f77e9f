import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import httpx
import numpy as np
import pytest
from PIL import Image

from flows.deploying.steps import RUN_ID
from flows.tracking import board as module
from flows.tracking.board import CURVE, PICTURES, TABLE, Board, Standing, to_table
from tests.flows.tracking.test_live import make_event, make_pictures
from train.pictures import write_picture

OWN, DEPLOYED = uuid4(), uuid4()

START = {"event": "start", "step": 0, "of": 640, "train": 1200, "val": 30, "processes": 2}
STEP = {"event": "step", "step": 80, "of": 640, "loss": 2.5312, "data_wait": 0.0004}
STEP |= {"images_per_s": 128.0, "gpu_gb": 3.456}


class Server:
    """Keeps artifacts, as Prefect's does."""

    def __init__(self) -> None:
        self.kept: dict[UUID, SimpleNamespace] = {}
        self.requests = 0
        self.away = False

    @contextmanager
    def open(self, *, sync_client: bool) -> Iterator["Server"]:
        yield self

    def ask(self) -> None:
        self.requests += 1
        if self.away:
            raise httpx.ConnectError("gone")

    def create_artifact(self, artifact: Any) -> SimpleNamespace:
        self.ask()
        one = SimpleNamespace(id=uuid4(), **artifact.model_dump())
        self.kept[one.id] = one
        return one

    def read_artifacts(self, *, artifact_filter: Any) -> list[SimpleNamespace]:
        self.ask()
        keys, runs = artifact_filter.key.any_, artifact_filter.flow_run_id.any_
        return [one for one in self.kept.values() if one.key in keys and one.flow_run_id in runs]

    def request(
        self, method: str, path: str, *, path_params: dict[str, UUID], json: dict[str, str]
    ) -> None:
        self.ask()
        assert (method, path) == ("PATCH", "/artifacts/{id}")
        self.kept[path_params["id"]].data = json["data"]

    def find(self, key: str, run: UUID = OWN) -> list[str]:
        return [one.data for one in self.kept.values() if (one.key, one.flow_run_id) == (key, run)]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(module, "get_client", server.open)
    monkeypatch.setattr(module, "flow_run", SimpleNamespace(id=str(OWN)))
    monkeypatch.setattr(module, "EVERY_S", 0.0)
    monkeypatch.delenv(RUN_ID, raising=False)
    return server


@pytest.fixture
def board(server: Server, tmp_path: Path) -> Board:
    return Board(steps=640, batch=16, run=tmp_path)


def read_uri(uri: str) -> bytes:
    return base64.b64decode(uri.partition(",")[2])


def test_a_validation_draws_the_curve_and_its_pictures_in_place(
    board: Board, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "pictures").mkdir()
    seen: list[list[str]] = []
    for step, shade in ((80, 40), (160, 200)):
        board.take(make_event(step, 5.0))
        board.take(make_pictures(step))
        rgb = np.full((8, 8, 3), shade, np.uint8)
        write_picture(tmp_path / make_pictures(step)["path"], rgb)
        board.publish()
        seen.append([server.find(key)[0] for key in (CURVE, PICTURES)])
    assert len(server.kept) == 3
    assert seen[0][0] != seen[1][0]
    assert read_uri(seen[1][0]).startswith(b"\x89PNG")
    sheet = tmp_path / "sheet.jpg"
    sheet.write_bytes(read_uri(seen[1][1]))
    with Image.open(sheet) as image:
        assert abs(int(np.asarray(image).mean()) - 200) < 4


def test_a_job_that_goes_on_from_before_its_last_validation_keeps_the_rows_that_hold(
    board: Board, server: Server
) -> None:
    board.take(START)
    board.take(make_event(80, 5.0))
    board.publish()
    before = server.find(CURVE)
    # Whoever adopts the job hears all of it at once.
    board.take(make_event(160, 4.0))
    board.take(START | {"step": 80})
    board.close()
    board.publish()
    assert server.find(CURVE) == before


def test_the_server_is_asked_for_nothing_where_nothing_has_changed(
    board: Board, server: Server
) -> None:
    board.take(STEP)
    board.publish()
    asked = server.requests
    board.publish()
    assert server.requests == asked
    board.take(STEP | {"step": 90})
    board.publish()
    assert server.requests == asked + 1


def test_between_two_updates_there_is_time_but_the_last_comes_at_once(
    board: Board, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EVERY_S", 1e9)
    board.publish()
    board.take(STEP)
    board.publish()
    assert "80 of 640" not in server.find(TABLE)[0]
    board.close()
    board.publish()
    assert "80 of 640" in server.find(TABLE)[0]


def test_what_a_server_that_was_away_has_missed_is_shown_when_it_is_back(
    board: Board, server: Server
) -> None:
    board.publish()
    server.away = True
    for step in (80, 90):
        board.take(STEP | {"step": step})
        with pytest.raises(httpx.ConnectError):
            board.publish()
    server.away = False
    board.publish()
    assert "90 of 640" in server.find(TABLE)[0]
    assert len(server.kept) == 1


def test_the_deployed_run_shows_the_same_and_a_second_try_goes_on_in_it(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(RUN_ID, str(DEPLOYED))
    for step in (80, 90):
        board = Board(steps=640, batch=16, run=tmp_path)
        board.take(STEP | {"step": step})
        board.publish()
        assert server.find(TABLE, DEPLOYED) == server.find(TABLE, OWN)
    assert len(server.kept) == 2
    assert "90 of 640" in server.find(TABLE, DEPLOYED)[0]


def test_what_is_told_stands_above_the_figures(board: Board, server: Server) -> None:
    board.tell({"job": "17", "state": "PENDING", "reason": "Priority | Resources"})
    board.tell({"state": "RUNNING", "reason": "", "nodes": "n1, n2"})
    board.publish()
    lines = server.find(TABLE)[0].splitlines()[2:6]
    assert lines == [
        "| job | 17 |",
        "| state | RUNNING |",
        "| nodes | n1, n2 |",
        "| step | 0 of 640 |",
    ]


def test_the_table_says_where_a_run_stands() -> None:
    found = make_event(80, 4.8694)
    saved = {"event": "saved", "step": 80, "paused_s": 0.0, "took_s": 0.1}
    standing = Standing(steps=640, batch=16, start=START, step=STEP, validation=found, saved=saved)
    lines = to_table(standing, {"reason": "a | b"}).splitlines()[2:]
    assert lines == [
        "| reason | a \\| b |",
        "| step | 80 of 640 |",
        "| time left | about 0:01:10 |",
        "| loss | 2.531 |",
        "| loss in validation | 2.435 |",
        "| val_dE00 | 4.869 (best at step 80) |",
        "| images/s | 128 |",
        "| data wait | 0.0 % |",
        "| GPU memory | 3.46 GB at most |",
        "| last checkpoint | step 80 |",
    ]


def test_a_job_that_goes_on_from_a_checkpoint_stands_where_that_was(
    board: Board, server: Server
) -> None:
    board.take(make_event(80, 5.0))
    board.take(STEP | {"step": 158})
    board.take(START | {"step": 80})
    board.publish()
    table = server.find(TABLE)[0]
    assert "| step | 80 of 640 |" in table
    assert "(best at step 80)" in table


def test_a_run_that_has_ended_and_goes_on_is_no_longer_at_its_end(
    board: Board, server: Server
) -> None:
    board.take({"event": "stopped", "step": 80, "of": 640, "data_wait": 0.0})
    board.publish()
    assert "| time left | stopped |" in server.find(TABLE)[0]
    board.take(START | {"step": 80})
    board.publish()
    assert "| time left | not known |" in server.find(TABLE)[0]
    assert board.share == 80 / 640
