"""Crops for training, in batches on the device: place, flip, and a worn lightness.

Every random number comes from train/counter.py, keyed by seed, epoch and sample. Pixels have
edges at whole numbers: in a picture W wide, x runs from 0 to W and pixel i has its centre at
i + 0.5. All of it is queued on the device at once: no number is read back, nothing is copied there,
and nothing is done sample by sample.

Dimensions: B batch, S side of a sample, H and W sides of the crop (equal), C channels.
"""

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from train.counter import make_key, normal, uniform

SMALLEST_CROP = 0.5
"""Smallest side of a crop, as a share of the picture's shorter side."""

_CONTRAST = 0.4
_BRIGHTNESS = 12.0
_NOISE = 6.0
_PLACE, _WEAR, _GRAIN, _DROP = range(4)


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How crops are made."""

    seed: int
    input: int
    """Side of the crop that comes out, in pixels."""
    degrade: float
    """Strength of the wear on the input lightness, 0 to 1."""
    dropout: float
    """Share of the network's deepest channels that a sample loses."""
    channels: int
    """Number of those channels."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step trains on."""

    picture_B3HW: Tensor
    """Input of the network: L/50 - 1, x, y."""
    l_B1HW: Tensor
    """Lightness as the network sees it, 0 to 100."""
    yfrac_BH: Tensor
    """Height of each row's centre in the whole picture, 0 to 1."""
    ab_B2HW: Tensor
    """True a and b, Lab units."""
    keep_BC: Tensor
    """Factors on the deepest channels."""


def make_batch(
    lab_BSS3: Tensor, valid_B4: Tensor, *, samples_B: Tensor, epoch: int, how: Augmentation
) -> Batch:
    """Cut one random square out of each picture, and wear its lightness.

    Args:
        lab_BSS3: Samples, uint8: L*255/100, a+128, b+128.
        valid_B4: Their valid boxes, int64: top, left, bottom, right (exclusive).
        samples_B: Their indices in the split, int64.
        epoch: Epoch of this step.
        how: Settings.

    Returns:
        The batch, float32, on the samples' device.

    Raises:
        ValueError: If the samples are not uint8 (B, S, S, 3).
    """
    if lab_BSS3.dtype != torch.uint8 or lab_BSS3.ndim != 4 or lab_BSS3.shape[3] != 3:
        raise ValueError(
            f"expected uint8 samples (B, S, S, 3), got {lab_BSS3.dtype} {tuple(lab_BSS3.shape)}"
        )
    place = uniform(samples_B, 4, key=make_key(how.seed, epoch, stream=_PLACE))
    # Cut at about the samples' own scale, then made smaller by the filter that a picture to be
    # coloured goes through, so that grain is as strong in training as it is then.
    points = max(1, math.ceil(lab_BSS3.shape[1] / how.input))
    x_BV, y_BV, flip_B = _place(valid_B4.float(), place, size=how.input * points)
    fine_B3VV = torch.cat(_sample(lab_BSS3, valid_B4.float(), x_BW=x_BV, y_BH=y_BV), dim=1)
    lab_B3HW = functional.interpolate(
        fine_B3VV, size=(how.input, how.input), mode="bilinear", antialias=True
    )
    l_B1HW, ab_B2HW = lab_B3HW[:, :1], lab_B3HW[:, 1:]
    x_BW, y_BH = (fine.reshape(len(fine), -1, points).mean(dim=2) for fine in (x_BV, y_BV))
    l_B1HW = _wear(l_B1HW, samples_B, epoch=epoch, how=how)
    top, left, bottom, right = valid_B4.float()[:, :, None].unbind(dim=1)
    xfrac_BW = (x_BW - left) / (right - left)
    xfrac_BW = torch.where(flip_B[:, None], 1 - xfrac_BW, xfrac_BW)
    yfrac_BH = (y_BH - top) / (bottom - top)
    drawn_BC = uniform(samples_B, how.channels, key=make_key(how.seed, epoch, stream=_DROP))
    return Batch(
        picture_B3HW=to_picture(l_B1HW, xfrac_BW, yfrac_BH),
        l_B1HW=l_B1HW,
        yfrac_BH=yfrac_BH,
        ab_B2HW=ab_B2HW,
        keep_BC=(drawn_BC >= how.dropout).float() / (1 - how.dropout),
    )


