import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harvest.answers import Version
from harvest.errors import DownloadError, StoppedError
from tests.harvest.conftest import (
    Answer,
    Library,
    MakeClient,
    files_below,
    json_answer,
    picture,
    picture_answer,
    wait_until,
)

MOST = 1 << 20
PAGE = "https://www.loc.gov/item/1/"
FILE = "https://tile.loc.gov/storage-services/service/pnp/ppmsc/06700/06712v.jpg"


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("text/html; charset=ISO-8859-1", b"Z\xfcrich", "Zürich"),
        ("text/html", "Zürich".encode(), "Zürich"),
        ("text/html; charset=utf-8", b"Z\xfcrich", "Z\ufffdrich"),
        ("text/html; charset=idna", b"Zurich", "Zurich"),
        ("text/html; charset=hex", b"Zurich", "Zurich"),
        ("text/html; charset=no\xffsuch", b"Zurich", "Zurich"),
        ("", b"Zurich", "Zurich"),
    ],
)
def test_a_page_is_text_whatever_its_charset(
    library: Library, make_client: MakeClient, kind: str, body: bytes, text: str
) -> None:
    library.tell(PAGE, Answer(200, body, {"Content-Type": kind}))
    page = make_client().get_page(PAGE)
    assert (page.text, page.content, page.data, page.cacheable) == (text, body, None, False)


def test_a_page_may_be_json(library: Library, make_client: MakeClient) -> None:
    library.tell(f"{PAGE}?fo=json", json_answer({"a": [1]}))
    page = make_client().get_page(PAGE, params={"fo": "json"})
    assert (page.data, page.text, page.cacheable) == ({"a": [1]}, '{"a": [1]}', True)


def test_a_page_that_cannot_be_right_is_asked_for_again(
    library: Library, make_client: MakeClient
) -> None:
    library.tell(PAGE, json_answer({}, cache="no-store"), json_answer({"a": 1}))
    page = make_client().get_page(PAGE, is_doubtful=lambda page: not page.cacheable)
    assert page.data == {"a": 1}
    with pytest.raises(DownloadError, match="cannot be right"):
        make_client(retries=1).get_page(PAGE, is_doubtful=lambda _: True)
    assert len(library.asked) == 2 + 2


def test_an_unchanged_file_is_not_sent_again(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    library.tell(FILE, Answer(304))
    since = Version('"e1"', "Mon, 02 Nov 2026 00:00:00 GMT")
    came = make_client().download(FILE, tmp_path / "a.jpg", since=since, most_bytes=MOST)
    assert came is None
    assert library.asked[0].headers["If-None-Match"] == '"e1"'
    assert library.asked[0].headers["If-Modified-Since"] == since.last_modified
    assert files_below(tmp_path) == []


def test_a_changed_file_is_sent_whole(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    body, date = picture(), "Mon, 02 Nov 2026 00:00:00 GMT"
    library.tell(FILE, picture_answer(body, **{"Last-Modified": date}))
    came = make_client().download(
        FILE, tmp_path / "a.jpg", since=Version('"e0"', ""), most_bytes=MOST
    )
    assert came is not None
    assert (came.etag, came.last_modified) == ('"e1"', date)
    assert (tmp_path / "a.jpg").read_bytes() == body


def test_a_304_that_no_one_asked_for_is_a_failure(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    library.tell(FILE, Answer(304))
    with pytest.raises(DownloadError, match="expected HTTP 200, got 304"):
        make_client().download(FILE, tmp_path / "a.jpg", most_bytes=MOST)


def test_a_stop_ends_a_transfer_and_keeps_what_came(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    body, silence = picture(400, 300), threading.Event()
    stalled = picture_answer(body)
    stalled.ranges, stalled.cut, stalled.stall = True, 50_000, silence
    whole = picture_answer(body)
    whole.ranges = True
    library.tell(FILE, stalled, whole)
    client = make_client(timeout_s=60)
    part = tmp_path / ".a.jpg.part"
    with ThreadPoolExecutor() as pool:
        future = pool.submit(client.download, FILE, tmp_path / "a.jpg", most_bytes=MOST)
        wait_until(lambda: future.done() or (part.exists() and part.stat().st_size > 0))
        assert not future.done()
        client.stop()
        with pytest.raises(StoppedError):
            future.result(30)
    silence.set()
    with pytest.raises(StoppedError):
        client.get_json(PAGE)
    assert len(library.asked) == 1
    assert make_client().download(FILE, tmp_path / "a.jpg", most_bytes=MOST) is not None
    assert (tmp_path / "a.jpg").read_bytes() == body
    assert "Range" in library.asked[1].headers


def test_a_stop_ends_a_wait_for_a_host_and_for_an_answer(
    library: Library, make_client: MakeClient
) -> None:
    silence = threading.Event()
    mute = Answer(200, b"{}", {"Content-Type": "application/json"}, cut=0, stall=silence)
    library.tell(PAGE, mute)
    library.tell("https://www.loc.gov/x", Answer(hang_up=True, stall=silence))
    library.tell("https://tile.loc.gov/x", Answer(503, b"", {"Retry-After": "60"}))
    client = make_client(timeout_s=60)
    with ThreadPoolExecutor() as pool:
        urls = [PAGE, "https://www.loc.gov/x", "https://tile.loc.gov/x"]
        futures = [pool.submit(client.get_json, url) for url in urls]
        wait_until(lambda: len(library.asked) == 3)
        assert not any(future.done() for future in futures)
        client.stop()
        for future in futures:
            with pytest.raises(StoppedError):
                future.result(30)
    silence.set()
