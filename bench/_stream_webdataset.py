"""Peer: webdataset, on our raw shards and on JPEG; shuffled in a buffer of 1,000 samples."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import webdataset as wds

Epochs = Callable[[int], Iterable[Any]]

_HEADER = 128
"""Bytes of npy before the array."""


def raw(data: Path) -> Epochs:
    """Open our own raw shards, with the least work per sample that a user can ask for."""
    return _open(data / "raw", lambda pipe: pipe.map(_to_picture))


def decoded(data: Path) -> Epochs:
    """Open our own raw shards in the standard way, which decodes every member."""
    return _open(data / "raw", lambda pipe: pipe.decode().to_tuple("lab.npy"))


def jpeg(data: Path) -> Epochs:
    """Open the JPEG shards in the standard way."""
    return _open(data / "jpeg", lambda pipe: pipe.decode("rgb8").to_tuple("jpg"))


def jpeg_lab(data: Path) -> Epochs:
    """Open the JPEG shards and convert every picture to LAB by scikit-image, as is usual."""
    from skimage.color import rgb2lab

    def finish(pipe: Any) -> Any:
        return pipe.decode("rgb8").to_tuple("jpg").map_tuple(rgb2lab)

    return _open(data / "jpeg", finish)


def _open(folder: Path, finish: Callable[[Any], Any]) -> Epochs:
    shards = sorted(map(str, folder.glob("*.tar")))
    pipe = wds.WebDataset(shards, shardshuffle=len(shards)).shuffle(1000)
    batches = finish(pipe).batched(64)
    return lambda _: (pictures for (pictures,) in batches)


def _to_picture(sample: Mapping[str, bytes]) -> tuple[Any]:
    picture = np.frombuffer(sample["lab.npy"], np.uint8, offset=_HEADER)
    return (picture.reshape(256, 256, 3),)
