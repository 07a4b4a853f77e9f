"""Every fault as a client meets it, over the wire, and what the log says of it."""

import hashlib
import io
import json
import subprocess
import sys
import time
import zlib
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from PIL import Image, UnidentifiedImageError

from replica.catalogue import list_rows
from replica.entries import Entry, read_log
from replica.kinds import Kind
from replica.names import path_of

ITEMS, SEED = 12, 7
FILE = path_of(list_rows(ITEMS, SEED)[1].resources[0].digital_id, "r.jpg")
LISTING = "/collections/photochrom-prints/?fo=json&c=150"
SHORT = {Kind.SILENCE: 0.3, Kind.STALL: 0.4, Kind.TRICKLE: 0.6, Kind.HUGE_LENGTH: 0.4}
SMALL = {Kind.GZIP_BOMB: 64, Kind.DEEP_JSON: 300}


@dataclass(frozen=True)
class Faulty:
    """A replica that does the fault which the query names as `do`, once, then serves well."""

    client: Any
    log: Path
    mark: str

    def file(self, kind: Kind, **kwargs: Any) -> Any:
        return self.client.tile(f"{FILE}?{self.mark}&do={kind}", allow_redirects=False, **kwargs)

    def page(self, kind: Kind, **kwargs: Any) -> Any:
        address = f"{LISTING}&{self.mark}&do={kind}"
        return self.client.www(address, allow_redirects=False, **kwargs)

    def entries(self, kind: str) -> list[Entry]:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:  # an answer that breaks off is noted soon after
            found = [e for e in read_log(self.log) if e.query.endswith(f"{self.mark}&do={kind}")]
            if found:
                return found
            time.sleep(0.02)
        raise AssertionError(f"nothing of {kind} in the log")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory, launch_for_module: Any) -> tuple[Any, Path]:
    rules: list[dict[str, Any]] = []
    for kind in Kind:
        rule: dict[str, Any] = {"kind": str(kind), "route": "any", "rate": 1}
        rule["match"] = f"do={kind}$"
        rule |= {"seconds": SHORT[kind]} if kind in SHORT else {}
        rule |= {"amount": SMALL[kind]} if kind in SMALL else {}
        rules.append(rule)
    folder = tmp_path_factory.mktemp("faulty")
    plan, log = folder / "plan.yaml", folder / "log.jsonl"
    plan.write_text(yaml.safe_dump({"seed": 1, "most": 1, "faults": rules}))
    args = ("--items", str(ITEMS), "--seed", str(SEED), "--pixels", "800", "--style", "plain")
    _, client = launch_for_module(*args, "--faults", str(plan), "--log", str(log))
    return client, log


@pytest.fixture
def faulty(running: tuple[Any, Path], request: pytest.FixtureRequest) -> Faulty:
    digest = hashlib.sha256(request.node.name.encode()).hexdigest()
    return Faulty(*running, mark=f"test={digest[:12]}")


def test_refusals_come_with_their_headers_once_and_then_the_file(faulty: Faulty) -> None:
    expected = {
        Kind.TOO_MANY_SECONDS: 429,
        Kind.TOO_MANY_BARE: 429,
        Kind.TOO_MANY_MOMENT: 429,
        Kind.FORBIDDEN: 403,
        Kind.NOT_FOUND: 404,
        Kind.ERROR_500: 500,
        Kind.ERROR_502: 502,
        Kind.UNAVAILABLE: 503,
        Kind.TOO_BUSY: 503,
        Kind.ERROR_504: 504,
        Kind.HTML: 200,
    }
    for kind, status in expected.items():
        reply = faulty.file(kind)
        assert reply.status_code == status, kind
        assert reply.headers["content-type"].startswith("text/html")
        after = {Kind.TOO_MANY_SECONDS: "1", Kind.UNAVAILABLE: "1"}.get(kind)
        assert reply.headers.get("retry-after") == after
        again = faulty.file(kind)
        assert (again.status_code, again.headers["content-type"]) == (200, "image/jpeg")
        first, second = faulty.entries(kind)
        assert (first.fault, first.status, second.fault) == (kind, status, "")
        assert (first.not_before is not None) == (after is not None)


def test_retry_after_may_be_a_date_and_the_log_says_until_when(faulty: Faulty) -> None:
    until = parsedate_to_datetime(faulty.page(Kind.TOO_MANY_DATE).headers["retry-after"])
    (entry,) = faulty.entries(Kind.TOO_MANY_DATE)
    assert entry.not_before is not None
    assert entry.not_before - entry.t == pytest.approx(until.timestamp() - entry.time, abs=0.5)


