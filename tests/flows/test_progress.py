from flows.progress import Tally, describe
from harvest.pace import Usage

TILE = "tile.loc.gov"


def usage(sent: int, allowed: float | None) -> Usage:
    return Usage(TILE, sent, allowed, None)


def test_progress_says_what_came_what_failed_how_fast_and_how_long() -> None:
    tally = Tally(TILE, total=1000)
    for reason in ["", "", "not_found", "unreachable", "not_found"]:
        tally.count(reason)
    text = describe(tally, usage(18, 18.46), limits=["1/3", "20/60"], guard_s=0.25)
    assert "5 of 1,000 done" in text
    assert "failed: 2 not_found, 1 unreachable" in text
    assert "18 requests in the last minute, 18.46 allowed" in text
    assert "0:53:50 left at the least" in text  # 994 gaps of 3.25 s
    assert tally.share == 0.005


def test_a_replica_without_limits_promises_no_time() -> None:
    text = describe(Tally(TILE, total=10), usage(4, None), limits=[], guard_s=0.25)
    assert "no limit" in text
    assert "left" not in text
