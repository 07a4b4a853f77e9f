from flows.batches import name_batches
from flows.progress import Tally, describe
from harvest.pace import Usage

TILE = "tile.loc.gov"


def usage(sent: int, allowed: float | None) -> Usage:
    return Usage(TILE, sent, allowed, None)


def test_progress_says_what_came_what_failed_how_fast_and_how_long() -> None:
    tally = Tally(TILE, total=1000)
    for reason in ["", "", "not_found", "unreachable", "not_found"]:
        tally.count(reason)
    text = describe(tally, usage(18, 18.46), limits=["1/3", "20/60"])
    assert text.splitlines() == [
        "**tile.loc.gov**: 5 of 1,000 done, 3 of no use, about 0:49:42 left",  # 994 gaps of 3 s
        "- 18 requests in the last minute, 18.46 allowed",
        "- of no use: 2 not_found",
        "- of no use: 1 unreachable",
    ]
    assert tally.share == 0.005


def test_a_replica_without_limits_promises_no_time() -> None:
    text = describe(Tally(TILE, total=10), usage(4, None), limits=[])
    assert "no limit" in text
    assert "left" not in text


def test_batches_are_named_by_what_they_hold() -> None:
    assert name_batches("scans", [[1, 2, 3], [4, 5]]) == ["scans 1 to 3 of 5", "scans 4 to 5 of 5"]
    assert name_batches("scans", []) == []
