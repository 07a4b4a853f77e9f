"""Edge: what fsspec's thread does for us, so that it can be called off."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

_T = TypeVar("_T")


class Calls:
    """Coroutines under way on a loop of another thread; threads may share it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, begin: Callable[[], Coroutine[Any, Any, object]]
    ) -> None:
        """Nothing is called yet.

        Args:
            loop: Runs in a thread of its own.
            begin: Called once, before all else: of two that connect at once, fsspec would lose one.
        """
        self._loop = loop
        self._begin = begin
        self._begun = self._closed = False
        self._lock, self._beginning = threading.Lock(), threading.Lock()
        self._under_way: set[Future[Any]] = set()

    def wait(self, make: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Run a coroutine, and give what it returns.

        Raises:
            Exception: What it raises; CancelledError or ConnectionAbortedError after `close`.
        """
        with self._beginning:
            if not self._begun:
                self._run(self._begin)
                self._begun = True
        return self._run(make)

    def close(self) -> None:
        """Call off what is under way, and begin nothing more."""
        with self._lock:
            self._closed = True
            for future in self._under_way:
                future.cancel()

    def _run(self, make: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        with self._lock:
            if self._closed:
                raise ConnectionAbortedError("closed")
            future = asyncio.run_coroutine_threadsafe(make(), self._loop)
            self._under_way.add(future)
        try:
            return future.result()
        finally:
            future.cancel()  # where Ctrl-C came in between
            with self._lock:
                self._under_way.discard(future)
