"""Stores on loopback that DVC remotes, and training, lead to: S3, SSH, HTTP; a wire to be cut."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import asyncssh
import requests

BUCKET = "prints"
USER = "reader"
KEYS = {
    "AWS_ACCESS_KEY_ID": "dummy",
    "AWS_SECRET_ACCESS_KEY": "dummy",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""What a store of one's own takes for credentials: anything."""


class S3Store:
    """A moto server in a process of its own; it holds its objects in memory."""

    def __init__(self) -> None:
        self.port = find_port()
        self.process = self._start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        """End it at once, with all that it held."""
        self.process.kill()
        self.process.wait()

    def start_again(self) -> None:
        self.process = self._start()

    def count(self) -> int:
        """Objects in the bucket."""
        listed = requests.get(f"{self.url}/{BUCKET}?list-type=2&max-keys=10000", timeout=10)
        return listed.text.count("<Key>")

    def _start(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(self.port)]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ | KEYS
        )
        for _ in range(300):
            with suppress(requests.ConnectionError):
                requests.put(f"{self.url}/{BUCKET}", timeout=10).raise_for_status()
                return process
            time.sleep(0.1)
        process.kill()
        raise AssertionError("moto did not come up")


@contextmanager
def serve_s3() -> Iterator[S3Store]:
    store = S3Store()
    try:
        yield store
    finally:
        store.kill()


@dataclass(frozen=True, slots=True)
class SshStore:
    """An SFTP server that shows one folder as its root."""

    port: int
    key: Path

    @property
    def url(self) -> str:
        return f"ssh://{USER}@127.0.0.1:{self.port}/store"


@contextmanager
def serve_ssh(folder: Path, key: Path) -> Iterator[SshStore]:
    """Serve a folder over SFTP to the holder of a key that is made here.

    Args:
        folder: The server's root.
        key: File to write the client's private key into.
    """
    (folder / "store").mkdir(parents=True)
    own, client = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    key.write_bytes(client.export_private_key())
    key.chmod(0o600)
    loop, port = asyncio.new_event_loop(), find_port()
    allowed = asyncssh.import_authorized_keys(client.export_public_key().decode())

    async def listen() -> asyncssh.SSHAcceptor:
        return await asyncssh.listen(
            "127.0.0.1",
            port,
            server_host_keys=[own],
            authorized_client_keys=allowed,
            sftp_factory=partial(asyncssh.SFTPServer, chroot=str(folder).encode()),
        )

    acceptor = loop.run_until_complete(listen())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield SshStore(port, key)
    finally:
        loop.call_soon_threadsafe(acceptor.close)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serve_http(folder: Path) -> Iterator[str]:
    """Serve a folder read-only, as `python -m http.server` does; gives its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class HttpStore:
    """A folder served over HTTP in ranges, and how the server misbehaves."""

    folder: Path
    port: int = 0
    ranges: bool = True
    """Whether it answers a question for a range by that range."""
    length: bool = True
    """Whether it says how long an answer is."""
    status: int | None = None
    """Refuses every question so."""
    most: int | None = None
    """Answers so many questions, and then none: 503."""
    page: bytes | None = None
    """Answers every question by this page, and 200."""
    breaks: list[int] = field(default_factory=list)
    """For each of the next answers of more than a byte: bytes after which it is cut off."""
    released: threading.Event | None = None
    """Where there is one, answers of more than a byte stop in their middle until it is set."""
    stalled: threading.Event = field(default_factory=threading.Event)
    """Set when an answer has stopped so."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Paths with their queries, and ranges or "", in the order asked for."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count(self, name: str) -> int:
        """Questions for the first byte of a file alone: one for each download."""
        return sum(path.startswith(f"/{name}") and one == "0-0" for path, one in self.asked)


class _InRanges(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, store: HttpStore, *given: Any) -> None:
        self.store = store
        super().__init__(*given)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        store, name = self.store, self.path.partition("?")[0].lstrip("/")
        wanted = self.headers.get("Range", "").removeprefix("bytes=")
        store.asked.append((self.path, wanted))
        if store.most is not None and len(store.asked) > store.most:
            self._answer(503, b"no")
        elif name.startswith("moved/"):
            self._answer(302, b"", {"Location": f"/{name.removeprefix('moved/')}"})
        elif store.status is not None or not (store.folder / name).is_file():
            self._answer(store.status or 404, b"no")
        elif store.page is not None:
            self._answer(200, store.page, {"Content-Type": "text/html"})
        else:
            self._send((store.folder / name).read_bytes(), wanted)

    def _send(self, content: bytes, wanted: str) -> None:
        if not wanted or not self.store.ranges:
            self._answer(200, content)
            return
        first, last = (int(one or len(content)) for one in wanted.split("-"))
        if first >= len(content):
            self._answer(416, b"")
            return
        last = min(last, len(content) - 1)
        said = {"Content-Range": f"bytes {first}-{last}/{len(content)}"}
        self._answer(206, content[first : last + 1], said)

    def _answer(self, status: int, content: bytes, said: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in (said or {}).items():
            self.send_header(name, value)
        if self.store.length:
            self.send_header("Content-Length", str(len(content)))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        cut = self.store.breaks.pop(0) if self.store.breaks and len(content) > 1 else None
        with suppress(ConnectionError):
            if self.store.released is not None and len(content) > 1:
                middle, content = len(content) // 2, content[:cut]
                self.wfile.write(content[:middle])
                self.store.stalled.set()
                self.store.released.wait()
                content = content[middle:]
            self.wfile.write(content[:cut])
        self.close_connection = self.close_connection or cut is not None


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hung up."""


@contextmanager
def serve_ranges(folder: Path, *, port: int = 0) -> Iterator[HttpStore]:
    """Serve a folder so that its tests can count questions and spoil answers."""
    store = HttpStore(folder)
    server = _Server(("127.0.0.1", port), partial(_InRanges, store))
    store.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield store
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Wire:
    """A relay to a port of this machine that stops in the middle and can be cut."""

    def __init__(self, to: int) -> None:
        self.to = to
        self.port = find_port()
        self.full = threading.Event()
        """Set when the bytes allowed have gone up."""
        self._left = 0
        self._open = False
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def lay(self, *, size_bytes: int) -> None:
        """Open it for so many bytes upwards; then nothing passes any more."""
        self.full.clear()
        self._left = size_bytes
        self._open = True
        listener = socket.create_server(("127.0.0.1", self.port))
        self._sockets = [listener]
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self) -> None:
        """End every connection, and refuse new ones."""
        with self._lock:
            self._open = False
            for one in self._sockets:
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
            self._sockets = []

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                if (far := self._reach()) is None:
                    near.close()  # the store is dead, and the wire goes on
                    continue
                with self._lock:
                    if not self._open:  # cut meanwhile
                        near.close()
                        far.close()
                        return
                    self._sockets += [near, far]
                for ends in ((near, far, True), (far, near, False)):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _reach(self) -> socket.socket | None:
        with suppress(OSError):
            return socket.create_connection(("127.0.0.1", self.to))
        return None

    def _pump(self, source: socket.socket, sink: socket.socket, up: bool) -> None:
        with suppress(OSError):
            while content := source.recv(65_536):
                if up and not self._take(len(content)):
                    return  # the connection stays, and nothing passes: a network gone silent
                sink.sendall(content)
            sink.shutdown(socket.SHUT_WR)

    def _take(self, size: int) -> bool:
        with self._lock:
            self._left -= size
            if self._left < 0:
                self.full.set()
            return self._left >= 0


def find_port() -> int:
    """A port of loopback that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port
