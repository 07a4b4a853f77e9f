"""Edge: a run folder: what a job is to do, and where it leaves what it made.

`run.json` in the folder says everything the job needs, so that whoever starts it, here or on a
cluster, passes one path:

    {"version": 2, "params": {...}, "inputs": {...}, "checkpoints": "/abs/folder"}

The job appends what happens to `progress.jsonl`, one JSON object a line, and leaves the model's
files in `result/`, which appears only when they are complete.
"""

import hashlib
import json
import logging
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harvest.files import write_bytes
from train.errors import TrainError
from train.hashes import read_hashes
from train.params import TrainParams

SETTINGS, PROGRESS, RESULT = "run.json", "progress.jsonl", "result"

VERSION = 2
"""Of run.json, that this code writes and reads."""

FAILED = "failed"
"""In the run folder: what ended a rank that a known error ended. It would come again."""

STOPPED = 75
"""Exit code of a rank that was asked to stop and saved its state (EX_TEMPFAIL): start it again."""

UNEXPECTED = 70
"""Exit code of a rank that an error ended that nobody expected (EX_SOFTWARE)."""

WHERE_IT_RUNS = frozenset(
    {
        *("runner", "processes", "threads", "data", "residence", "read", "ahead", "remote"),
        *("slurm", "keep", "wandb"),
    }
)
"""Settings that do not decide what is learned: where it runs, where its data lie, who is told."""


@dataclass(frozen=True, slots=True)
class Start:
    """The checkpoint of another run that a run starts from; found by `train.checkpoints.origin`."""

    checkpoint: Path
    """Its folder; every process of the run sees the same path."""
    step: int
    sha256: str
    allowed: tuple[str, ...]
    """Keys in which the two runs may differ, sorted."""

    def to_record(self) -> dict[str, Any]:
        """Say what decides of it, wherever it lies."""
        return {"step": self.step, "sha256": self.sha256, "allowed": list(self.allowed)}


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a run reads; every process of it sees the same paths."""

    shards: Path
    """Folder of the pipeline's shards, with its index; not looked at where `data` is set."""
    size: int
    """Side of a sample, in pixels."""
    indexes: Path
    """Folder for the indexes of foreign tars."""
    data: str | None = None
    """Any WebDataset to read in place of the shards, as `train.data` says it."""
    start: Start | None = None
    """What the run starts from; none starts it afresh."""

    def resolve(self) -> "Inputs":
        """Make paths absolute: the job runs in a folder of its own."""
        data = self.data
        if data is not None and "://" not in data:
            data = str(Path.cwd() / data)
        shards, indexes = self.shards.resolve(), self.indexes.resolve()
        return replace(self, shards=shards, indexes=indexes, data=data)


@dataclass(frozen=True, slots=True)
class Run:
    """What `run.json` says."""

    folder: Path
    params: TrainParams
    inputs: Inputs
    checkpoints: Path
    """Where this run, and no other, saves its state."""


def run_key(params: TrainParams, *, inputs: Inputs) -> str:
    """Name a run by what decides its result: settings, checksums and order of shards, this code.

    Args:
        params: Settings; where the job runs is left out.
        inputs: What it reads; where that lies is left out. A run that starts from a checkpoint
            of another one is a run of its own.

    Returns:
        Sixteen hexadecimal digits.

    Raises:
        DataError: If the index is missing or malformed, or a foreign tar is.
    """
    decides = read_identity(params, inputs=inputs)
    if inputs.start is not None:
        decides["start"] = inputs.start.to_record()
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:16]


def read_identity(params: TrainParams, *, inputs: Inputs) -> dict[str, Any]:
    """Read what decides what a run learns from where it starts; JSON holds it as it is.

    Args:
        params: Settings; where the job runs is left out.
        inputs: What it reads; where that lies is left out.

    Returns:
        `params`, `code` (a hash of it), `size`, and `shards`: pairs of name and checksum.

    Raises:
        DataError: If the index is missing or malformed, or a foreign tar is.
    """
    return {
        "code": _hash_code(),
        "params": params.model_dump(mode="json", exclude=set(WHERE_IT_RUNS)),
        # In order, for the numbers of the samples follow it.
        "shards": [list(shard) for shard in read_digests(params, inputs).items()],
        "size": inputs.size,
    }


