"""Peer: litdata, a raw tensor per sample."""

from collections.abc import Callable, Iterable
from pathlib import Path

import litdata
import numpy as np
import torch

torch.set_num_threads(1)


class Reader:
    """Gives a picture of the array by its number."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, number: int) -> torch.Tensor:
        return torch.from_numpy(np.load(self.path, mmap_mode="r")[number].copy())


def write(data: Path) -> None:
    """Write chunks of as many samples as our shards have."""
    samples = len(np.load(data / "array.npy", mmap_mode="r"))
    litdata.optimize(
        fn=Reader(data / "array.npy"),
        inputs=list(range(samples)),
        output_dir=str(data / "litdata"),
        chunk_size=samples // 8,
        num_workers=1,
        start_method="fork",
    )


def raw(data: Path) -> Callable[[int], Iterable[torch.Tensor]]:
    """Open them, shuffled."""
    dataset = litdata.StreamingDataset(str(data / "litdata"), shuffle=True, drop_last=False)
    loader = litdata.StreamingDataLoader(dataset, batch_size=64, num_workers=0)
    return lambda _: loader
