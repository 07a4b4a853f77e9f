"""Edge: pictures of one's own folder, copied as the store of scans wants them."""

import errno
import hashlib
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from io import BufferedReader
from pathlib import Path

from harvest.answers import Download, Version
from harvest.entries import EntryState
from harvest.errors import (
    AstrayError,
    DownloadError,
    ForbiddenError,
    HarvestError,
    NotFoundError,
    StoppedError,
    TooLargeError,
)
from harvest.folder import CHUNK_BYTES, open_regular, to_stamp
from harvest.found import to_relative
from harvest.ledger import Ledger
from harvest.records import CatalogRow, Scan, ScanState

MOST_TRIES = 3
"""Readings of a file that changes meanwhile, before it is left for another run."""

_NO_FILE = (None, errno.ELOOP, errno.ENOTDIR, errno.ENXIO, errno.EISDIR)
"""Of a link, of what lies below a file, of a socket, of a folder; `open_regular` itself has no
number for the rest."""


@dataclass(frozen=True, slots=True)
class FolderClient:
    """Brings files from a folder, as `harvest.client.Client` does from the Library.

    Threads may share it.

    Attributes:
        folder: From `find_folder`.
        stopping: Set by `stop`.
    """

    folder: Path
    stopping: threading.Event = field(default_factory=threading.Event)

    def stop(self) -> None:
        """End all that runs, soon, with StoppedError."""
        self.stopping.set()

    def download(
        self, url: str, target: Path, *, since: Version | None, most_bytes: int
    ) -> Download | None:
        """Copy a file; it is not linked, as whoever edits it in place would edit both.

        Args:
            url: Such as "folder:italy/venice.jpg".
            target: Where the copy goes; missing folders are made.
            since: A version that is here already.
            most_bytes: Largest file that is taken.

        Returns:
            What came; None when the file is still that version.

        Raises:
            NotFoundError: If it is gone.
            ForbiddenError: If it may not be read.
            AstrayError: If the address leads out of the folder, or to no plain file.
            TooLargeError: If it is larger than `most_bytes`.
            DownloadError: If the disk does not give it, or it changes while it is read.
            StoppedError: If the client was stopped.
            OSError: If the copy cannot be written.
        """
        began = time.monotonic()
        target.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(MOST_TRIES):
            with _open(url, folder=self.folder) as file:
                before = to_stamp(os.fstat(file.fileno()))
                sha256, size_bytes = self._copy(file, target, url=url, most_bytes=most_bytes)
                after = to_stamp(os.fstat(file.fileno()))
            if before == after and size_bytes == after.size_bytes:
                break
        else:
            raise DownloadError(f"{url}: it changes while it is read; run the stage again later")
        if since is not None and since.etag == _to_etag(sha256):
            target.unlink()
            return None
        return Download(
            sha256=sha256,
            size_bytes=size_bytes,
            etag=_to_etag(sha256),
            last_modified="",
            content_type="",
            seconds=time.monotonic() - began,
            attempts=1,
        )

    def _copy(
        self, file: BufferedReader, target: Path, *, url: str, most_bytes: int
    ) -> tuple[str, int]:
        """Copy an open file; return its checksum in hex, and its size."""
        digest, size_bytes = hashlib.sha256(), 0
        with target.open("wb") as copy:
            while chunk := _read(file, url):
                if self.stopping.is_set():
                    raise StoppedError(f"{url}: stopped while it was copied; run the stage again")
                size_bytes += len(chunk)
                if size_bytes > most_bytes:
                    raise TooLargeError(f"{url}: expected {most_bytes} bytes at most, got more")
                digest.update(chunk)
                copy.write(chunk)
        return digest.hexdigest(), size_bytes


def forget_changed(rows: Sequence[CatalogRow], *, ledger: Ledger, scope: str) -> int:
    """Let go of what came of pictures that have changed since, so that they are judged anew.

    The Library's file stays when a newer one does not come whole, for the fault may be on the
    way; what lies in one's own folder is what one has.

    Args:
        rows: Listed rows of a folder; `modified` is the picture's checksum.
        ledger: What came before.
        scope: Of the folder's entries.

    Returns:
        How many there were.

    Raises:
        HarvestError: If the ledger cannot be used.
    """
    changed = 0
    for row in rows:
        for file in row.renditions:
            entry = ledger.find(scope, file.url)
            if entry is None or entry.modified == row.modified or entry.path is None:
                continue
            gone = replace(entry, state=EntryState.FAILED, reason="", path=None, sha256="")
            ledger.record(gone)
            changed += 1
    return changed


def check_still_there(scans: Sequence[Scan], *, folder: Path) -> None:
    """Refuse scans most of which could not be read: the folder is another one, or its disk gone.

    Args:
        scans: What came of every row.
        folder: Of the pictures.

    Raises:
        DownloadError: If more than half of them are missing or unreadable.
    """
    lost = sum(scan.state is ScanState.FAILED for scan in scans)
    if lost > len(scans) / 2:
        raise DownloadError(
            f"{folder}: {lost} of the {len(scans)} pictures that the catalogue lists are missing "
            "or cannot be read; see that the folder's disk is there, and run `photochrom catalog` "
            "and `photochrom scans` again"
        )


def _open(url: str, *, folder: Path) -> BufferedReader:
    """Open a picture, and say in the harvest's own errors why it is refused."""
    try:
        return open_regular(folder / os.fsdecode(to_relative(url)), folder=folder)
    except ValueError as exc:
        raise HarvestError(f"{exc}; run photochrom catalog again") from exc
    except FileNotFoundError as exc:
        raise NotFoundError(f"{url}: it is gone; run photochrom catalog again") from exc
    except PermissionError as exc:
        raise ForbiddenError(f"{url}: you may not read it; let yourself, and run again") from exc
    except OSError as exc:
        if exc.errno not in _NO_FILE:
            raise DownloadError(f"{url}: the disk does not give it ({exc.strerror})") from exc
        raise AstrayError(f"{url}: no plain file any more; run photochrom catalog again") from exc


def _read(file: BufferedReader, url: str) -> bytes:
    """Read a chunk; an error here is the file's."""
    try:
        return file.read(CHUNK_BYTES)
    except OSError as exc:
        raise DownloadError(f"{url}: the disk does not give it ({exc.strerror})") from exc


def _to_etag(sha256: str) -> str:
    return f'"{sha256}"'
