import pytest
import requests

from harvest.transfer import Pulse, SpoiltError, find_length


class Hand:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def start(hand: Hand) -> Pulse:
    return Pulse(least_bytes_per_s=1000, window_s=10, clock=hand)


def test_a_trickle_is_as_good_as_silence() -> None:
    hand = Hand()
    pulse = start(hand)
    with pytest.raises(SpoiltError, match="a trickle: 9990 bytes in 10 s; expected 10000"):
        for _ in range(10):
            hand.seconds += 1
            pulse.beat(999)


def test_a_slow_transfer_is_none() -> None:
    hand = Hand()
    pulse = start(hand)
    for _ in range(100):
        hand.seconds += 1
        pulse.beat(1000)


def test_a_transfer_that_dries_up_later_is_a_trickle_too() -> None:
    hand = Hand()
    pulse = start(hand)
    hand.seconds += 10
    pulse.beat(1_000_000)
    hand.seconds += 10
    with pytest.raises(SpoiltError):
        pulse.beat(1)


def test_a_short_body_is_judged_by_no_window() -> None:
    hand = Hand()
    pulse = start(hand)
    hand.seconds += 9.9
    pulse.beat(1)


@pytest.mark.parametrize(
    ("said", "length"),
    [
        ("", None),
        ("-5", None),
        ("²", None),
        ("5, 5", None),
        ("0", 0),
        ("0000000000000000000000007", 7),
        ("9" * 5000, 10**19 - 1),
    ],
)
def test_a_length_is_read_however_long_it_is(said: str, length: int | None) -> None:
    response = requests.Response()
    response.headers["Content-Length"] = said
    assert find_length(response) == length
