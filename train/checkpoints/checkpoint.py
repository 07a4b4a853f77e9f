"""Edge: a run's whole state, to disk and back; a damaged checkpoint is passed over, with a word.

How it lies there, train/stored.py says.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from train.checkpoints.stored import find_stored, read_stored, say_passed_over, write_stored

DAMAGE = (OSError, ValueError, KeyError, TypeError, SafetensorError)
"""What reading a damaged checkpoint raises."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A run's state as saved."""

    step: int
    tensors: dict[str, Tensor]
    facts: dict[str, Any]
    """What JSON can hold."""
    sha256: str = ""
    """Of one that was read."""


def write_checkpoint(folder: Path, checkpoint: Checkpoint, *, keep: int) -> None:
    """Save a state beside those before it, and drop all but the last ones.

    Args:
        folder: This run's checkpoints; made if missing.
        checkpoint: What to save, its tensors on the CPU.
        keep: Checkpoints that stay.

    Raises:
        CheckpointError: If the disk does not take it.
    """
    content = save({name: tensor.contiguous() for name, tensor in checkpoint.tensors.items()})
    write_stored(folder, content, step=checkpoint.step, facts=checkpoint.facts, keep=keep)


def read_checkpoint(folder: Path, *, on_damage: Callable[[str], None]) -> Checkpoint | None:
    """Read the last good state.

    Args:
        folder: This run's checkpoints; may be missing.
        on_damage: Called with a message for each checkpoint passed over.

    Returns:
        The state, its tensors on the CPU; none if there is no good one.
    """
    for path in find_stored(folder):
        try:
            return read_one(path)
        except DAMAGE as exc:
            on_damage(say_passed_over(path, exc))
    return None


def read_one(path: Path) -> Checkpoint:
    """Read the state of one step.

    Args:
        path: Its folder, `step-NNNNNNNN`.

    Raises:
        OSError, ValueError, KeyError, TypeError, SafetensorError: If it is damaged.
    """
    stored = read_stored(path)
    return Checkpoint(stored.step, load(stored.content), stored.facts, stored.sha256)
