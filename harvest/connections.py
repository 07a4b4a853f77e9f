"""Edge: connections that ask at the pace of their host, and that another thread can cut."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from http.client import HTTPException
from http.client import HTTPResponse as HTTPAnswer
from typing import Any
from weakref import WeakSet

from urllib3 import HTTPConnectionPool, HTTPResponse, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection

from harvest.bucket import Stamp
from harvest.errors import StoppedError
from harvest.pace import Pace

SURELY_OPEN_S = 1.0
"""So long after a connection was seen open it is not looked at again. A look tells only whether
something can be read, and on a new TLS 1.3 connection something can: the server's tickets
(RFC 8446 4.6.1). Servers keep an idle connection for 5 s or longer."""


class Switch:
    """Cuts all open connections at once, so that no thread goes on waiting for a server."""

    def __init__(self) -> None:
        """Start with no connection."""
        self._lock = threading.Lock()
        self._open: WeakSet[PacedConnection] = WeakSet()
        self._thrown = threading.Event()

    @property
    def is_thrown(self) -> bool:
        """Whether everything is to end."""
        return self._thrown.is_set()

    def wait(self, seconds: float) -> None:
        """Wait, unless everything is to end.

        Raises:
            StoppedError: If it is.
        """
        if self._thrown.wait(seconds):
            self.check()

    def check(self) -> None:
        """Let a thread go on.

        Raises:
            StoppedError: If everything is to end.
        """
        if self._thrown.is_set():
            raise StoppedError("stopped; what came is kept: run the stage again to go on")

    def add(self, connection: "PacedConnection") -> None:
        """Take up a connection that has just been opened.

        Raises:
            StoppedError: If everything is to end; the connection is closed.
        """
        with self._lock:
            self._open.add(connection)
        if self._thrown.is_set():
            connection.close()
            self.check()

    def throw(self) -> None:
        """Cut every connection, now and from now on."""
        self._thrown.set()
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            cut(connection)


def cut(connection: "PacedConnection") -> None:
    """Make whoever reads from a connection, in any thread, get its end at once."""
    found = connection.line
    if found is not None:
        with suppress(OSError):
            # The socket's own: that of TLS would pull the cipher from under the reader.
            socket.socket.shutdown(found, socket.SHUT_RDWR)


@contextmanager
def hurry(connection: "PacedConnection", seconds: float) -> Iterator[None]:
    """Cut a connection when what is done meanwhile takes longer than it may.

    A socket's own timeout is for each piece that comes, however small, and so without an end
    where a server trickles.

    Args:
        connection: Whose answer is read meanwhile.
        seconds: How long that may take.

    Raises:
        TimeoutError: If it took longer: what was read may look whole, and is not.
    """
    late = threading.Event()

    def end() -> None:
        late.set()
        cut(connection)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # so that it cannot cut what comes next
        if late.is_set():  # whatever the reader made of it
            raise TimeoutError(f"a trickle: not done within {seconds:g} s")


class Head(HTTPAnswer):
    """The head of an answer; one that names two lengths is none (RFC 9112 6.3)."""

    def begin(self) -> None:
        """Read it.

        Raises:
            HTTPException: If it is none, or names two lengths.
        """
        super().begin()
        said = ",".join(self.headers.get_all("Content-Length", []))
        if len({length.strip() for length in said.split(",")}) > 1:
            raise HTTPException(f"two lengths: {said[:40]!r}")


class PacedConnection(HTTPConnection):
    """A connection to a replica on loopback; its requests are stamped when it is open."""

    response_class = Head

    def __init__(self, *args: Any, pace: Pace, switch: Switch, **kwargs: Any) -> None:
        """Make a connection; it is opened later."""
        super().__init__(*args, **kwargs)
        self.pace, self.switch = pace, switch
        self.seen_s = 0.0
        self.line: socket.socket | None = None
        self.stamp: Stamp | None = None

    def connect(self) -> None:
        """Open it.

        Raises:
            StoppedError: If everything is to end.
        """
        super().connect()
        self.line = self.sock  # kept: an answer that ends with the connection takes `sock` away
        self.seen_s = time.monotonic()
        self.switch.add(self)

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Send a request as soon as the pace allows.

        Raises:
            BlockedError: If the host has blocked us.
            StoppedError: If everything is to end.
        """
        if self.sock is not None:  # the pool has just opened it, or seen that it is open
            self.seen_s = time.monotonic()
        self.stamp = _await_turn(self)
        super().request(*args, **kwargs)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as urllib3 does
        """Wait for the head of an answer, which shows that the request has arrived.

        Raises:
            TimeoutError: If it does not come whole within the connection's timeout.
            HTTPException: If it is none, or names two lengths.
        """
        assert isinstance(self.timeout, int | float)  # the client always names one
        response: HTTPResponse | None = None
        try:
            with hurry(self, self.timeout):
                response = super().getresponse()
        except TimeoutError:
            if response is not None:  # a head that was cut looks like a whole one
                response.close()
            raise
        if self.stamp is not None:
            self.pace.settle(self.stamp)
        return response


class PacedTlsConnection(PacedConnection, HTTPSConnection):
    """A connection to the Library; the same, over TLS."""


def lead(manager: PoolManager, pace: Pace, switch: Switch) -> None:
    """Make a manager's connections keep a pace, and end with a switch."""
    kinds = {
        "http": (HTTPConnectionPool, PacedConnection),
        "https": (HTTPSConnectionPool, PacedTlsConnection),
    }
    pools: dict[str, Callable[..., HTTPConnectionPool]] = {
        scheme: partial(_open_pool, pool, partial(connection, pace=pace, switch=switch))
        for scheme, (pool, connection) in kinds.items()
    }
    manager.pool_classes_by_scheme = pools  # type: ignore[assignment]


def _open_pool(
    kind: type[HTTPConnectionPool], connection: Callable[..., HTTPConnection], *args: Any, **kw: Any
) -> HTTPConnectionPool:
    pool = kind(*args, **kw)
    pool.ConnectionCls = connection  # type: ignore[assignment]
    return pool


def _await_turn(connection: PacedConnection) -> Stamp:
    """Wait for a stamp with the connection open, so that the request follows it at once."""
    ready = partial(_make_ready, connection)
    while not connection.pace.is_fresh(stamp := connection.pace.wait(ready)):
        continue
    return stamp


def _make_ready(connection: PacedConnection) -> None:
    """Open a connection that is not open, or not any more."""
    if connection.has_connected_to_proxy:
        return  # a tunnel is opened by its pool; if it broke, the request fails and is repeated
    if connection.is_closed:
        connection.connect()
    elif time.monotonic() - connection.seen_s > SURELY_OPEN_S and not connection.is_connected:
        connection.close()
        connection.connect()
