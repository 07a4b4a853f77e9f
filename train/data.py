"""Edge: the samples of a split, gathered from its shards.

A batch is one indexed copy for each of its shards, with no Python per sample once the samples
have been seen. A sample's bytes are checked against the index when it is first read since its
shard was opened, in the buffer that they were copied to; and after each copy the shard is still to
be the file that was opened. So no batch holds a sample other than the index's.

Opening a split reads the index and no shard. Shards are opened when they are needed, which takes
some ten microseconds, and those used longest ago are closed again where there are more than may
be open at once; what is then read of them counts as seen for the first time.

Memory: a byte for each sample here and one for each in an open, mapped shard; of index.npy, 16
bytes a sample, what was looked at stays in the page cache. With 10,000 shards of 1,000 samples
that is 10 to 20 MB.

Dimensions: N samples of the split, B of a batch, S side in pixels, R bytes of a row.
"""

import functools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
import xxhash
from numpy.typing import NDArray

from preprocess.errors import ShardError
from preprocess.index import Shard, read_samples
from preprocess.samples import to_layout
from train.errors import DamagedError, DataError
from train.hashes import read_shard_index
from train.streaming.mounts import choose_read
from train.streaming.readers import Readers, find_most_open
from train.streaming.shard import AGAIN, Read, ShardReader, open_shard

if TYPE_CHECKING:  # it takes a second, and reading needs no more than numpy
    from torch import Tensor

Opener = Callable[[Shard], ShardReader]
Expect = Callable[[Sequence[Shard]], None]


class Split:
    """The shards of one split as one sequence of samples, in shard order; a `Source`.

    Made by `open_split`. One thread at a time may use it.
    """

    def __init__(
        self,
        name: str,
        *,
        size: int,
        entries: Sequence[Shard],
        samples: NDArray[np.void],
        opener: Opener,
        most_open: int,
        expect: Expect | None,
    ) -> None:
        self.name, self.size = name, size
        """The split's name, and the side of a sample in pixels, S."""
        self.entries = tuple(entries)
        """What the index says of the shards."""
        layout = to_layout(size, paired=False)
        self.row_bytes = self.entries[0].stride if entries else layout.stride
        """Bytes of a sample with its headers, R."""
        counts = np.fromiter((entry.samples for entry in entries), np.int64, len(entries))
        self.starts: NDArray[np.int64] = np.concatenate(([0], np.cumsum(counts)))
        """Number of each shard's first sample, and N at the end."""
        self._at = layout.arrays[0][1]
        plain = np.asarray(samples)  # a memmap's own indexing goes through Python
        self._xxh3_N, self._valid_N4 = plain["xxh3"], plain["valid"]
        self._seen_N = np.zeros(len(samples), np.bool_)
        self._fresh = False
        self._opener, self._expect = opener, expect
        self._readers = Readers(self._open, most=most_open)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def gather(
        self,
        indices: NDArray[np.int64],
        rows_BR: NDArray[np.uint8],
        valid_B4: NDArray[np.int64],
    ) -> None:
        """Copy samples into a buffer; see `Source.gather`.

        Raises:
            ValueError: If an index lies outside the split, or a buffer is of another shape.
            DataError: If a shard cannot be read, is no longer the file that was opened, or holds
                a sample other than the index's.
        """
        self._check_request(indices, rows_BR, valid_B4)
        self._fresh = not self._seen_N[indices].all()
        owners = np.searchsorted(self.starts, indices, side="right") - 1
        places = indices - self.starts[owners]
        # Runs of one shard: where indices are sorted, as many as there are shards.
        cuts = [0, *(np.flatnonzero(np.diff(owners)) + 1).tolist(), len(indices)]
        for start, stop, owner in zip(cuts, cuts[1:], owners[cuts[:-1]].tolist(), strict=False):
            shard, rows = self._readers.get(owner), rows_BR[start:stop]
            shard.take(places[start:stop], rows)
            if shard.afresh:  # its samples come from afar, anew every time
                self._seen_N[indices[start:stop]], self._fresh = False, True
            if self._fresh:
                self._verify(shard, indices[start:stop], rows)
            shard.check()
        valid_B4[:] = self._valid_N4[indices]

    def to_lab(self, rows_BR: "Tensor") -> "Tensor":
        """Return the pixels of gathered rows, (B, S, S, 3), uint8: a view."""
        side, stop = self.size, self._at + 3 * self.size**2
        return rows_BR[:, self._at : stop].view(len(rows_BR), side, side, 3)

    def expect(self, shards: NDArray[np.int64]) -> None:
        """Hand on which shards are read next, to whoever stages them."""
        if self._expect is not None:
            self._readers.keep(shards.tolist())  # a staged shard that is open is not evicted
            self._expect([self.entries[ordinal] for ordinal in shards.tolist()])

    def read(self, indices: NDArray[np.int64], member: str = "lab.npy") -> NDArray[np.uint8]:
        """Copy one array of some samples.

        Args:
            indices: Which samples, (B,), each 0 to N - 1.
            member: Which array: `lab.npy`, or `bw.npy` of the pairs.

        Returns:
            uint8, (B, S, S, 3) or (B, S, S), contiguous, in the order asked for.

        Raises:
            ValueError: If an index lies outside the split.
            DataError: If the samples have no such array, or as `gather` does.
        """
        members = {one.suffix: one for entry in self.entries[:1] for one in entry.members}
        if member not in members:
            raise DataError(f"{self.name}: samples have {', '.join(members)} and no {member}")
        offset, shape = members[member].offset, members[member].shape
        rows_BR = np.empty((len(indices), self.row_bytes), np.uint8)
        self.gather(indices, rows_BR, np.empty((len(indices), 4), np.int64))
        taken = rows_BR[:, offset : offset + math.prod(shape)]
        return np.ascontiguousarray(taken).reshape(len(indices), *shape)

    def close(self) -> None:
        """Close every shard; nothing can be gathered any more."""
        self._readers.close()

    def _open(self, ordinal: int) -> ShardReader:
        """Open a shard: its samples are to be checked, again if it was open before."""
        self._seen_N[self.starts[ordinal] : self.starts[ordinal + 1]] = False
        self._fresh = True
        return self._opener(self.entries[ordinal])

    def _check_request(
        self,
        indices: NDArray[np.int64],
        rows_BR: NDArray[np.uint8],
        valid_B4: NDArray[np.int64],
    ) -> None:
        if not len(indices) or indices.min() < 0 or indices.max() >= len(self):
            raise ValueError(f"expected indices 0 to {len(self) - 1}, got {indices}")
        wanted = (len(indices), self.row_bytes)
        if rows_BR.shape != wanted or rows_BR.dtype != np.uint8 or not rows_BR.flags.c_contiguous:
            raise ValueError(
                f"expected contiguous rows of uint8, {wanted}, got {rows_BR.shape} of "
                f"{rows_BR.dtype}"
            )
        if valid_B4.shape != (len(indices), 4):
            raise ValueError(f"expected boxes {(len(indices), 4)}, got {valid_B4.shape}")

    def _verify(
        self, shard: ShardReader, indices: NDArray[np.int64], rows_BR: NDArray[np.uint8]
    ) -> None:
        """Hold the rows that were not seen before against the index."""
        for row in np.flatnonzero(~self._seen_N[indices]).tolist():
            index = int(indices[row])
            expected, found = int(self._xxh3_N[index]), xxhash.xxh3_64_intdigest(rows_BR[row])
            if expected != found:
                owner, place = self._find(index)
                first = place * owner.stride
                raise DamagedError(
                    f"{shard.path}: sample {place}, bytes {first} to {first + owner.stride}: "
                    f"expected XXH3 {expected:016x} by index.npy, found {found:016x}"
                    f"{self._recognise(found)}: the shard is damaged, or not the one of the "
                    f"index; {AGAIN}"
                )
            self._seen_N[index] = True

    def _recognise(self, xxh3: int) -> str:
        """Say which other sample has these bytes, if one has."""
        known = np.flatnonzero(self._xxh3_N == np.uint64(xxh3))
        if not len(known):
            return ""
        owner, place = self._find(int(known[0]))
        return f", that of sample {place} of {owner.name}"

    def _find(self, index: int) -> tuple[Shard, int]:
        ordinal = int(np.searchsorted(self.starts, index, side="right")) - 1
        return self.entries[ordinal], index - int(self.starts[ordinal])


