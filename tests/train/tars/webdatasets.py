"""WebDatasets as others make them, and what the webdataset library reads of them."""

import io
import tarfile
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import simplejpeg
import webdataset
from numpy.typing import NDArray
from PIL import Image

from train.tars.split import TarSplit

Bytes = NDArray[np.uint8]


def draw(number: int, *, height: int = 32, width: int = 32) -> Bytes:
    """A smooth picture of its own for every number."""
    y, x = np.mgrid[:height, :width]
    planes = [x * 3 + number * 11, y * 4 + number * 29, (x + y) * 2 + number * 47]
    return (np.stack(planes, axis=-1) % 256).astype(np.uint8)


def to_jpeg(picture: Bytes) -> bytes:
    return bytes(simplejpeg.encode_jpeg(np.ascontiguousarray(picture), 93, "RGB", "420"))


def encode(picture: Bytes | Image.Image, kind: str, **options: Any) -> bytes:
    """Encode by Pillow: PNG, WEBP, JPEG, or NPY."""
    stream = io.BytesIO()
    if kind == "NPY":
        np.save(stream, np.asarray(picture))
    else:
        image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
        image.save(stream, kind, **options)
    return stream.getvalue()


def write_members(
    path: Path,
    members: Iterable[tuple[str, bytes]],
    *,
    form: int = tarfile.GNU_FORMAT,
    mode: str = "w",
) -> Path:
    """Write a tar, members in the order given."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode, format=form) as tar:  # type: ignore[call-overload]
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            if name.endswith("/"):
                info.type = tarfile.DIRTYPE
            tar.addfile(info, io.BytesIO(content))
    return path


def write_pictures(
    folder: Path, counts: Sequence[int], *, prefix: str = "set", side: int = 32
) -> Path:
    """Write tars of so many JPEGs each, with captions."""
    number = 0
    for place, count in enumerate(counts):
        members = []
        for _ in range(count):
            picture = draw(number, height=side, width=side)
            members.append((f"{number:06d}.jpg", to_jpeg(picture)))
            members.append((f"{number:06d}.txt", b"a caption"))
            number += 1
        write_members(folder / f"{prefix}-{place:06d}.tar", members)
    return folder


def read_by_webdataset(*paths: Path) -> list[dict[str, Any]]:
    """Read what the library reads, in order; it leaves files open, so it is given ours."""
    with ExitStack() as stack:
        streams = {str(path): stack.enter_context(path.open("rb")) for path in paths}
        opened = patch("webdataset.cache.open", lambda url, _: streams[url], create=True)
        stack.enter_context(opened)
        return list(webdataset.WebDataset(list(streams), shardshuffle=False, empty_check=False))


def gather(split: TarSplit, indices: Sequence[int] | None = None) -> tuple[Bytes, NDArray[Any]]:
    """Gather samples, all of them unless some are named: squares (B, S, S, 3), boxes (B, 4)."""
    wanted = np.arange(len(split)) if indices is None else np.asarray(indices, np.int64)
    rows = np.full((len(wanted), split.row_bytes), 77, np.uint8)
    valid = np.full((len(wanted), 4), -1, np.int64)
    split.gather(wanted, rows, valid)
    return rows.reshape(-1, split.size, split.size, 3), valid
