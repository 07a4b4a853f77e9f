"""Edge: save a run's whole state and find the last good one.

A checkpoint is a folder `step-NNNNNNNN` of two files: the tensors as safetensors, and a JSON
object with the rest and the tensors' checksum. It is written under a temporary name, flushed to
disk and renamed, so a kill leaves the one before. A damaged one is passed over, with a word.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from train.errors import CheckpointError

KEPT = 2
"""Checkpoints kept: the last, and one before it to fall back on."""

_TENSORS, _FACTS = "state.safetensors", "state.json"
_PREFIX, _PARTIAL = "step-", "partial-"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A run's state as saved."""

    step: int
    tensors: dict[str, Tensor]
    facts: dict[str, Any]
    """What JSON can hold."""


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Save a state beside those before it, and drop all but the last `KEPT`.

    Args:
        folder: This run's checkpoints; made if missing.
        checkpoint: What to save.

    Raises:
        CheckpointError: If the disk does not take it.
    """
    name = f"{_PREFIX}{checkpoint.step:08d}"
    partial = folder / f"{_PARTIAL}{name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in folder.glob(f"{_PARTIAL}*"):
            shutil.rmtree(leftover)
        partial.mkdir()
        content = save({key: value.contiguous() for key, value in checkpoint.tensors.items()})
        facts = {
            "version": 1,
            "step": checkpoint.step,
            "sha256": hashlib.sha256(content).hexdigest(),
            "facts": checkpoint.facts,
        }
        _write(partial / _TENSORS, content)
        _write(partial / _FACTS, json.dumps(facts, allow_nan=False).encode())
        _flush(partial)
        if (folder / name).exists():
            shutil.rmtree(folder / name)
        partial.rename(folder / name)
        _flush(folder)
        for old in _find(folder)[KEPT:]:
            shutil.rmtree(old)
    except OSError as exc:
        raise CheckpointError(f"{folder}: cannot save step {checkpoint.step}: {exc}") from exc


def read_checkpoint(folder: Path, *, on_damage: Callable[[str], None]) -> Checkpoint | None:
    """Read the last good state.

    Args:
        folder: This run's checkpoints; may be missing.
        on_damage: Called with a message for each checkpoint passed over.

    Returns:
        The state, its tensors on the CPU; none if there is no good one.
    """
    for path in _find(folder):
        try:
            return _read(path)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as exc:
            on_damage(f"{path}: damaged checkpoint passed over ({exc})")
    return None


def _read(path: Path) -> Checkpoint:
    facts: Mapping[str, Any] = json.loads((path / _FACTS).read_bytes())
    if facts["version"] != 1:
        raise ValueError(f"expected version 1, got {facts['version']}")
    content = (path / _TENSORS).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != facts["sha256"]:
        raise ValueError(f"expected SHA-256 {facts['sha256']}, got {found}")
    return Checkpoint(step=int(facts["step"]), tensors=load(content), facts=dict(facts["facts"]))


def _find(folder: Path) -> list[Path]:
    """List the checkpoints, the last first; names sort as steps do."""
    return sorted(folder.glob(f"{_PREFIX}*"), reverse=True)


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
