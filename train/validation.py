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
    l_B1HW, ab_B2HW = to_whole(cut_valid(gathered, place), short=short)
    found_B2HW = predict(model, l_B1HW, at_B1HW=l_B1HW)
    loss = huber_sum(found_B2HW, ab_B2HW, beta=beta).item()
    found, true = (
        torch.cat((l_B1HW, ab), dim=1)[0].permute(1, 2, 0).cpu().numpy()
        for ab in (found_B2HW, ab_B2HW)
    )
    return loss, to_de00(found, true)


def predict(model: UNet, l_B1HW: Tensor, *, at_B1HW: Tensor) -> Tensor:
    """Let a model colour whole pictures.

    Args:
        model: Weights.
        l_B1HW: Lightness that the network sees, float32, 0..100, sides multiples of 16.
        at_B1HW: Lightness of the same pictures at the size that is wanted; may be the same.

    Returns:
        Colours ab of `at_B1HW`, shape (B, 2, H, W), float32, Lab units.
    """
    yfrac_BH, xfrac_BW = (_place(side, l_B1HW) for side in l_B1HW.shape[-2:])
    grid = model(to_picture(l_B1HW, xfrac_BW, yfrac_BH))
    at_BH = _place(at_B1HW.shape[-2], at_B1HW)
    return slice_grid(grid, at_B1HW, yfrac_BH=at_BH, table_RK2=model.table_RK2)


def _place(side: int, like: Tensor) -> Tensor:
    """Say where the centres of pixels lie along a side: 0 at its beginning, 1 at its end."""
    return ((torch.arange(side, device=like.device) + 0.5) / side)[None]


def cut_valid(gathered: Gathered, place: int) -> Tensor:
    """Cut a sample down to its picture: uint8, shape (1, H, W, 3)."""
    top, left, bottom, right = gathered.valid_B4[place].tolist()
    return gathered.lab_BSS3[place : place + 1, top:bottom, left:right]


def to_whole(lab_BHW3: Tensor, *, short: int) -> tuple[Tensor, Tensor]:
    """Bring whole pictures to the size at which the network sees them.

    Args:
        lab_BHW3: Lab as in a shard, uint8.
        short: Shorter side at the network's input, in pixels.

    Returns:
        Lightness (B, 1, h, w) and colours (B, 2, h, w), float32, Lab units.
    """
    height, width = lab_BHW3.shape[1:3]
    l_B1HW, ab_B2HW = to_lab(lab_BHW3)
    size = find_input_size(height, width, short=short)
    resized = functional.interpolate(
        torch.cat((l_B1HW, ab_B2HW), dim=1), size=size, mode="bilinear", antialias=True
    )
    return resized[:, :1], resized[:, 1:]
