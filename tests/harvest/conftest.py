"""A small loc.gov for tests: a real HTTP server that answers as it is told, and writes down
what it was asked."""

import io
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from harvest.client import Client
from harvest.manners import Manners
from harvest.store import Store
from tests.harvest.shelf import Shelf, open_store


@dataclass
class Answer:
    """One answer.

    `cut` closes the connection after so many bytes of the body, or, with `stall`, is silent
    there until the event is set; `hang_up` says nothing at all; `ranges` gives the rest of
    the body when it is asked for.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    cut: int | None = None
    hang_up: bool = False
    ranges: bool = False
    stall: threading.Event | None = None


@dataclass
class Asked:
    host: str
    path: str
    headers: dict[str, str]
    time: float
    """When it arrived, in seconds that only grow."""


class Library:
    """Answers by host and path; the last answer of a script repeats.

    What was asked of a robots.txt is noted apart: each client asks for it once a host.
    """

    def __init__(self) -> None:
        self.scripts: dict[str, list[Answer]] = {}
        self.asked: list[Asked] = []
        self.robots: list[Asked] = []
        self.url = ""
        self._lock = threading.Lock()

    def tell(self, url: str, *answers: Answer) -> None:
        self.scripts[url] = list(answers)

    def count(self, url: str) -> int:
        return sum(f"https://{asked.host}{asked.path}" == url for asked in self.asked)

    def answer(self, asked: Asked) -> Answer:
        with self._lock:
            (self.robots if asked.path == "/robots.txt" else self.asked).append(asked)
            script = self.scripts.get(f"https://{asked.host}{asked.path}")
            if not script:
                return not_found()
            return script.pop(0) if len(script) > 1 else script[0]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        library: Library = self.server.library  # type: ignore[attr-defined]
        asked = Asked(self.headers["Host"], self.path, dict(self.headers), time.monotonic())
        answer = library.answer(asked)
        if answer.hang_up:
            if answer.stall is not None:
                answer.stall.wait(30)
            self.close_connection = True
            return
        status, body, headers = _rest_of(answer, asked)
        self.send_response_only(status)
        if "Transfer-Encoding" not in headers:
            headers = {"Content-Length": str(len(body))} | headers
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: answer.cut])
        if answer.stall is not None:
            self.wfile.flush()
            answer.stall.wait(30)
        if answer.cut is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        pass


def _rest_of(answer: Answer, asked: Asked) -> tuple[int, bytes, dict[str, str]]:
    """Serve a range, if one is asked for under the mark of this very version."""
    wanted = asked.headers.get("Range")
    if not answer.ranges:
        return answer.status, answer.body, answer.headers
    headers = answer.headers | {"Accept-Ranges": "bytes"}
    marks = (answer.headers.get("ETag"), answer.headers.get("Last-Modified"))
    if wanted is None or asked.headers.get("If-Range") not in marks:
        return answer.status, answer.body, headers
    start, size = int(wanted.removeprefix("bytes=").removesuffix("-")), len(answer.body)
    headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
    return 206, answer.body[start:], headers


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that hangs up is what some tests are about."""


@pytest.fixture
def library() -> Iterator[Library]:
    library = Library()
    server = _Server(("127.0.0.1", 0), _Handler)
    server.library = library  # type: ignore[attr-defined]
    library.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield library
    server.shutdown()
    thread.join()
    server.server_close()


MakeClient = Callable[..., Client]


@pytest.fixture
def make_client(library: Library) -> Iterator[MakeClient]:
    """Clients led to the test's library, closed at the end."""
    clients: list[Client] = []

    def make(
        *,
        retries: int = 2,
        limits: dict[str, list[str]] | None = None,
        guard_s: float = 0.0,
        state: Path | None = None,
        timeout_s: float = 5.0,
    ) -> Client:
        manners = Manners(
            user_agent="photochrom-test (test@example.org)",
            limits=limits or {},
            retries=retries,
            timeout_s=timeout_s,
            connections=4,
            backoff_s=0.0,
            guard_s=guard_s,
            state=state,
        )
        redirect = {"www.loc.gov": library.url, "tile.loc.gov": library.url}
        clients.append(Client(manners, redirect=redirect))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def store(shelf: Shelf, tmp_path: Path) -> Iterator[Store]:
    with open_store(shelf, tmp_path) as store:
        yield store


def json_answer(data: Any, *, status: int = 200, cache: str = "public, max-age=86400") -> Answer:
    headers = {"Content-Type": "application/json", "Cache-Control": cache}
    return Answer(status, json.dumps(data).encode(), headers)


def not_found() -> Answer:
    return json_answer({"status": 404, "type": "exception", "caption": "Not Found"}, status=404)


def challenge() -> Answer:
    headers = {"Content-Type": "text/html", "cf-mitigated": "challenge", "Server": "cloudflare"}
    return Answer(403, b"<title>Just a moment...</title>", headers)


def picture(width: int = 96, height: int = 80, format: str = "JPEG") -> bytes:
    pixels = np.random.default_rng(width * height).integers(0, 255, (height, width, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format)
    return stream.getvalue()


def picture_answer(body: bytes, **headers: str) -> Answer:
    return Answer(200, body, {"Content-Type": "image/jpeg", "ETag": '"e1"', **headers})


def wait_until(is_so: Callable[[], bool], *, patience_s: float = 30.0) -> None:
    deadline = time.monotonic() + patience_s
    while not is_so():
        assert time.monotonic() < deadline, f"not so within {patience_s:g} s"
        time.sleep(0.005)


def files_below(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
