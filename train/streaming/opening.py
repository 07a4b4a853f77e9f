"""Edge: what a run reads, opened: shards of the pipeline or any WebDataset, from here or afar."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self
from urllib.parse import urlsplit, urlunsplit

from train.data import open_split
from train.params import RemoteParams, TrainParams
from train.run import Inputs
from train.streaming.shard import Read
from train.streaming.source import Source
from train.tars.index import hash_tars
from train.tars.split import TarSplit, open_tars

if TYPE_CHECKING:
    from train.remote import RemoteShards

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Opened:
    """The splits that a training reads."""

    train: Source
    val: Source
    notice: str = ""
    """What reading them anew in every epoch costs, and what would not; "" for shards of ours."""
    left_out: str = ""
    """Which samples cannot be used; "" where all can."""


class Fetcher:
    """Tars behind URLs, staged on this node; threads may share it."""

    def __init__(self, remote: RemoteParams, *, tell: Tell) -> None:
        """Nothing is fetched yet.

        Args:
            remote: Where to stage, how much, and how long to wait for the network; the tars name
                their URLs themselves.
            tell: Takes lines for the log, from any thread.
        """
        self._remote = remote
        self._tell = tell
        self._folders: dict[str, RemoteShards] = {}
        self._stack = contextlib.ExitStack()
        self._lock = threading.Lock()

    def open(self, source: str) -> BinaryIO:
        """Stage a tar, and open it.

        Args:
            source: Its URL.

        Raises:
            NoRoomError: If there is no room for it.
            DataError: If it cannot be fetched.
        """
        parts = urlsplit(source)
        path, _, name = parts.path.rpartition("/")
        url = urlunsplit(parts._replace(path=path))
        with self._lock:
            if url not in self._folders:
                reached = _reach(url, self._remote, self._tell)
                self._folders[url] = self._stack.enter_context(reached)
        return self._folders[url].fetch(name)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, exception, traceback)


@contextlib.contextmanager
def open_inputs(inputs: Inputs, params: TrainParams, *, tell: Tell) -> Iterator[Opened]:
    """Open the splits of a run, and close them after it.

    Args:
        inputs: What the run reads.
        params: How it reads: `read`, `threads`, `remote`.
        tell: Takes lines for the log, from any thread.

    Yields:
        The splits.

    Raises:
        DataError: If they are missing or damaged.
    """
    with contextlib.ExitStack() as stack:
        if inputs.data is not None:
            fetcher = stack.enter_context(Fetcher(params.remote, tell=tell))
            train_tars, val_tars = _open_tars(inputs, params, fetcher, stack)
            if "://" in inputs.data:
                val_tars.share_room(train_tars)
            told = dict.fromkeys((train_tars.left_out, val_tars.left_out))
            left_out = "; ".join(filter(None, told))
            notice = "; ".join(filter(None, (train_tars.notice, left_out)))
            yield Opened(train_tars, val_tars, notice=notice, left_out=left_out)
            return
        train, val = _open_shards(inputs.shards, params, tell, stack)
        yield Opened(train, val)


def hash_data(inputs: Inputs, params: TrainParams, *, tell: Tell) -> dict[str, str]:
    """Name each tar of a WebDataset with a digest of what training reads of it.

    Args:
        inputs: What the run reads, a WebDataset.
        params: How it reads.
        tell: Takes lines for the log, from any thread.

    Raises:
        DataError: If a tar is missing or damaged.
    """
    assert inputs.data is not None
    with Fetcher(params.remote, tell=tell) as fetcher:
        return hash_tars(
            inputs.data, cache=inputs.indexes, threads=params.threads, open_file=fetcher.open
        )


def _open_tars(
    inputs: Inputs, params: TrainParams, fetcher: Fetcher, stack: contextlib.ExitStack
) -> Iterator[TarSplit]:
    assert inputs.data is not None
    for name in ("train", "val"):
        split = open_tars(
            inputs.data,
            size=inputs.size,
            split=name,
            cache=inputs.indexes,
            threads=params.threads,
            open_file=fetcher.open,
        )
        stack.callback(split.close)
        yield split


def _open_shards(
    folder: Path, params: TrainParams, tell: Tell, stack: contextlib.ExitStack
) -> Iterator[Source]:
    opener = expect = None
    if params.remote.url is not None:
        remote = stack.enter_context(_reach(params.remote.url, params.remote, tell, params.read))
        opener, expect = remote.open, remote.expect
    for name in ("train", "val"):
        split = open_split(folder, name, read=params.read, opener=opener, expect=expect)
        stack.callback(split.close)
        yield split


def _reach(url: str, remote: RemoteParams, tell: Tell, read: Read = "auto") -> "RemoteShards":
    # Clients of S3 and HTTP take a fifth of a second to load, and most runs read a disk.
    from train.remote import RemoteShards

    folder = None if remote.folder is None else Path(remote.folder)
    return RemoteShards(
        url,
        folder=folder,
        limit_bytes=round(remote.gb * 1e9),
        wait_s=remote.wait_s,
        tell=tell,
        read=read,
    )
