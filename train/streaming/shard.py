"""Edge: one shard of ours, opened: a tar whose samples all take the same number of bytes.

A sample is a run of tar members of constant length, so a shard is an array of rows, and where a
row lies is arithmetic. Opening takes a `stat`: what the rows hold is not looked at here, but
checked by `train.data` against the index when a sample is first read.

There are two ways to read. By *pread* the kernel copies, a call for each sample; a disk that fails
is an error that names shard and byte. A *mapped* shard is read that way the first time, sample by
sample, and from then on copied from the page cache straight into the batch, at the speed of
memory. What a map cannot do is fail: where the file is cut short while it is copied, or a page
that memory had dropped cannot be read again, the process ends with SIGBUS, which Python cannot
catch. (A file cut short before the copy is an error as it should be.) So `auto` maps only what
lies on a file system of this machine.

Dimensions: B rows of a batch, R bytes of a row.
"""

import errno
import itertools
import mmap
import os
import time
import weakref
from pathlib import Path
from typing import BinaryIO, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from preprocess.index import Shard
from train.errors import DataError
from train.streaming.mounts import choose_read

Read = Literal["auto", "map", "pread"]

AGAIN = "run `photochrom shards` again, or `dvc pull` it where it was shared"

_LOOK_S = 1.0
"""Seconds between two looks at what the path leads to."""


class ShardReader(Protocol):
    """An open shard."""

    @property
    def path(self) -> Path:
        """Of its file, for messages."""

    @property
    def afresh(self) -> bool:
        """Whether what is taken comes from afar, anew every time."""

    def take(self, places: NDArray[np.int64], out_BR: NDArray[np.uint8]) -> None:
        """Copy samples, whole with their headers, into rows.

        Args:
            places: Places in the shard, (B,), each below its number of samples: not checked.
            out_BR: Takes the rows; contiguous.

        Raises:
            DataError: If they cannot be read.
        """

    def check(self) -> None:
        """See that the file is still the one that was opened, as it was then.

        Raises:
            DataError: If it was written to, replaced, cut short or removed.
        """

    def close(self) -> None:
        """Let go of the file; nothing can be taken any more."""


class _OpenFile:
    """The file of a shard: what it was when it was opened, and whether it still is."""

    afresh = False

    def __init__(self, file: BinaryIO, path: Path, entry: Shard, *, leased: bool = False) -> None:
        self.path, self._leased = path, leased
        self._fd = file.fileno()
        self._close = weakref.finalize(self, file.close)  # dropped or closed, the file is closed
        self._samples, self._stride = entry.samples, entry.stride
        now = os.fstat(self._fd)
        if now.st_size != entry.size_bytes or self._samples * self._stride > entry.size_bytes:
            self._close()
            raise DataError(
                f"{path}: expected {entry.samples} samples of {entry.stride} bytes in a file of "
                f"{entry.size_bytes}, found one of {now.st_size}; {AGAIN}"
            )
        self._opened, self._size, self._mtime_ns = _identity(now), now.st_size, now.st_mtime_ns
        self._ctime_ns = now.st_ctime_ns
        self._look_at = time.monotonic() + _LOOK_S

    def check(self) -> None:
        """See that the file is still the one that was opened, as it was then.

        What the open file says of itself is asked every time, so that nothing written to it goes
        unseen; it takes a microsecond. What the path leads to is looked up once a second, and at
        once where the file's own record changed, as it does when another takes its name. Of a
        file of `lease_file` the path does not matter.

        Raises:
            DataError: If it was written to, replaced, cut short or removed.
        """
        try:
            now = os.fstat(self._fd)
            same = now.st_mtime_ns == self._mtime_ns and now.st_size == self._size
            early = now.st_ctime_ns == self._ctime_ns and time.monotonic() < self._look_at
            if same and (early or self._leased):
                return
            there = now if self._leased else self.path.stat()
        except FileNotFoundError as exc:
            raise DataError(f"{self.path}: was removed while it was read; {AGAIN}") from exc
        except OSError as exc:
            raise DataError(f"{self.path}: cannot be looked at ({exc}); {AGAIN}") from exc
        if not now.st_size == there.st_size == self._size:
            size = there.st_size if now.st_size == self._size else now.st_size
            raise DataError(self._replaced(f"{size} bytes"))
        if not same or _identity(there) != self._opened:
            raise DataError(self._replaced("another file, or other content"))
        self._ctime_ns, self._look_at = now.st_ctime_ns, time.monotonic() + _LOOK_S

    def close(self) -> None:
        """Let go of the file; nothing can be taken any more."""
        self._close()

    def _replaced(self, found: str) -> str:
        return (
            f"{self.path}: was replaced while it was read: expected the {self._size} "
            f"bytes that were opened, found {found}; start again once nothing writes to the shards"
        )

    def _where(self, place: int) -> str:
        first = place * self._stride
        return f"{self.path}: sample {place}, bytes {first} to {first + self._stride}"


