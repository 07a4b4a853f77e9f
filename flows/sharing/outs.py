"""What dvc.lock, DVC's cache and `dvc status` say of the files in data/."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from flows.errors import SharingError
from flows.programs import call_dvc

LOCK_NAME = "dvc.lock"


@dataclass(frozen=True, slots=True)
class Out:
    """A file or folder that a stage wrote, as dvc.lock has it."""

    stage: str
    path: str
    """Below the checkout's root."""
    md5: str
    """Of a file its own; of a folder that of its list, with `.dir` behind."""

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.md5.endswith(".dir")


@dataclass(frozen=True, slots=True)
class Lock:
    """A dvc.lock."""

    outs: tuple[Out, ...]
    """Of all stages, in the order of the file."""
    deps: Mapping[str, frozenset[str]]
    """Paths that each stage reads."""


def parse_lock(lock: bytes, *, where: str) -> Lock:
    """Read a dvc.lock.

    Args:
        lock: Its bytes.
        where: What to call it in an error.

    Raises:
        SharingError: If it is not a dvc.lock of version 2.0.
    """
    try:
        tree = yaml.safe_load(lock)
        if tree["schema"] != "2.0":
            raise ValueError(f"schema {tree['schema']!r}")
        stages = tree["stages"].items()
        return Lock(
            tuple(
                Out(stage, out["path"], out["md5"])
                for stage, entry in stages
                for out in entry.get("outs", ())
            ),
            {
                stage: frozenset(dep["path"] for dep in entry.get("deps", ()))
                for stage, entry in stages
            },
        )
    except (yaml.YAMLError, ValueError, TypeError, KeyError, AttributeError) as exc:
        raise SharingError(
            f"{where}: expected a dvc.lock of version 2.0, got something else ({exc}); "
            "take it from Git with `git restore dvc.lock`"
        ) from exc


def read_lock(root: Path) -> Lock:
    """Read what the stages of a checkout read and wrote last.

    Raises:
        SharingError: If there is no dvc.lock, or it is not one.
    """
    path = root / LOCK_NAME
    if not path.is_file():
        raise SharingError(f"{path}: expected one, found none; make the data with `dvc repro`")
    return parse_lock(path.read_bytes(), where=str(path))


def read_listings(root: Path, outs: Iterable[Out]) -> dict[str, dict[str, str] | None]:
    """Read what DVC's cache says is in folders.

    Args:
        root: The checkout.
        outs: The folders.

    Returns:
        For each folder's path the MD5 of each file by its path in the folder; None where the list
        is not in the cache, or is not what dvc.lock names.

    Raises:
        SharingError: If the checkout is no DVC project.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo(str(root)) as repo:
            paths = {out: Path(repo.cache.local.oid_to_path(out.md5)) for out in outs}
    except DvcException as exc:
        raise SharingError(f"{root}: expected a DVC project ({exc}); go to the checkout") from exc
    return {out.path: _read_listing(path, out) for out, path in paths.items()}


def _read_listing(path: Path, out: Out) -> dict[str, str] | None:
    content = path.read_bytes() if path.is_file() else b""
    if f"{hashlib.md5(content, usedforsecurity=False).hexdigest()}.dir" != out.md5:
        return None
    return {entry["relpath"]: entry["md5"] for entry in json.loads(content)}


def sum_listing(files: Mapping[str, str]) -> str:
    """Compute what dvc.lock calls a folder's MD5, by DVC's own code.

    Args:
        files: MD5 of each file by its path in the folder.
    """
    from dvc_data.hashfile.hash_info import HashInfo
    from dvc_data.hashfile.tree import Tree

    tree: Any = Tree()  # type: ignore[no-untyped-call]
    for name, md5 in files.items():
        tree.add(tuple(name.split("/")), None, HashInfo("md5", md5))
    tree.digest()
    return str(tree.hash_info.value)


def read_status(root: Path) -> dict[str, list[object]]:
    """Ask DVC which stages are not up to date, and why.

    Raises:
        SharingError: If DVC cannot say.
    """
    done = call_dvc(root, "status", "--json")
    try:
        found: dict[str, list[object]] = json.loads(done.stdout)
    except ValueError as exc:
        raise SharingError(
            f"dvc status: expected a list of stages, got: {(done.stderr or done.stdout).strip()}"
        ) from exc
    return found
