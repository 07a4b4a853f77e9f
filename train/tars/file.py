"""Edge: one tar of a WebDataset, open, and known to be the one that was indexed."""

import os
from typing import Final

from preprocess.samples import BLOCK
from train.errors import DataError
from train.tars.index import OpenFile, open_tar, to_tag
from train.tars.places import IndexedTar

AGAIN: Final = "put the tar back, or start again to index it anew"
REPAIR: Final = "repair the tar"
"""Where it is the one that was indexed: what it holds is wrong."""


class TarFile:
    """An open tar."""

    def __init__(self, indexed: IndexedTar, open_file: OpenFile | None) -> None:
        """Open a tar.

        Args:
            indexed: What its index has of it.
            open_file: Opens a tar behind a URL.

        Raises:
            DataError: If it cannot be opened, or is of another size or time than its index.
        """
        self.tar = indexed.tar
        self._indexed, self._forgotten = indexed, False
        try:
            self._file = open_tar(indexed.tar, open_file)
        except OSError as exc:
            raise DataError(f"{self.tar.source}: cannot be opened ({exc}); {AGAIN}") from exc
        self._tag = to_tag(self.tar, self._file)
        self._descriptor = self._file.fileno()
        opened = os.fstat(self._descriptor)
        self._inode = (opened.st_dev, opened.st_ino)
        try:
            self._compare(opened)
        except DataError:
            self.forget()
            self.close()
            raise

    def forget(self) -> None:
        """Throw away the index with `close` where the tar lies behind a URL: it is another's."""
        self._forgotten = self.tar.is_remote

    def read(self, block: int, length: int) -> bytes:
        """Read a member's content.

        Args:
            block: Where it starts, in blocks of the tar.
            length: How long it is, in bytes.

        Raises:
            ValueError: If the tar ends before.
            OSError: If the disk fails.
        """
        content = os.pread(self._descriptor, length, block * BLOCK)
        if len(content) != length:
            raise ValueError(f"expected {length} bytes, got {len(content)}: the tar breaks off")
        return content

    def check(self) -> None:
        """See that the tar is still the one that is open, as it was indexed.

        Raises:
            DataError: If it was replaced or changed, or is gone.
        """
        if self.tar.is_remote:
            self._compare(os.fstat(self._descriptor))
            return
        try:
            self._compare(os.stat(self.tar.source))  # noqa: PTH116 - Path takes twice as long
        except OSError as exc:
            raise DataError(f"{self.tar.source}: vanished ({exc}); {AGAIN}") from exc

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        if self._forgotten:
            self._indexed.index.unlink(missing_ok=True)

    def _compare(self, found: os.stat_result) -> None:
        """Hold what the system says of the file against its index."""
        indexed = self._indexed
        same = (found.st_dev, found.st_ino) == self._inode
        aged = not self.tar.is_remote and found.st_mtime_ns != indexed.mtime_ns
        other = self._tag != indexed.tag
        if found.st_size != indexed.size_bytes or aged or other or not same:
            raise DataError(
                f"{self.tar.source}: replaced or changed since it was indexed in {indexed.index}: "
                f"expected {indexed.size_bytes} bytes, got {found.st_size}; {AGAIN}"
            )
