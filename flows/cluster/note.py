"""Edge: which job a run was submitted as, noted in its folder."""

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from harvest.files import write_bytes
from train.params import TrainParams
from train.run import Inputs, run_key

NOTE = "submitted.json"

_JOB = re.compile(r"[0-9]{1,10}(_[0-9]{1,7})?")


@dataclass(frozen=True, slots=True)
class Note:
    """What is known of a job from its submission on."""

    job: str
    """Its number; `number_place` of one in an array."""
    name: str
    log: str
    """Path of its log, as the nodes see it."""
    family: str
    """The same for runs that differ in their seed alone."""


def find_family(params: TrainParams, *, inputs: Inputs) -> str:
    """Name the runs that differ from one in their seed alone.

    Raises:
        DataError: If the index is missing or malformed, or a foreign tar is.
    """
    return run_key(params.model_copy(update={"seed": 0}), inputs=inputs)


def write_note(folder: Path, note: Note) -> None:
    """Note a job in its run's folder."""
    write_bytes(folder / NOTE, json.dumps(asdict(note)).encode())


def read_note(folder: Path) -> Note | None:
    """Read which job a run was submitted as; None if it was not, or the note is no note."""
    try:
        note = Note(**json.loads((folder / NOTE).read_bytes()))
        words = asdict(note).values()
        is_one = all(isinstance(word, str) for word in words) and _JOB.fullmatch(note.job)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return note if is_one else None
