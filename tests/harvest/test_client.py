import gzip
import hashlib
from itertools import pairwise
from pathlib import Path

import pytest

from harvest.client import Client
from harvest.errors import BlockedError, DownloadError, ForbiddenError, NotFoundError
from harvest.manners import Manners
from tests.harvest.conftest import (
    Answer,
    Library,
    MakeClient,
    challenge,
    files_below,
    json_answer,
    picture,
    picture_answer,
)

PAGE = "https://www.loc.gov/item/1/"
MOST = 1 << 20
FOLDER = "https://tile.loc.gov/storage-services/service/pnp/ppmsc/06700/"
FILE = f"{FOLDER}06712v.jpg"


def failing(status: int, **headers: str) -> Answer:
    return Answer(status, b"no", {"Content-Type": "text/plain", **headers})


def test_json_comes_with_its_bytes_from_the_canonical_host(
    library: Library, make_client: MakeClient
) -> None:
    library.tell(f"{PAGE}?fo=json&c=5", json_answer({"a": 1}))
    reply = make_client().get_json("//loc.gov/item/1/#x", params={"fo": "json", "c": 5})
    assert (reply.data, reply.content, reply.cacheable) == ({"a": 1}, b'{"a": 1}', True)
    (asked,) = library.asked
    assert asked.host == "www.loc.gov"
    assert asked.headers["User-Agent"] == "photochrom-test (test@example.org)"


