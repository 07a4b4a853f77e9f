"""Edge: one shard, mapped: a tar whose samples all take the same number of bytes.

A sample is a run of tar members, each a 512-byte header and its content, padded to 512 bytes:
`<key>.json`, then arrays in npy form. The index says where in a sample each array's data begins;
`open_shard` checks that against the headers of every sample, all at once, so that reading can
trust the stride.
"""

import hashlib
import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from preprocess.index import Shard
from preprocess.samples import BLOCK, JSON_BYTES, SampleInfo, from_json
from train.errors import DataError

_NAME, _SIZE, _MAGIC = slice(0, 100), slice(124, 135), slice(257, 262)
_AGAIN = "run `photochrom shards` again, or `dvc pull` it where it was shared"


@dataclass(frozen=True, slots=True)
class MappedShard:
    """One mapped tar."""

    path: Path
    entry: Shard
    """What the index says of it."""
    rows: NDArray[np.uint8]
    """The samples' bytes, (samples, stride), read from disk when touched."""

    def take(self, places: NDArray[np.int64], suffix: str) -> NDArray[np.uint8]:
        """Copy one array of some samples, in one indexed copy.

        Args:
            places: Places in this shard, (B,).
            suffix: Which array, such as `lab.npy`.

        Returns:
            uint8, (B, *shape of the member): a view of a copied block, not contiguous.

        Raises:
            DataError: If the samples have no such array.
        """
        members = {member.suffix: member for member in self.entry.members}
        if suffix not in members:
            raise DataError(f"{self.path}: samples have {', '.join(members)} and no {suffix}")
        member = members[suffix]
        # One item of dtype void per sample: on a strided view np.take would copy the whole shard.
        block = np.take(self.rows.view(f"V{self.rows.shape[1]}")[:, 0], places)
        stop = member.offset + math.prod(member.shape)
        taken = block.view(np.uint8).reshape(len(places), -1)[:, member.offset : stop]
        return taken.reshape(len(places), *member.shape)

    def infos(self) -> list[SampleInfo]:
        """Read what every sample says of itself, in order.

        Raises:
            DataError: If one is not the record that a shard holds.
        """
        start = self.entry.json_offset
        try:
            return [from_json(row.tobytes()) for row in self.rows[:, start : start + JSON_BYTES]]
        except ValueError as exc:
            raise DataError(f"{self.path}: {exc}; {_AGAIN}") from exc

    def verify(self) -> None:
        """Read the whole file and compare its checksum with the index.

        Raises:
            DataError: If they differ.
        """
        with self.path.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != self.entry.sha256:
            raise DataError(
                f"{self.path}: expected SHA-256 {self.entry.sha256} by the index, "
                f"the file has {found}; {_AGAIN}"
            )


def open_shard(folder: Path, entry: Shard) -> MappedShard:
    """Map a shard and check every sample's place in it.

    Args:
        folder: Where the shards lie.
        entry: The shard's entry in the index.

    Raises:
        DataError: If the file is missing or of another size, or a sample not where the entry
            says.
    """
    path = folder / entry.name
    found = path.stat().st_size if path.is_file() else None
    if found != entry.size_bytes or entry.samples * entry.stride > entry.size_bytes:
        raise DataError(
            f"{path}: expected {entry.samples} samples of {entry.stride} bytes in a file of "
            f"{entry.size_bytes}, found {'none' if found is None else found}; {_AGAIN}"
        )
    rows = np.memmap(path, np.uint8, mode="r", shape=(entry.samples, entry.stride))
    shard = MappedShard(path=path, entry=entry, rows=rows)
    _check_layout(shard)
    return shard


def _check_layout(shard: MappedShard) -> None:
    """Check the headers of all samples: names, sizes, and the members' places."""
    parts = [("json", shard.entry.json_offset, JSON_BYTES, b"")]
    for member in shard.entry.members:
        header = _npy_header(member.shape)
        parts.append((member.suffix, member.offset, math.prod(member.shape), header))
    keys = None
    end = 0
    for suffix, offset, size_bytes, header in parts:
        start = offset - len(header) - BLOCK
        content = len(header) + size_bytes
        if start != end or offset + size_bytes > shard.rows.shape[1]:
            raise DataError(f"{shard.path}: {suffix} cannot lie at byte {offset}; {_AGAIN}")
        end = start + BLOCK + -(-content // BLOCK) * BLOCK
        found = _read_keys(shard, suffix, start=start, content=content)
        if not np.all(shard.rows[:, offset - len(header) : offset] == np.frombuffer(header, "u1")):
            raise DataError(f"{shard.path}: {suffix} is not the array of the index; {_AGAIN}")
        if keys is not None and not np.array_equal(keys, found):
            raise DataError(f"{shard.path}: members of different samples are mixed; {_AGAIN}")
        keys = found
    if end != shard.rows.shape[1]:
        raise DataError(
            f"{shard.path}: members take {end} bytes of a stride of {shard.rows.shape[1]}; {_AGAIN}"
        )


def _read_keys(shard: MappedShard, suffix: str, *, start: int, content: int) -> NDArray[np.bytes_]:
    """Check one member's tar headers over all samples; return the keys in their names."""
    headers = np.ascontiguousarray(shard.rows[:, start : start + BLOCK])
    names = np.ascontiguousarray(headers[:, _NAME]).view("S100")[:, 0]
    sizes = np.ascontiguousarray(headers[:, _SIZE]).view("S11")[:, 0]
    tail = f".{suffix}".encode()
    good = np.char.endswith(names, tail) & (sizes == f"{content:011o}".encode())
    good &= (headers[:, _MAGIC] == np.frombuffer(b"ustar", "u1")).all(axis=1)
    if not good.all():
        place = int(np.argmin(good))
        raise DataError(
            f"{shard.path}: sample {place} has no {suffix} of {content} bytes at byte "
            f"{place * shard.rows.shape[1] + start}; {_AGAIN}"
        )
    return np.char.partition(names, b".")[:, 0]


def _npy_header(shape: tuple[int, ...]) -> bytes:
    """Return what stands before the data of a uint8 array in npy form, version 1."""
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "|u1", "fortran_order": False, "shape": shape}
    )
    return stream.getvalue()
