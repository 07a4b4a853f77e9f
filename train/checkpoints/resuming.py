"""Edge: a run takes up the checkpoint it goes on from: its own last one, or what it starts from.

Rank 0 decides which, and every rank reads that one and no other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from train.checkpoints.checkpoint import DAMAGE, Checkpoint, read_checkpoint, read_one
from train.checkpoints.matching import Difference
from train.checkpoints.origin import check_match, check_step
from train.checkpoints.stored import name_step
from train.errors import CheckpointError
from train.run import Run, Start
from train.state import TrainState, unpack
from train.world import World

OTHER_VALIDATION = frozenset({"shards", "size", "train.input"})
"""What a model's figure on the validation split depends on, beside the model."""

_DIGITS = 15
"""Of a checksum, in hexadecimal: 60 bits, which an int64 holds."""

Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Taken:
    """What a run goes on from."""

    checkpoint: Checkpoint
    own: bool
    """Whether this run saved it."""
    differences: tuple[Difference, ...] = ()

    def to_numbers(self) -> list[int]:
        """Name it in integers, which ranks exchange."""
        digits = int(self.checkpoint.sha256[:_DIGITS], 16)
        return [1 + self.own, self.checkpoint.step, digits, self.forgets_best]

    @property
    def forgets_best(self) -> bool:
        """Whether figures of its validations say nothing of those to come."""
        return not OTHER_VALIDATION.isdisjoint(one.key for one in self.differences)


def resume(
    state: TrainState, run: Run, *, world: World, identity: Mapping[str, Any] | None, note: Note
) -> None:
    """Put the checkpoint that a run goes on from into its state, the same on every rank.

    Args:
        state: Fresh; changed in place, and left as it is where there is no checkpoint.
        run: Settings and folders.
        world: This process's place; every rank must call.
        identity: On rank 0, what decides the run, from `train.run.read_identity`.
        note: Takes lines for the log.

    Raises:
        CheckpointError: If there is one, and it is of another run and that is not allowed; or
            another rank cannot read what rank 0 read.
    """
    device = state.model.table_RK2.device
    taken = None if identity is None else _choose(run, identity, note=note)
    numbers = [0] * 4 if taken is None else taken.to_numbers()
    which = torch.tensor(numbers, dtype=torch.int64, device=device)
    world.add(which)  # rank 0's, for the others' are zero
    if which[0]:
        checkpoint = _read_same(run, which) if taken is None else taken.checkpoint
        unpack(checkpoint, state)
        if which[3]:
            state.best, state.best_de00, state.best_step = None, None, 0
    if taken is not None:
        _say(taken, world, device, note=note)
    # Nobody saves, and so removes an old checkpoint, while another still reads.
    world.wait()


def _choose(run: Run, identity: Mapping[str, Any], *, note: Note) -> _Taken | None:
    if own := read_checkpoint(run.checkpoints, on_damage=note):
        path = run.checkpoints / name_step(own.step)
        # Its name is that of its run; but the code may have changed since the job was submitted.
        check_match(path, own.facts["run"], identity, allowed=())
        return _Taken(own, own=True)
    start = run.inputs.start
    if start is None:
        return None
    found, path = _read_start(start), start.checkpoint
    differences = check_match(path, found.facts["run"], identity, allowed=start.allowed)
    check_step(path, found.step, params=run.params)
    return _Taken(found, own=False, differences=differences)


def _read_start(start: Start) -> Checkpoint:
    try:
        checkpoint = read_one(start.checkpoint)
    except DAMAGE as exc:
        raise CheckpointError(
            f"{start.checkpoint}: the run starts from it, and it cannot be read ({exc}); name "
            "another with --resume"
        ) from exc
    if checkpoint.sha256 != start.sha256:
        raise CheckpointError(
            f"{start.checkpoint}: expected SHA-256 {start.sha256}, as when the run was prepared, "
            f"got {checkpoint.sha256}; run the stage again"
        )
    return checkpoint


def _read_same(run: Run, which: Tensor) -> Checkpoint:
    """Read what rank 0 has read."""
    place, step, digits, _ = which.tolist()
    path = run.checkpoints / name_step(step)
    if place == 1:
        assert run.inputs.start is not None
        path = run.inputs.start.checkpoint
    try:
        checkpoint = read_one(path)
    except DAMAGE as exc:
        raise CheckpointError(
            f"{path}: rank 0 could read it, and this one cannot ({exc}); see that every node has "
            "the same files there"
        ) from exc
    if int(checkpoint.sha256[:_DIGITS], 16) != digits:
        raise CheckpointError(
            f"{path}: rank 0 read another file there, not {checkpoint.sha256}; see that every node "
            "has the same files"
        )
    return checkpoint


def _say(taken: _Taken, world: World, device: torch.device, *, note: Note) -> None:
    """Say what was taken up, where that is not just this run as it was."""
    checkpoint = taken.checkpoint
    if not taken.own:
        differs = "; ".join(str(one) for one in taken.differences) or "nothing"
        said = f"starts from step {checkpoint.step} of another run ({checkpoint.sha256[:8]})"
        said += f", which differs in {differs}"
        if taken.forgets_best:
            said += "; its best weights so far are forgotten, for the validation is another"
        note(said)
    before = checkpoint.facts["world"]
    now = {"processes": world.size, "device": device.type}
    if before != now:
        old, new = (f"{one['processes']} ({one['device']})" for one in (before, now))
        note(
            f"step {checkpoint.step} was saved by a world of {old}, and goes on in one of {new}: "
            "equal within rounding, not bit for bit"
        )
