from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest.errors import BlockedError, DisallowedError, DownloadError
from harvest.robots import MOST_BYTES, Robots, Rules
from tests.harvest.conftest import Answer, Library, MakeClient, challenge, json_answer

ROBOTS = "https://www.loc.gov/robots.txt"
PAGE = "https://www.loc.gov/collections/photochrom-prints/"
SEARCH = "https://www.loc.gov/search/"
RULES = "User-agent: *\nDisallow: /search\nCrawl-delay: 0.1\n"


def robots_answer(text: str, status: int = 200) -> Answer:
    return Answer(status, text.encode(), {"Content-Type": "text/plain"})


def test_robots_are_asked_for_once_a_host_before_anything_else(
    library: Library, make_client: MakeClient
) -> None:
    library.tell(ROBOTS, robots_answer(RULES))
    library.tell(PAGE, json_answer({}))
    library.tell("https://tile.loc.gov/x", json_answer({}))
    client = make_client()
    for url in (PAGE, PAGE, "https://tile.loc.gov/x", PAGE):
        client.get_json(url)
    assert [asked.host for asked in library.robots] == ["www.loc.gov", "tile.loc.gov"]
    assert library.robots[0].time < library.asked[0].time
    assert library.robots[0].headers["User-Agent"] == "photochrom-test (test@example.org)"


def test_what_robots_disallow_is_not_asked(library: Library, make_client: MakeClient) -> None:
    library.tell(ROBOTS, robots_answer(RULES))
    with pytest.raises(DisallowedError, match="asks robots not to take it"):
        make_client().get_json(SEARCH, params={"q": "x"})
    assert library.asked == []


@pytest.mark.parametrize(
    "location",
    [
        "/search/",
        "https://www.loc.gov/x/../search/secret",
        "/x/%2e%2e/search/secret",
        "/%73earch/",
        "https://www.loc.gov//search/",
        "/.%2e//search/",
    ],
)
def test_a_redirect_to_what_robots_disallow_is_not_followed(
    library: Library, make_client: MakeClient, location: str
) -> None:
    library.tell(ROBOTS, robots_answer(RULES))
    library.tell(PAGE, Answer(302, b"", {"Location": location}))
    with pytest.raises(DisallowedError):
        make_client().get_json(PAGE)
    assert [asked.path for asked in library.asked] == ["/collections/photochrom-prints/"]


@pytest.mark.parametrize("path", ["/x/../search/", "/x/%2E%2e/search/", "//search/"])
def test_an_address_is_held_against_robots_as_it_is_sent(
    library: Library, make_client: MakeClient, path: str
) -> None:
    library.tell(ROBOTS, robots_answer(RULES))
    with pytest.raises(DisallowedError):
        make_client().get_json(f"https://www.loc.gov{path}")
    assert library.asked == []


def test_a_mark_before_robots_hides_no_rule(library: Library, make_client: MakeClient) -> None:
    library.tell(ROBOTS, robots_answer(f"\ufeff{RULES}"))
    with pytest.raises(DisallowedError):
        make_client().get_json(SEARCH)


def test_robots_may_be_redirected(library: Library, make_client: MakeClient) -> None:
    library.tell(ROBOTS, Answer(301, b"", {"Location": "/static/robots.txt"}))
    library.tell("https://www.loc.gov/static/robots.txt", robots_answer(RULES))
    with pytest.raises(DisallowedError):
        make_client().get_json(SEARCH)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_without_robots_everything_is_allowed(
    library: Library, make_client: MakeClient, status: int
) -> None:
    library.tell(ROBOTS, robots_answer("Disallow: /", status))
    library.tell(PAGE, json_answer({"a": 1}))
    assert make_client().get_json(PAGE).data == {"a": 1}


