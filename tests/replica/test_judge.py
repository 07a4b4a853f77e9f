import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replica.entries import Entry, read_log
from replica.errors import LogError
from replica.judge import Rules, judge, to_table
from replica.tally import tally_files

BASE = Entry(
    t=0.0,
    time=1_790_000_000.0,
    host="www.loc.gov",
    route="listing",
    method="GET",
    path="/collections/photochrom-prints/",
    query="fo=json",
    agent="photochrom/0.1 (+https://example.org)",
    range="",
    status=200,
    bytes=10,
    whole=True,
    seconds=0.1,
    fault="",
    sha256="",
    not_before=None,
)


def _at(t: float, **changes: object) -> Entry:
    return replace(BASE, t=t, time=BASE.time + t, **changes)  # type: ignore[arg-type]


def test_a_window_counts_what_came_within_it_and_not_at_its_end() -> None:
    verdict = judge([_at(0.0), _at(6.0), _at(12.0)], {"www.loc.gov": ["1/6"]})
    assert verdict.ok
    assert verdict.counts[0].most == 1
    verdict = judge([_at(0.0), _at(5.999), _at(12.0)], {"www.loc.gov": ["1/6"]})
    assert not verdict.ok
    (count,) = verdict.counts
    assert (count.most, count.excess, count.first_excess) == (2, 1, BASE.time + 5.999)


@given(st.lists(st.integers(0, 300), max_size=40), st.integers(1, 6), st.integers(1, 90))
def test_the_fullest_window_is_that_of_counting_by_hand(
    times: list[int], allowed: int, seconds: int
) -> None:
    verdict = judge([_at(float(t)) for t in times], {"www.loc.gov": [f"{allowed}/{seconds}"]})
    by_hand = max((sum(t <= u < t + seconds for u in times) for t in times), default=0)
    assert verdict.counts[0].most == by_hand
    assert verdict.ok == (by_hand <= allowed)


def test_hosts_are_judged_apart_and_each_window_for_itself() -> None:
    log = [_at(0.0), _at(0.0, host="tile.loc.gov"), _at(7.0), _at(14.0)]
    limits = {"www.loc.gov": ["1/6", "2/60"], "tile.loc.gov": ["1/3"]}
    verdict = judge(log, limits)
    assert [count.excess for count in verdict.counts] == [0, 1, 0]


def test_questions_about_the_replica_do_not_count() -> None:
    log = [_at(0.0), _at(1.0, route="about", host="www.loc.gov")]
    assert judge(log, {"www.loc.gov": ["1/6"]}).counts[0].requests == 1


def test_a_request_before_a_retry_after_has_passed_is_early_unless_under_way() -> None:
    busy = _at(10.0, status=429, fault="too_many_seconds", not_before=40.1)
    early = [_at(t) for t in (10.2, 20.0, 40.05, 40.1, 50.0)]
    verdict = judge([_at(1.0), busy, *early, _at(20.0, host="tile.loc.gov")], {})
    assert [entry.t for entry in verdict.early] == [20.0, 40.05]
    assert not verdict.ok


def test_a_request_after_a_challenge_is_defiant_until_a_new_start() -> None:
    log = [_at(0.0), _at(5.0, status=403, fault="challenge"), _at(5.3), _at(9.0), _at(100.0)]
    assert [e.t for e in judge(log, {}).defiant] == [9.0, 100.0]
    rules = Rules(restarts=(99.0,))
    assert [e.t for e in judge(log, {}, rules=rules).defiant] == [9.0]


def test_what_robots_txt_disallows_and_who_hides_is_found() -> None:
    log = [
        _at(0.0),
        _at(1.0, path="/search/", route="other"),
        _at(2.0, path="/robots.txt", route="robots"),
        _at(3.0, agent="python-requests"),
    ]
    rules = Rules(robots="User-agent: *\nDisallow: /search\n", contact="example.org")
    verdict = judge(log, {}, rules=rules)
    assert [e.t for e in verdict.disallowed] == [1.0]
    assert [e.t for e in verdict.anonymous] == [3.0]


def test_the_table_fits_eighty_columns_and_says_how_it_ended() -> None:
    limits = {"www.loc.gov": ["1/6", "10/60"], "tile.loc.gov": ["1/3", "20/60/300"]}
    good = to_table(judge([_at(0.0)], limits))
    bad = to_table(judge([_at(0.0), _at(1.0, path="/search/" + "x" * 99)], limits))
    for table in (good, bad):
        assert max(map(len, table.splitlines())) <= 80
        assert len(table.splitlines()) == 1 + 4 + 4 + 1
    assert good.endswith("every rule was kept")
    assert bad.endswith("RULES WERE BROKEN")
    assert "1 too many" in bad


def test_a_log_is_read_in_the_order_of_arrival_without_a_torn_last_line(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    lines = [json.dumps(asdict(entry)) for entry in (_at(2.0), _at(1.0))]
    path.write_text("\n".join(lines) + "\n" + lines[0][:40])
    assert [entry.t for entry in read_log(path)] == [1.0, 2.0]


def test_what_is_no_log_is_a_clear_error(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    with pytest.raises(LogError, match="expected a replica's log"):
        read_log(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(LogError, match="got what is no text"):
        read_log(path)
    line = asdict(BASE)
    wrong = [{"t": 1}, line | {"t": "1.0"}, line | {"bytes": None}]
    for text in ("[]", "[" * 3_000, *map(json.dumps, wrong)):
        path.write_text(f"{text}\n")
        with pytest.raises(LogError, match=r"log.jsonl:1: expected a line"):
            read_log(path)


def test_a_file_is_asked_for_once_and_for_each_fault_and_broken_transfer_once_more() -> None:
    path = "/storage-services/service/pnp/ppmsc/05000/05000v.jpg"

    def ask(t: float, **changes: object) -> Entry:
        return _at(t, host="tile.loc.gov", route="file", path=path, **changes)

    log = [_at(0.0), ask(1.0, fault="cut", whole=False, sha256="a"), ask(2.0, whole=False)]
    log += [ask(3.0, status=429, fault="enforced"), ask(4.0, sha256="a")]
    (tally,) = tally_files(log).values()
    assert (tally.asked, tally.faulty, tally.broken_off) == (4, 2, 1)
    assert (tally.sha256, tally.unexplained) == ("a", 0)
    (more,) = tally_files([*log, ask(5.0, sha256="a")]).values()
    assert more.unexplained == 1
    with pytest.raises(ValueError, match="expected one content"):
        tally_files([*log, ask(5.0, sha256="b")])