def _identity(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class ReadShard(_OpenFile):
    """A shard whose rows the kernel copies: a call for each run of neighbours."""

    def take(self, places: NDArray[np.int64], out_BR: NDArray[np.uint8]) -> None:
        """Copy rows into `out_BR`; see `ShardReader.take`."""
        cuts = [0, *(np.flatnonzero(np.diff(places) != 1) + 1).tolist(), len(places)]
        for start, stop in itertools.pairwise(cuts):
            self._read(int(places[start]) * self._stride, out_BR[start:stop].reshape(-1))

    def _read(self, start: int, out: NDArray[np.uint8]) -> None:
        done = 0
        while done < len(out):
            at = start + done
            try:
                got = os.preadv(self._fd, [out[done:].data], at)
            except OSError as exc:
                raise DataError(
                    f"{self._where(at // self._stride)}: cannot be read at byte {at} ({exc}); "
                    f"copy the shards to a sound disk, or {AGAIN}"
                ) from exc
            if not got:
                raise DataError(self._replaced(f"no byte at {at}"))
            done += got


class MappedShard(ReadShard):
    """A shard whose rows are read by pread once, and from then on copied out of a map."""

    def __init__(self, file: BinaryIO, path: Path, entry: Shard, *, leased: bool = False) -> None:
        super().__init__(file, path, entry, leased=leased)
        # One item of dtype void per row: of a strided view np.take would copy the whole shard.
        self._type = np.dtype(f"V{entry.stride}")
        self._rows_N1: NDArray[np.void] | None = None
        self._read_N = np.zeros(entry.samples, np.bool_)
        self._unread = entry.samples

    def take(self, places: NDArray[np.int64], out_BR: NDArray[np.uint8]) -> None:
        """Copy rows into `out_BR`, in one indexed copy if all were read before."""
        if self._unread and not self._read_N[places].all():
            self._take_new(places, out_BR)
            return
        size = os.lseek(self._fd, 0, os.SEEK_END)  # a fifth of what fstat takes
        if size < self._size:
            raise DataError(self._replaced(f"{size} bytes"))
        rows_N1 = self._map_rows() if self._rows_N1 is None else self._rows_N1
        # Places are in range; with mode="raise" take would go through a copy of `out`.
        rows_N1.take(places, axis=0, out=out_BR.view(self._type), mode="clip")

    def _take_new(self, places: NDArray[np.int64], out_BR: NDArray[np.uint8]) -> None:
        known = self._read_N[places]
        if 2 * np.count_nonzero(known) < len(places):
            super().take(places, out_BR)
        else:
            # Where a row is new a known one is copied, and then the new one over it.
            self.take(np.where(known, places, places[known][0]), out_BR)
            for row in np.flatnonzero(~known).tolist():
                super().take(places[row : row + 1], out_BR[row : row + 1])
        self._read_N[places] = True
        self._unread = self._samples - int(np.count_nonzero(self._read_N))

    def close(self) -> None:
        """Unmap and close the file."""
        self._rows_N1 = None  # the map goes with its only array
        super().close()

    def _map_rows(self) -> NDArray[np.void]:
        try:
            whole = mmap.mmap(self._fd, self._size, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as exc:
            raise DataError(
                f"{self.path}: cannot be mapped ({exc}); set train.read to pread"
            ) from exc
        self._rows_N1 = np.frombuffer(whole, self._type, count=self._samples)[:, None]
        return self._rows_N1


def map_file(file: BinaryIO, path: Path, entry: Shard) -> MappedShard:
    """Map a shard that is open.

    Args:
        file: Of the shard, for reading; closed with the reader, or where this fails, so that a
            lock on it lasts as long as the reader.
        path: What it was opened by.
        entry: What the index says of it.

    Raises:
        DataError: If it is of another size, or cannot be mapped.
    """
    return MappedShard(file, path, entry)


def pread_file(file: BinaryIO, path: Path, entry: Shard) -> ReadShard:
    """Read a shard that is open by pread; see `map_file`."""
    return ReadShard(file, path, entry)


def lease_file(
    file: BinaryIO, path: Path, entry: Shard, *, read: Literal["map", "pread"]
) -> ReadShard:
    """Read a shard that is open and may lose its name, as a staged one may; see `map_file`."""
    return (MappedShard if read == "map" else ReadShard)(file, path, entry, leased=True)


def open_file(path: Path) -> BinaryIO:
    """Open a file for reading, unbuffered; what is no file, such as a pipe, is not waited for.

    Raises:
        OSError: If it cannot be opened.
    """

    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NONBLOCK)

    return open(path, "rb", buffering=0, opener=opener)


def open_shard(path: Path, entry: Shard, read: Read = "auto") -> ShardReader:
    """Open a shard; of its bytes none is looked at.

    Args:
        path: Of the tar.
        entry: What the index says of it.
        read: `map`, `pread`, or `auto` for what `choose_read` says.

    Raises:
        DataError: If the file is missing, of another size, or cannot be opened or mapped.
    """
    make = map_file if (choose_read(path) if read == "auto" else read) == "map" else pread_file
    try:
        return make(open_file(path), path, entry)
    except FileNotFoundError as exc:
        raise DataError(
            f"{path}: expected {entry.samples} samples of {entry.stride} bytes in a file of "
            f"{entry.size_bytes}, found none; {AGAIN}"
        ) from exc
    except OSError as exc:
        remedy = "raise `ulimit -n`" if exc.errno == errno.EMFILE else AGAIN
        raise DataError(f"{path}: cannot be opened ({exc}); {remedy}") from exc
