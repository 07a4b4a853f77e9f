"""The checkout's own Prefect server: started when a stage needs one, proved before it is used."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

import psutil
import requests
from filelock import FileLock

from flows.errors import ServerError
from flows.project import Project

START_LIMIT_S = 90.0
"""A first start took 9 s here, 13 s on PostgreSQL; a busy machine may take several times that."""

STOP_LIMIT_S = 20.0

QUIET = "CRITICAL"
"""Console level of a run's log: the terminal gets the command's own lines, the UI the rest."""


@dataclass(frozen=True, slots=True)
class Server:
    """What .photochrom/server.json holds."""

    url: str
    """Address of the UI, without a trailing slash; the API is below /api."""
    pid: int
    token: str
    """Random words in the process's command line; they prove that the process is ours."""


def use_server(project: Project) -> str:
    """Point Prefect at a server, and start the checkout's own if none is set.

    Sets `PREFECT_API_URL` and its like in this process's environment, so it must run
    before Prefect is imported.

    Returns:
        Address of the API.

    Raises:
        ServerError: If the server that `PREFECT_API_URL` names does not answer, or the
            checkout's own does not start.
    """
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", QUIET)
    _pass_by_proxies()
    api = os.environ.get("PREFECT_API_URL")
    if api:
        if not _answers(api):
            raise ServerError(
                f"PREFECT_API_URL is {api} and no Prefect server answers there; start it, "
                "or unset the variable and the checkout starts its own"
            )
        return api
    os.environ.update(own_environment(project))
    os.environ["PREFECT_API_URL"] = f"{start_server(project).url}/api"
    return os.environ["PREFECT_API_URL"]


def start_server(project: Project) -> Server:
    """Return the checkout's server, and start it if it is not running.

    Raises:
        ServerError: If it does not answer in time; its log is named.
    """
    project.state.mkdir(parents=True, exist_ok=True)
    with FileLock(project.state / "server.lock"):
        running = find_server(project)
        if running is not None and _answers(f"{running.url}/api"):
            return running
        if running is not None:
            stop_server(project)
        return _launch(project)


def find_server(project: Project) -> Server | None:
    """Return the server that server.json proves to be this checkout's own, if it lives."""
    try:
        record = Server(**json.loads((project.state / "server.json").read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None  # no record, or a torn one: either way there is no proof
    try:
        command = psutil.Process(record.pid).cmdline()
    except psutil.Error:
        return None
    return record if record.token in command else None


def stop_server(project: Project) -> bool:
    """End the checkout's server.

    Returns:
        Whether there was one.

    A server that does not end when asked is killed.
    """
    record = find_server(project)
    (project.state / "server.json").unlink(missing_ok=True)
    if record is None:
        return False
    process = psutil.Process(record.pid)
    process.terminate()
    try:
        process.wait(STOP_LIMIT_S)
    except psutil.TimeoutExpired:
        process.kill()
    return True


def own_environment(project: Project) -> dict[str, str]:
    """Prefect's settings for the checkout's own server: no analytics, a home of its own."""
    return {
        "DO_NOT_TRACK": "1",
        "PREFECT_HOME": str(project.state / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }


def _launch(project: Project) -> Server:
    token, port = secrets.token_hex(16), _free_port()
    log = project.state / "server.log"
    with log.open("wb") as sink:
        # It detaches itself, writes server.json, and outlives this process.
        subprocess.run(
            [sys.executable, "-m", "flows.server_process", str(project.root), str(port), token],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=project.state,
            env={**os.environ, **own_environment(project), "PYTHONSAFEPATH": "1"},
            check=False,
        )
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        server = find_server(project)
        if server is None:
            break
        if _answers(f"{server.url}/api"):
            return server
        time.sleep(0.2)
    stop_server(project)
    raise ServerError(
        f"the Prefect server did not answer on port {port} within {START_LIMIT_S:.0f} s; "
        f"its log is {log}; mend what it says and run the stage again"
    )


def _pass_by_proxies() -> None:
    """Let nothing on this machine be asked through a proxy, whatever the environment says."""
    for name in ("NO_PROXY", "no_proxy"):
        spared = [part for part in os.environ.get(name, "").split(",") if part]
        os.environ[name] = ",".join(dict.fromkeys([*spared, "127.0.0.1", "localhost"]))


def _answers(api: str) -> bool:
    try:
        return requests.get(f"{api.rstrip('/')}/health", timeout=5).ok
    except requests.RequestException:
        return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
