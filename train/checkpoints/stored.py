"""Edge: checkpoints as they lie on a disk; without torch, for a launcher looks at them too.

A checkpoint is a folder `step-NNNNNNNN` of two files: `state.safetensors` with the tensors, and
`state.json` with the rest and a SHA-256 of both:

    {"version": 2, "step": 80, "facts": {...}, "sha256": "..."}

It is written under a temporary name, flushed to disk and renamed, so a kill leaves the one before.
Nothing in it is ever run: neither file can hold code.
"""

import contextlib
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from train.errors import CheckpointError

VERSION = 2
"""Version 1 did not say what run it was of."""

_TENSORS, _FACTS = "state.safetensors", "state.json"
_PREFIX, _PARTIAL = "step-", "partial-"


class VersionError(ValueError):
    """A checkpoint that other code wrote; it may be whole."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A checkpoint as read, with the right checksum."""

    path: Path
    step: int
    content: bytes
    """Of the tensors, as safetensors."""
    facts: dict[str, Any]
    sha256: str
    """Of all the above but the path."""


def write_stored(
    folder: Path, content: bytes, *, step: int, facts: dict[str, Any], keep: int
) -> None:
    """Save a checkpoint beside those before it, and drop all but the last ones.

    Those of later steps are dropped too: the run was at them before, and passed them over as
    damaged, or it would not be here.

    Args:
        folder: This run's checkpoints; made if missing.
        content: The tensors, as safetensors.
        step: Of the state.
        facts: What JSON can hold.
        keep: Checkpoints that stay, this one among them.

    Raises:
        CheckpointError: If the disk does not take it; what it took is removed.
    """
    partial = folder / f"{_PARTIAL}{name_step(step)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(f"{_PARTIAL}*"):
            shutil.rmtree(leftover)
        partial.mkdir()
        body = {"version": VERSION, "step": step, "facts": facts}
        whole = json.dumps(body | {"sha256": _hash(content, body)}, allow_nan=False)
        _write(partial / _TENSORS, content)
        _write(partial / _FACTS, whole.encode())
        _flush(partial)
        if (folder / name_step(step)).exists():
            shutil.rmtree(folder / name_step(step))
        partial.rename(folder / name_step(step))
        _flush(folder)
    except OSError as exc:
        # On a full disk, room is what the next one needs.
        shutil.rmtree(partial, ignore_errors=True)
        raise CheckpointError(f"{folder}: cannot save step {step}: {exc}") from exc
    _drop(folder, step=step, keep=keep)


def read_stored(path: Path) -> Stored:
    """Read a checkpoint.

    Args:
        path: Its folder, `step-NNNNNNNN`.

    Raises:
        VersionError: If it is of another version.
        OSError, ValueError, KeyError, TypeError: If it is damaged.
    """
    body: dict[str, Any] = json.loads((path / _FACTS).read_bytes())
    if body["version"] != VERSION:
        raise VersionError(f"version {body['version']}, and this code reads {VERSION}")
    content, expected = (path / _TENSORS).read_bytes(), body.pop("sha256")
    found = _hash(content, body)
    if found != expected:
        raise ValueError(f"expected SHA-256 {expected}, got {found}")
    return Stored(path, int(body["step"]), content, dict(body["facts"]), found)


def say_passed_over(path: Path, exc: Exception) -> str:
    """Say in a line why a checkpoint is not taken."""
    other = isinstance(exc, VersionError)
    kind = "checkpoint of another version" if other else "damaged checkpoint"
    return f"{path}: {kind} passed over ({exc})"


def find_stored(folder: Path) -> list[Path]:
    """List the checkpoints of a folder, the last first; it may be missing."""
    found = dict(_steps(folder))
    return [found[step] for step in sorted(found, reverse=True)]


def last_step(folder: Path) -> int | None:
    """Return the step of a folder's last checkpoint; none if it has none."""
    return max((step for step, _ in _steps(folder)), default=None)


def name_step(step: int) -> str:
    """Name the folder of a step's checkpoint."""
    return f"{_PREFIX}{step:08d}"


def _steps(folder: Path) -> Iterator[tuple[int, Path]]:
    for path in folder.glob(f"{_PREFIX}*"):
        with contextlib.suppress(ValueError):  # somebody else's
            yield int(path.name.removeprefix(_PREFIX)), path


def _drop(folder: Path, *, step: int, keep: int) -> None:
    found = dict(_steps(folder))
    stay = sorted(one for one in found if one <= step)[-keep:]
    for one in found.keys() - set(stay):
        try:
            shutil.rmtree(found[one])
        except OSError as exc:  # one too many is no harm, and the next save tries again
            logging.getLogger(__name__).warning("%s: cannot be removed: %s", found[one], exc)


def _hash(content: bytes, body: dict[str, Any]) -> str:
    digest = hashlib.sha256(content)
    digest.update(json.dumps(body, sort_keys=True).encode())
    return digest.hexdigest()


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _flush(folder: Path) -> None:
    """Make names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
