"""A server that never ends what it says, a little of it at a time."""

import gzip
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from harvest.client import Client
from harvest.errors import BlockedError, DownloadError, StoppedError
from harvest.manners import Manners
from tests.harvest.conftest import wait_until

PAGE = "https://www.loc.gov/item/1/"
FILE = "https://tile.loc.gov/storage-services/service/pnp/ppmsc/06700/06712v.jpg"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"
PACKED = OK + b"Content-Encoding: gzip\r\n\r\n"
CLOSE = b"\r\nConnection: close\r\n\r\n"
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\n"
WHOLE = OK + b'Content-Length: 8\r\n\r\n{"a": 1}'


class Trickle:
    """Begins its first answer, goes on with drops of it without end; the next one is whole."""

    def __init__(self, head: bytes, drop: bytes) -> None:
        self.asked = 0
        self._head, self._drop = head, drop
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def close(self) -> None:
        self._over.set()
        with suppress(OSError):
            socket.create_connection(self._listener.getsockname()).close()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._over.is_set():
            line, _ = self._listener.accept()
            self._threads.append(threading.Thread(target=self._answer, args=[line]))
            self._threads[-1].start()

    def _answer(self, line: socket.socket) -> None:
        with line, suppress(OSError):
            asked = b""
            while piece := line.recv(1 << 16):
                asked += piece
                if b"\r\n\r\n" in asked:
                    break
            if b" /robots.txt " in asked:
                line.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                return
            self.asked += bool(asked)
            if self.asked > 1:
                line.sendall(WHOLE)
                return
            line.sendall(self._head)
            while not self._over.wait(0.01):
                line.sendall(self._drop)


@pytest.fixture
def trickle(request: pytest.FixtureRequest) -> Iterator[Trickle]:
    trickle = Trickle(*request.param)
    yield trickle
    trickle.close()


def open_client(trickle: Trickle, *, retries: int, timeout_s: float = 0.3) -> Client:
    manners = Manners("x", {}, retries=retries, timeout_s=timeout_s, connections=2, backoff_s=0)
    return Client(manners, redirect={"www.loc.gov": trickle.url, "tile.loc.gov": trickle.url})


ENDLESS = {
    "status line": (b"", b"H"),
    "status line, later": (b"HTTP/1.1 200 O", b"O"),
    "header": (OK + b"X: ", b"a"),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "chunk extension": (CHUNKED + b"8;", b"a"),
    "trailers": (CHUNKED + b'8\r\n{"a": 1}\r\n0\r\n', b"X: a\r\n"),
    "empty members": (PACKED, gzip.compress(b"")),
    "beginning": (FORBIDDEN + b"\r\n", b"a"),
    "beginning that ends with the connection": (FORBIDDEN + b"Connection: close\r\n\r\n", b"a"),
    "beginning in empty members": (
        FORBIDDEN + b"Content-Encoding: gzip\r\n\r\n",
        gzip.compress(b""),
    ),
}
endless = pytest.mark.parametrize("trickle", ENDLESS.values(), ids=ENDLESS, indirect=True)


@endless
def test_an_answer_without_end_is_cut_and_asked_for_again(trickle: Trickle) -> None:
    with open_client(trickle, retries=1) as client:
        assert client.get_json(PAGE).data == {"a": 1}
    assert trickle.asked == 2


@endless
def test_an_answer_without_end_is_said_to_be_a_trickle(trickle: Trickle, tmp_path: Path) -> None:
    with (
        open_client(trickle, retries=0) as client,
        pytest.raises(
            DownloadError, match=r"in 1 attempts, the last time: .*(a trickle|timed out)"
        ),
    ):
        client.download(FILE, tmp_path / "a.jpg", most_bytes=1 << 20)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("trickle", [(PACKED.replace(b"\r\n\r\n", CLOSE), b"")], indirect=True)
def test_a_stop_cuts_an_answer_that_ends_with_its_connection(
    trickle: Trickle, tmp_path: Path
) -> None:
    with open_client(trickle, retries=0, timeout_s=60) as client, ThreadPoolExecutor() as pool:
        asking = pool.submit(client.download, FILE, tmp_path / "a.jpg", most_bytes=1 << 20)
        wait_until(lambda: any(tmp_path.iterdir()))
        client.stop()
        with pytest.raises(StoppedError):
            asking.result(timeout=30)


ASKS_TO_WAIT = FORBIDDEN + b"Retry-After: 300\r\n\r\n"


@pytest.mark.parametrize("trickle", [(ASKS_TO_WAIT, b"a")], indirect=True)
def test_a_head_that_says_to_stay_away_counts_whatever_its_page_does(trickle: Trickle) -> None:
    with open_client(trickle, retries=1) as client, pytest.raises(BlockedError):
        client.get_json(PAGE)
    assert trickle.asked == 1
