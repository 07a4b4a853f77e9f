from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from harvest.answers import (
    LONGEST_WAIT_S,
    Version,
    find_block,
    is_cacheable,
    to_failure,
    to_validator,
    to_version,
    to_wait_s,
)
from harvest.errors import BlockedError, DownloadError
from tests.harvest.conftest import Answer, Library, MakeClient

NOW = datetime(2026, 11, 20, 12, 0, 0, tzinfo=UTC)
URL = "https://www.loc.gov/collections/photochrom-prints/"


def test_a_wait_is_read_in_seconds_and_as_a_date() -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    assert to_wait_s({"Retry-After": " 30 "}, now=now) == 30
    date = format_datetime(now + timedelta(seconds=90), usegmt=True)
    assert to_wait_s({"Retry-After": date}, now=now) == pytest.approx(90, abs=2)
    past = format_datetime(now - timedelta(days=9), usegmt=True)
    assert to_wait_s({"Retry-After": past}, now=now) == pytest.approx(0, abs=2)


def test_a_date_is_held_against_the_servers_own_clock() -> None:
    ours = NOW + timedelta(hours=2)  # ahead of the server's
    headers = {
        "Retry-After": format_datetime(NOW + timedelta(seconds=50), usegmt=True),
        "Date": format_datetime(NOW, usegmt=True),
    }
    assert to_wait_s(headers, now=ours) == 50
    assert to_wait_s(headers | {"Date": "no date"}, now=ours) == 0


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [
        ("300.5", 301),
        ("1.000", 1),
        ("1.", 1),
        ("0", 0),
        ("0.1", 1),
        ("0000000000000300", 300),
        ("9" * 5000, 999_999_999_999),
    ],
)
def test_an_odd_number_of_seconds_is_never_cut_short(value: str, wait_s: float) -> None:
    assert to_wait_s({"Retry-After": value}, now=NOW) == wait_s


@pytest.mark.parametrize("value", ["soon", "-5", "+300", "300, 300", "Mon, 99 Foo 2026", "²"])
def test_a_wait_that_cannot_be_read_is_the_longest(value: str) -> None:
    assert to_wait_s({"Retry-After": value}, now=NOW) == LONGEST_WAIT_S


@pytest.mark.parametrize("headers", [{}, {"Retry-After": ""}, {"Retry-After": " "}])
def test_where_no_wait_is_named_there_is_none(headers: dict[str, str]) -> None:
    assert to_wait_s(headers, now=NOW) is None


def test_a_long_wait_is_a_block_that_names_the_time() -> None:
    block = find_block(URL, 429, headers={"Retry-After": "3600"}, now=NOW)
    assert block is not None
    assert block.until == datetime(2026, 11, 20, 13, 0, 0, tzinfo=UTC)
    assert "run the stage again after 2026-11-20 13:00:00 UTC" in str(block)
    assert find_block(URL, 429, headers={"Retry-After": "60"}, now=NOW) is None
    endless = find_block(URL, 503, headers={"Retry-After": "9" * 40}, now=NOW)
    assert endless is not None


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (403, {"cf-mitigated": "challenge"}),
        (200, {"cf-mitigated": "Challenge"}),
        (429, {"cf-mitigated": "challenge", "Content-Type": "text/html"}),
    ],
)
def test_a_challenge_is_a_block(status: int, headers: dict[str, str]) -> None:
    block = find_block(URL, status, headers=headers, now=NOW)
    assert block is not None
    assert "LC-Labs@loc.gov" in str(block)


@pytest.mark.parametrize("status", [403, 429, 503])
def test_a_challenge_is_known_by_its_page_too(status: int) -> None:
    headers = {"Content-Type": "text/html; charset=UTF-8"}
    page = b"<!DOCTYPE html><html><head><title>Just a moment...</title>"
    assert find_block(URL, status, headers=headers, now=NOW, beginning=page) is not None
    assert find_block(URL, status, headers=headers, now=NOW, beginning=b"<h1>No") is None


