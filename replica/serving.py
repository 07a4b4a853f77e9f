"""Edge: runs the replica until it is told to end."""

import contextlib
import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path

import cv2
import uvicorn

from replica.catalogue import list_rows
from replica.errors import PortError
from replica.folder import read_rows
from replica.params import ReplicaParams
from replica.records import Row
from replica.server import make_app
from replica.store import Store


def rows_of(params: ReplicaParams) -> tuple[Row, ...]:
    """List what the replica shows: the folder's prints, or generated ones.

    Raises:
        FolderError: If `params.images` names no folder, or one without pictures.
    """
    if params.images is not None:
        return read_rows(Path(params.images))
    return list_rows(params.items, params.seed)


def serve(params: ReplicaParams, port: int = 0, *, until_stdin_closes: bool = False) -> None:
    """Serve on loopback until SIGTERM, SIGINT or, if asked, the end of standard input.

    Prints one JSON line with `url` and `pid` on standard output once connections are accepted.

    Args:
        params: What to show.
        port: Port on 127.0.0.1; 0 takes a free one.
        until_stdin_closes: End when standard input does, as it does when a parent dies.

    Raises:
        FolderError: If there is nothing to show.
        PortError: If the port is taken.
    """
    cv2.setNumThreads(1)  # two prints are drawn at once instead
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end_quietly)
    rows = rows_of(params)
    with _listen(port) as listener, contextlib.closing(Store(params.pixels)) as store:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        app = make_app(rows, store, pixels=params.pixels)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=3
        )
        server = uvicorn.Server(config)
        if until_stdin_closes:
            threading.Thread(target=_end_with_stdin, args=(server,), daemon=True).start()
        sys.stdout.write(json.dumps({"url": url, "pid": os.getpid()}) + "\n")
        sys.stdout.flush()
        server.run(sockets=[listener])


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as exc:
        listener.close()
        raise PortError(
            f"127.0.0.1:{port}: expected a free port, but it is taken ({exc.strerror}); "
            "choose another, or 0 for any"
        ) from exc
    listener.listen(128)  # connections wait from here on, so the line below may be believed
    return listener


def _end_quietly(number: int, frame: object) -> None:
    """Leave through the `finally` blocks; the server raises its signal anew once it has ended."""
    raise SystemExit(0)


def _end_with_stdin(server: uvicorn.Server) -> None:
    while os.read(0, 4096):
        continue
    server.should_exit = True