def test_an_environment_proxy_is_not_asked_for_loopback(
    library: Library, make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    library.tell(PAGE, json_answer({}))
    assert make_client().get_json(PAGE).data == {}


@pytest.mark.parametrize("url", ["https://example.org/a", "http://127.0.0.1/a", "file:///etc/a"])
def test_every_other_host_is_refused(make_client: MakeClient, url: str) -> None:
    with pytest.raises(DownloadError, match=r"refused; only www\.loc\.gov and tile\.loc\.gov"):
        make_client().get_json(url)


def test_a_redirect_to_another_host_is_refused(library: Library, make_client: MakeClient) -> None:
    library.tell(PAGE, Answer(302, b"", {"Location": f"{library.url}/elsewhere"}))
    with pytest.raises(DownloadError, match="led astray"):
        make_client().get_json(PAGE)
    assert len(library.asked) == 1


def test_a_redirect_within_the_library_is_followed(
    library: Library, make_client: MakeClient
) -> None:
    library.tell(PAGE, Answer(301, b"", {"Location": "/item/2/"}))
    library.tell("https://www.loc.gov/item/2/", json_answer({"id": 2}))
    assert make_client().get_json(PAGE).data == {"id": 2}


def test_a_replica_elsewhere_than_on_loopback_is_refused() -> None:
    manners = Manners("x", {}, retries=0, timeout_s=1, connections=1, backoff_s=0)
    with pytest.raises(ValueError, match="on loopback"):
        Client(manners, redirect={"www.loc.gov": "http://example.org"})


@pytest.mark.parametrize(
    "bad",
    [
        failing(500),
        failing(503),
        failing(429),
        failing(429, **{"Retry-After": "0"}),
        Answer(hang_up=True),
        Answer(200, b'{"a": 1}', {"Content-Type": "application/json"}, cut=3),
        Answer(200, b'{"a": ', {"Content-Type": "application/json"}),
        Answer(200, b'{"a": 1}', {"Content-Type": "application/json", "Content-Length": "8, 9"}),
    ],
)
def test_a_passing_failure_is_asked_again(
    library: Library, make_client: MakeClient, bad: Answer
) -> None:
    library.tell(PAGE, bad, bad, json_answer({"a": 1}))
    assert make_client(retries=2).get_json(PAGE).data == {"a": 1}
    assert len(library.asked) == 3


def test_retries_end(library: Library, make_client: MakeClient) -> None:
    library.tell(PAGE, failing(500))
    with pytest.raises(DownloadError, match=r"no whole answer in 3 attempts.*500"):
        make_client(retries=2).get_json(PAGE)
    assert len(library.asked) == 3
    with pytest.raises(DownloadError, match="in 1 attempts"):
        make_client(retries=0).get_json(PAGE)
    assert len(library.asked) == 4


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_a_retry_waits_as_long_as_the_server_asks(
    library: Library, make_client: MakeClient, form: str
) -> None:
    now, later = "Fri, 20 Nov 2026 09:00:00 GMT", "Fri, 20 Nov 2026 09:00:01 GMT"
    headers = {"Date": now, "Retry-After": "1" if form == "seconds" else later}
    library.tell(PAGE, failing(429, **headers), json_answer({}))
    make_client().get_json(PAGE)
    first, second = library.asked
    assert second.time - first.time >= 1


def test_a_long_wait_blocks_the_host_at_once_and_that_host_alone(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    library.tell(PAGE, failing(429, **{"Retry-After": "300"}))
    library.tell(FILE, picture_answer(picture()))
    client = make_client()
    for _ in range(2):
        with pytest.raises(BlockedError, match="run the stage again after") as caught:
            client.get_json(PAGE)
        assert caught.value.until is not None
    assert library.count(PAGE) == 1
    assert client.download(FILE, tmp_path / "a.jpg", most_bytes=MOST) is not None


def test_one_refused_file_is_that_file_and_three_in_a_row_are_a_block(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    refused = Answer(403, b"<h1>Forbidden</h1>", {"Content-Type": "text/html"})
    client = make_client(retries=5)

    def ask(name: str, *answers: Answer) -> None:
        library.tell(f"{FOLDER}{name}", *answers)
        client.download(f"{FOLDER}{name}", tmp_path / name, most_bytes=10_000_000)

    for name in ("1v.jpg", "2v.jpg"):
        with pytest.raises(ForbiddenError):
            ask(name, refused)
    ask("3v.jpg", picture_answer(picture()))
    for name in ("4v.jpg", "5v.jpg"):
        with pytest.raises(ForbiddenError):
            ask(name, refused)
    with pytest.raises(BlockedError, match="the server refuses this client"):
        ask("6v.jpg", refused)
    with pytest.raises(BlockedError):
        ask("7v.jpg", picture_answer(picture()))
    assert library.count(f"{FOLDER}7v.jpg") == 0


@pytest.mark.parametrize(
    "answer",
    [
        challenge(),
        Answer(403, b"<title>Just a moment...</title>", {"Content-Type": "text/html"}),
        Answer(429, b"<title>Just a moment...</title>", {"Content-Type": "text/html"}),
    ],
)
def test_a_challenge_is_never_asked_again(
    library: Library, make_client: MakeClient, answer: Answer
) -> None:
    library.tell(PAGE, answer)
    client = make_client(retries=5)
    for _ in range(2):
        with pytest.raises(BlockedError, match=r"LC-Labs@loc\.gov"):
            client.get_json(PAGE)
    assert len(library.asked) == 1


def test_too_many_requests_without_end_are_a_block(
    library: Library, make_client: MakeClient
) -> None:
    library.tell(PAGE, failing(429))
    client = make_client(retries=1)
    with pytest.raises(BlockedError, match="no end of it"):
        client.get_json(PAGE)
    with pytest.raises(BlockedError):
        client.get_json(PAGE)
    assert len(library.asked) == 2


def test_a_page_that_is_no_json_is_not_parsed(library: Library, make_client: MakeClient) -> None:
    library.tell(PAGE, Answer(200, b"{}", {"Content-Type": "text/html"}))
    with pytest.raises(DownloadError, match="expected JSON, got text/html"):
        make_client().get_json(PAGE)
    assert len(library.asked) == 3  # under load such pages come, and pass


@pytest.mark.parametrize(
    ("status", "error"), [(404, NotFoundError), (410, NotFoundError), (403, ForbiddenError)]
)
def test_a_final_answer_is_not_asked_again(
    library: Library, make_client: MakeClient, status: int, error: type[Exception]
) -> None:
    library.tell(FILE, failing(status))
    with pytest.raises(error):
        make_client().get_json(FILE)
    assert len(library.asked) == 1


def test_a_download_is_the_servers_bytes(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    body = picture(400, 300)
    library.tell(FILE, picture_answer(body))
    came = make_client().download(FILE, tmp_path / "deep" / "a.jpg", most_bytes=MOST)
    assert came is not None
    assert (tmp_path / "deep" / "a.jpg").read_bytes() == body
    assert came.sha256 == hashlib.sha256(body).hexdigest()
    assert (came.size_bytes, came.etag, came.attempts) == (len(body), '"e1"', 1)
    assert files_below(tmp_path) == ["deep/a.jpg"]


def test_a_download_that_is_packed_all_the_same_is_unpacked(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    body = picture()
    library.tell(FILE, picture_answer(gzip.compress(body), **{"Content-Encoding": "gzip"}))
    make_client().download(FILE, tmp_path / "a.jpg", most_bytes=MOST)
    assert (tmp_path / "a.jpg").read_bytes() == body


def test_a_cut_download_begins_anew(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    body = picture(400, 300)
    cut = picture_answer(body)
    cut.cut = len(body) // 2
    library.tell(FILE, cut, picture_answer(body))
    came = make_client().download(FILE, tmp_path / "a.jpg", most_bytes=MOST)
    assert came is not None
    assert (came.attempts, (tmp_path / "a.jpg").read_bytes()) == (2, body)


def test_nothing_half_written_stays(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    cut = picture_answer(picture(400, 300))
    cut.cut = 1000
    library.tell(FILE, cut)
    with pytest.raises(DownloadError, match="no whole answer"):
        make_client().download(FILE, tmp_path / "a.jpg", most_bytes=MOST)
    assert files_below(tmp_path) == []


def test_requests_keep_the_limit_of_their_host_retries_and_robots_too(
    library: Library, make_client: MakeClient
) -> None:
    library.tell(PAGE, failing(500), Answer(302, b"", {"Location": "/x"}), json_answer({}))
    library.tell("https://www.loc.gov/x", json_answer({}))
    # With this guard a request counts from its answer: no thread is late enough to matter.
    make_client(limits={"www.loc.gov": ["1/0.1"]}, guard_s=10).get_json(PAGE)
    times = [asked.time for asked in library.robots + library.asked]
    assert len(times) == 4
    assert all(later - earlier > 0.1 for earlier, later in pairwise(times))


def test_usage_tells_what_was_sent(library: Library, make_client: MakeClient) -> None:
    library.tell(PAGE, json_answer({}))
    client = make_client(limits={"www.loc.gov": ["60/6", "80/60"]})
    client.get_json(PAGE)
    usage = client.usage()
    assert usage["www.loc.gov"].sent_last_minute == 2  # robots.txt is one
    assert usage["www.loc.gov"].allowed_per_minute == 80
    assert usage["tile.loc.gov"].sent_last_minute == 0


def test_a_block_with_a_time_is_known_to_the_next_run(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    library.tell(PAGE, failing(429, **{"Retry-After": "300"}))
    for _ in range(2):
        with pytest.raises(BlockedError, match="run the stage again after"):
            make_client(state=tmp_path).get_json(PAGE)
    assert (len(library.asked), len(library.robots)) == (1, 1)


def test_a_challenge_stops_those_who_run_and_not_the_next_run(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    library.tell(PAGE, challenge(), json_answer({"a": 1}))
    one, other = make_client(state=tmp_path), make_client(state=tmp_path)
    for client in (one, other):
        with pytest.raises(BlockedError, match=r"LC-Labs@loc\.gov"):
            client.get_json(PAGE)
    assert make_client(state=tmp_path).get_json(PAGE).data == {"a": 1}
    assert len(library.asked) == 2
