"""Ways to damage a shard, for the tests of what the reader makes of it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from train.data import Split, open_split
from train.streaming.shard import Read

STRIDE = 14848
"""Bytes of a sample of 64 px: two headers of 512, 1,024 of JSON, 128 of npy, 12,288 of pixels."""

LONG_AGO = 1_000_000_000_000_000_000

READS = pytest.mark.parametrize("read", ["map", "pread"])


def read_all(split: Split) -> NDArray[np.uint8]:
    return split.read(np.arange(len(split)))


def settle(folder: Path) -> None:
    """Let nothing hang on the grain of the clock that file systems stamp by."""
    for path in folder.glob("*.tar"):
        os.utime(path, ns=(LONG_AGO, LONG_AGO))


def change(path: Path, at: int, *, bit: int = 1) -> None:
    with path.open("r+b") as stream:
        stream.seek(at)
        value = stream.read(1)[0]
        stream.seek(at)
        stream.write(bytes([value ^ bit]))


@contextmanager
def opened(folder: Path, read: Read, *, times: int) -> Iterator[Split]:
    """A split whose samples were all read so many times: the second time out of the map."""
    settle(folder)
    with open_split(folder, "train", read=read) as split:
        for _ in range(times):
            read_all(split)
        yield split
