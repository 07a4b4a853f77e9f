import threading
import time

import pytest

from harvest.errors import BlockedError
from harvest.pace import Pace, to_rates


def test_limits_are_requests_in_seconds() -> None:
    assert [(rate.limit, rate.interval) for rate in to_rates(["1/6", "10/60", "1/0.5"])] == [
        (1, 6000),
        (10, 60000),
        (1, 500),
    ]


@pytest.mark.parametrize("limit", ["", "5", "0/6", "1/0", "a/b", "1/nan", "1/inf"])
def test_a_limit_that_allows_nothing_is_refused(limit: str) -> None:
    with pytest.raises(ValueError, match="requests/seconds"):
        to_rates([limit])


def test_requests_of_all_threads_keep_the_limit() -> None:
    def ask(pace: Pace) -> None:
        for _ in range(3):
            pace.wait()

    with Pace(["1/0.1"]) as pace:
        started = time.monotonic()
        threads = [threading.Thread(target=ask, args=(pace,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert time.monotonic() - started >= 0.49


def test_a_pause_holds_every_thread() -> None:
    with Pace([]) as pace:
        pace.pause(0.2)
        started = time.monotonic()
        pace.wait()
        assert time.monotonic() - started >= 0.19


def test_a_block_ends_every_wait_with_the_first_reason() -> None:
    with Pace([]) as pace:
        pace.block(BlockedError("first"))
        pace.block(BlockedError("second"))
        with pytest.raises(BlockedError, match="first"):
            pace.wait()