def test_a_challenge_looks_like_the_one_on_record(faulty: Faulty) -> None:
    reply = faulty.page(Kind.CHALLENGE)
    assert reply.status_code == 403
    assert reply.headers["cf-mitigated"] == "challenge"
    assert reply.headers["server"] == "cloudflare"
    assert "Just a moment..." in reply.text


def test_a_page_that_is_not_found_is_so_in_json(faulty: Faulty) -> None:
    reply = faulty.page(Kind.NOT_FOUND)
    assert (reply.status_code, reply.json()["caption"]) == (404, "Not Found")


def test_an_empty_page_is_well_formed_and_not_to_be_kept(faulty: Faulty) -> None:
    reply = faulty.page(Kind.EMPTY_PAGE)
    assert reply.status_code == 200
    assert reply.json()["results"] == []
    assert reply.json()["pagination"]["of"] == 0
    assert reply.headers["cache-control"] == "no-cache, max-age=0"
    assert "max-age=86400" in faulty.page(Kind.EMPTY_PAGE).headers["cache-control"]


def test_rows_go_missing_or_come_twice(faulty: Faulty) -> None:
    for kind in (Kind.ROWS_MISSING, Kind.ROWS_REPEATED):
        wrong, right = ([r["url"] for r in faulty.page(kind).json()["results"]] for _ in range(2))
        assert wrong == (right[:-1] if kind is Kind.ROWS_MISSING else [*right[:-1], right[0]])


def test_json_is_broken_deep_or_of_another_charset(faulty: Faulty) -> None:
    broken = faulty.page(Kind.BROKEN_JSON)
    assert broken.headers["content-type"] == "application/json"
    with pytest.raises(json.JSONDecodeError):
        json.loads(broken.content)
    assert faulty.page(Kind.DEEP_JSON).text.count("[") == 300
    foreign = faulty.page(Kind.WRONG_CHARSET)
    assert foreign.headers["content-type"] == "application/json; charset=utf-8"
    with pytest.raises(UnicodeDecodeError):
        foreign.content.decode()


def test_a_reset_leaves_no_answer(faulty: Faulty) -> None:
    with pytest.raises(requests.ConnectionError, match="reset"):
        faulty.file(Kind.RESET)
    (entry,) = faulty.entries(Kind.RESET)
    assert (entry.status, entry.bytes, entry.whole) == (0, 0, False)
    assert faulty.file(Kind.RESET).status_code == 200


