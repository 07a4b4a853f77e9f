"""What `photochrom ui` and `photochrom down` make of their surroundings. No server is needed."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from uuid import UUID

import pytest
from typer.testing import CliRunner

from flows.cli import app
from flows.deploying import starting, workers
from flows.deploying.starting import Started, start, stop
from flows.deploying.workers import start_workers
from flows.errors import DeployError
from flows.params import read_params
from flows.project import Project
from flows.server import Server
from tests.pipeline import ROOT, environment

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


@pytest.mark.parametrize(
    ("name", "text"),
    [("prefect.yaml", b"deployments: []"), ("prefect.toml", b"[[["), ("prefect.toml", b"\xff")],
)
def test_a_file_that_is_not_as_expected_starts_no_server(
    project: Project, launched: list[int], name: str, text: bytes
) -> None:
    (project.root / "prefect.yaml").write_bytes((ROOT / "prefect.yaml").read_bytes())
    (project.root / name).write_bytes(text)
    with pytest.raises(DeployError, match=rf"{name}: expected"):
        start(project, read_params(ROOT / "params.yaml"), workers=1)
    assert launched == []


@pytest.mark.parametrize("text", ["[api]\nurl = 5\n", "api = 3\n"])
def test_settings_that_prefect_cannot_read_are_told(tmp_path: Path, text: str) -> None:
    for name in ("params.yaml", "prefect.yaml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "prefect.toml").write_text(text)
    words = [sys.executable, "-m", "flows", "ui"]
    done = subprocess.run(
        words, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "prefect.toml: expected settings that Prefect can read" in " ".join(done.stderr.split())
    assert not (tmp_path / ".photochrom" / "server.json").exists()


@pytest.mark.parametrize("text", [b"[[[", b"\xff"])
def test_the_server_can_be_ended_whatever_prefect_toml_holds(project: Project, text: bytes) -> None:
    (project.root / "params.yaml").touch()
    (project.root / "prefect.toml").write_bytes(text)
    (project.state / "runs").mkdir()
    (project.state / "runs" / f"{UUID(int=1)}.json").write_text(f"[{2**22 + 1}, 1.5]")
    words = [sys.executable, "-c", "import time; time.sleep(600)", "token"]
    with subprocess.Popen(words) as server:
        record = {"url": SERVER.url, "pid": server.pid, "token": "token"}
        record["root"] = str(project.root)
        (project.state / "server.json").write_text(json.dumps(record))
        threading.Thread(target=server.wait).start()  # or it would stay as a zombie
        down = [sys.executable, "-m", "flows", "down"]
        done = subprocess.run(
            down, cwd=project.root, env=environment(), capture_output=True, text=True, check=False
        )
        server.kill()
    assert done.stdout == "The Prefect server has ended.\n", done.stderr
    assert (project.root / "prefect.toml").read_bytes() == text


@pytest.mark.parametrize(
    "address",
    [
        "not a url",
        "ftp://host/x",
        "https://",
        "https:/host",
        "http://[::1",
        "http://host:x",
        "http://a b",
    ],
)
def test_a_webhook_that_is_none_starts_no_server_and_is_not_shown(
    project: Project, launched: list[int], address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project.root / "prefect.yaml").write_bytes((ROOT / "prefect.yaml").read_bytes())
    monkeypatch.setenv("PHOTOCHROM_WEBHOOK", address)
    with pytest.raises(DeployError, match="PHOTOCHROM_WEBHOOK: expected an http") as caught:
        start(project, read_params(ROOT / "params.yaml"), workers=1)
    assert address not in str(caught.value)
    assert launched == []


@pytest.mark.parametrize("address", [None, "", "http://127.0.0.1:8080/hook", "https://host/a?b=c"])
def test_a_webhook_that_can_be_posted_to_is_taken(
    address: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.deploying.automations import find_webhook

    monkeypatch.delenv("PHOTOCHROM_WEBHOOK", raising=False)
    if address is not None:
        monkeypatch.setenv("PHOTOCHROM_WEBHOOK", address)
    assert find_webhook() == address


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
