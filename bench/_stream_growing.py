"""Opening a split and taking its first batches, in a process of its own, step by step.

`python -P bench/_stream_growing.py FOLDER WINDOW SIZE`; a window of 0 is none. It prints a line
once all is imported, and one at the end.
"""

import itertools
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from train.data import open_split
from train.partition import Partition, make_partition
from train.streaming.feed import Feed

BATCH = 64
BATCHES = 100
"""Taken in all."""


def main() -> None:
    """Do it."""
    folder, window = Path(sys.argv[1]), int(sys.argv[2]) or None
    torch.set_num_threads(1)
    print(json.dumps({"imported": True}), flush=True)
    began = time.perf_counter()
    split = open_split(folder, "train")
    opened = time.perf_counter()
    partition = make_partition(len(split), batch=BATCH, seed=0, window=window, starts=split.starts)
    partition.rank_batch(0, rank=0, world_size=1)
    ordered = time.perf_counter()
    feed = Feed(split, list_batches(partition), largest=BATCH, device=torch.device("cpu"), ahead=3)
    next(feed)
    first = time.perf_counter()
    for _ in itertools.islice(feed, BATCHES - 1):
        pass
    found = {
        "opening_s": opened - began,
        "ordering_s": ordered - opened,
        "first_batch_s": first - began,
        "hundred_s": time.perf_counter() - first,
    }
    print(json.dumps(found), flush=True)
    sys.stdin.read()
    feed.close()
    split.close()


def list_batches(partition: Partition) -> Iterator[NDArray[np.int64]]:
    """List the batches of an epoch."""
    for step in range(partition.steps_per_epoch):
        yield partition.rank_batch(step, rank=0, world_size=1)


if __name__ == "__main__":
    main()
