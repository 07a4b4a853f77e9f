"""Edge: shards kept open, no more than the system lets a process have."""

import collections
import resource
from collections.abc import Callable, Iterable

from train.streaming.shard import ShardReader

_FILES = 2
"""Open files of a shard, at most: its own, and the one that a map keeps."""

_SPLITS = 3
"""Splits that share the limit: what is trained on, what is validated on, and one more."""

_SPARE = 64
"""Open files left to everything else in the process."""

_MOST = 10_000
"""Shards open at once, at most: Linux lets a process have 65,530 maps."""


class Readers:
    """Shards by ordinal, opened when they are asked for; those used longest ago are closed."""

    def __init__(self, open_shard: Callable[[int], ShardReader], *, most: int) -> None:
        """Open nothing yet.

        Args:
            open_shard: Opens the shard of an ordinal.
            most: So many are open at once, at least 1.
        """
        self._open_shard, self._most = open_shard, most
        self._open: collections.OrderedDict[int, ShardReader] = collections.OrderedDict()
        self._closed = False

    def get(self, ordinal: int) -> ShardReader:
        """Return an open shard, valid until the next is asked for.

        Raises:
            ValueError: If all were closed.
            DataError: As what opens it.
        """
        shard = self._open.get(ordinal)
        if shard is not None:
            self._open.move_to_end(ordinal)
            return shard
        if self._closed:
            raise ValueError("the split was closed; open it again")
        while len(self._open) >= self._most:
            self._open.popitem(last=False)[1].close()
        shard = self._open[ordinal] = self._open_shard(ordinal)
        return shard

    def keep(self, ordinals: Iterable[int]) -> None:
        """Close all others, and what is read from afar; they are opened again when asked for."""
        afar = {ordinal for ordinal, shard in self._open.items() if shard.afresh}
        for ordinal in (self._open.keys() - set(ordinals)) | afar:
            self._open.pop(ordinal).close()

    def close(self) -> None:
        """Close them all, for good."""
        self._closed = True
        while self._open:
            self._open.popitem()[1].close()


def find_most_open(shards: int) -> int:
    """Say how many shards of a split may be open at once, and see that they may.

    A third of what the limit on open files allows, two files each, so that three splits fit in
    one process. Where the soft limit is too low for all shards, it is raised as far as they need
    it and the hard limit lets it: for this process, and those that it starts from then on.

    Args:
        shards: Number of shards in the split.

    Returns:
        1 to 10,000; fewer than `shards` where the hard limit is too low for them.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _SPLITS * _FILES * min(shards, _MOST) + _SPARE
    reach = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < reach:
        resource.setrlimit(resource.RLIMIT_NOFILE, (reach, hard))
        soft = reach
    allowed = wanted if soft == resource.RLIM_INFINITY else soft
    return max(1, min(shards, _MOST, (allowed - _SPARE) // (_SPLITS * _FILES)))
