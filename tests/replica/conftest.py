"""A running replica for the tests of this room."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]


class Client:
    """Asks a replica as the two hosts."""

    def __init__(self, url: str) -> None:
        self.url = url

    def www(self, path: str, **kwargs: object) -> requests.Response:
        return self.ask("www.loc.gov", path, **kwargs)

    def tile(self, path: str, **kwargs: object) -> requests.Response:
        return self.ask("tile.loc.gov", path, **kwargs)

    def ask(self, host: str, path: str, **kwargs: object) -> requests.Response:
        headers = {"host": host, **kwargs.pop("headers", {})}  # type: ignore[dict-item]
        return requests.get(self.url + path, headers=headers, timeout=30, **kwargs)  # type: ignore[arg-type]


def start(*args: str) -> tuple[subprocess.Popen[str], Client]:
    """Start `python -m replica` and wait for its first line."""
    process = subprocess.Popen(
        [sys.executable, "-m", "replica", *args, "--until-stdin-closes"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    return process, Client(json.loads(line)["url"])


def stop(process: subprocess.Popen[str]) -> int:
    """Close the replica's standard input, as the end of its parent does, and wait for it."""
    assert process.stdin is not None
    assert process.stdout is not None
    if not process.stdin.closed:
        process.stdin.close()
    code = process.wait(timeout=20)
    process.stdout.close()
    return code


Launch = Callable[..., tuple[subprocess.Popen[str], Client]]


@pytest.fixture
def launch() -> Iterator[Launch]:
    """A function that starts a replica; each is stopped at the end of the test."""
    yield from _launching()


@pytest.fixture(scope="module")
def launch_for_module() -> Iterator[Launch]:
    """The same; each is stopped at the end of the module."""
    yield from _launching()


def _launching() -> Iterator[Launch]:
    running: list[subprocess.Popen[str]] = []

    def begin(*args: str) -> tuple[subprocess.Popen[str], Client]:
        process, client = start(*args)
        running.append(process)
        return process, client

    yield begin
    for process in running:
        stop(process)


@pytest.fixture(scope="session")
def replica() -> Iterator[Client]:
    """A replica of 30 generated items, prints of 320 px."""
    process, client = start("--items", "30", "--seed", "7", "--pixels", "320")
    yield client
    assert stop(process) == 0


@pytest.fixture
def serve_folder(launch: Launch) -> Callable[[Path], Client]:
    """A function that starts a replica of a folder of prints."""
    return lambda folder: launch("--items", "1", "--seed", "0", "--images", str(folder))[1]
