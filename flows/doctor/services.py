"""Checks of what the project works with: DVC and its remote, Prefect, SLURM.

A remote is only tried for an answer: a connection is opened and closed. The Library is never asked.
"""

import fcntl
import os
import shutil
import socket
import subprocess
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flows.doctor.findings import Check, Finding, Patient, missing, note, ok
from flows.doctor.machine import find_cache
from flows.project import Project

LIMIT_S = 2.0
SHORT = 60
"""Characters of what another program says, in a finding."""
FICLONE = 0x40049409
"""The request that makes a reflink (ioctl_ficlonerange(2))."""

PORTS = {"http": 80, "https": 443, "s3": 443, "ssh": 22}
ADD_REMOTE = "`dvc remote add --local --default NAME URL`; docs/share.md says more"
NO_DVC = "there is no .dvc in this folder"
GO = "go to the checkout, or `dvc init` here"
UNREAD = "DVC cannot read its configuration"
MEND = "mend .dvc/config, or .dvc/config.local; `dvc doctor` says what is wrong"


def check_remote(patient: Patient) -> Finding:
    """The DVC remote: whether one is set, and answers."""
    if not (patient.project.root / ".dvc").is_dir():
        return note("DVC remote", f"{NO_DVC}: data cannot be shared", GO)
    config = _read_config(patient.project)
    if config is None:
        return missing("DVC remote", f"{UNREAD}: data cannot be shared", MEND)
    name = config.get("core", {}).get("remote")
    remotes = config.get("remote", {})
    if name is None or name not in remotes:
        said = "none is set" if name is None else f"{name} is the default, and is not described"
        return note("DVC remote", f"{said}: data cannot be shared", ADD_REMOTE)
    url = str(remotes[name]["url"])
    fault = find_fault(url, remotes[name].get("endpointurl"))
    shown = _without_secrets(url)
    if fault:
        remedy = "see that it is up and the address right: `dvc remote list`"
        return note("DVC remote", f"{name}, {shown}: {fault}", remedy)
    return ok("DVC remote", f"{name}, {shown}, answers")


def _read_config(project: Project) -> dict[str, Any] | None:
    """Read DVC's configuration; None where DVC itself could not, whose words may hold a secret."""
    from dvc.config import Config, ConfigError

    try:
        config: dict[str, Any] = Config(str(project.root / ".dvc"))
    except ConfigError:
        return None
    return config


def find_fault(url: str, endpoint: str | None) -> str:
    """Say why a remote cannot be reached; "" when it can.

    Args:
        url: Of the remote, or a folder.
        endpoint: Address of the service, for an S3 that is not Amazon's.
    """
    try:
        parts = urlsplit(url)
        if parts.scheme not in PORTS:
            folder = Path(url.removeprefix("file://"))
            return "" if folder.is_dir() else "there is no such folder yet; `dvc push` makes it"
        if parts.scheme == "s3":
            parts = urlsplit(endpoint or "https://s3.amazonaws.com")
        address = (parts.hostname or "", parts.port or PORTS[parts.scheme])
    except ValueError:
        return "its address is none"  # what Python says of it may hold a part of the password
    try:
        with socket.create_connection(address, timeout=LIMIT_S):
            return ""
    except OSError as exc:
        return f"no answer ({exc})"


def _without_secrets(url: str) -> str:
    """Leave out a user and password, which an address may hold."""
    scheme, separator, rest = url.partition("://")
    return f"{scheme}{separator}{rest.rpartition('@')[2]}" if separator else url


def check_links(patient: Patient) -> Finding:
    """How DVC's cache and data/ share their bytes: copies take the room twice."""
    project = patient.project
    if not (project.root / ".dvc").is_dir():
        return note("DVC cache", f"{NO_DVC}: data cannot be tracked", GO)
    config = _read_config(project)
    if config is None:
        return missing("DVC cache", UNREAD, MEND)
    types = config.get("cache", {}).get("type") or ["reflink", "copy"]
    kinds = types if isinstance(types, list) else str(types).split(",")
    # Git ignores what is in data/, should this be cut off.
    folder = project.data if project.data.is_dir() else project.root
    works = try_links(find_cache(project), folder)
    used = next((kind for kind in kinds if works.get(kind, True)), "copy")
    if used != "copy":
        return ok("DVC cache", f"shares its bytes with data/ by {used}")
    said = "every file is kept twice, in data/ and in the cache"
    if not works["hardlink"]:
        return note("DVC cache", f"{said}; no links work between the two folders here")
    remedy = "`dvc config --local cache.type reflink,hardlink,copy`, then `dvc checkout --relink`"
    return note("DVC cache", f"{said}; hard links would work (files become read-only)", remedy)


