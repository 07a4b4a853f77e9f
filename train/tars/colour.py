"""Pure: sRGB bytes to the LAB bytes of a shard, on any device, in batches.

The arithmetic is that of `preprocess.lab`, which names its sources. A GPU does it in float32; the
CPU looks every colour up in a table of 64 MB, made of `preprocess.lab` in a second when it is first
needed: that takes 0.8 ms for a picture of 256 px, where arithmetic takes 1.3, and starts none of
torch's threads, which wait for each other at many times that cost where other work has the cores.

Dimensions: B pictures of a batch, P pixels, S side in pixels.
"""

from functools import lru_cache
from threading import Lock
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from preprocess.lab import LINEAR_OF_BYTE, XYZ_OF_LINEAR, to_bytes, to_lab

_EPSILON: Final = 216 / 24389
_KAPPA: Final = 24389 / 27
_TO_RATIO: Final = tuple((r, g, b) for r, g, b in XYZ_OF_LINEAR.tolist())

_COMPUTED: Final = 1 << 23
"""Pixels computed at once: enough to fill a GPU."""

_LOOKED_UP: Final = 1 << 14
"""Pixels looked up at once: what a core's cache holds."""

_TABLE_LOCK: Final = Lock()


def to_lab_bytes(rgb_BSS3: Tensor) -> Tensor:
    """Convert sRGB pictures to the bytes that LAB has in a shard.

    Black becomes (0, 128, 128) exactly, so padding of zeros becomes the padding of a shard.

    Args:
        rgb_BSS3: uint8, any shape (..., 3), sRGB.

    Returns:
        The same shape and device, uint8: L*255/100, a+128, b+128, rounded. On the CPU, the bytes
        of `preprocess.lab`; elsewhere as `compute_lab_bytes` says.

    Raises:
        ValueError: If it is not uint8 with a last axis of 3.
    """
    if rgb_BSS3.device.type != "cpu":
        return compute_lab_bytes(rgb_BSS3)
    _check(rgb_BSS3)
    rgb_P3 = rgb_BSS3.numpy().reshape(-1, 3)
    lab_P3 = np.empty_like(rgb_P3)
    table = _tabulate()
    for start in range(0, len(rgb_P3), _LOOKED_UP):
        part = slice(start, start + _LOOKED_UP)
        colours = np.zeros((len(rgb_P3[part]), 4), np.uint8)
        colours[:, :3] = rgb_P3[part, ::-1]
        found = np.take(table, colours.view("<u4")[:, 0])
        lab_P3[part] = found.view(np.uint8).reshape(-1, 4)[:, :3]
    return torch.from_numpy(lab_P3.reshape(rgb_BSS3.shape))


def compute_lab_bytes(rgb_BSS3: Tensor) -> Tensor:
    """Convert sRGB pictures as `to_lab_bytes`, by arithmetic.

    Beyond the result, memory is bounded: some ten float32 for each pixel worked at once.

    Args:
        rgb_BSS3: uint8, any shape (..., 3), sRGB, on any device.

    Returns:
        The same shape and device, uint8. Of all colours' bytes 1 in 80,000 differ from those of
        `preprocess.lab`, by one step; each is at most 0.501 from scikit-image's value.

    Raises:
        ValueError: If it is not uint8 with a last axis of 3.
    """
    _check(rgb_BSS3)
    rgb_P3 = rgb_BSS3.reshape(-1, 3)
    lab_P3 = torch.empty_like(rgb_P3)
    for start in range(0, len(rgb_P3), _COMPUTED):
        part = slice(start, start + _COMPUTED)
        _compute(rgb_P3[part], lab_P3[part])
    return lab_P3.view(rgb_BSS3.shape)


def _check(rgb: Tensor) -> None:
    if rgb.dtype != torch.uint8 or rgb.shape[-1:] != (3,):
        raise ValueError(f"expected uint8 (..., 3), got {rgb.dtype} {tuple(rgb.shape)}")


def _tabulate() -> NDArray[np.uint32]:
    """Give LAB's bytes of every colour; threads that need them first wait for one of them."""
    with _TABLE_LOCK:
        return _make_table()


@lru_cache(maxsize=1)
def _make_table() -> NDArray[np.uint32]:
    """Tabulate LAB's bytes, lowest first, by red * 65,536 + green * 256 + blue."""
    table = np.zeros((256, 256, 256, 4), np.uint8)
    rgb = np.empty((256, 256, 3), np.uint8)
    rgb[..., 1], rgb[..., 2] = np.mgrid[:256, :256]
    for red in range(256):
        rgb[..., 0] = red
        table[red, ..., :3] = to_bytes(to_lab(rgb))
    return table.view("<u4").reshape(-1)


def _compute(rgb_P3: Tensor, lab_P3: Tensor) -> None:
    """Convert some pixels.

    By planes rather than by a product of matrices, whose precision the settings of a run may
    lower (TF32, autocast).
    """
    red, green, blue = _linear_of_byte(rgb_P3.device)[rgb_P3.T.int()]
    x, y, z = (_to_root(r * red + g * green + b * blue) for r, g, b in _TO_RATIO)
    # 116 * 2.55, and 16 * 2.55.
    planes = (295.8 * y - 40.8, 500 * (x - y) + 128, 200 * (y - z) + 128)
    for channel, plane in enumerate(planes):
        lab_P3[:, channel] = plane.round_().clamp_(0, 255)


def _to_root(ratio_P: Tensor) -> Tensor:
    """LAB's f(t) of CIE 15:2004, 8.2.1."""
    line = (_KAPPA * ratio_P + 16) / 116
    return torch.where(ratio_P > _EPSILON, ratio_P.pow(1 / 3), line)


@lru_cache(maxsize=8)
def _linear_of_byte(device: torch.device) -> Tensor:
    return torch.tensor(LINEAR_OF_BYTE, dtype=torch.float32, device=device)