@pytest.mark.parametrize("status", [408, 413, 425, 429, 500, 502, 503, 504])
def test_a_long_wait_is_a_block_whatever_the_status(status: int) -> None:
    block = find_block(URL, status, headers={"Retry-After": "300"}, now=NOW)
    assert block is not None
    assert block.until == NOW + timedelta(seconds=300)
    assert find_block(URL, 200, headers={"Retry-After": "300"}, now=NOW) is None


def test_too_many_requests_and_not_until_when_is_a_block_of_an_hour() -> None:
    block = to_failure(URL, 429, headers={}, now=NOW)
    assert isinstance(block, BlockedError)
    assert block.until == NOW + timedelta(hours=1)


@pytest.mark.parametrize("status", [200, 403, 404, 429, 500, 503])
def test_a_plain_failure_is_no_block(status: int) -> None:
    assert find_block(URL, status, headers={"Content-Type": "text/plain"}, now=NOW) is None


@pytest.mark.parametrize(
    ("header", "kept"),
    [
        ("public, max-age=86400", True),
        ("max-age=0", False),
        ("max-age=00", False),
        ("max-age=" + "9" * 5000, True),
        ("no-cache, max-age=60", False),
        ("no-store", False),
        ("", False),
        ("max-age=soon", False),
    ],
)
def test_only_what_may_be_kept_is_cacheable(header: str, kept: bool) -> None:
    assert is_cacheable({"Cache-Control": header}) is kept


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ({"ETag": '"a"'}, Version('"a"', "")),
        ({"ETag": 'W/"a"'}, Version('W/"a"', "")),
        ({"ETag": "a"}, Version("", "")),
        ({"ETag": '"a\r\nHost: b"'}, Version("", "")),
        (
            {"Last-Modified": "Fri, 20 Nov 2026 12:00:00 GMT"},
            Version("", "Fri, 20 Nov 2026 12:00:00 GMT"),
        ),
        ({"Last-Modified": "yesterday"}, Version("", "")),
    ],
)
def test_only_what_may_be_sent_back_is_a_version(headers: dict[str, str], version: Version) -> None:
    assert to_version(headers) == version


@pytest.mark.parametrize(
    ("change", "validator"),
    [
        ({}, '"a"'),
        ({"Accept-Ranges": "none"}, ""),
        ({"Accept-Ranges": "", "Content-Range": "bytes 5-9/10"}, '"a"'),
        ({"Content-Encoding": "gzip"}, ""),
        ({"ETag": 'W/"a"'}, "Fri, 20 Nov 2026 12:00:00 GMT"),
        ({"ETag": 'W/"a"', "Date": "Fri, 20 Nov 2026 12:00:59 GMT"}, ""),
        ({"ETag": "", "Date": ""}, ""),
    ],
)
def test_a_file_is_gone_on_with_under_a_strong_mark_alone(
    change: dict[str, str], validator: str
) -> None:
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": '"a"',
        "Last-Modified": "Fri, 20 Nov 2026 12:00:00 GMT",
        "Date": "Fri, 20 Nov 2026 12:01:00 GMT",
    }
    sent = {name: value for name, value in (headers | change).items() if value}
    assert to_validator(sent) == validator


def test_only_an_accepted_status_is_no_failure() -> None:
    assert to_failure(URL, 200, headers={}, now=NOW) is None
    assert to_failure(URL, 304, headers={}, now=NOW) is not None
    assert to_failure(URL, 304, headers={}, now=NOW, accepted=(200, 304)) is None


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize("header", ["Content-Type", "Content-Length"])
def test_what_a_server_says_does_not_steer_the_terminal(
    library: Library, make_client: MakeClient, status: int, header: str
) -> None:
    evil = {"Content-Type": "text/\x1b]0;\x07\x9b31m", "Content-Length": "2, \x1b[31m"}
    library.tell(URL, Answer(status, b"{}", {header: evil[header]}, cut=2))
    with pytest.raises(DownloadError) as caught:
        make_client(retries=0).get_json(URL)
    assert str(caught.value).isprintable()