def open_split(
    folder: Path,
    name: str,
    *,
    read: Read = "auto",
    opener: Opener | None = None,
    most_open: int | None = None,
    expect: Expect | None = None,
) -> Split:
    """Open one split; its shards are opened when they are first needed.

    Args:
        folder: `data/shards/<size>`, with its index.
        name: `train`, `val`, `test` or `pairs`.
        read: How shards are read; `auto` looks at the folder's file system.
        opener: Opens a shard; by default from `folder`.
        most_open: Shards open at once; None is what `find_most_open` says, which raises this
            process's soft limit on open files where it is too low for the shards.
        expect: Told which shards are read next.

    Returns:
        The split; one without samples has no shards and length 0.

    Raises:
        ValueError: If `most_open` is below 1.
        DataError: If the index is missing or damaged, or its shards are compressed
            and there is no `opener`.
    """
    index = read_shard_index(folder, compressed=opener is not None)
    try:
        samples = read_samples(folder, index)
    except (ShardError, OSError) as exc:
        raise DataError(str(exc)) from exc
    owned = [at for at, entry in enumerate(index.shards) if entry.split == name]
    # The index is sorted by name, which begins with the split: a split's shards lie together.
    entries = index.shards[owned[0] : owned[-1] + 1] if owned else ()
    first = sum(entry.samples for entry in index.shards[: owned[0]]) if owned else 0
    stop = first + sum(entry.samples for entry in entries)
    if most_open is not None and most_open < 1:
        raise ValueError(f"expected at least 1 open shard, got {most_open}")
    if opener is None:
        kind: Read = choose_read(folder) if read == "auto" else read
        opener = functools.partial(_open_in, folder, read=kind)
    return Split(
        name,
        size=index.size,
        entries=entries,
        samples=samples[first:stop],
        opener=opener,
        most_open=most_open or find_most_open(len(entries)),
        expect=expect,
    )


def _open_in(folder: Path, entry: Shard, *, read: Read) -> ShardReader:
    return open_shard(folder / entry.name, entry, read)
