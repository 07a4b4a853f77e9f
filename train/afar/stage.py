"""Edge: shards that lie afar, opened as files of this node: staged, or read sample by sample.

Opens no connection itself; `train/remote.py` hands it what to ask.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol, Self

from preprocess.cold import SUFFIX as PACKED
from preprocess.index import Shard
from train.afar.ahead import Ahead
from train.afar.arrival import Found, Sink, receive
from train.afar.landing import Landing, NoRoomError
from train.afar.line import RefusedError, to_shown
from train.afar.ranged import RangedShard
from train.afar.staging import Staging
from train.errors import DamagedError, DataError
from train.streaming.mounts import choose_read
from train.streaming.shard import Read, ShardReader, lease_file


class Afar(Protocol):
    """A folder of a server."""

    def find(self, name: str) -> Found:
        """Ask what a file is; RefusedError if it is not there, or not for us."""

    def send(self, found: Found, sink: Sink) -> None:
        """Read a file whole into a sink."""

    def read_ranges(self, found: Found, starts: list[int], stops: list[int]) -> list[bytes]:
        """Read pieces of a file, all at once."""

    def close(self) -> None:
        """Call off what is under way, and end every connection."""


class Stage:
    """Opens shards as files of this node; threads may share it."""

    def __init__(
        self, origin: Afar, *, staging: Staging, tell: Callable[[str], None], read: Read = "auto"
    ) -> None:
        """Nothing is asked of the server yet.

        Args:
            origin: Where the files come from.
            staging: Where they go.
            tell: Takes lines for the log, from any thread.
            read: How staged shards are read; `auto` looks at the folder's file system.
        """
        self._origin = origin
        self._staging = staging
        self._read = choose_read(staging.folder) if read == "auto" else read
        self._ahead = Ahead(self._stage, tell=tell)
        self._tell = tell
        self._told = False
        self._packed = False
        self._opened: dict[Path, str] = {}
        """Staged files, and what errors call them."""
        self._afar: dict[str, Found] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, exc: BaseException | None, trace: object) -> None:
        """Close, and throw away the file that an error found damaged: it is fetched anew."""
        self.close()
        damage = str(exc) if isinstance(exc, DamagedError) else ""
        for path, name in self._opened.items():
            if name in damage:
                path.unlink(missing_ok=True)
                self._tell(f"remote shards: {path} is thrown away; running again fetches it anew")

    def open(self, entry: Shard) -> ShardReader:
        """Open a shard: staged where there is room for it, else read from afar.

        Waits for it where it is on its way; the bytes of a staged shard have its checksum.

        Raises:
            DataError: If it cannot be had, or is not what the index says.
        """
        stream = self._ahead.take(entry)
        try:
            stream = stream or self._stage(entry)
        except NoRoomError as exc:
            self._ahead.give_back(entry)
            return self._open_afar(entry, exc)
        path = self._staging.path(entry.sha256)
        self._opened[path] = str(path)
        return lease_file(stream, path, entry, read=self._read)

    def expect(self, entries: Sequence[Shard]) -> None:
        """Stage these in the background, in order, as far as they fit; returns at once.

        What was expected of the same split before is forgotten. Nothing expected is evicted by
        this process for something else.
        """
        self._ahead.expect(entries)

    def fetch(self, name: str) -> BinaryIO:
        """Open any file of the folder, staged; its checksum is not known, its length is checked.

        Returns:
            The file; it stays staged at least until it is closed. Its name has a stem that is
            another where the server has another file.

        Raises:
            NoRoomError: If there is no room for it.
            DataError: If it cannot be had, or was replaced while it came.
        """
        found = self._origin.find(name)
        described = f"{to_shown(found.url)}\n{found.version}\n{found.size_bytes}"
        key = hashlib.sha256(described.encode()).hexdigest()
        self._opened[self._staging.path(key)] = to_shown(found.url)
        try:
            return self._staging.stage(
                key,
                size_bytes=found.size_bytes,
                kept=self._ahead.kept,
                fill=partial(self._receive_any, found, name),
            )
        except NoRoomError as exc:
            raise NoRoomError(
                f"{to_shown(found.url)}: no room for its {found.size_bytes} bytes ({exc}); raise "
                "train.remote.gb, or set train.remote.folder to a larger disk"
            ) from exc

    def close(self) -> None:
        """End the background work and every connection; open readers of staged shards stay."""
        self._ahead.stop()
        self._staging.closed.set()
        self._origin.close()
        self._ahead.close()

    def _stage(self, entry: Shard) -> BinaryIO:
        return self._staging.stage(
            entry.sha256,
            size_bytes=entry.size_bytes,
            kept=self._ahead.kept,
            fill=partial(self._receive, entry),
        )

    def _receive(self, entry: Shard, landing: Landing) -> None:
        receive(self._origin.send, self._locate(entry.name), entry, landing)

    def _receive_any(self, found: Found, name: str, landing: Landing) -> None:
        receive(self._origin.send, found, None, landing)
        now = self._origin.find(name)
        if (now.version, now.size_bytes) != (found.version, found.size_bytes):
            raise DataError(
                f"{to_shown(found.url)}: replaced on the server while it was fetched: expected "
                f"{found.size_bytes} bytes of version {found.version!r}, then found "
                f"{now.size_bytes} of {now.version!r}; run again once it is complete"
            )

    def _locate(self, name: str) -> Found:
        """Find a shard, or its compressed copy."""
        first, second = ("", PACKED)[:: -1 if self._packed else 1]
        try:
            return self._origin.find(name + first)
        except RefusedError as refused:
            try:
                found = self._origin.find(name + second)
            except RefusedError:
                raise refused from None
        self._packed = second == PACKED
        return found

    def _open_afar(self, entry: Shard, full: NoRoomError) -> ShardReader:
        found = self._afar.get(entry.sha256) or self._locate(entry.name)
        shown = to_shown(found.url)
        whole = found.size_bytes == entry.size_bytes and not shown.endswith(PACKED)
        if not found.in_ranges or not whole:
            raise DataError(
                f"{shown}: expected {entry.size_bytes} bytes, not compressed, that can be read in "
                f"ranges, since there is no room to stage them ({full}), got {found.size_bytes}"
                f"{'' if found.in_ranges else ', in one stream'}; raise train.remote.gb, or set "
                "train.remote.folder to a larger disk"
            )
        self._afar[entry.sha256] = found
        if not self._told:
            self._told = True
            self._tell(
                f"remote shards: {full}; reading samples of {entry.name}, and of whatever else "
                f"finds no room, straight from {shown}: slower, and again in every epoch"
            )
        return RangedShard(Path(shown), entry, partial(self._origin.read_ranges, found))
