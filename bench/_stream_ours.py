"""Our own loader: shards of constant stride, mapped or by pread, and JPEG."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from train.data import Split, open_split
from train.partition import make_partition
from train.streaming.feed import Feed, ToLab
from train.streaming.source import Source
from train.tars.split import open_tars

Epochs = Callable[[int], Iterable[Any]]

BATCH: Final = 64
AHEAD: Final = 3
"""As params.yaml has it."""
RING: Final = 6
SIZE: Final = 256

torch.set_num_threads(1)


def feed(data: Path) -> Epochs:
    """Read as training does: gathered ahead by the thread of a feed, over all epochs."""
    return _feed(open_split(data / "raw", "train", read="map"))


def mapped(data: Path) -> Epochs:
    """Gather alone from mapped shards, into a ring of buffers."""
    return _gather(open_split(data / "raw", "train", read="map"))


def pread(data: Path) -> Epochs:
    """Gather alone by pread."""
    return _gather(open_split(data / "raw", "train", read="pread"))


def first(data: Path) -> Epochs:
    """Open the split anew for every epoch, so that every sample is checked as it is first seen."""

    def epoch(number: int) -> Iterator[Any]:
        with open_split(data / "raw", "train", read="map") as split:
            yield from _gather(split)(number)

    return epoch


def jpeg(data: Path) -> Epochs:
    """Decode JPEG shards through a feed, and leave the pixels RGB, as they go to a device."""
    return _feed(_open_tars(data), to_lab=lambda rows_BR, _: rows_BR)


def jpeg_lab(data: Path) -> Epochs:
    """Decode JPEG shards through a feed, and convert to LAB on the CPU."""
    return _feed(_open_tars(data))


def _open_tars(data: Path) -> Source:
    """Open them; the first time, an index is made, which stays beside the data."""
    return open_tars(str(data / "jpeg"), size=SIZE, split="train", cache=data / "index", threads=1)


def _feed(source: Source, *, to_lab: ToLab | None = None) -> Epochs:
    partition = make_partition(len(source), batch=BATCH, seed=0, starts=source.starts)

    def batches() -> Iterator[Any]:
        step = 0
        while True:
            yield partition.rank_batch(step, rank=0, world_size=1)
            step += 1

    device = torch.device("cpu")
    stream = Feed(source, batches(), largest=BATCH, device=device, ahead=AHEAD, to_lab=to_lab)
    taken = 0

    def epoch(_: int) -> Iterator[Any]:
        """Go on to the end of the epoch that the feed is in."""
        nonlocal taken
        while True:
            taken += 1
            yield next(stream).lab_BSS3
            if taken % partition.steps_per_epoch == 0:
                return

    return epoch


def _gather(split: Split) -> Epochs:
    partition = make_partition(len(split), batch=BATCH, seed=0)
    ring = np.ones((RING, BATCH, split.row_bytes), np.uint8)
    valid = np.empty((BATCH, 4), np.int64)

    def epoch(number: int) -> Iterator[Any]:
        first_step = number * partition.steps_per_epoch
        for step in range(partition.steps_per_epoch):
            indices = partition.rank_batch(first_step + step, rank=0, world_size=1)
            rows = ring[step % RING]
            split.gather(indices, rows, valid)
            yield split.to_lab(torch.from_numpy(rows))

    return epoch
