"""Edge: the checkpoint of another run that a run starts from, held against it; without torch."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from train.checkpoints.matching import Difference, compare, list_keys, refused
from train.checkpoints.stored import Stored, find_stored, read_stored, say_passed_over
from train.errors import CheckpointError
from train.params import TrainParams
from train.run import Inputs, Start, read_identity


def find_start(
    folder: Path,
    params: TrainParams,
    *,
    inputs: Inputs,
    allowed: Collection[str],
    tell: Callable[[str], None],
) -> Start:
    """Find the checkpoint that a run is to start from, and see that it may.

    Args:
        folder: A checkpoint, `step-NNNNNNNN`, or a folder of such, of which the last good one is
            taken.
        params: Settings of the run.
        inputs: What it reads.
        allowed: Keys in which the checkpoint's run may differ: `train.lr`, `code`, ...
        tell: Takes a line for each checkpoint passed over.

    Raises:
        CheckpointError: If there is no good one, the run has no step after it, it differs in what
            is not allowed, or a key is unknown.
        DataError: If the index is missing or malformed, or a foreign tar is.
    """
    stored = _read_last(folder, tell=tell)
    identity = read_identity(params, inputs=inputs)
    saved = stored.facts["run"]
    check_keys(allowed, saved, identity)
    check_match(stored.path, saved, identity, allowed=allowed)
    check_step(stored.path, stored.step, params=params)
    return Start(stored.path.resolve(), stored.step, stored.sha256, tuple(sorted(set(allowed))))


def check_keys(allowed: Collection[str], *identities: Mapping[str, Any]) -> None:
    """See that every allowed key is one in which runs can differ.

    Raises:
        CheckpointError: If one is not.
    """
    known = {key for identity in identities for key in list_keys(identity)}
    if unknown := sorted(set(allowed) - known):
        raise CheckpointError(
            f"--allow {', '.join(unknown)}: no such key; expected one of {', '.join(sorted(known))}"
        )


def check_match(
    path: Path, saved: Mapping[str, Any], present: Mapping[str, Any], *, allowed: Collection[str]
) -> tuple[Difference, ...]:
    """See that a checkpoint's run and the present one differ in nothing that is not allowed.

    Args:
        path: Of the checkpoint, for the message.
        saved: What decided the run of the checkpoint.
        present: What decides this one.
        allowed: Keys in which they may differ.

    Returns:
        In what they differ.

    Raises:
        CheckpointError: If they differ in anything else; it names all of that.
    """
    differences = compare(saved, present)
    if wrong := refused(differences, allowed):
        keys = {*allowed, *(one.key for one in wrong)}
        options = " ".join(f"--allow {key}" for key in sorted(keys))
        raise CheckpointError(
            f"{path}: saved by a run that differs from this one in\n"
            + "".join(f"  {one}\n" for one in wrong)
            + f"set these as they were, or permit it: `photochrom train --resume {path} {options}`"
        )
    return differences


def check_step(path: Path, step: int, *, params: TrainParams) -> None:
    """See that a run has a step to do after a checkpoint's.

    Raises:
        CheckpointError: If it ends there, or before.
    """
    if step >= params.steps:
        raise CheckpointError(
            f"{path}: saved at step {step}, and this run ends at {params.steps}: nothing is left "
            "to train; raise train.steps"
        )


def _read_last(folder: Path, *, tell: Callable[[str], None]) -> Stored:
    """Read a checkpoint, or the last good one of a folder."""
    one = (folder / "state.json").exists()
    for path in [folder] if one else find_stored(folder):
        try:
            return read_stored(path)
        except (OSError, ValueError, KeyError, TypeError) as exc:
            tell(say_passed_over(path, exc))
    raise CheckpointError(
        f"{folder}: expected a checkpoint, `step-NNNNNNNN`, or a folder with a good one, found "
        "none; runs that are not complete have theirs in .photochrom/checkpoints"
    )
