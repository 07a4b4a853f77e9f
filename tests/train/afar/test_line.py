"""What is waited for, for how long, and what the messages keep to themselves."""

import errno
from types import SimpleNamespace

import aiohttp
import pytest
from botocore import exceptions as boto
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from train.afar import line as lines
from train.afar.landing import NoRoomError
from train.afar.line import Line, RefusedError, join, to_shown
from train.errors import DataError
from train.remote import find_remedy

SIGNED = "https://me:pw@host/shards?X-Amz-Signature=abc"


def to_answer(status: int) -> aiohttp.ClientResponseError:
    url = URL(SIGNED)
    info = aiohttp.RequestInfo(url, "GET", CIMultiDictProxy(CIMultiDict()), url)
    return aiohttp.ClientResponseError(info, (), status=status, message="no")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "_FIRST_S", 0.001)


@pytest.mark.parametrize(
    "exc",
    [
        *(to_answer(status) for status in (408, 429, 500, 502, 503, 504)),
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientPayloadError(),
        boto.EndpointConnectionError(endpoint_url="http://there"),
        boto.ReadTimeoutError(endpoint_url="http://there"),
        ConnectionResetError(),
        TimeoutError(),
        OSError(errno.EBUSY, "slow down"),
    ],
    ids=repr,
)
def test_what_may_pass_is_waited_for(exc: Exception) -> None:
    assert find_remedy(exc) is None


@pytest.mark.parametrize(
    ("exc", "remedy"),
    [
        (to_answer(401), "credentials"),
        (to_answer(403), "credentials"),
        (PermissionError("AccessDenied"), "credentials"),
        (boto.NoCredentialsError(), "credentials"),
        (to_answer(404), "no such file"),
        (FileNotFoundError("NoSuchBucket"), "no such file"),
        (to_answer(416), "check train.remote.url"),
        (boto.ProfileNotFound(profile="me"), "check train.remote.url"),
        (OSError(errno.EREMCHG, "another region"), "check train.remote.url"),
        (boto.SSLError(endpoint_url="x", error="CERTIFICATE_VERIFY_FAILED"), "check train.remote"),
        (aiohttp.InvalidURL("http://"), "check train.remote.url"),
        (ValueError("?"), "check train.remote.url"),
    ],
    ids=repr,
)
def test_what_stays_fails_with_what_to_do(exc: Exception, remedy: str) -> None:
    assert remedy in str(find_remedy(exc))


def test_a_lost_network_is_told_once_and_so_is_its_return() -> None:
    told: list[str] = []
    errors: list[Exception] = [TimeoutError("a"), ConnectionResetError("b"), to_answer(503)]

    def question() -> int:
        if errors:
            raise errors.pop()
        return 7

    line = Line(find_remedy, wait_s=60, tell=told.append)
    assert line.ask(question, SIGNED) == 7
    assert line.ask(lambda: 8, SIGNED) == 8
    first, second = told
    assert "503" in first
    assert "waiting up to 60 s" in first
    assert "going on" in second
    assert "Signature" not in first


def test_who_waited_in_vain_says_for_what_how_long_and_how_to_go_on() -> None:
    def question() -> None:
        raise to_answer(503)

    with pytest.raises(DataError) as caught:
        Line(find_remedy, wait_s=0, tell=print).ask(question, SIGNED)
    said = str(caught.value)
    assert said.startswith("https://host/shards: no answer for 0 s")
    for part in ("503", "train.remote.wait_s is 0", "run again", "resumes"):
        assert part in said
    assert "abc" not in said
    assert "pw" not in said
    assert caught.value.__suppress_context__


def test_who_asks_when_an_outage_has_lasted_too_long_does_not_wait_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked, now = [], 100.0
    monkeypatch.setattr(lines, "time", SimpleNamespace(monotonic=lambda: now))

    def question() -> None:
        asked.append(1)
        raise to_answer(503)

    line = Line(find_remedy, wait_s=0.0625, tell=lambda _: None)
    with pytest.raises(DataError):
        line.ask(question, SIGNED)
    asked.clear()
    now += 0.0625
    with pytest.raises(DataError):
        line.ask(question, SIGNED)
    assert asked == [1]
    line.ask(lambda: None, SIGNED)
    assert line._lost_at is None


def test_an_outage_that_was_given_up_is_forgotten_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 100.0
    monkeypatch.setattr(lines, "time", SimpleNamespace(monotonic=lambda: now))
    fates = [to_answer(503) for _ in range(3)]

    def question() -> None:
        if fates:
            raise fates.pop()

    line = Line(find_remedy, wait_s=60, tell=lambda _: None)
    line._lost_at, line._failed_at = 20.0, 90.0
    with pytest.raises(DataError, match="no answer for 80 s"):
        line.ask(question, SIGNED)
    now += 61
    line.ask(question, SIGNED)
    assert fates == []


def test_answers_to_others_do_not_end_what_a_question_waits_for() -> None:
    told: list[str] = []
    line = Line(find_remedy, wait_s=60, tell=told.append)
    fates: list[Exception] = [to_answer(503) for _ in range(3)]

    def question() -> None:
        line.ask(lambda: None, "http://other")
        if fates:
            raise fates.pop()

    line.ask(question, SIGNED)
    assert ["waiting" in said for said in told] == [True, False]


def test_a_refusal_is_not_asked_again() -> None:
    asked = []

    def question() -> None:
        asked.append(1)
        raise to_answer(403)

    with pytest.raises(RefusedError, match="AWS_PROFILE"):
        Line(find_remedy, wait_s=60, tell=print).ask(question, SIGNED)
    assert asked == [1]


def test_a_full_disk_is_no_lost_network() -> None:
    def question() -> None:
        raise NoRoomError("full")

    with pytest.raises(NoRoomError):
        Line(find_remedy, wait_s=60, tell=print).ask(question, SIGNED)


def test_a_closed_line_waits_no_more() -> None:
    line = Line(find_remedy, wait_s=3600, tell=lambda _: line.closed.set())

    def question() -> None:
        raise TimeoutError

    with pytest.raises(DataError, match="called off"):
        line.ask(question, SIGNED)


def test_an_interrupt_is_left_alone() -> None:
    def question() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Line(find_remedy, wait_s=3600, tell=print).ask(question, SIGNED)


@given(secret=st.text("abcXYZ019%=&+/.~-", min_size=8))
def test_no_message_shows_a_signature_or_a_password(secret: str) -> None:
    word = secret.replace("/", "_")
    shown = to_shown(f"404, url='https://me:{word}@host/a.tar?sig={secret}' (and more)")
    assert shown == "404, url='https://host/a.tar' (and more)"


@pytest.mark.parametrize(
    ("url", "joined"),
    [
        ("s3://bucket/shards/64", "s3://bucket/shards/64/a.tar"),
        ("s3://bucket", "s3://bucket/a.tar"),
        ("http://host/shards/?sig=1", "http://host/shards/a.tar?sig=1"),
        ("file:///data/", "file:///data/a.tar"),
        ("memory://shards", "memory://shards/a.tar"),
    ],
)
def test_a_name_comes_before_the_query(url: str, joined: str) -> None:
    assert join(url, "a.tar") == joined
