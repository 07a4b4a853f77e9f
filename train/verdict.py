"""What the ranks say of a step together: its loss, and whether to stop."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from train.errors import TrainError
from train.world import World


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the ranks say of a step, on its way from the device."""

    step: int
    """Counted from 0."""
    both: Tensor
    """Mean loss over the global batch before the step, and how many ranks are to stop."""
    copied: torch.cuda.Event | None
    """Says when they are there; they are where there is none."""

    def read(self) -> tuple[float, bool]:
        """Wait for the step, and return its loss and whether any rank was asked to stop.

        Raises:
            TrainError: If the loss is not finite.
        """
        if self.copied is not None:
            self.copied.synchronize()
        loss, stops = self.both.tolist()
        if not math.isfinite(loss):
            raise TrainError(f"step {self.step}: the loss is {loss}; lower train.lr")
        return loss, stops > 0


def agree(step: int, loss: Tensor, stop: bool, *, world: World) -> Verdict:
    """Add the loss over ranks, and let the wish of one to stop be the wish of all.

    Args:
        step: Which, counted from 0.
        loss: This rank's part of the global batch's mean, a scalar on its device.
        stop: Whether this rank was asked to stop.
        world: This rank's place; every rank must call.
    """
    both = torch.stack((loss, torch.full_like(loss, float(stop))))
    world.add(both)
    if both.device.type != "cuda":
        return Verdict(step=step, both=both, copied=None)
    there = torch.empty_like(both, device="cpu", pin_memory=True)
    there.copy_(both, non_blocking=True)
    copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
    copied.record(torch.cuda.current_stream(both.device))
    return Verdict(step=step, both=there, copied=copied)