def to_picture(l_B1HW: Tensor, xfrac_BW: Tensor, yfrac_BH: Tensor) -> Tensor:
    """Join lightness and position to what the network sees.

    Args:
        l_B1HW: Lightness, 0 to 100.
        xfrac_BW: Place of each column's centre in the whole picture, 0 left to 1 right.
        yfrac_BH: Place of each row's centre, 0 top to 1 bottom.

    Returns:
        (B, 3, H, W): L/50 - 1, x and y from -1 to 1.
    """
    x_B1HW = (2 * xfrac_BW - 1)[:, None, None, :].expand_as(l_B1HW)
    y_B1HW = (2 * yfrac_BH - 1)[:, None, :, None].expand_as(l_B1HW)
    return torch.cat((l_B1HW / 50 - 1, x_B1HW, y_B1HW), dim=1)


def to_lab(lab_BSS3: Tensor) -> tuple[Tensor, Tensor]:
    """Read bytes as lightness, (B, 1, S, S), 0 to 100, and a and b, (B, 2, S, S), Lab units."""
    lab_B3SS = lab_BSS3.permute(0, 3, 1, 2).float()
    return lab_B3SS[:, :1] * (100 / 255), lab_B3SS[:, 1:] - 128


def _place(valid_B4: Tensor, drawn_B4: Tensor, *, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Choose a square in each box; return its pixels' centres in the sample, and the flips."""
    top, left, bottom, right = valid_B4.unbind(dim=1)
    scale = SMALLEST_CROP + (1 - SMALLEST_CROP) * drawn_B4[:, 0]
    side = scale * torch.minimum(bottom - top, right - left)
    y0 = top + drawn_B4[:, 1] * (bottom - top - side)
    x0 = left + drawn_B4[:, 2] * (right - left - side)
    flip_B = drawn_B4[:, 3] < 0.5
    centres = (torch.arange(size, device=valid_B4.device) + 0.5) / size
    x_BW = x0[:, None] + side[:, None] * torch.where(flip_B[:, None], 1 - centres, centres)
    y_BH = y0[:, None] + side[:, None] * centres
    return x_BW, y_BH, flip_B


def _sample(
    lab_BSS3: Tensor, valid_B4: Tensor, *, x_BW: Tensor, y_BH: Tensor
) -> tuple[Tensor, Tensor]:
    """Read L and ab at the crossings of columns and rows, bilinear, never beyond the box."""
    top, left, bottom, right = valid_B4[:, :, None].unbind(dim=1)
    x_BW = torch.minimum(torch.maximum(x_BW, left + 0.5), right - 0.5)
    y_BH = torch.minimum(torch.maximum(y_BH, top + 0.5), bottom - 0.5)
    size = (-1, y_BH.shape[1], x_BW.shape[1])
    where_BHW2 = torch.stack((x_BW[:, None, :].expand(size), y_BH[:, :, None].expand(size)), dim=-1)
    lab_B3HW = functional.grid_sample(
        lab_BSS3.permute(0, 3, 1, 2).float(),
        where_BHW2 * (2 / lab_BSS3.shape[1]) - 1,
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    return lab_B3HW[:, :1] * (100 / 255), lab_B3HW[:, 1:] - 128


@functools.cache
def _make_kernel(device: torch.device) -> Tensor:
    """Make the filter of a blur once: each copy to a device would wait for all that it does."""
    kernel = torch.tensor([1.0, 2.0, 1.0], device=device) / 4
    return (kernel[:, None] * kernel)[None, None]


def _wear(l_B1HW: Tensor, samples_B: Tensor, *, epoch: int, how: Augmentation) -> Tensor:
    """Change contrast and brightness, blur, and add noise, each by a random amount."""
    if how.degrade == 0:
        return l_B1HW
    drawn = uniform(samples_B, 4, key=make_key(how.seed, epoch, stream=_WEAR))
    contrast, brightness, blur, noise = drawn[:, :, None, None, None].unbind(dim=1)
    contrast = 1 + how.degrade * _CONTRAST * (2 * contrast - 1)
    brightness = how.degrade * _BRIGHTNESS * (2 * brightness - 1)
    worn = 50 + (l_B1HW - 50) * contrast + brightness
    padded = functional.pad(worn, (1, 1, 1, 1), mode="replicate")
    blurred = functional.conv2d(padded, _make_kernel(l_B1HW.device))
    worn = torch.lerp(worn, blurred, how.degrade * blur)
    grain = normal(samples_B, worn[0].numel(), key=make_key(how.seed, epoch, stream=_GRAIN))
    # The square: most pictures stay almost clean.
    worn = worn + how.degrade * _NOISE * noise.square() * grain.reshape(worn.shape)
    return worn.clamp(0, 100)
