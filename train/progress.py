"""Edge: what a run has to tell, as lines of JSON in its folder."""

import contextlib
import json
import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO


class ProgressFile:
    """Appends events to a file; threads may share it, and a full disk does not end the run."""

    def __init__(self, path: Path) -> None:
        """The file need not be there yet."""
        self._path = path
        self._lock = threading.Lock()

    def append(self, event: dict[str, Any]) -> None:
        """Append an event as one line, or not at all: then it is in the log.

        Args:
            event: What JSON can hold.
        """
        line = json.dumps(event).encode() + b"\n"
        with self._lock:
            try:
                self._append(line)
            except OSError as exc:
                logging.getLogger(__name__).warning("%s: %s; lost: %s", self._path, exc, event)

    def _append(self, line: bytes) -> None:
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            before = os.fstat(handle).st_size
            written = os.write(handle, line)
            if written < len(line):
                # Whoever reads takes lines; a part of one would spoil the next.
                os.ftruncate(handle, before)
                raise OSError(f"no room for {len(line) - written} of {len(line)} bytes")
        finally:
            os.close(handle)


def read_events(progress: BinaryIO) -> Iterator[dict[str, Any]]:
    """Read the whole lines of `progress.jsonl` that have come since the last call; no torn ones.

    Args:
        progress: The file, open, where the last call left it.
    """
    while True:
        start = progress.tell()
        line = progress.readline()
        if not line.endswith(b"\n"):
            progress.seek(start)
            return
        # A node that lost its power may have left a part of a line, and the next start wrote on.
        with contextlib.suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict) and "event" in event:
                yield event
