"""Random numbers by position: the same number for the same counter, wherever it is drawn.

Philox 2x32-10 (Salmon and others, "Parallel random numbers: as easy as 1, 2, 3", SC 2011), in
tensor arithmetic. A sample's augmentation is keyed by seed, epoch and sample, so it does not
depend on the batch, the rank or the world size that the sample falls to. Nothing here waits for
the device, nor copies to it.

Dimensions: B samples, M numbers for each.
"""

import math
from typing import TypeVar

import torch
from torch import Tensor

_MULTIPLIER = 0xD256D193
_WEYL = 0x9E3779B9
_MASK = 0xFFFFFFFF
_ROUNDS = 10

_Words = TypeVar("_Words", int, Tensor)


def philox(low: _Words, high: _Words, *, key: int) -> tuple[_Words, _Words]:
    """Return two random words for each pair of counters.

    Args:
        low: First counter, int64 or an integer, 0 to 2**32 - 1.
        high: Second counter, likewise; tensors broadcast together.
        key: 0 to 2**32 - 1.

    Returns:
        Two words for each pair, 0 to 2**32 - 1.
    """
    for _ in range(_ROUNDS):
        product = low * _MULTIPLIER  # of int64 it wraps past 63 bits; both halves stay right
        low, high = ((product >> 32) & _MASK) ^ key ^ high, product & _MASK
        key = (key + _WEYL) & _MASK
    return low, high


def make_key(seed: int, epoch: int, *, stream: int) -> int:
    """Derive the key of one stream of numbers of one epoch; all 0 to 2**32 - 1."""
    return philox(epoch, stream, key=seed)[0]


def uniform(samples_B: Tensor, count: int, *, key: int) -> Tensor:
    """Draw `count` numbers for each sample.

    Args:
        samples_B: The samples' numbers, int64, 0 to 2**32 - 1: a split has no more samples, which
            `make_partition` sees to. On a device nothing looks, for that would wait for it.
        count: How many numbers for each, M.
        key: Which stream, from `make_key`.

    Returns:
        (B, M) float32, 0 inclusive to 1 exclusive.
    """
    positions = torch.arange((count + 1) // 2, device=samples_B.device)
    words = philox(positions[None], samples_B[:, None], key=key)
    # Twenty-four bits are what a float32 below 1 holds exactly.
    return (torch.cat(words, dim=1)[:, :count] >> 8).float() * 2.0**-24


def normal(samples_B: Tensor, count: int, *, key: int) -> Tensor:
    """Draw `count` standard normal numbers for each sample; see `uniform` for the rest."""
    half = (count + 1) // 2
    both = uniform(samples_B, 2 * half, key=key)
    radius = (-2 * torch.log1p(-both[:, :half])).sqrt()
    angle = 2 * math.pi * both[:, half:]
    return torch.cat((radius * angle.cos(), radius * angle.sin()), dim=1)[:, :count]
