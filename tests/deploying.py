"""A small checkout whose Prefect server runs deployments, for tests and drills."""

import json
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, TypeVar

import psutil
import requests
import yaml

from flows.deploying.processes import find_family
from tests.pipeline import ROOT, environment
from tests.train.conftest import write_shards

T = TypeVar("T")

LIMIT_S = 240.0
"""Longest wait for anything; it only bounds a test that fails."""

HOLD = "while test -e hold; do sleep 0.2; done"
"""A stage's command goes on until the file is gone."""

STAGES = {
    "catalog": {
        "cmd": f"photochrom catalog && touch seen && {HOLD} && test ! -e fail",
        "outs": ["data/catalog.parquet"],
    },
    "scans": {
        "cmd": "photochrom scans",
        "deps": ["data/catalog.parquet"],
        "outs": ["data/scans.parquet"],
    },
}
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


@dataclass(frozen=True, slots=True)
class House:
    """A checkout with prefect.yaml and params.yaml, and two stages that can be held up."""

    root: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    """Environment of every command, besides that of a user."""

    @property
    def hold(self) -> Path:
        return self.root / "hold"

    @property
    def url(self) -> str:
        return str(self.record("server")["url"])

    def record(self, name: str) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((self.root / ".photochrom" / f"{name}.json").read_text())
        return read

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            words,
            cwd=self.root,
            env={**environment(), **self.settings},
            capture_output=True,
            text=True,
            check=False,
        )

    def must(self, *words: str) -> str:
        done = self.call(*words)
        assert done.returncode == 0, f"{words}:\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def ask(self, path: str, **body: object) -> Any:
        """Ask the server's API; a 5xx of a server in trouble is asked again."""

        def answer() -> requests.Response | None:
            try:
                given = requests.post(f"{self.url}/api{path}", json=body, timeout=30)
            except (requests.ConnectionError, FileNotFoundError):
                return None  # the server is being started again
            return given if given.status_code < 500 else None

        given = wait_for(answer)
        assert given is not None
        assert given.ok, given.text
        return given.json()

    def run(self, name: str) -> str:
        """Start a run as a user does, and return its id."""
        said = self.must("prefect", "deployment", "run", name)
        return said.split("UUID: ")[1].split()[0]

    def start(self, name: str) -> str:
        """Start a run as the UI does, and return its id."""
        found = requests.get(f"{self.url}/api/deployments/name/{name}", timeout=30).json()
        return str(self.ask(f"/deployments/{found['id']}/create_flow_run")["id"])

    def read(self, run: str) -> dict[str, Any]:
        (found,) = self.ask("/flow_runs/filter", flow_runs={"id": {"any_": [run]}})
        return dict(found)

    def state(self, run: str) -> str:
        return str(self.read(run)["state_type"])

    def await_state(self, run: str, *states: str) -> dict[str, Any]:
        wait_for(lambda: self.state(run) in states)
        return self.read(run)

    def await_stage(self) -> None:
        """Wait until the stage `catalog` has done its work and is held up."""
        wait_for((self.root / "seen").exists)
        (self.root / "seen").unlink()

    def family(self) -> list[psutil.Process]:
        return find_family(self.record("workers")["token"])


def make_house(root: Path, **settings: str) -> House:
    """Make a small checkout: prefect.yaml as it is, a dozen plain prints, patience of a second."""
    root.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / "prefect.yaml", root)
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["replica"] |= {"items": 12, "style": "plain", "pixels": 640}
    params["flows"]["harvest"] |= {"retries": 0}
    (root / "params.yaml").write_text(yaml.safe_dump(params))
    (root / "dvc.yaml").write_text(yaml.safe_dump({"stages": STAGES}))
    house = House(root, settings)
    house.must("dvc", "init", "--no-scm", "-q")
    house.must("dvc", "config", "core.analytics", "false")
    return house


def change(house: House, section: str, **settings: object) -> None:
    path = house.root / "params.yaml"
    params = yaml.safe_load(path.read_text())
    params[section] |= settings
    path.write_text(yaml.safe_dump(params))


TRAIN_STAGE = {
    "cmd": "photochrom train",
    "deps": ["data/shards/64"],
    "outs": ["data/live", "data/model"],
}


def make_training_house(root: Path, settings: Mapping[str, str], **train: object) -> House:
    """Make a small checkout that has toy shards, and the stage that trains on them.

    Args:
        root: Its folder.
        settings: Environment of every command.
        train: What is other than in params.yaml.
    """
    house = make_house(root, **settings)
    small = {"input": 32, "steps": 60, "validate_every": 10, "threads": 1}
    change(house, "preprocess", size=64)
    change(house, "train", **small | train)
    change(house, "flows", train={"retries": 0, "retry_delay_s": 1, "timeout_s": 600})
    (house.root / "dvc.yaml").write_text(yaml.safe_dump({"stages": {"train": TRAIN_STAGE}}))
    write_shards(house.root / "data" / "shards" / "64", train=[20, 17], val=[6])
    return house


def wait_for(find: Callable[[], T], limit_s: float = LIMIT_S) -> T:
    """Ask until the answer is true, and return it."""
    deadline = time.monotonic() + limit_s
    while not (found := find()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.2)
    return found


@contextmanager
def receive() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A webhook's receiver on loopback: its address, and what it was told."""
    told: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook", told
        server.shutdown()
