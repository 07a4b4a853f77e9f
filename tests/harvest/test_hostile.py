"""A server that means us harm, and a connector that reaches loopback only and notes whom it was
asked for."""

import gzip
import json
import socket
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harvest.client import Client
from harvest.errors import AstrayError, DownloadError, TooLargeError
from harvest.manners import Manners
from harvest.questions import MOST_REPLY_BYTES
from tests.harvest.conftest import (
    Answer,
    Library,
    MakeClient,
    files_below,
    json_answer,
    picture,
    picture_answer,
)

PAGE = "https://www.loc.gov/item/1/"
FILE = "https://tile.loc.gov/storage-services/service/pnp/ppmsc/06700/06712v.jpg"
MOST = 1 << 20
Asks = Callable[[Client, Path], Any]


def ask_json(client: Client, folder: Path, url: str = PAGE) -> Any:
    return client.get_json(url)


def ask_page(client: Client, folder: Path, url: str = PAGE) -> Any:
    return client.get_page(url)


def ask_file(client: Client, folder: Path, url: str = FILE) -> Any:
    return client.download(url, folder / "a.jpg", most_bytes=MOST)


ASKS = [ask_json, ask_page, ask_file]


@pytest.fixture(autouse=True)
def reached(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[str]]:
    """Whom the connector was asked for, names that were to be looked up included."""
    reached: set[str] = set()
    connect, look_up = socket.socket.connect, socket.getaddrinfo

    def note_connect(self: socket.socket, address: Any) -> None:
        reached.add(str(address[0]))
        if address[0] != "127.0.0.1":
            raise OSError(f"{address[0]} is not loopback")
        connect(self, address)

    def note_look_up(host: str, *args: Any, **kwargs: Any) -> Any:
        reached.add(str(host))
        if host != "127.0.0.1":
            raise socket.gaierror(f"{host} is not loopback")
        return look_up(host, *args, **kwargs)

    monkeypatch.setattr(socket.socket, "connect", note_connect)
    monkeypatch.setattr(socket, "getaddrinfo", note_look_up)
    yield reached
    assert reached <= {"127.0.0.1"}


def tell(library: Library, *answers: Answer) -> None:
    for url in (PAGE, FILE):
        library.tell(url, *answers)


@pytest.mark.parametrize("ask", ASKS)
def test_fifty_gigabytes_are_refused_when_they_are_promised(
    library: Library, make_client: MakeClient, tmp_path: Path, ask: Asks
) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": str(50 * 10**9)}
    tell(library, Answer(200, b"{}", headers, cut=2))
    with pytest.raises(TooLargeError, match="says that it has 50000000000"):
        ask(make_client(), tmp_path)
    assert len(library.asked) == 1
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize("packings", [1, 2])
def test_a_bomb_is_not_unpacked_beyond_its_ceiling(
    library: Library, make_client: MakeClient, tmp_path: Path, ask: Asks, packings: int
) -> None:
    ceiling = MOST if ask is ask_file else MOST_REPLY_BYTES
    bomb = b" " * (4 * ceiling)
    for _ in range(packings):
        bomb = gzip.compress(bomb, compresslevel=1)
    packing = ", ".join(["gzip"] * packings)
    headers = {"Content-Type": "application/json", "Content-Encoding": packing}
    tell(library, Answer(200, bomb, headers))
    tracemalloc.start()
    try:
        with pytest.raises(TooLargeError, match="goes on"):
            ask(make_client(), tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * ceiling + (8 << 20)
    assert len(library.asked) == 1
    assert files_below(tmp_path) == []


def test_a_body_without_end_is_left_at_the_ceiling(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    pieces = b"10000\r\n" + bytes(1 << 16) + b"\r\n"
    library.tell(FILE, Answer(200, pieces * 64, {"Transfer-Encoding": "chunked"}))
    with pytest.raises(TooLargeError, match="goes on"):
        ask_file(make_client(), tmp_path)
    assert files_below(tmp_path) == []


def test_a_body_of_another_length_than_promised_is_spoilt(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    body = picture()
    short = {"Content-Length": str(len(body) + 9)}
    longer = {"Transfer-Encoding": "chunked", "Content-Length": str(len(body) - 9)}
    pieces = f"{len(body):x}\r\n".encode() + body + b"\r\n0\r\n\r\n"
    library.tell(
        FILE,
        Answer(200, body, short, cut=len(body)),
        Answer(200, pieces, longer),
        picture_answer(body),
    )
    came = make_client().download(FILE, tmp_path / "a.jpg", most_bytes=MOST)
    assert came is not None
    assert came.attempts == 3
    assert (tmp_path / "a.jpg").read_bytes() == body


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 200 + b"]" * 200,
        b'{"a":' * 200 + b"1" + b"}" * 200,
        b"[" * 200_000,
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": ' + b"9" * 5000 + b"}",
        '{"title": "Zürich"}'.encode("latin-1"),
        b"",
        b"<html><title>Too Busy</title></html>",
    ],
)
def test_json_that_is_none_is_asked_for_again_and_never_a_traceback(
    library: Library, make_client: MakeClient, body: bytes
) -> None:
    bad = Answer(200, body, {"Content-Type": "application/json"})
    library.tell(PAGE, bad, bad, json_answer({"a": 1}))
    assert make_client(retries=2).get_json(PAGE).data == {"a": 1}
    library.tell(PAGE, bad)
    with pytest.raises(DownloadError, match="no whole JSON"):
        make_client(retries=1).get_json(PAGE)
    with pytest.raises(DownloadError, match="no whole JSON"):
        make_client(retries=1).get_page(PAGE)


