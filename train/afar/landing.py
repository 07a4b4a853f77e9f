"""Edge: a file on its way from afar: its room is taken first, its checksum grows with it."""

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import Final

from train.errors import DataError, TrainError

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What a disk, or a quota, says that takes no more."""

_STEP: Final = 64 << 20
"""Bytes by which a file of unknown length grows."""
_HEAD: Final = 64


class NoRoomError(DataError):
    """The disk, or what the folder may hold, is full of files in use or expected."""


class SpoiltError(TrainError):
    """What came is not what was to come."""


@contextmanager
def disk(path: Path | str) -> Iterator[None]:
    """Turn errors of the disk into errors of training.

    Raises:
        NoRoomError: In place of an OSError that says that it is full.
        DataError: In place of any other.
    """
    try:
        yield
    except OSError as exc:
        if exc.errno in FULL:
            raise NoRoomError(f"{path}: {exc.strerror}") from exc
        remedy = "set train.remote.folder to a folder of your own on a disk of the node"
        if exc.errno in (errno.EMFILE, errno.ENFILE):
            remedy = "raise `ulimit -n`"
        raise DataError(f"{path}: {exc}; {remedy}") from exc


class Landing:
    """A file while it comes: its room is taken first, and its checksum grows with it."""

    def __init__(self, stream: FileIO, reserve: Callable[[int, int], None]) -> None:
        """Begin with an empty file.

        Args:
            stream: The file, open for writing.
            reserve: Takes the bytes reserved and those wanted, and makes room, or raises
                NoRoomError.
        """
        self._stream = stream
        self._reserve = reserve
        self._reserved = 0
        self._most: int | None = None
        self.restart()

    @property
    def sha256(self) -> str:
        """Checksum of what came."""
        return self._digest.hexdigest()

    @property
    def size(self) -> int:
        """Bytes that came."""
        return self._size

    @property
    def head(self) -> bytes:
        """The first bytes that came, 64 at most."""
        return self._head

    def expect(self, size_bytes: int) -> None:
        """Reserve the room of the whole file, and take no byte more.

        Raises:
            NoRoomError: If there is none.
            DataError: If the disk fails otherwise.
        """
        self._most = size_bytes
        self._grow(size_bytes)

    def restart(self) -> None:
        """Begin again at the first byte."""
        self._digest = hashlib.sha256()
        self._size = 0
        self._head = b""
        self._stream.seek(0)

    def write(self, block: bytes) -> int:
        """Take the next bytes.

        Raises:
            SpoiltError: If they are more than expected.
            NoRoomError: If there is no room.
            DataError: If the disk fails otherwise.
        """
        size = self._size + len(block)
        if self._most is not None and size > self._most:
            raise SpoiltError(f"expected {self._most} bytes, got more")
        if size > self._reserved:
            self._grow(-(-size // _STEP) * _STEP)
        with disk(self._stream.name):
            view = memoryview(block)
            while view:
                view = view[self._stream.write(view) :]
        self._digest.update(block)
        self._head += block[: _HEAD - len(self._head)]
        self._size = size
        return len(block)

    def finish(self) -> None:
        """Cut it to its length and bring it to the disk: a crash leaves no half of it.

        Raises:
            DataError: If the disk fails.
        """
        with disk(self._stream.name):
            os.ftruncate(self._stream.fileno(), self._size)
            os.fsync(self._stream.fileno())

    def _grow(self, size_bytes: int) -> None:
        with disk(self._stream.name):
            self._reserve(self._reserved, size_bytes)
        self._reserved = size_bytes
