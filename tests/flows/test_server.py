import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from flows.errors import ServerError
from flows.params import read_params
from flows.project import Project
from flows.server import (
    clean_up,
    find_server,
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
        '{"url": "http://127.0.0.1:port", "pid": 1, "token": "t", "root": "ROOT"}',
    ],
)
def test_a_torn_record_proves_nothing(project: Project, record: str) -> None:
    (project.state / "server.json").write_text(record.replace("ROOT", str(project.root)))
    assert find_server(project) is None
    assert read_record(project) is None


def test_a_server_forgets_old_runs_as_the_settings_say(project: Project) -> None:
    assert clean_up(project) == {}
    shutil.copy(ROOT / "params.yaml", project.root)
    settings = clean_up(project)
    days = read_params(ROOT / "params.yaml").flows.keep_days
    assert settings["PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD"] == str(days * 86_400)
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