def read_digests(params: TrainParams, inputs: Inputs) -> dict[str, str]:
    """Read a checksum of every shard, or of every foreign tar, by name and in order.

    Raises:
        DataError: If the index is missing or malformed, or a foreign tar is.
    """
    if inputs.data is None:
        return read_hashes(inputs.shards)
    # It needs torch, which takes seconds to load, and most runs read shards of ours.
    from train.streaming.opening import hash_data

    return hash_data(inputs, params, tell=logging.getLogger(__name__).warning)


def _hash_code() -> str:
    """Hash this package: a checkpoint of other code is not taken up."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def prepare_run(
    folder: Path, params: TrainParams, *, inputs: Inputs, checkpoints_root: Path
) -> None:
    """Write a run folder, fresh; checkpoints of the same run are found again by their key.

    Args:
        folder: The run folder; whatever it held is removed.
        params: Settings.
        inputs: What the run reads.
        checkpoints_root: Where runs keep their checkpoints, each below its own key.

    Raises:
        DataError: If the index is missing or malformed, or a foreign tar is.
        TrainError: If the disk does not take the folder.
    """
    key = run_key(params, inputs=inputs)
    settings = {
        "version": VERSION,
        "params": params.model_dump(mode="json"),
        "inputs": asdict(inputs.resolve()),
        "checkpoints": checkpoints_root.resolve() / key,
    }
    content = json.dumps(settings, indent=1, default=str) + "\n"
    try:
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        write_bytes(folder / SETTINGS, content.encode())
    except OSError as exc:
        raise TrainError(
            f"{folder}: the run cannot be prepared: {exc}; see that its disk has room and that you "
            "may write there; for a run on a cluster it lies below train.slurm.scratch"
        ) from exc


def relocate_run(folder: Path, *, shards: Path, home: Path) -> None:
    """Let a run that was prepared here name the paths of another machine.

    Args:
        folder: The run folder, from `prepare_run`.
        shards: Where the same shards lie there.
        home: Folder there below which checkpoints and indexes lie.

    Raises:
        TrainError: If `run.json` is missing or malformed.
    """
    run = read_run(folder)
    path = folder / SETTINGS
    settings: dict[str, Any] = json.loads(path.read_bytes())
    settings["inputs"] |= {"shards": str(shards), "indexes": str(home / "indexes")}
    settings["checkpoints"] = str(home / "checkpoints" / run.checkpoints.name)
    write_bytes(path, f"{json.dumps(settings, indent=1)}\n".encode())


def read_run(folder: Path) -> Run:
    """Read a run folder.

    Raises:
        TrainError: If `run.json` is missing or malformed.
    """
    path = folder / SETTINGS
    try:
        settings: dict[str, Any] = json.loads(path.read_bytes())
        if settings["version"] != VERSION:
            raise ValueError(f"version {settings['version']!r}, and this code reads {VERSION}")
        return Run(
            folder=folder,
            params=TrainParams.model_validate(settings["params"]),
            inputs=_read_inputs(**settings["inputs"]),
            checkpoints=Path(settings["checkpoints"]),
        )
    except FileNotFoundError as exc:
        raise TrainError(f"{path}: no run here; `photochrom train` writes one") from exc
    except (OSError, ValidationError, ValueError, KeyError, TypeError, RecursionError) as exc:
        raise TrainError(
            f"{path}: expected params, inputs and checkpoints, got {exc}; prepare the run again"
        ) from exc


def _read_inputs(
    *,
    shards: str,
    size: int,
    indexes: str,
    data: str | None,
    start: dict[str, Any] | None = None,
) -> Inputs:
    return Inputs(
        shards=Path(shards),
        size=size,
        indexes=Path(indexes),
        data=data,
        start=None if start is None else _read_start(**start),
    )


def _read_start(*, checkpoint: str, step: int, sha256: str, allowed: list[str]) -> Start:
    return Start(Path(checkpoint), step=step, sha256=sha256, allowed=tuple(allowed))
