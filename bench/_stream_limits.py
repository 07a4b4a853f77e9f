"""Limits: what copying, reading and decoding alone cost."""

import subprocess
import tarfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import simplejpeg

Epochs = Callable[[int], Iterable[Any]]

BATCH = 64
SHAPE = (256, 256, 3)
RING = 6
SOURCE = 64
"""Batches of the source that is copied: 0.8 GB, far more than a cache holds."""


def copy(data: Path) -> Epochs:
    """Copy whole batches from memory into a ring of buffers: what the loaders are held against."""
    pictures = np.load(data / "array.npy", mmap_mode="r")
    source = np.empty((SOURCE, BATCH, *SHAPE), np.uint8)
    for batch in source:
        batch[:] = pictures[:BATCH]
    ring = np.ones((RING, BATCH, *SHAPE), np.uint8)

    def epoch(_: int) -> Iterator[Any]:
        for number, batch in enumerate(source):
            out = ring[number % RING]
            np.copyto(out, batch)
            yield out

    return epoch


def cat(data: Path) -> Epochs:
    """Have `cat` read the raw shards to nowhere."""
    samples = len(np.load(data / "array.npy", mmap_mode="r"))
    shards = sorted(map(str, (data / "raw").glob("*.tar")))

    def epoch(_: int) -> Iterator[Any]:
        subprocess.run(["cat", *shards], stdout=subprocess.DEVNULL, check=True)
        yield range(samples)

    return epoch


def decode(data: Path) -> Epochs:
    """Decode JPEGs from memory into a ring of buffers."""
    content = read_jpegs(data / "jpeg")
    ring = np.ones((RING, BATCH, *SHAPE), np.uint8)

    def epoch(number: int) -> Iterator[Any]:
        order = np.random.default_rng(number).permutation(len(content))
        for step, start in enumerate(range(0, len(order), BATCH)):
            chosen = order[start : start + BATCH]
            out = ring[step % RING, : len(chosen)]
            for place, one in enumerate(chosen):
                simplejpeg.decode_jpeg(content[one], buffer=out[place])
            yield out

    return epoch


def read_jpegs(folder: Path) -> list[bytes]:
    """Read all members of a folder's tars."""
    content = []
    for path in sorted(folder.glob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                stream = tar.extractfile(member)
                assert stream is not None
                content.append(stream.read())
    return content
