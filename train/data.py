"""Edge: the samples of a split, gathered from its shards.

A shard is mapped and read as an array: a batch is one indexed copy per shard, with no Python per
sample.

The split that training fits on is held on the device whole. A split too large for that is to
stream in the same batches, from `Split.gather`; nothing does so yet.

Dimensions: N samples of the split, B of a batch, S side in pixels.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from preprocess.samples import SampleInfo
from train.hashes import read_shard_index
from train.shard import MappedShard, open_shard

_BLOCK = 256
"""Samples copied to the device at once."""


@dataclass(frozen=True, slots=True)
class Split:
    """The shards of one split, mapped, as one sequence of samples in shard order."""

    name: str
    size: int
    """Side of a sample in pixels, S."""
    shards: tuple[MappedShard, ...]
    starts: NDArray[np.int64]
    """Index of each shard's first sample, and the number of samples at the end."""

    def __len__(self) -> int:
        return int(self.starts[-1])

    def infos(self) -> list[SampleInfo]:
        """Read what every sample says of itself, in order."""
        return [info for shard in self.shards for info in shard.infos()]

    def gather(self, indices: NDArray[np.int64], *, member: str = "lab.npy") -> NDArray[np.uint8]:
        """Copy samples out of the shards.

        Args:
            indices: Which samples, (B,), each 0 to N - 1.
            member: Which array of each sample: `lab.npy`, or `bw.npy` of the pairs.

        Returns:
            The arrays, uint8, (B, S, S, 3) or (B, S, S), contiguous, in the order asked for.

        Raises:
            ValueError: If there are no indices, or one lies outside the split.
            DataError: If the samples have no such member.
        """
        if not len(indices) or indices.min() < 0 or indices.max() >= len(self):
            raise ValueError(f"expected indices 0 to {len(self) - 1}, got {indices}")
        owners = np.searchsorted(self.starts, indices, side="right") - 1
        out: NDArray[np.uint8] | None = None
        for owner in np.unique(owners):
            mine = np.flatnonzero(owners == owner)
            taken = self.shards[owner].take(indices[mine] - self.starts[owner], member)
            if out is None:
                out = np.empty((len(indices), *taken.shape[1:]), np.uint8)
            out[mine] = taken
        assert out is not None
        return out


@dataclass(frozen=True, slots=True)
class Held:
    """A split on the device."""

    lab_NSS3: Tensor
    """uint8: L*255/100, a+128, b+128."""
    valid_N4: Tensor
    """int64: top, left, bottom, right (exclusive) of each picture within its square."""

    def __len__(self) -> int:
        return len(self.lab_NSS3)


def open_split(folder: Path, name: str) -> Split:
    """Map the shards of one split and check their layout.

    Args:
        folder: `data/shards/<size>`, with its `index.json`.
        name: `train`, `val`, `test` or `pairs`.

    Returns:
        The split; one without samples has no shards and length 0.

    Raises:
        DataError: If the index is missing, or a shard is not as the index says.
    """
    index = read_shard_index(folder)
    shards = tuple(open_shard(folder, entry) for entry in index.shards if entry.split == name)
    starts = np.cumsum([0, *(len(shard.rows) for shard in shards)], dtype=np.int64)
    return Split(name=name, size=index.size, shards=shards, starts=starts)


def hold(split: Split, device: torch.device) -> Held:
    """Read a split whole, verify its checksums, and put it on the device.

    Raises:
        DataError: If a shard's bytes are not those of its checksum.
    """
    for shard in split.shards:
        shard.verify()
    side = split.size
    lab_NSS3 = torch.empty((len(split), side, side, 3), dtype=torch.uint8, device=device)
    for start in range(0, len(split), _BLOCK):
        indices = np.arange(start, min(start + _BLOCK, len(split)))
        lab_NSS3[start : start + len(indices)] = torch.from_numpy(split.gather(indices)).to(device)
    boxes = [info.valid for info in split.infos()]
    valid_N4 = torch.tensor(boxes, dtype=torch.int64, device=device).reshape(-1, 4)
    return Held(lab_NSS3=lab_NSS3, valid_N4=valid_N4)
