"""Edge: shards staged ahead of their use, by a few threads, in the order in which they come."""

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import BinaryIO, Final

from preprocess.index import Shard
from train.afar.landing import NoRoomError
from train.errors import TrainError

THREADS: Final = 3
MOST: Final = 32
"""Files staged ahead and not yet used: each is held open, so that nobody evicts it."""


class Ahead:
    """Stages what is expected; threads may share it."""

    def __init__(self, stage: Callable[[Shard], BinaryIO], *, tell: Callable[[str], None]) -> None:
        """No thread runs before something is expected.

        Args:
            stage: Gives a staged file, held against eviction while it is open.
            tell: Takes the line that something failed that should not, once.
        """
        self._stage = stage
        self._tell, self._told = tell, False
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []
        self._expected: dict[str, tuple[Shard, ...]] = {}
        self._ready: dict[str, BinaryIO] = {}
        self._begun: set[str] = set()
        """Under way, staged, used, or given up: nothing to begin with."""
        self._used: set[str] = set()
        self._full = False
        self._closed = False

    def expect(self, entries: Sequence[Shard]) -> None:
        """Stage these next; what was expected of the same split before is forgotten."""
        with self._changed:
            for split in {entry.split for entry in entries}:
                self._expected[split] = tuple(one for one in entries if one.split == split)
            kept = self.kept
            dropped = [self._ready.pop(key) for key in self._ready.keys() - kept]
            self._begun &= kept
            self._used &= kept
            self._full = False
            self._changed.notify_all()
            while len(self._threads) < THREADS and not self._closed:
                thread = threading.Thread(target=self._work, name="stage-ahead", daemon=True)
                self._threads.append(thread)
                thread.start()
        _close(dropped)

    @property
    def kept(self) -> frozenset[str]:
        """Checksums of all that is expected, used or not."""
        expected = tuple(self._expected.values())
        return frozenset(entry.sha256 for entries in expected for entry in entries)

    def take(self, entry: Shard) -> BinaryIO | None:
        """Note that a shard is used; give its file, if it is staged already."""
        with self._changed:
            self._begun.add(entry.sha256)
            self._used.add(entry.sha256)
            self._full = False
            self._changed.notify_all()
            return self._ready.pop(entry.sha256, None)

    def give_back(self, entry: Shard) -> None:
        """Note that a shard that was taken is still to be staged, once there is room."""
        with self._changed:
            self._begun.discard(entry.sha256)
            self._used.discard(entry.sha256)
            self._full = True

    def stop(self) -> None:
        """Begin nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def close(self) -> None:
        """Wait for what is under way, and let go of every file."""
        self.stop()
        for thread in self._threads:
            thread.join()
        _close(self._ready.values())
        self._ready.clear()

    def _work(self) -> None:
        while (entry := self._next()) is not None:
            try:
                stream = self._stage(entry)
            except NoRoomError:
                with self._changed:
                    self._begun.discard(entry.sha256)
                    self._full = True  # until something is used, or else is expected
            except TrainError:
                continue  # who opens it tries again, and says so
            except Exception as exc:  # as above: one shard does not end the thread
                self._tell_once(f"remote shards: {entry.name}: {type(exc).__name__}: {exc}")
            else:
                self._put(entry, stream)

    def _tell_once(self, said: str) -> None:
        with self._changed:
            told, self._told = self._told, True
        if not told:
            self._tell(f"{said}; it is tried again when it is used")

    def _next(self) -> Shard | None:
        with self._changed:
            while not self._closed:
                entry = self._first() if len(self._ready) < MOST and not self._full else None
                if entry is not None:
                    self._begun.add(entry.sha256)
                    return entry
                self._changed.wait()
        return None

    def _first(self) -> Shard | None:
        lists = self._expected.values()
        return next((one for each in lists for one in each if one.sha256 not in self._begun), None)

    def _put(self, entry: Shard, stream: BinaryIO) -> None:
        with self._changed:
            if entry.sha256 in self.kept - self._used and not self._closed:
                self._ready[entry.sha256] = stream
                return
        stream.close()


def _close(streams: Iterable[BinaryIO]) -> None:
    for stream in streams:
        with suppress(OSError):
            stream.close()
