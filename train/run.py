"""Edge: a run folder: what a job is to do, and where it leaves what it made.

`run.json` in the folder says everything the job needs, so that whoever starts it, here or on a
cluster, passes one path:

    {"version": 1, "params": {...}, "shards": "/abs/folder", "checkpoints": "/abs/folder"}

The job appends what happens to `progress.jsonl`, one JSON object a line, and leaves the model's
files in `result/`, which appears only when they are complete.
"""

import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from train.errors import TrainError
from train.hashes import read_hashes
from train.params import TrainParams

SETTINGS, PROGRESS, RESULT = "run.json", "progress.jsonl", "result"

STOPPED = 75
"""Exit code of a rank that was asked to stop and saved its state (EX_TEMPFAIL): start it again."""

WHERE_IT_RUNS = frozenset(
    {"runner", "processes", "threads", "residence", "read", "ahead", "remote", "slurm"}
)
"""Settings that do not decide what is learned."""


@dataclass(frozen=True, slots=True)
class Run:
    """What `run.json` says."""

    folder: Path
    params: TrainParams
    shards: Path
    checkpoints: Path
    """Where this run, and no other, saves its state."""


def run_key(params: TrainParams, *, shards: Path) -> str:
    """Name a run by what decides its result: settings, the shards' checksums, and this code.

    Args:
        params: Settings; where the job runs is left out.
        shards: Folder of the shards, with its index.

    Returns:
        Sixteen hexadecimal digits.

    Raises:
        DataError: If the index is missing or malformed.
    """
    decides = {
        "code": _hash_code(),
        "params": params.model_dump(mode="json", exclude=set(WHERE_IT_RUNS)),
        "shards": read_hashes(shards),
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]


def _hash_code() -> str:
    """Hash this package: a checkpoint of other code is not taken up."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def prepare_run(folder: Path, params: TrainParams, *, shards: Path, checkpoints_root: Path) -> None:
    """Write a run folder, fresh; checkpoints of the same run are found again by their key.

    Args:
        folder: The run folder; whatever it held is removed.
        params: Settings.
        shards: Folder of the shards, with its index.
        checkpoints_root: Where runs keep their checkpoints, each below its own key.

    Raises:
        DataError: If the index is missing or malformed.
    """
    settings = {
        "version": 1,
        "params": params.model_dump(mode="json"),
        "shards": str(shards.resolve()),
        "checkpoints": str(checkpoints_root.resolve() / run_key(params, shards=shards)),
    }
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / SETTINGS).write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")


def read_run(folder: Path) -> Run:
    """Read a run folder.

    Raises:
        TrainError: If `run.json` is missing or malformed.
    """
    path = folder / SETTINGS
    try:
        settings: dict[str, Any] = json.loads(path.read_bytes())
        return Run(
            folder=folder,
            params=TrainParams.model_validate(settings["params"]),
            shards=Path(settings["shards"]),
            checkpoints=Path(settings["checkpoints"]),
        )
    except FileNotFoundError as exc:
        raise TrainError(f"{path}: no run here; `photochrom train` writes one") from exc
    except (ValidationError, ValueError, KeyError, TypeError) as exc:
        raise TrainError(
            f"{path}: expected params, shards and checkpoints, got {exc}; prepare the run again"
        ) from exc
