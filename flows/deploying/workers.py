"""Starts a checkout's workers, for its own server or the one that PREFECT_API_URL names."""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import psutil

from flows.deploying.processes import find_family
from flows.deploying.steps import OWN
from flows.project import Project
from flows.server import TOKEN, Server
from harvest.files import write_bytes

MODULE = "flows.deploying.worker_process"
SETTINGS = {
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    "PREFECT_WORKER_HEARTBEAT_SECONDS": "10",
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
}
"""Of Prefect's workers: a run starts within a second or two, and one that died is soon missed."""


def start_workers(project: Project, *, count: int, server: Server | None) -> int:
    """Start the workers that are missing; more than are wanted are let be.

    Args:
        project: The checkout.
        count: How many there shall be.
        server: The checkout's own; None where PREFECT_API_URL names another.

    Returns:
        How many live now.
    """
    token = _mark(project, server)
    running = {name_of(worker) for worker in find_workers(token)}
    wanted = [f"worker-{number}" for number in range(1, count + 1)]
    for name in wanted:
        if name not in running:
            _start(project, name, token=token, is_own=server is not None)
    return len(find_workers(token))


def find_workers(token: str) -> list[psutil.Process]:
    """Find the workers that live.

    Args:
        token: Of the checkout's server.
    """
    return [process for process in find_family(token) if name_of(process)]


def name_of(process: psutil.Process) -> str:
    """Read a worker's name from its command line; empty when it is none, or gone."""
    try:
        words = process.cmdline()
    except psutil.Error:
        return ""
    return words[words.index(MODULE) + 2] if MODULE in words else ""


def read_token(project: Project) -> str | None:
    """Read the token that the workers carry; None if there are none, or the record is torn."""
    return _read_marks(project).get("token")


def _mark(project: Project, server: Server | None) -> str:
    """Write down whose the workers are; those of another server before end by themselves."""
    known = _read_marks(project)
    api = "" if server is not None else os.environ["PREFECT_API_URL"]
    if server is not None:
        token = server.token
    else:
        token = known["token"] if known.get("api") == api else secrets.token_hex(16)
    marks = {"token": token, "api": api, "root": str(project.root)}
    write_bytes(project.state / "workers.json", json.dumps(marks).encode())
    return token


def _read_marks(project: Project) -> dict[str, str]:
    """Read workers.json; empty where it is missing, torn, or copied here from another checkout."""
    try:
        marks = json.loads((project.state / "workers.json").read_text("utf-8"))
        told = {name: str(marks[name]) for name in ("token", "api", "root")}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return told if told["root"] == str(project.root) else {}


def _start(project: Project, name: str, *, token: str, is_own: bool) -> None:
    with (project.state / f"{name}.log").open("ab") as sink:
        # It detaches itself, and outlives this process.
        subprocess.run(
            [sys.executable, "-m", MODULE, str(project.root), name, token],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            cwd=project.root,
            env={
                **os.environ,
                **SETTINGS,
                TOKEN: token,
                OWN: "1" if is_own else "",
                "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO",
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
                "PYTHONSAFEPATH": "1",
            },
            check=True,
        )
