"""A sample as a release lists it: where it lies, and the checksum of its pixels."""

import csv
import hashlib
import io
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import BinaryIO

from flows.errors import SharingError
from flows.sharing.checking import Show
from preprocess.index import Index, Shard
from preprocess.samples import JSON_BYTES, from_json
from preprocess.split import PAIRS

OpenFile = Callable[[str], BinaryIO]
"""Opens a file of a folder of shards by its name, wherever the folder is."""

Arrays = Iterable[tuple[int, tuple[int, ...]]]
"""Of a sample: each one's offset in it and its shape."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One sample of a release."""

    key: str
    scan_id: str
    view_id: str
    split: str
    """`train`, `val`, `test` or `pairs`."""
    view_split: str
    title: str
    shard: str
    index: int
    """Its place in the shard."""
    sha256: str
    """Of its arrays, one after the other, as they lie in the shard."""

    @property
    def part(self) -> str:
        """The split, for people: a pair has its view's beside it."""
        return f"pairs/{self.view_split}" if self.split == PAIRS else self.split


COLUMNS = tuple(field.name for field in fields(Entry))


def opener(folder: Path) -> OpenFile:
    """Open the files of a folder on disk."""
    return partial(_open, folder)


def _open(folder: Path, name: str) -> BinaryIO:
    return (folder / name).open("rb")


def list_arrays(shard: Shard) -> Arrays:
    """List the arrays that each sample of a shard has."""
    return [(member.offset, member.shape) for member in shard.members]


def read_arrays(stream: BinaryIO, start: int, arrays: Arrays) -> list[bytes]:
    """Read the pixels of a sample.

    Args:
        stream: Of the shard.
        start: Of the sample, in bytes.
        arrays: That the sample has.

    Raises:
        OSError: If the shard cannot be read.
    """
    read = []
    for offset, shape in arrays:
        stream.seek(start + offset)
        read.append(stream.read(math.prod(shape)))
    return read


def sum_up(arrays: Iterable[bytes]) -> str:
    """Compute what a release lists as a sample's SHA-256: that of its arrays in a row."""
    return hashlib.sha256(b"".join(arrays)).hexdigest()


def read_entries(
    index: Index,
    titles: Mapping[str, str],
    *,
    open_file: OpenFile,
    on_progress: Show,
) -> list[Entry]:
    """Read the samples of a folder of shards.

    Args:
        index: Of the folder.
        titles: By key.
        open_file: Opens a shard.
        on_progress: Told the share done, 0 to 1.

    Returns:
        One entry for each sample, sorted by key.

    Raises:
        SharingError: If a sample is not what the index says.
        OSError: If a shard cannot be read.
    """
    total, done = sum(shard.samples for shard in index.shards), 0
    entries: list[Entry] = []

    def read(shard: Shard) -> list[Entry]:
        with open_file(shard.name) as stream:
            return list(_read_shard(stream, shard, titles))

    with ThreadPoolExecutor() as pool:
        for found in pool.map(read, index.shards):
            entries += found
            done += len(found)
            on_progress(done / total)
    return sorted(entries, key=lambda entry: entry.key)


def _read_shard(stream: BinaryIO, shard: Shard, titles: Mapping[str, str]) -> Iterator[Entry]:
    for place in range(shard.samples):
        start = place * shard.stride
        stream.seek(start + shard.json_offset)
        try:
            info = from_json(stream.read(JSON_BYTES))
        except ValueError as exc:
            raise SharingError(
                f"{shard.name}: sample {place}, byte {start}: {exc}; run `photochrom verify`"
            ) from exc
        yield Entry(
            key=info.key,
            scan_id=info.scan_id,
            view_id=info.view_id,
            split=info.split,
            view_split=info.view_split,
            title=titles.get(info.key, ""),
            shard=shard.name,
            index=place,
            sha256=sum_up(read_arrays(stream, start, list_arrays(shard))),
        )


def to_csv(entries: Sequence[Entry]) -> bytes:
    """Write entries as a table that `git diff` can show; the same entries give the same bytes."""
    sink = io.StringIO(newline="")
    table = csv.DictWriter(sink, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(asdict(entry) for entry in entries)
    return sink.getvalue().encode()


def from_csv(content: bytes, *, where: str) -> list[Entry]:
    """Read entries; the inverse of `to_csv`.

    Args:
        content: UTF-8.
        where: What to call it in an error.

    Raises:
        SharingError: If it has other columns, a place that is no number, or a key twice.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))
        entries = [Entry(**{**row, "index": int(row["index"])}) for row in rows]  # type: ignore[arg-type]
        if len({entry.key for entry in entries}) != len(entries):
            raise ValueError("a key stands there twice")
    except (ValueError, TypeError, KeyError, csv.Error) as exc:
        raise SharingError(
            f"{where}: expected the samples of a release, with the columns {', '.join(COLUMNS)} "
            f"({exc}); take the file from the release's tag"
        ) from exc
    return entries
