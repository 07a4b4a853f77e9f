import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import psutil
import pytest
from prefect import State
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.states import Cancelled, Running

from flows.predecessors import crash_runs, end_dead_runs, noted, read_notes


class Server:
    def __init__(self, *known: UUID, state: State[None] | None = None) -> None:
        self.known = known
        self.state = state or Running()
        self.states: dict[UUID, str] = {}

    @contextmanager
    def open(self, *, sync_client: bool):  # type: ignore[no-untyped-def]
        yield self

    def read_flow_run(self, run_id: UUID) -> FlowRun:
        if run_id not in self.known:
            raise ObjectNotFound(http_exc=Exception("404"))
        return FlowRun(id=run_id, flow_id=run_id, state=self.state)

    def set_flow_run_state(self, run_id: UUID, state: State, *, force: bool) -> None:
        self.states[run_id] = str(state.name)


def note_in_a_process_that_dies(folder: Path, run_id: UUID) -> None:
    code = (
        "import os, sys, signal; from pathlib import Path; from uuid import UUID\n"
        "from flows.predecessors import noted\n"
        "with noted(Path(sys.argv[1])) as note:\n"
        "    note(UUID(sys.argv[2]))\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(folder), str(run_id)], check=False)


def test_the_run_of_a_killed_process_is_marked_and_that_of_a_living_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed, forgotten = uuid4(), uuid4()
    server = Server(killed)
    monkeypatch.setattr("prefect.get_client", server.open)
    for run_id in (killed, forgotten):
        note_in_a_process_that_dies(tmp_path, run_id)
    assert len(list(tmp_path.iterdir())) == 2
    with noted(tmp_path) as note:
        note(uuid4())
        assert end_dead_runs(tmp_path) == 2
        assert len(list(tmp_path.iterdir())) == 1
    assert server.states == {killed: "Crashed"}
    assert list(tmp_path.iterdir()) == []


def test_a_number_that_another_process_has_now_is_no_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = uuid4()
    server = Server(run_id)
    monkeypatch.setattr("prefect.get_client", server.open)
    (tmp_path / f"{run_id}.json").write_text(f"[{os.getpid()}, 1.5]")
    assert end_dead_runs(tmp_path) == 1
    (tmp_path / f"{run_id}.json").write_text("[12")
    assert end_dead_runs(tmp_path) == 1


def test_a_run_that_was_cancelled_stays_so_though_its_process_had_to_be_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = uuid4()
    server = Server(run_id, state=Cancelled())
    monkeypatch.setattr("prefect.get_client", server.open)
    note_in_a_process_that_dies(tmp_path, run_id)
    assert end_dead_runs(tmp_path) == 1
    assert server.states == {}
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_has_ended_and_was_not_asked_for_its_code_is_dead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = uuid4()
    server = Server(run_id)
    monkeypatch.setattr("prefect.get_client", server.open)
    with subprocess.Popen(["sleep", "60"]) as process:
        began = psutil.Process(process.pid).create_time()
        (tmp_path / f"{run_id}.json").write_text(json.dumps([process.pid, began]))
        before = read_notes(tmp_path)
        assert crash_runs(before, "ended") == 0
        process.kill()
        while psutil.Process(process.pid).status() != psutil.STATUS_ZOMBIE:
            os.sched_yield()
        assert crash_runs(before, "ended") == 1
    assert server.states == {run_id: "Crashed"}


def test_torn_notes_are_of_dead_processes_and_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [uuid4() for _ in range(5)]
    server = Server(*runs)
    monkeypatch.setattr("prefect.get_client", server.open)
    assert read_notes(tmp_path / "none") == []
    for run_id, text in zip(runs, ["", "[]", '{"pid": 1}', '["x"]', "[1, null]"], strict=True):
        (tmp_path / f"{run_id}.json").write_text(text)
    assert end_dead_runs(tmp_path) == 5
    assert set(server.states) == set(runs)
