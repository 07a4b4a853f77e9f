import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prefect import State
from prefect.exceptions import ObjectNotFound

import flows.predecessors
from flows.predecessors import end_dead_runs, noted


class Server:
    def __init__(self, *known: UUID) -> None:
        self.known = known
        self.states: dict[UUID, str] = {}

    @contextmanager
    def open(self, *, sync_client: bool):  # type: ignore[no-untyped-def]
        yield self

    def set_flow_run_state(self, run_id: UUID, state: State, *, force: bool) -> None:
        if run_id not in self.known:
            raise ObjectNotFound(http_exc=Exception("404"))
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
    monkeypatch.setattr(flows.predecessors, "get_client", server.open)
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
    monkeypatch.setattr(flows.predecessors, "get_client", server.open)
    (tmp_path / f"{run_id}.json").write_text(f"[{os.getpid()}, 1.5]")
    assert end_dead_runs(tmp_path) == 1
    (tmp_path / f"{run_id}.json").write_text("[12")
    assert end_dead_runs(tmp_path) == 1
