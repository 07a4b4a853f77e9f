"""Edge: a folder on a disk of the node where ranks, jobs and runs share what they staged.

A staged file is named by its checksum, `<sha256>.tar`, so that whoever needs the same bytes finds
them. It is written as `<sha256>.partial` by the one holder of `<sha256>.lock`, and renamed when it
is whole and right. Who reads it holds a shared flock on the descriptor that it reads from; only a
file on which an exclusive flock succeeds is evicted, under `.room.lock`, and what is under way
counts with the length that it is going to have. The kernel lets go of every lock of a killed
process, so nothing here has to be mended by hand.
"""

import errno
import fcntl
import os
import re
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Final

from filelock import FileLock, Timeout

from train.afar.landing import FULL, Landing, NoRoomError, disk
from train.errors import DataError

_OURS: Final = re.compile(r"[0-9a-f]{64}\.(tar|partial)")
_NO_FALLOCATE: Final = frozenset({errno.EOPNOTSUPP, errno.EINVAL, errno.ENOSYS})
_POLL_S: Final = 0.02


class Staging:
    """The folder; processes and threads may share it."""

    def __init__(self, folder: Path | None, *, limit_bytes: int) -> None:
        """Make the folder where it is missing, and sweep what killed processes left.

        Args:
            folder: Of this user; None is `photochrom-shards-<uid>` in the temporary folder.
            limit_bytes: Most that its files may take together.

        Raises:
            DataError: If the folder cannot be made, or belongs to another.
        """
        self.folder = _prepare(folder)
        self.limit_bytes = limit_bytes
        self.closed = threading.Event()
        """Set to end all waiting for others."""
        self._room = FileLock(self.folder / ".room.lock", poll_interval=_POLL_S)
        self._sweep()

    def path(self, key: str) -> Path:
        """Return where a file of this checksum lies, or would."""
        return self.folder / f"{key}.tar"

    def find(self, key: str, *, size_bytes: int | None) -> BinaryIO | None:
        """Open a staged file; it is not evicted while the file object, or a map of it, is open.

        Args:
            key: Its checksum.
            size_bytes: Its length; a file of another length is thrown away. None takes any.

        Returns:
            The file, or None where it is not staged.

        Raises:
            DataError: If the disk fails.
        """
        path = self.path(key)
        with disk(path), ExitStack() as undo:
            try:
                stream = undo.enter_context(path.open("rb"))
            except FileNotFoundError:
                return None
            fcntl.flock(stream, fcntl.LOCK_SH)
            found = os.fstat(stream.fileno())
            if not found.st_nlink:  # evicted between the two
                return None
            if size_bytes is not None and found.st_size != size_bytes:
                path.unlink(missing_ok=True)
                return None
            os.utime(stream.fileno(), ns=(time.time_ns(), found.st_mtime_ns))
            undo.pop_all()
        return stream

    def stage(
        self,
        key: str,
        *,
        size_bytes: int | None,
        kept: Collection[str],
        fill: Callable[[Landing], None],
    ) -> BinaryIO:
        """Open a file, and bring it here first where it is not; others wait for the one that does.

        Args:
            key: Its checksum.
            size_bytes: Its length, where that is known.
            kept: Checksums of files that are not evicted for it.
            fill: Writes the bytes, and raises where they are not right.

        Returns:
            The file, as `find` opens it.

        Raises:
            NoRoomError: If there is no room for it.
            DataError: If the disk fails, or it was `closed` meanwhile; and what `fill` raises.
        """
        if (staged := self.find(key, size_bytes=size_bytes)) is not None:
            return staged
        with self._alone(key):
            if (staged := self.find(key, size_bytes=size_bytes)) is not None:
                return staged
            coming = self.folder / f"{key}.partial"
            try:
                with disk(coming), coming.open("wb", buffering=0) as stream:
                    landing = Landing(stream, partial(self._reserve, stream, kept))
                    if size_bytes is not None:
                        landing.expect(size_bytes)
                    fill(landing)
                    landing.finish()
                return self._publish(coming, key)
            finally:
                coming.unlink(missing_ok=True)

    @contextmanager
    def _alone(self, key: str) -> Iterator[None]:
        """Be the one that brings a file; wait for another that does."""
        lock = self._lock(key)
        with disk(lock.lock_file):
            try:
                lock.acquire(cancel_check=self.closed.is_set)
            except Timeout:
                raise DataError(f"{lock.lock_file}: called off while another fetched it") from None
        try:
            yield
        finally:
            # While it is held: who waits for it sees that it is gone, and makes a new one.
            Path(lock.lock_file).unlink(missing_ok=True)
            lock.release()

    def _lock(self, key: str) -> FileLock:
        return FileLock(self.folder / f"{key}.lock", poll_interval=_POLL_S)

    def _publish(self, coming: Path, key: str) -> BinaryIO:
        with disk(coming), ExitStack() as undo:
            stream = undo.enter_context(coming.open("rb"))
            fcntl.flock(stream, fcntl.LOCK_SH)
            with self._room:  # so that no count meets it under both names, or neither
                coming.replace(self.path(key))
            undo.pop_all()
        return stream

    def _reserve(self, stream: FileIO, kept: Collection[str], held: int, wanted: int) -> None:
        """Make a file as long as it is going to be, evicting what was used longest ago."""
        with self._room:
            more = wanted - held
            if self._used() + more > self.limit_bytes:
                self._sweep()
            self._evict(self._used() + more - self.limit_bytes, kept)
            try:
                _allocate(stream.fileno(), wanted)
            except OSError as exc:
                if exc.errno not in FULL:
                    raise
                os.ftruncate(stream.fileno(), held)
                try:
                    self._evict(more, kept)
                except NoRoomError:
                    raise exc from None  # the disk is full, not the folder
                _allocate(stream.fileno(), wanted)

    def _used(self) -> int:
        return sum(found.st_size for found in self._files().values())

    def _evict(self, size_bytes: int, kept: Collection[str]) -> None:
        """Free so many bytes, or none at all."""
        if size_bytes <= 0:
            return
        files = self._files(".tar")
        idle = sorted((found.st_atime_ns, path) for path, found in files.items())
        with ExitStack() as held:
            freed, victims = 0, []
            for path in (path for _, path in idle if path.stem not in kept):
                # In use, or thrown away meanwhile.
                with suppress(BlockingIOError, FileNotFoundError):
                    stream = held.enter_context(path.open("rb"))
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    freed += files[path].st_size
                    victims.append(path)
                if freed >= size_bytes:
                    break
            if freed < size_bytes:
                raise NoRoomError(
                    f"{self.folder}: {size_bytes} more bytes are needed, and the files that are "
                    f"not in use have {freed}; the limit is {self.limit_bytes}"
                )
            for path in victims:
                path.unlink(missing_ok=True)

    def _files(self, suffix: str = "") -> dict[Path, os.stat_result]:
        """Look at what we put here, and at nothing else."""
        found = {}
        for path in self.folder.iterdir():
            if _OURS.fullmatch(path.name) and path.name.endswith(suffix):
                with suppress(FileNotFoundError):
                    found[path] = path.stat()
        return found

    def _sweep(self) -> None:
        """Remove what processes left that are no more: files half written, and locks."""
        with disk(self.folder), self._room:
            left = {path.stem for path in self._files(".partial")}
            left |= {path.stem for path in self.folder.glob("?" * 64 + ".lock")}
            for key in sorted(left):
                lock = self._lock(key)
                try:
                    lock.acquire(timeout=0)
                except Timeout:
                    continue  # under way in a process that lives
                (self.folder / f"{key}.partial").unlink(missing_ok=True)
                Path(lock.lock_file).unlink(missing_ok=True)
                lock.release()


def _allocate(descriptor: int, size_bytes: int) -> None:
    """Take the disk's room now rather than find it gone in the middle."""
    try:
        os.posix_fallocate(descriptor, 0, size_bytes)
    except OSError as exc:
        if exc.errno not in _NO_FALLOCATE:
            raise
        os.ftruncate(descriptor, size_bytes)


def _prepare(folder: Path | None) -> Path:
    """Make the folder, for this user alone, or see that it is this user's."""
    own = folder is None
    folder = folder or Path(tempfile.gettempdir()) / f"photochrom-shards-{os.getuid()}"
    with disk(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat() if own else folder.stat()
    # Everyone may write into the temporary folder, and so could have made this one.
    shared = own and found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode) or shared:
        raise DataError(
            f"{folder}: expected a folder of user {os.getuid()} alone, got one of user "
            f"{found.st_uid}, mode {stat.S_IMODE(found.st_mode):o}; set train.remote.folder to one "
            "of your own"
        )
    return folder