def test_json_in_the_wrong_charset_by_its_header_is_json(
    library: Library, make_client: MakeClient
) -> None:
    body = json.dumps({"title": "Zürich"}, ensure_ascii=False).encode()
    library.tell(PAGE, Answer(200, body, {"Content-Type": "application/json; charset=latin-1"}))
    assert make_client().get_json(PAGE).data == {"title": "Zürich"}


def test_a_web_page_with_status_200_is_no_json(library: Library, make_client: MakeClient) -> None:
    library.tell(PAGE, Answer(200, b"<html>", {"Content-Type": "text/html"}))
    with pytest.raises(DownloadError, match="expected JSON, got text/html"):
        make_client().get_json(PAGE)
    assert len(library.asked) == 3  # under load such pages come, and pass


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize(
    "location",
    [
        "https://example.org/",
        "//example.org/a.jpg",
        "http://www.loc.gov/item/1/",
        "https://www.loc.gov:8443/item/1/",
        "https://user:secret@www.loc.gov/item/1/",
        "https://www.loc.gov@example.org/",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::1]/",
        "https://[::1/",
        "file:///etc/passwd",
        "data:application/json,{}",
        "/\xff\xfe",
        "\xff",
    ],
)
def test_a_redirect_off_the_library_is_not_followed(
    library: Library, make_client: MakeClient, tmp_path: Path, ask: Asks, location: str
) -> None:
    tell(library, Answer(302, b"", {"Location": location}))
    with pytest.raises(AstrayError, match="led astray"):
        ask(make_client(), tmp_path)
    assert len(library.asked) == 1
    assert files_below(tmp_path) == []


@pytest.mark.parametrize("ask", ASKS)
@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/a.jpg",
        "https://user@www.loc.gov/item/1/",
        "https://user:secret@tile.loc.gov/a.jpg",
        "https://www.loc.gov:22/",
        "https://www.loc.gov:99999/",
        "https://www.loc.gov@example.org/",
        "https://www.loc.gov\\@example.org/",
        "https://127.0.0.1/a.jpg",
        "https://[::1]/a.jpg",
        "https://[::1/a.jpg",
        "https://169.254.169.254/latest/meta-data/",
        "ftp://www.loc.gov/a.jpg",
        "file:///etc/passwd",
        "",
        "not an address",
    ],
)
def test_an_address_that_is_not_the_librarys_reaches_no_connector(
    tmp_path: Path, reached: set[str], ask: Callable[..., Any], url: str
) -> None:
    manners = Manners("x", {}, retries=0, timeout_s=1, connections=1, backoff_s=0)
    with Client(manners) as client, pytest.raises(AstrayError, match="refused"):
        ask(client, tmp_path, url)
    assert reached == set()
    assert files_below(tmp_path) == []


@pytest.mark.parametrize(
    "url",
    [
        "https://www.loc.gov/a\r\nHost: example.org",
        "https://www.loc.gov/\x00",
        "https://www.loc.gov//example.org/a",
        "https://www.loc.gov/" + "a" * 5000,
        "https://www.loc.gov/ü?q=ä ö",
    ],
)
def test_an_odd_address_of_the_library_stays_with_it(
    library: Library, make_client: MakeClient, url: str
) -> None:
    with pytest.raises(DownloadError):
        make_client().get_json(url)
    assert {asked.host for asked in library.asked} <= {"www.loc.gov"}
    assert all("Host" not in asked.path for asked in library.asked if "\n" in asked.path)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Length": "-5"},
        {"Content-Length": "5, 6"},
        {"Content-Length": "²"},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "gzip, gzip, gzip, gzip, gzip, gzip, gzip"},
        {"Retry-After": "9" * 400},
        {"Content-Length": "9" * 5000},
        {"Cache-Control": "max-age=" + "9" * 5000},
        {"ETag": '"a\tb"'},
        {"Last-Modified": "Mon, 99 Foo 99999"},
        {"Content-Type": "application/json; charset=" + "x" * 2000},
    ],
)
def test_an_odd_head_is_an_answer_or_an_error_of_ours(
    library: Library, make_client: MakeClient, tmp_path: Path, headers: dict[str, str]
) -> None:
    usual = {"Content-Type": "application/json"}
    encoded = {name: value.encode().decode("latin-1") for name, value in headers.items()}
    tell(library, Answer(200, b'{"a": 1}', usual | encoded, cut=8))
    for ask in ASKS:
        try:
            ask(make_client(retries=1), tmp_path)
        except DownloadError:
            continue
    assert set(files_below(tmp_path)) <= {"a.jpg"}
