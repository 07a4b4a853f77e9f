"""The source of the catalogue: the Library itself, or its replica started on loopback."""

import hashlib
import json
import os
import re
import selectors
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from flows.errors import SourceError
from flows.params import Params
from flows.project import Project
from harvest.addresses import HOSTS
from replica.about import about, hash_code
from replica.params import ReplicaParams
from replica.routes import ABOUT

START_LIMIT_S = 60.0
ANSWER_LIMIT_S = 10.0
LOOPBACK = re.compile(r"^http://(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?/")
SHOWN = ("items", "seed", "pixels", "images", "style", "code")


@dataclass(frozen=True, slots=True)
class Source:
    """Where requests for the Library's hosts go, and whose files they bring."""

    scope: str
    """Identity of the source: a file from another scope is never taken for this one's."""
    redirect: dict[str, str] | None
    """Address on loopback for each canonical host; None for the Library itself."""


@contextmanager
def open_source(project: Project, params: Params) -> Iterator[Source]:
    """Open the source that `harvest.source` names, and close it afterwards.

    Raises:
        SourceError: If the replica does not start.
    """
    scope = scope_of(project, params)
    if params.harvest.source != "sample":
        yield Source(scope=scope, redirect=None)
        return
    replica = absolute_images(project, params.replica)
    if runs_elsewhere(params):
        assert replica.url is not None
        yield Source(scope=scope, redirect=dict.fromkeys(HOSTS, replica.url))
        return
    process = subprocess.Popen(
        replica_command(replica),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONSAFEPATH": "1"},
    )
    try:
        address = _read_address(process)
        yield Source(scope=scope, redirect=dict.fromkeys(HOSTS, address))
    finally:
        process.terminate()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def runs_elsewhere(params: Params) -> bool:
    """Say whether the sample's replica runs already; `check_replica` sees which one it is."""
    return params.harvest.source == "sample" and params.replica.url is not None


def absolute_images(project: Project, replica: ReplicaParams) -> ReplicaParams:
    """Resolve `replica.images` against the project, so that any working folder will do."""
    if replica.images is None:
        return replica
    return replica.model_copy(update={"images": str(project.root / replica.images)})


def scope_of(project: Project, params: Params) -> str:
    """Name a source by what its files depend on; a replica's number of items is no part."""
    if params.harvest.source != "sample":
        return params.harvest.source
    replica = absolute_images(project, params.replica)
    if replica.images is not None:
        return f"sample:images={_fingerprint_folder(Path(replica.images))}:code={hash_code()}"
    shown = f"seed={replica.seed}:pixels={replica.pixels}:style={replica.style}"
    return f"sample:{shown}:code={hash_code()}"


def _fingerprint_folder(folder: Path) -> str:
    """Fingerprint a folder's files by name, size and time: its pictures may be replaced."""
    digest = hashlib.sha256(str(folder).encode())
    for path in sorted(folder.glob("*")):
        facts = path.stat()
        digest.update(f"{path.name}\0{facts.st_size}\0{facts.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:16]


def check_replica(replica: ReplicaParams) -> None:
    """See that the replica that runs under `replica.url` is the one that the settings mean.

    Raises:
        SourceError: If it is not on loopback, does not answer, or shows something else.
    """
    address = f"{replica.url}{ABOUT}"
    if not LOOPBACK.match(address):
        raise SourceError(
            f"replica.url: expected an address of this machine such as http://127.0.0.1:8123, got "
            f"{replica.url!r}"
        )
    mine = about(replica, faulty=False)
    try:
        with requests.Session() as session:
            session.trust_env = False  # no proxy stands between this machine and itself
            shown: dict[str, Any] = session.get(
                address, timeout=ANSWER_LIMIT_S, allow_redirects=False
            ).json()
        differing = [name for name in SHOWN if shown[name] != mine[name]]
    except (requests.RequestException, ValueError, KeyError, TypeError) as exc:
        raise SourceError(
            f"replica.url: expected a replica at {replica.url}, got no answer of one "
            f"({type(exc).__name__}); start it with `photochrom replica --port ...`, or set "
            "replica.url to null"
        ) from exc
    if differing:
        raise SourceError(
            f"replica.url: the replica at {replica.url} is another one than the settings say ("
            + ", ".join(f"{name}: {shown[name]}, here {mine[name]}" for name in differing)
            + "); give both sides the same settings and the same code"
        )


def replica_command(replica: ReplicaParams) -> list[str]:
    """The command that serves a replica until its standard input closes."""
    command = [sys.executable, "-m", "replica", "--until-stdin-closes", "--port", "0"]
    for name in ("items", "seed", "pixels", "images", "style"):
        value = getattr(replica, name)
        if value is not None:
            command += [f"--{name}", str(value)]
    return command


def _read_address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        line = process.stdout.readline() if selector.select(START_LIMIT_S) else ""
    try:
        address: str = json.loads(line)["url"]
    except (ValueError, KeyError) as exc:
        raise SourceError(
            f"the replica did not say its address within {START_LIMIT_S:.0f} s "
            f"(it printed {line.strip()!r}); start it alone with `photochrom replica` to see why"
        ) from exc
    return address
