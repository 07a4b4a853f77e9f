"""How good the weights are on the validation split, at the network's own input size.

Every picture is seen whole, once, by one rank; ranks add their sums. They read as many batches
each; what fills the last ones is not looked at.

Dimensions: B batch, H height, W width.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from train.augment import to_lab, to_picture
from train.loss import huber_sum
from train.metrics import to_de00
from train.model import UNet, slice_grid
from train.partition import cover
from train.predict import find_input_size
from train.streaming.feed import Gathered
from train.streaming.samples import Samples
from train.world import World

_BATCH = 32
"""Most samples that a rank reads at once."""


@dataclass(frozen=True, slots=True)
class Score:
    """Means over the pictures of a split."""

    loss: float
    de00: float


@torch.no_grad()
def validate(
    model: UNet, samples: Samples, *, short: int, beta: float, world: World
) -> Score | None:
    """Score a model on a split.

    Args:
        model: Weights to score.
        samples: The split.
        short: Shorter side at the network's input, in pixels.
        beta: Of the Huber loss, Lab units.
        world: This process's place; every rank must call.

    Returns:
        Means over all pictures, whatever the world size; none if the split is empty.

    Raises:
        DataError: If a sample cannot be read.
    """
    if not len(samples):
        return None
    batch = min(_BATCH, -(-len(samples) // world.size))
    covers = cover(len(samples), batch=batch, rank=world.rank, world_size=world.size)
    sums = torch.zeros(2, dtype=torch.float64, device=samples.device)
    with samples.read_covers(covers) as feed:
        for part, gathered in zip(covers, feed, strict=True):
            for place in np.flatnonzero(part.real).tolist():
                score = _score(model, gathered, place, short=short, beta=beta)
                sums += torch.tensor(score).to(sums)
    world.add(sums)
    loss, de00 = (sums / len(samples)).tolist()
    return Score(loss=loss, de00=de00)


def _score(
    model: UNet, gathered: Gathered, place: int, *, short: int, beta: float
) -> tuple[float, float]:
    l_B1HW, ab_B2HW = _whole_picture(gathered, place, short=short)
    height, width = l_B1HW.shape[-2:]
    xfrac_BW, yfrac_BH = (
        ((torch.arange(side, device=l_B1HW.device) + 0.5) / side)[None] for side in (width, height)
    )
    grid = model(to_picture(l_B1HW, xfrac_BW, yfrac_BH))
    found_B2HW = slice_grid(grid, l_B1HW, yfrac_BH=yfrac_BH, table_RK2=model.table_RK2)
    loss = huber_sum(found_B2HW, ab_B2HW, beta=beta).item()
    found, true = (
        torch.cat((l_B1HW, ab), dim=1)[0].permute(1, 2, 0).cpu().numpy()
        for ab in (found_B2HW, ab_B2HW)
    )
    return loss, to_de00(found, true)


def _whole_picture(gathered: Gathered, place: int, *, short: int) -> tuple[Tensor, Tensor]:
    top, left, bottom, right = gathered.valid_B4[place].tolist()
    l_B1HW, ab_B2HW = to_lab(gathered.lab_BSS3[place : place + 1, top:bottom, left:right])
    size = find_input_size(bottom - top, right - left, short=short)
    resized = functional.interpolate(
        torch.cat((l_B1HW, ab_B2HW), dim=1), size=size, mode="bilinear", antialias=True
    )
    return resized[:, :1], resized[:, 1:]