def test_a_cut_leaves_half_of_the_body_and_the_rest_can_be_asked_for(faulty: Faulty) -> None:
    reply = faulty.file(Kind.CUT, stream=True)
    size, etag = int(reply.headers["content-length"]), reply.headers["etag"]
    came = reply.raw.read(size // 2)
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        list(reply.iter_content(65536))
    wanted = {"range": f"bytes={len(came)}-", "if-range": etag}
    rest = faulty.file(Kind.CUT, headers=wanted)
    assert rest.status_code == 206
    whole = came + rest.content
    assert len(whole) == size
    first, second = faulty.entries(Kind.CUT)
    assert (first.whole, second.whole, second.range) == (False, True, wanted["range"])
    assert first.sha256 == second.sha256 == hashlib.sha256(whole).hexdigest()


def test_if_range_of_another_file_gives_the_whole(faulty: Faulty) -> None:
    headers = {"range": "bytes=10-", "if-range": '"other"'}
    reply = faulty.client.tile(FILE, headers=headers)
    assert reply.status_code == 200


@pytest.mark.parametrize("kind", [Kind.SILENCE, Kind.STALL, Kind.TRICKLE, Kind.HUGE_LENGTH])
def test_a_body_that_does_not_come_ends_with_the_connection(faulty: Faulty, kind: Kind) -> None:
    with pytest.raises((requests.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        faulty.file(kind)
    (entry,) = faulty.entries(kind)
    assert entry.seconds >= SHORT[kind]
    assert not entry.whole


def test_a_huge_length_is_promised(faulty: Faulty) -> None:
    with faulty.file(Kind.HUGE_LENGTH, stream=True) as reply:
        assert reply.headers["content-length"] == "50000000000"


def test_a_client_that_leaves_ends_a_stall_and_is_logged(faulty: Faulty) -> None:
    faulty.file(Kind.STALL, stream=True).close()
    (entry,) = faulty.entries(Kind.STALL)
    assert (entry.fault, entry.whole) == ("stall", False)


def test_a_bomb_unpacks_to_far_more_than_it_is(faulty: Faulty) -> None:
    with faulty.page(Kind.GZIP_BOMB, stream=True) as reply:
        assert reply.headers["content-encoding"] == "gzip"
        packed = reply.raw.read(decode_content=False)
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert len(unpacker.decompress(packed)) == 64 * 2**20
    assert len(packed) < 2**18


def test_pictures_are_noise_or_cut_or_of_other_dimensions(faulty: Faulty) -> None:
    honest = faulty.client.tile(FILE)
    garbage = faulty.file(Kind.GARBAGE)
    assert len(garbage.content) == len(honest.content)
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(garbage.content))
    truncated = faulty.file(Kind.TRUNCATED)
    assert truncated.content == honest.content[: len(honest.content) // 2]
    assert int(truncated.headers["content-length"]) == len(truncated.content)
    with Image.open(io.BytesIO(faulty.file(Kind.WRONG_SIZE).content)) as small:
        small.load()
        with Image.open(io.BytesIO(honest.content)) as whole:
            assert small.size == (whole.width // 2, whole.height // 2)
    for kind in (Kind.GARBAGE, Kind.TRUNCATED, Kind.WRONG_SIZE):
        honestly = hashlib.sha256(honest.content).hexdigest()
        assert faulty.entries(kind)[0].sha256 == honestly


def test_redirects_lead_astray(faulty: Faulty) -> None:
    places = {
        Kind.REDIRECT_HOST: "https://example.org/elsewhere",
        Kind.REDIRECT_HTTP: f"http://tile.loc.gov{FILE}?{faulty.mark}&do=redirect_http",
        Kind.REDIRECT_PRIVATE: "https://10.0.0.1/private",
    }
    for kind, place in places.items():
        reply = faulty.file(kind)
        assert (reply.status_code, reply.headers["location"]) == (302, place)
    first = faulty.file(Kind.REDIRECT_LOOP).headers["location"].removeprefix("https://tile.loc.gov")
    second = faulty.client.tile(first, allow_redirects=False).headers["location"]
    assert second.endswith(first)


def test_every_line_of_the_log_says_who_asked_what(faulty: Faulty) -> None:
    faulty.client.www(f"{LISTING}&{faulty.mark}&do=x", headers={"user-agent": "photochrom-test"})
    (entry,) = faulty.entries("x")
    assert (entry.host, entry.route, entry.method) == ("www.loc.gov", "listing", "GET")
    assert (entry.agent, entry.status, entry.fault, entry.sha256) == (
        "photochrom-test",
        200,
        "",
        "",
    )
    assert entry.whole
    assert entry.bytes > 1000
    assert abs(entry.time - time.time()) < 60


def test_an_enforced_window_answers_429_until_it_has_passed(tmp_path: Path, launch: Any) -> None:
    plan, log = tmp_path / "plan.yaml", tmp_path / "log.jsonl"
    settings = {"seed": 1, "enforce": {"www.loc.gov": ["3/600/900"]}, "robots": {"crawl_delay": 5}}
    plan.write_text(yaml.safe_dump(settings))
    args = ("--items", "2", "--seed", "1", "--pixels", "256", "--style", "plain")
    _, client = launch(*args, "--faults", str(plan), "--log", str(log))
    assert [client.www("/robots.txt").status_code for _ in range(5)] == [200] * 3 + [429] * 2
    refused = client.www(LISTING)
    assert 890 <= int(refused.headers["retry-after"]) <= 900
    robots = client.tile("/robots.txt")
    assert robots.text == "User-agent: *\nDisallow: /search\nCrawl-delay: 5\n"
    assert [e.fault for e in read_log(log)] == [""] * 3 + ["enforced"] * 3 + [""]
    assert client.ask("127.0.0.1", "/.replica/about").json()["faults"] is True


def test_what_a_client_got_is_in_the_log_even_if_the_replica_is_killed_at_once(
    tmp_path: Path, launch: Any
) -> None:
    log, plan = tmp_path / "log.jsonl", tmp_path / "plan.yaml"
    plan.write_text("seed: 1\nrobots: 'User-agent: *'\n")
    args = ("--items", "2", "--seed", "1", "--pixels", "256", "--style", "plain")
    process, client = launch(*args, "--log", str(log), "--faults", str(plan))
    assert client.www("/robots.txt").text == "User-agent: *"
    assert client.tile(path_of("ppmsc.05000", "r.jpg")).status_code == 200
    process.kill()
    process.wait(timeout=20)
    entries = read_log(log)
    assert [(e.route, e.status, e.whole) for e in entries] == [
        ("robots", 200, True),
        ("file", 200, True),
    ]


def test_a_plan_or_a_log_that_does_not_work_is_a_clear_error(tmp_path: Path) -> None:
    for args in (("--faults", str(tmp_path / "none")), ("--log", str(tmp_path / "no" / "log"))):
        done = subprocess.run(
            [sys.executable, "-m", "replica", "--items", "1", "--seed", "1", *args],
            capture_output=True,
            text=True,
            timeout=30,
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith(f"replica: {tmp_path}")
