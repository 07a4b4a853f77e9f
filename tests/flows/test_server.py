import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil
import pytest
import requests

from flows.errors import ServerError
from flows.params import read_params
from flows.project import Project
from flows.server import (
    Server,
    await_server,
    clean_up,
    find_server,
    launch_server,
    read_keep_days,
    read_record,
    start_server,
    stop_server,
    use_server,
)
from tests.pipeline import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    project = Project(root=tmp_path)
    project.state.mkdir()
    yield project
    if project.state.is_dir():
        stop_server(project)


def test_one_server_serves_the_checkout_until_it_is_stopped(
    project: Project, tmp_path: Path
) -> None:
    first = start_server(project)
    assert start_server(project) == first
    copy = Project(root=tmp_path / "copy")
    shutil.copytree(project.state, copy.state, ignore=shutil.ignore_patterns("prefect"))
    assert find_server(copy) is None
    assert not stop_server(copy)
    told = requests.get(f"{first.url}/ui-settings", timeout=10).json()
    assert told["api_url"] == f"{first.url}/api"
    assert stop_server(project)
    assert not psutil.pid_exists(first.pid) or psutil.Process(first.pid).status() == "zombie"
    assert find_server(project) is None
    assert not stop_server(project)


def test_a_server_ends_with_its_folder(project: Project) -> None:
    server = start_server(project)
    process = psutil.Process(server.pid)
    (project.state / "server.json").unlink()
    process.wait(60)


@pytest.mark.parametrize(
    "record",
    [
        "",
        "{",
        "[]",
        '{"url": "u"}',
        '{"url": 1, "pid": 1}',
        '{"url": "http://127.0.0.1:1", "pid": 1, "token": "t"}',
        '{"url": 1, "pid": 1, "token": "t", "root": "ROOT"}',
        '{"url": "http://127.0.0.1:1", "pid": "x", "token": "t", "root": "ROOT"}',
        '{"url": "http://127.0.0.1:1", "pid": -1, "token": "t", "root": "ROOT"}',
        '{"url": "http://127.0.0.1:1", "pid": 0, "token": "t", "root": "ROOT"}',
        '{"url": "http://127.0.0.1:1", "pid": true, "token": "t", "root": "ROOT"}',
        '{"url": "http://127.0.0.1:1", "pid": 1.5, "token": "t", "root": "ROOT"}',
        '{"url": "http://127.0.0.1:1", "pid": 1, "token": ["t"], "root": "ROOT"}',
        '{"url": "http://127.0.0.1:1", "pid": 1, "token": "t", "root": ["ROOT"]}',
        '{"url": "http://127.0.0.1:port", "pid": 1, "token": "t", "root": "ROOT"}',
    ],
)
def test_a_torn_record_proves_nothing(project: Project, record: str) -> None:
    (project.state / "server.json").write_text(record.replace("ROOT", str(project.root)))
    assert find_server(project) is None
    assert read_record(project) is None


def test_a_server_forgets_old_runs_as_the_settings_say(project: Project) -> None:
    assert read_keep_days(project) is None
    shutil.copy(ROOT / "params.yaml", project.root)
    days = read_params(ROOT / "params.yaml").flows.keep_days
    assert read_keep_days(project) == days
    settings = clean_up(5)
    assert settings["PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD"] == str(5 * 86_400)
    assert "flow_runs" in settings["PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED"]


def test_a_process_without_the_token_is_never_taken_for_ours(project: Project) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        record = {"url": "http://127.0.0.1:1", "pid": stranger.pid, "token": "ours"}
        record["root"] = str(project.root)
        (project.state / "server.json").write_text(json.dumps(record))
        assert find_server(project) is None
        assert not stop_server(project)
        time.sleep(0.1)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_named_server_that_does_not_answer_is_an_error(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "INFO")
    with pytest.raises(ServerError, match="unset the variable"):
        use_server(project)
    assert not (project.state / "server.json").exists()
    assert os.environ["PREFECT_API_URL"] == "http://127.0.0.1:9/api"


class Healthy(BaseHTTPRequestHandler):
    """Says of itself what a Prefect server does."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def _refuse(*_: object) -> Server:
    raise AssertionError("expected no server to be started beside the one that lives")


@pytest.fixture
def living(project: Project, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server that server.json names, that answers, and that has lived for a while."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Healthy) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        server = Server(f"http://127.0.0.1:{http.server_port}", os.getpid(), "token")
        monkeypatch.setattr("flows.server.find_server", lambda _: server)
        monkeypatch.setattr("flows.server._is_young", lambda _: False)
        monkeypatch.setattr("flows.server._launch", _refuse)
        yield server
        monkeypatch.undo()  # the fixture `project` must find no server to stop
        http.shutdown()
        thread.join()


@pytest.fixture
def stopped(monkeypatch: pytest.MonkeyPatch) -> list[Project]:
    """Takes what `stop_server` is asked for, and stops nothing."""
    asked: list[Project] = []
    monkeypatch.setattr("flows.server.stop_server", asked.append)
    return asked


def test_a_proxy_does_not_come_between_this_machine_and_itself(
    project: Project, living: Server, stopped: list[Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    monkeypatch.setattr("flows.server.PROBE_LIMIT_S", 0.0)
    assert launch_server(project) == living
    assert await_server(project, living) == living
    assert stopped == []


def test_a_server_that_is_busy_is_asked_again_before_it_is_stopped(
    project: Project, living: Server, stopped: list[Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([False, False, True])
    monkeypatch.setattr("flows.server._answers", lambda _: next(answers))
    monkeypatch.setattr(time, "sleep", lambda _: None)
    assert launch_server(project) == living
    assert stopped == []


def test_a_server_that_ended_at_once_is_not_said_to_have_been_waited_for(
    project: Project, stopped: list[Project]
) -> None:
    gone = Server("http://127.0.0.1:9", 2**22 + 1, "token")
    with pytest.raises(ServerError, match="ended before it answered"):
        await_server(project, gone)
    assert stopped == []


def test_a_server_that_another_command_has_started_meanwhile_is_let_be(
    project: Project, living: Server, stopped: list[Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.server._answers", lambda _: False)
    monkeypatch.setattr("flows.server.START_LIMIT_S", 0.0)
    for awaited, ended in ((Server(living.url, 2**22 + 1, "token"), []), (living, [project])):
        with pytest.raises(ServerError, match="did not answer"):
            await_server(project, awaited)
        assert stopped == ended