@pytest.mark.parametrize(
    "answer",
    [
        Answer(503),
        Answer(hang_up=True),
        Answer(200, RULES.encode("utf-16")),
        Answer(200, RULES.encode("utf-16-be")),
        Answer(200, "ŸŸ".encode("utf-16")),
    ],
)
def test_robots_that_do_not_come_allow_nothing(
    library: Library, make_client: MakeClient, answer: Answer
) -> None:
    library.tell(ROBOTS, answer)
    client = make_client(retries=1)
    for _ in range(2):
        with pytest.raises(DownloadError, match=r"robots\.txt: did not come"):
            client.get_json(PAGE)
    assert (len(library.robots), library.asked) == (2, [])


def test_a_challenge_instead_of_robots_is_a_block(
    library: Library, make_client: MakeClient
) -> None:
    library.tell(ROBOTS, challenge())
    with pytest.raises(BlockedError):
        make_client().get_json(PAGE)
    assert (len(library.robots), library.asked) == (1, [])


def test_robots_are_kept_for_a_day(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    library.tell(ROBOTS, robots_answer(RULES))
    library.tell(PAGE, json_answer({}))
    for _ in range(2):
        make_client(state=tmp_path).get_json(PAGE)
    assert len(library.robots) == 1
    kept = tmp_path / "www.loc.gov.robots.json"
    yesterday = datetime.now(UTC) - timedelta(hours=24)
    text = kept.read_text()
    start = text.index('"fetched_at":"') + len('"fetched_at":"')
    kept.write_text(text[:start] + yesterday.isoformat() + text[text.index('"', start) :])
    make_client(state=tmp_path).get_json(PAGE)
    assert len(library.robots) == 2
    kept.write_text("torn")
    make_client(state=tmp_path).get_json(PAGE)
    assert len(library.robots) == 3


def test_robots_of_another_replica_do_not_count(tmp_path: Path) -> None:
    asked: list[str] = []

    def fetch(url: str) -> str:
        asked.append(url)
        return RULES

    def make(origin: str) -> Robots:
        return Robots(
            "www.loc.gov",
            origin=origin,
            folder=tmp_path,
            fetch=fetch,
            slow_down=lambda _: None,
            is_stopped=lambda: False,
        )

    for origin in ("http://127.0.0.1:1", "http://127.0.0.1:1", "http://127.0.0.1:2"):
        make(origin).check(PAGE)
    assert asked == [ROBOTS, ROBOTS]


def test_a_delay_that_robots_ask_for_is_kept(library: Library, make_client: MakeClient) -> None:
    library.tell(ROBOTS, robots_answer(RULES))
    library.tell(PAGE, json_answer({}))
    client = make_client(limits={"www.loc.gov": ["50/1"]}, guard_s=0.05)
    for _ in range(4):
        client.get_json(PAGE)
    times = [asked.time for asked in library.asked]
    assert all(later - earlier > 0.1 for earlier, later in pairwise(times))
    assert client.usage()["www.loc.gov"].allowed_per_minute == 600


def test_only_the_beginning_of_a_long_robots_is_read(
    library: Library, make_client: MakeClient
) -> None:
    long = RULES + "#" * MOST_BYTES + "\nDisallow: /\n"
    library.tell(ROBOTS, robots_answer(long))
    library.tell(PAGE, json_answer({"a": 1}))
    client = make_client()
    assert client.get_json(PAGE).data == {"a": 1}
    with pytest.raises(DisallowedError):
        client.get_json(SEARCH)


def test_rules_for_us_come_before_those_for_everyone() -> None:
    rules = Rules("User-agent: *\nDisallow: /\n\nUser-agent: Photochrom\nDisallow: /a\n")
    assert rules.allows(PAGE)
    assert not rules.allows("https://www.loc.gov/a/b")
    assert rules.delay_s == 0


@given(st.text(max_size=300), st.text(max_size=60))
def test_no_robots_is_too_odd_to_be_read(text: str, path: str) -> None:
    rules = Rules(f"User-agent: *\n{text}")
    assert rules.allows(f"https://www.loc.gov/{path}") in (True, False)
    assert rules.delay_s >= 0
