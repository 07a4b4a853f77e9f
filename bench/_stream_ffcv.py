"""Peer: FFCV, a raw array per sample, its file in the page cache, one thread."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from ffcv.fields import NDArrayField
from ffcv.fields.decoders import NDArrayDecoder
from ffcv.loader import Loader, OrderOption
from ffcv.transforms import ToTensor
from ffcv.writer import DatasetWriter
from numpy.typing import NDArray

torch.set_num_threads(1)


class Pictures:
    """The array, as FFCV wants it: a sample is a tuple."""

    def __init__(self, path: Path) -> None:
        self.pictures = np.load(path, mmap_mode="r")

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, number: int) -> tuple[NDArray[np.uint8]]:
        return (np.array(self.pictures[number]),)


def write(data: Path) -> None:
    """Write the file."""
    field = NDArrayField(np.dtype("uint8"), (256, 256, 3))
    writer = DatasetWriter(str(data / "ffcv.beton"), {"picture": field}, num_workers=1)
    writer.from_indexed_dataset(Pictures(data / "array.npy"))


def raw(data: Path) -> Callable[[int], Iterable[torch.Tensor]]:
    """Open it, in random order."""
    loader = Loader(
        str(data / "ffcv.beton"),
        batch_size=64,
        num_workers=1,
        os_cache=True,
        order=OrderOption.RANDOM,
        pipelines={"picture": [NDArrayDecoder(), ToTensor()]},
    )

    def epoch(_: int) -> Iterable[torch.Tensor]:
        return (picture for (picture,) in loader)

    return epoch
