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
from starlette.types import ASGIApp

from replica.about import about
from replica.catalogue import list_rows
from replica.errors import PortError
from replica.faults import CrawlDelay, FaultPlan
from replica.folder import read_rows
from replica.journal import Journal, Log
from replica.mischief import Mischief
from replica.params import ReplicaParams
from replica.records import Row
from replica.revising import revise
from replica.server import ROBOTS, Extras, make_app
from replica.store import Store
from replica.wire import WireProtocol

KEEP_ALIVE_S = 75
"""How long an idle connection stays open: longer than any pause of a harvest at its limits, lest
it send a request while the connection is being closed, and count a failure that is no fault."""


def rows_of(params: ReplicaParams) -> tuple[Row, ...]:
    """List what the replica shows: the folder's prints, or generated ones.

    Raises:
        FolderError: If `params.images` names no folder, or one without pictures.
    """
    if params.images is not None:
        return read_rows(Path(params.images))
    return list_rows(params.items, params.seed)


def serve(
    params: ReplicaParams,
    port: int = 0,
    *,
    faults: FaultPlan | None = None,
    log: Path | None = None,
    until_stdin_closes: bool = False,
) -> None:
    """Serve on loopback until SIGTERM, SIGINT or, if asked, the end of standard input.

    Prints one JSON line with `url` and `pid` on standard output once connections are accepted.

    Args:
        params: What to show.
        port: Port on 127.0.0.1; 0 takes a free one.
        faults: What goes wrong; None: nothing.
        log: File to which a line is added for each request; None keeps no log.
        until_stdin_closes: End when standard input does, as it does when a parent dies.

    Raises:
        FolderError: If there is nothing to show.
        LogError: If the log cannot be written.
        PortError: If the port is taken, or none.
    """
    cv2.setNumThreads(1)  # two prints are drawn at once instead
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end_quietly)
    rows = rows_of(params)
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(_listen(port))
        store = stack.enter_context(contextlib.closing(Store(params.pixels, style=params.style)))
        app = assemble(params, rows, store, faults=faults)
        if log is not None:
            app = Journal(app, stack.enter_context(Log(log)).write)
        server = uvicorn.Server(_configure(app))
        if until_stdin_closes:
            threading.Thread(target=_end_with_stdin, args=(server,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        sys.stdout.write(json.dumps({"url": url, "pid": os.getpid()}) + "\n")
        sys.stdout.flush()
        server.run(sockets=[listener])


def assemble(
    params: ReplicaParams, rows: tuple[Row, ...], store: Store, *, faults: FaultPlan | None
) -> ASGIApp:
    """Put the application together: the two hosts and, before them, what goes wrong.

    Args:
        params: What to show.
        rows: The listing, from `rows_of`.
        store: Where the files come from.
        faults: What goes wrong; None: nothing.
    """
    description = about(params, faulty=faults is not None)
    if faults is None:
        extras = Extras(about=description)
        return make_app(rows, store, pixels=params.pixels, extras=extras)
    if faults.revise is not None:
        rows = revise(rows, faults.revise, seed=faults.seed)
    extras = Extras(to_robots(faults), description)
    app = make_app(rows, store, pixels=params.pixels, extras=extras)
    return Mischief(app, faults)


def to_robots(faults: FaultPlan | None) -> str:
    """Give the robots.txt of both hosts under a fault plan, or without one."""
    if faults is None or faults.robots is None:
        return ROBOTS
    if isinstance(faults.robots, CrawlDelay):
        return f"{ROBOTS}Crawl-delay: {faults.robots.crawl_delay:g}\n"
    return faults.robots


def _configure(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=WireProtocol,
        log_level="warning",
        access_log=False,
        server_header=False,  # some faults name a server of their own
        timeout_graceful_shutdown=3,
        timeout_keep_alive=KEEP_ALIVE_S,
    )


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OverflowError as exc:
        listener.close()
        raise PortError(f"127.0.0.1:{port}: expected a port from 0 to 65535") from exc
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
