"""Peer: mosaicml-streaming, MDS with an array per sample.

torchvision, which it imports for its own picture data sets and which nothing here uses, does not
load beside torch's build for the CPU; names stand in for it.
"""

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch.utils.data import DataLoader

for _name, _holds in (
    ("torchvision.datasets", "VisionDataset"),
    ("torchvision.transforms.functional", "to_tensor"),
):
    sys.modules[_name] = ModuleType(_name)
    setattr(sys.modules[_name], _holds, object)

import streaming  # noqa: E402

torch.set_num_threads(1)


Epochs = Callable[[int], Iterable[torch.Tensor]]

FORMS = {"mds": "ndarray", "mds-fixed": "ndarray:uint8:256,256,3"}
"""Folder and encoding: with type and shape in every sample, and with them in the index."""


def write(data: Path) -> None:
    """Write shards of about the size of ours, in both forms."""
    pictures = np.load(data / "array.npy", mmap_mode="r")
    limit = pictures[0].nbytes * len(pictures) // 8 + (1 << 16)
    for folder, encoding in FORMS.items():
        with streaming.MDSWriter(
            out=str(data / folder),
            columns={"picture": encoding},
            size_limit=limit,
            progress_bar=False,
        ) as out:
            for picture in pictures:
                out.write({"picture": np.asarray(picture)})


def raw(data: Path) -> Epochs:
    """Open arrays that each say what they are."""
    return _open(data / "mds")


def fixed(data: Path) -> Epochs:
    """Open arrays of one shape."""
    return _open(data / "mds-fixed")


def _open(folder: Path) -> Epochs:
    """Open shards, shuffled by py1e."""
    streaming.base.util.clean_stale_shared_memory()
    dataset = streaming.StreamingDataset(
        local=str(folder), shuffle=True, batch_size=64, num_canonical_nodes=1
    )
    loader = DataLoader(dataset, batch_size=64)

    def epoch(_: int) -> Iterable[torch.Tensor]:
        return (batch["picture"] for batch in loader)

    return epoch
