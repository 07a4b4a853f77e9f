"""What every way of streaming reads: one array of pictures, and it as raw and as JPEG shards.

Crops of prints that the replica draws; 8 shards. Made once for a run.
"""

import io
import tarfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from preprocess.index import describe_shard, to_index, write_index
from preprocess.samples import Sample, SampleInfo, to_members
from replica.catalogue import list_rows
from replica.press import draw_print
from replica.records import DrawnScan

SIZE = 256
SHARDS = 8
QUALITY = 93
LONG_SIDE = 672
"""Of the drawn prints: crops of them take 32 kB as JPEG, as those of photographs do."""

Pictures = NDArray[np.uint8]


def make_data(folder: Path, *, samples: int) -> dict[str, float]:
    """Write the array, the raw shards and the JPEG shards.

    Args:
        folder: Takes `array.npy`, `raw/` and `jpeg/`; must not hold them yet.
        samples: Number of pictures, a multiple of 8.

    Returns:
        Bytes of a picture, in the array, in a raw shard and as JPEG.
    """
    pictures = np.lib.format.open_memmap(
        folder / "array.npy", "w+", np.uint8, (samples, SIZE, SIZE, 3)
    )
    _draw(pictures)
    pictures.flush()
    (folder / "raw").mkdir()
    (folder / "jpeg").mkdir()
    each = samples // SHARDS
    entries = []
    for shard in range(SHARDS):
        numbers = range(shard * each, (shard + 1) * each)
        path = folder / "raw" / f"train-{shard:06d}.tar"
        members = (m for n in numbers for m in _raw_members(n, pictures[n]))
        _write_tar(path, members)
        described = describe_shard(path, name=path.name, split="train", samples=each, size=SIZE)
        entries.append(described)
        packed = ((f"{n:06d}.jpg", _to_jpeg(pictures[n])) for n in numbers)
        _write_tar(folder / "jpeg" / path.name, packed)
    write_index(folder / "raw", *to_index(SIZE, entries))
    jpeg_bytes = sum(len(_to_jpeg(picture)) for picture in pictures[:64]) / min(64, samples)
    return {"array": SIZE * SIZE * 3, "raw": entries[0].shard.stride, "jpeg": round(jpeg_bytes)}


def _draw(pictures: Pictures) -> None:
    """Fill the array with crops at random places of the drawn prints."""
    rng = np.random.default_rng(0)
    scans = [r.scan for row in list_rows(80, 1) for r in row.resources]
    sheets = [scan.sheet for scan in scans if isinstance(scan, DrawnScan)]
    prints = [draw_print(sheet, LONG_SIDE, caption=False) for sheet in sheets]
    for number in range(len(pictures)):
        whole = prints[number % len(prints)]
        top, left = (int(rng.integers(0, side - SIZE + 1)) for side in whole.shape[:2])
        pictures[number] = whole[top : top + SIZE, left : left + SIZE]
        # Its number, so that no picture is another's like.
        pictures[number, 0, 0] = number >> 16, number >> 8 & 255, number & 255


def _raw_members(number: int, picture: Pictures) -> list[tuple[str, bytes]]:
    name = f"{number:06d}"
    info = SampleInfo(
        key=name,
        scan_id=name,
        item_id=name,
        view_id=name,
        group_id=name,
        split="train",
        view_split="train",
        source_width=SIZE,
        source_height=SIZE,
        valid=(0, 0, SIZE, SIZE),
        size=SIZE,
        scan_sha256="0" * 64,
    )
    members = to_members(Sample(info=info, lab=picture))
    return [(f"{name}.{suffix}", content) for suffix, content in members]


def _to_jpeg(picture: Pictures) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=QUALITY, subsampling="4:2:0")
    return stream.getvalue()


def _write_tar(path: Path, members: Iterable[tuple[str, bytes]]) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in members:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