def try_links(cache: Path, data: Path) -> dict[str, bool]:
    """Try which links work from the cache's file system to the data's.

    Args:
        cache: DVC's cache; need not exist yet.
        data: A folder to link in.
    """
    there = next(one for one in (cache, *cache.parents) if one.is_dir())
    with (
        tempfile.TemporaryDirectory(dir=data, prefix=".doctor-") as folder,
        tempfile.NamedTemporaryFile(dir=there, prefix=".doctor-") as source,
    ):
        source.write(b"x" * 4096)
        source.flush()
        one, other = Path(folder) / "hardlink", Path(folder) / "symlink"
        return {
            "reflink": _works(lambda: _clone(source.fileno(), Path(folder) / "reflink")),
            "hardlink": _works(lambda: os.link(source.name, one)),
            "symlink": _works(lambda: other.symlink_to(source.name)),
        }


def _works(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except OSError:
        return False  # that is what was asked
    return True


def _clone(source: int, target: Path) -> None:
    with target.open("wb") as stream:
        fcntl.ioctl(stream.fileno(), FICLONE, source)


def check_prefect(patient: Patient) -> Finding:
    """The Prefect server: the one that PREFECT_API_URL names, or the checkout's own."""
    from flows.server import find_server  # a bare environment lacks what it imports

    api = os.environ.get("PREFECT_API_URL")
    if api:
        if _ask(f"{api.rstrip('/')}/health", None) is not None:
            return ok("Prefect server", f"PREFECT_API_URL, {_without_secrets(api)}, answers")
        said = f"PREFECT_API_URL, {_without_secrets(api)}, does not answer"
        return missing("Prefect server", said, "start it, or unset the variable")
    own = find_server(patient.project)
    if own is None:
        return ok("Prefect server", "not running; the first stage, or `photochrom ui`, starts it")
    if _ask(f"{own.url}/api/health", None) is None:
        said = f"the checkout's own, {own.url}, runs and does not answer"
        return note("Prefect server", said, "`photochrom down`; the next stage starts another")
    return ok("Prefect server", f"the checkout's own, {own.url}")


def check_worker(patient: Patient) -> Finding:
    """Whether a worker would take up a deployment's run."""
    from flows.server import find_server

    api, own = os.environ.get("PREFECT_API_URL"), find_server(patient.project)
    if own is not None and not api:
        api = f"{own.url}/api"
    pools = _ask(f"{api.rstrip('/')}/work_pools/filter", {}) if api else None
    if not pools:
        return ok("Prefect worker", "none; only `prefect deployment run` needs one: `make ui`")
    ready = [pool["name"] for pool in pools if pool.get("status") == "READY"]
    if not ready:
        said = "work pools are there, and no worker takes from them: deployments would wait"
        return note("Prefect worker", said, "`make ui`")
    return ok("Prefect worker", f"takes from {', '.join(ready)}")


def _ask(url: str, question: dict[str, Any] | None) -> Any:
    """Ask a server once; None when it does not answer, or not as Prefect would."""
    import requests

    try:
        with requests.Session() as session:
            session.trust_env = False  # a proxy has no business between this machine and itself
            method = "GET" if question is None else "POST"
            answer = session.request(method, url, json=question, timeout=LIMIT_S)
            return answer.json() if answer.ok else None
    except (requests.RequestException, ValueError):
        return None


def check_slurm(patient: Patient) -> Finding:
    """SLURM: its programs, and whether a cluster answers."""
    wanted = patient.params is not None and patient.params.train.runner == "slurm"
    if shutil.which("sbatch") is None or shutil.which("sinfo") is None:
        if wanted:
            remedy = "run on a login node of the cluster, or set train.runner: local"
            return missing("SLURM", "train.runner is slurm, and there is no sbatch here", remedy)
        return ok("SLURM", "not here, and not needed: train.runner is local")
    answer, fault = _ask_slurm()
    if fault:
        finding = missing if wanted else note
        remedy = "ask who runs the cluster" if wanted else "nothing, while train.runner is local"
        return finding("SLURM", f"no cluster answers: {fault}", remedy)
    parts = [line.split() for line in answer.splitlines()]
    said = ", ".join(f"{name.rstrip('*')}: {count} {state}" for name, count, state in parts)
    return ok("SLURM", f"partitions and nodes: {said or 'none'}")


def _ask_slurm() -> tuple[str, str]:
    """Ask for the partitions; return them, or "" and why there are none, on one short line."""
    words = ["sinfo", "--noheader", "--format=%P %D %t"]
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "", f"no answer within {LIMIT_S:g} s"
    if done.returncode == 0:
        return done.stdout, ""
    said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[0]
    said = said.removeprefix("sinfo: ").removeprefix("error: ")
    return "", textwrap.shorten(said, SHORT, placeholder=" ...")


CHECKS: dict[str, Check] = {
    "DVC remote": check_remote,
    "DVC cache": check_links,
    "Prefect server": check_prefect,
    "Prefect worker": check_worker,
    "SLURM": check_slurm,
}
