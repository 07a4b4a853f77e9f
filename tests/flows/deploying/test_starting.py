"""What `photochrom ui` and `photochrom down` make of their surroundings. No server is needed."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.deploying import starting, workers
from flows.deploying.starting import Started, start, stop
from flows.deploying.workers import start_workers
from flows.params import read_params
from flows.project import Project
from flows.server import Server
from tests.pipeline import ROOT

SERVER = Server("http://127.0.0.1:9", 2**22 + 1, "token")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(root=tmp_path)
    project.state.mkdir()
    return project


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How long each server that was launched remembers, in days."""
    days: list[int] = []

    def launch(_: Project, *, keep_days: int) -> Server:
        days.append(keep_days)
        return SERVER

    monkeypatch.setattr(starting, "launch_server", launch)
    monkeypatch.setattr(starting, "await_server", lambda _, server: server)
    for name in (
        *("PREFECT_API_URL", "PREFECT_HOME", "PREFECT_SERVER_ANALYTICS_ENABLED", "DO_NOT_TRACK"),
        *("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "NO_PROXY", "no_proxy"),
    ):
        monkeypatch.setenv(name, "")  # what `start` sets is taken back after the test
    return days


def test_an_empty_address_is_none_and_the_settings_given_decide(
    project: Project, launched: list[int]
) -> None:
    params = read_params(ROOT / "params.yaml", ["flows.keep_days=5"])
    started = start(project, params, workers=1)
    assert started.is_own
    assert started.url == SERVER.url
    assert launched == [5]


def test_the_terminal_is_spared_the_log(
    project: Project, launched: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL")
    start(project, read_params(ROOT / "params.yaml"), workers=1)
    assert os.environ["PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL"] == "CRITICAL"


def test_the_end_passes_by_proxies(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "example.org")
    assert not stop(project)
    assert os.environ["NO_PROXY"] == os.environ["no_proxy"] == "example.org,127.0.0.1,localhost"


def test_the_workers_that_live_are_counted(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    living = ["worker-1", "worker-2"]
    monkeypatch.setattr(workers, "find_workers", lambda _: list(living))
    monkeypatch.setattr(workers, "name_of", lambda worker: worker)
    monkeypatch.setattr(workers, "_start", lambda _, name, **__: living.append(name))
    assert start_workers(project, count=1, server=SERVER) == 2
    assert start_workers(project, count=3, server=SERVER) == 3
    assert living == ["worker-1", "worker-2", "worker-3"]


@pytest.mark.parametrize(("count", "said"), [(1, "1 worker waits."), (2, "2 workers wait.")])
def test_the_workers_are_told_as_they_are(
    count: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    told = Started("u", ("a/b",), workers=count, is_own=True, is_found=True, is_told=False)
    monkeypatch.setattr(starting, "start", lambda *_, **__: told)
    assert said in CliRunner().invoke(app, ["ui"]).output
