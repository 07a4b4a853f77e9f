import pytest
from hypothesis import given
from hypothesis import strategies as st

from replica.windows import Turnstile, to_window


@pytest.mark.parametrize(
    "text", ["", "5", "0/6", "-1/6", "x/6", "5/0", "5/inf", "5/nan", "1/2/3/4"]
)
def test_a_limit_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected requests/seconds"):
        to_window(text)


def test_a_request_beyond_a_window_is_told_when_there_is_room() -> None:
    turnstile = Turnstile({"www.loc.gov": ["2/10"]})
    assert turnstile.admit("www.loc.gov", 100.0) is None
    assert turnstile.admit("www.loc.gov", 104.0) is None
    assert turnstile.admit("www.loc.gov", 105.0) == 5.0
    assert turnstile.admit("www.loc.gov", 109.0) == 1.0
    assert turnstile.admit("www.loc.gov", 110.0) is None  # windows are half-open


def test_who_exceeds_a_window_is_blocked_for_its_time() -> None:
    turnstile = Turnstile({"www.loc.gov": ["1/6/300"]})
    assert turnstile.admit("www.loc.gov", 0.0) is None
    assert turnstile.admit("www.loc.gov", 1.0) == 300.0
    assert turnstile.admit("www.loc.gov", 300.0) == 1.0
    assert turnstile.admit("www.loc.gov", 301.0) is None


def test_hosts_are_counted_apart_and_one_without_limits_never_refuses() -> None:
    turnstile = Turnstile({"www.loc.gov": ["1/6"]})
    assert turnstile.admit("www.loc.gov", 0.0) is None
    assert turnstile.admit("tile.loc.gov", 0.0) is None
    assert turnstile.admit("tile.loc.gov", 0.0) is None
    assert turnstile.admit("www.loc.gov", 0.0) == 6.0


@given(st.lists(st.integers(0, 8), max_size=60))
def test_those_who_waited_as_told_are_let_in(gaps: list[int]) -> None:
    turnstile = Turnstile({"h": ["3/10", "5/30"]})
    t = 0.0
    for gap in gaps:
        t += gap
        wait = turnstile.admit("h", t)
        while wait is not None:
            assert wait > 0
            t += wait
            wait = turnstile.admit("h", t)
