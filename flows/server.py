"""The checkout's own Prefect server: started when a stage needs one, proved before it is used."""

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil
import requests
from filelock import FileLock

from flows.errors import ServerError
from flows.project import Project

START_LIMIT_S = 90.0
"""A first start took 9 s here, 13 s on PostgreSQL; a busy machine may take several times that."""

PROBE_LIMIT_S = 30.0
"""So long a server that lives may be too busy to answer before another is started for it."""

STOP_LIMIT_S = 20.0

TOKEN = "PHOTOCHROM_SERVER_TOKEN"
"""In the environment of the server, its workers and all that they start: whose they are."""

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
    pass_by_proxies()
    api = os.environ.get("PREFECT_API_URL")
    if api:
        if not _answers(api):
            raise ServerError(
                f"PREFECT_API_URL is {api} and no Prefect server answers there; start it, "
                "or unset the variable and the checkout starts its own"
            )
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", QUIET)
        return api
    return use_own(project, start_server(project))


def use_own(project: Project, server: Server) -> str:
    """Point Prefect, in this process and those it starts, at the checkout's own server.

    Returns:
        Address of the API.
    """
    os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", QUIET)
    os.environ.update(own_environment(project))
    os.environ["PREFECT_API_URL"] = f"{server.url}/api"
    return os.environ["PREFECT_API_URL"]


def start_server(project: Project) -> Server:
    """Return the checkout's server, and start it if it is not running.

    Raises:
        ServerError: If it does not answer in time; its log is named.
    """
    return await_server(project, launch_server(project))


def launch_server(project: Project, *, keep_days: int | None = None) -> Server:
    """Return the checkout's server as soon as it has a process, and start one if it has none.

    One that was killed gets its address and token back, so that what talks to it can go on.

    Args:
        project: The checkout.
        keep_days: Age at which one that is started forgets a run; None is what the checkout's
            params.yaml says, if it has one.

    Raises:
        ServerError: If its process does not start; its log is named.
    """
    pass_by_proxies()
    project.state.mkdir(parents=True, exist_ok=True)
    with FileLock(project.state / "server.lock"):
        before, running = read_record(project), find_server(project)
        if running is not None and (_is_young(running) or _answers_yet(running)):
            return running
        stop_server(project)
        return _launch(project, before, keep_days)


def await_server(project: Project, server: Server) -> Server:
    """Wait until the checkout's server answers.

    Raises:
        ServerError: If it does not in time, or ends; its log is named.
    """
    awaited, deadline = server, time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        if _answers(f"{server.url}/api"):
            return server
        living = find_server(project)
        if living is None:
            raise ServerError(
                f"the Prefect server at {server.url} ended before it answered; its log is "
                f"{project.state / 'server.log'}; mend what it says and start it again"
            )
        server = living
        time.sleep(0.1)
    # One that another command has started meanwhile is that command's to wait for.
    if find_server(project) == awaited:
        stop_server(project)
    raise ServerError(
        f"the Prefect server did not answer at {server.url} within {START_LIMIT_S:.0f} s; "
        f"its log is {project.state / 'server.log'}; mend what it says and start it again"
    )


def find_server(project: Project) -> Server | None:
    """Return the server that server.json proves to be this checkout's own, if it lives."""
    record = read_record(project)
    if record is None:
        return None
    try:
        command = psutil.Process(record.pid).cmdline()
    except psutil.Error:
        return None
    return record if record.token in command else None


def read_record(project: Project) -> Server | None:
    """Read what server.json says, whether or not the server lives.

    A torn one says nothing, nor does one that was copied here with another checkout's folder.
    """
    try:
        record = json.loads((project.state / "server.json").read_text("utf-8"))
        if record.pop("root") != str(project.root):
            return None
        server = Server(**record)
        words = (server.url, server.token)
        fits = all(isinstance(word, str) for word in words) and type(server.pid) is int
        return server if fits and server.pid > 0 and urlsplit(server.url).port else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


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
        process.wait(STOP_LIMIT_S)
    return True


def own_environment(project: Project) -> dict[str, str]:
    """Prefect's settings for the checkout's own server: no analytics, a home of its own."""
    return {
        "DO_NOT_TRACK": "1",
        "PREFECT_HOME": str(project.state / "prefect"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    }


def _launch(project: Project, before: Server | None, keep_days: int | None) -> Server:
    token = before.token if before is not None else secrets.token_hex(16)
    port = _find_port(before)
    log = project.state / "server.log"
    days = read_keep_days(project) if keep_days is None else keep_days
    with log.open("wb") as sink:
        # It detaches itself, writes server.json, and outlives this process.
        subprocess.run(
            [sys.executable, "-m", "flows.server_process", str(project.root), str(port), token],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=project.state,
            env={
                **os.environ,
                **own_environment(project),
                **({} if days is None else clean_up(days)),
                TOKEN: token,
                "PYTHONSAFEPATH": "1",
            },
            check=False,
        )
    server = find_server(project)
    if server is None:
        raise ServerError(
            f"the Prefect server ended at once; its log is {log}; mend what it says and start "
            "it again"
        )
    return server


def _is_young(server: Server) -> bool:
    """Say whether a server may still be starting."""
    with suppress(psutil.Error):
        return time.time() - psutil.Process(server.pid).create_time() < START_LIMIT_S
    return False


def _answers_yet(server: Server) -> bool:
    """Ask a server that lives until it answers, or for too long: it may be busy."""
    deadline = time.monotonic() + PROBE_LIMIT_S
    while not (answer := _answers(f"{server.url}/api")) and time.monotonic() < deadline:
        if not psutil.pid_exists(server.pid):
            break
        time.sleep(0.5)
    return answer


def read_keep_days(project: Project) -> int | None:
    """Read `flows.keep_days` in the checkout's params.yaml; None where there is no such file."""
    path = project.root / "params.yaml"
    if not path.exists():
        return None
    from flows.params import read_params

    return read_params(path).flows.keep_days


def clean_up(keep_days: int) -> dict[str, str]:
    """Prefect's settings for a server that forgets a run so many days after its end."""
    return {
        "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
        "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(keep_days * 86_400),
    }


def pass_by_proxies() -> None:
    """Let nothing on this machine be asked through a proxy, whatever the environment says."""
    for name in ("NO_PROXY", "no_proxy"):
        spared = [part for part in os.environ.get(name, "").split(",") if part]
        os.environ[name] = ",".join(dict.fromkeys([*spared, "127.0.0.1", "localhost"]))


def _answers(api: str) -> bool:
    try:
        return requests.get(f"{api.rstrip('/')}/health", timeout=5).ok
    except requests.RequestException:
        return False


def _find_port(before: Server | None) -> int:
    """Find a free port on loopback: the one that the server had, if it can be had again."""
    wanted = 0 if before is None else urlsplit(before.url).port or 0
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))  # another program has taken it since
        port: int = probe.getsockname()[1]
        return port
