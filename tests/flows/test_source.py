import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from flows.errors import SourceError
from flows.params import read_params
from flows.source import check_replica
from replica.about import about
from replica.params import ReplicaParams

PARAMS = Path(__file__).resolve().parents[2] / "params.yaml"


def replica_at(url: str) -> ReplicaParams:
    return read_params(PARAMS, [f"replica.url={url}"]).replica


@pytest.fixture
def shown() -> Iterator[tuple[str, dict[str, Any]]]:
    """A server that shows what a test puts into its answer."""
    answer: dict[str, Any] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", answer
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_replica_that_the_settings_mean_is_taken(shown: tuple[str, dict[str, Any]]) -> None:
    url, answer = shown
    answer.update(about(replica_at(url), faulty=True))
    check_replica(replica_at(url))


def test_another_replica_is_refused(shown: tuple[str, dict[str, Any]]) -> None:
    url, answer = shown
    answer.update(about(replica_at(url), faulty=False) | {"items": 7, "code": "old"})
    with pytest.raises(SourceError, match="items: 7, here 240, code: old, here"):
        check_replica(replica_at(url))


def test_what_is_no_replica_is_refused(shown: tuple[str, dict[str, Any]]) -> None:
    with pytest.raises(SourceError, match="got no answer of one"):
        check_replica(replica_at(shown[0]))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
    with pytest.raises(SourceError, match="expected a replica at"):
        check_replica(replica_at(f"http://127.0.0.1:{port}"))


@pytest.mark.parametrize(
    "url",
    ["http://example.org", "http://127.0.0.1:1@example.org", "https://127.0.0.1", "file:///x"],
)
def test_nothing_but_this_machine_is_asked(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: pytest.fail("looked up"))
    with pytest.raises(SourceError, match="expected an address of this machine"):
        check_replica(replica_at(url))
