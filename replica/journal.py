"""Edge: the log of requests, one JSON line each, for the judge."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from replica.errors import LogError
from replica.exchange import exchange_of
from replica.routes import route_of


class Log:
    """A file that grows by a line for each request; use it as a context manager.

    Lines are flushed one by one, in the order in which the answers ended, so a killed replica
    leaves at most a torn last line.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, and go on at its end.

        Raises:
            LogError: If it cannot be written.
        """
        try:
            self._stream = path.open("a", encoding="utf-8")
        except OSError as exc:
            raise LogError(
                f"{path}: expected a file that can be written, got {exc.strerror}; "
                "name another with --log"
            ) from exc

    def __enter__(self) -> "Log":
        """Return the log."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: object, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        self._stream.close()

    def write(self, line: dict[str, Any]) -> None:
        """Add a line."""
        self._stream.write(json.dumps(line, ensure_ascii=False) + "\n")
        self._stream.flush()


class Journal:
    """Application around the others: writes a line for each request, however it ends.

    The line is written before the last part of the answer is sent, so that whatever a client
    got to its end is in the log, even if the replica is killed at once.
    """

    def __init__(self, app: ASGIApp, write: Callable[[dict[str, Any]], None]) -> None:
        """Keep a journal of an application.

        Args:
            app: What answers.
            write: Takes each line.
        """
        self._app = app
        self._write = write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request and note it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        end = _End()
        transport = exchange_of(scope).transport

        async def count(message: Message) -> None:
            if message["type"] == "http.response.start":
                end.status = message["status"]
            elif transport is None or not transport.is_closing():
                end.sent += len(message.get("body", b""))
                if not message.get("more_body", False):
                    end.whole = True
                    self._write(_line(scope, end))
            await send(message)

        try:
            await self._app(scope, receive, count)
        finally:
            if not end.whole:
                self._write(_line(scope, end))


@dataclass(slots=True)
class _End:
    """How an answer went so far."""

    status: int = 0
    sent: int = 0
    whole: bool = False


def _line(scope: Scope, end: _End) -> dict[str, Any]:
    exchange = exchange_of(scope)
    return {
        "t": exchange.t,
        "time": exchange.time,
        **_asked(scope),
        "status": end.status,
        "bytes": end.sent,
        "whole": end.whole,
        "seconds": round(time.monotonic() - exchange.t, 6),
        "fault": exchange.fault,
        "sha256": exchange.sha256,
        "not_before": exchange.not_before,
    }


def _asked(scope: Scope) -> dict[str, str]:
    """Give what of a request the log keeps."""
    headers = Headers(scope=scope)
    return {
        "host": headers.get("host", "").partition(":")[0],
        "route": route_of(scope["path"]),
        "method": scope["method"],
        "path": scope["path"],
        "query": scope["query_string"].decode("latin-1"),
        "agent": headers.get("user-agent", ""),
        "range": headers.get("range", ""),
    }
