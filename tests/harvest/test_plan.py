from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harvest.params import HarvestParams
from harvest.plan import COLLECTION_ROWS, find_floor_s, plan_harvest, to_iiif_bytes
from harvest.records import CatalogReason, CatalogRow, CatalogState
from tests.harvest.shelf import row_of

LOC = {"www.loc.gov": ["1/6", "10/60"], "tile.loc.gov": ["1/3", "20/60"]}


def params(**change: Any) -> HarvestParams:
    values = {
        "source": "loc",
        "road": "json",
        "rendition": "v",
        "page_size": 150,
        "detail": "listing",
        "folder": None,
        "contact": "someone@example.org",
        "limits": {"sample": {}, "loc": LOC},
        "guard_s": 0.25,
        "retries": 4,
        "timeout_s": 30,
        "workers": 8,
    }
    return HarvestParams.model_validate(values | change)


def row(number: int, *, size: int | None = None, listed: bool = True) -> CatalogRow:
    known = row_of(number, kinds="v", sides=(1024, 768))
    files = tuple(replace(file, bytes=size) for file in known.renditions)
    state = CatalogState.LISTED if listed else CatalogState.SKIPPED
    reason = CatalogReason.NONE if listed else CatalogReason.NOT_AN_ITEM
    return replace(known, renditions=files, state=state, reason=reason)


def test_the_floor_of_one_window_is_counted_by_hand() -> None:
    assert find_floor_s(1, ["10/60"]) == 0
    assert find_floor_s(10, ["10/60"]) == 0
    assert find_floor_s(11, ["10/60"]) == 60
    assert find_floor_s(21, ["10/60"]) == 120
    assert find_floor_s(51, ["1/6"]) == 300
    assert find_floor_s(0, ["1/6"]) == 0
    assert find_floor_s(40_000, []) == 0


def test_windows_hold_at_once() -> None:
    # Two at a time every 3 s, five in 10 s: 0 0 3 3 6 | 10 10 13 13 16 | 20 ...
    assert find_floor_s(11, ["2/3", "5/10"]) == 20
    assert find_floor_s(10, ["2/3", "5/10"]) == 16


@given(
    st.integers(1, 60),
    st.lists(st.tuples(st.integers(1, 9), st.integers(1, 20)), min_size=1, max_size=3),
)
@settings(max_examples=60)
def test_the_floor_keeps_every_window_and_waits_no_longer_than_one_makes_it(
    requests: int, windows: list[tuple[int, int]]
) -> None:
    limits = [f"{count}/{seconds}" for count, seconds in windows]
    times = [find_floor_s(number + 1, limits) for number in range(requests)]
    for count, seconds in windows:
        assert all(b - a >= seconds for a, b in zip(times, times[count:], strict=False))
    for number, time in enumerate(times[1:], start=1):
        reasons = [times[number - 1]]
        reasons += [times[number - n] + s for n, s in windows if number >= n]
        assert time == max(reasons)


@pytest.mark.parametrize("limit", ["", "5", "0/6", "1/0", "a/b", "1/inf"])
def test_a_limit_that_is_none_is_refused(limit: str) -> None:
    with pytest.raises(ValueError, match="requests/seconds"):
        find_floor_s(2, [limit])


def test_negative_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="no negative"):
        find_floor_s(-1, [])


def test_the_whole_collection_takes_as_long_as_its_limits_say() -> None:
    plan = plan_harvest(params(), rows=None)
    www, tile = plan.hosts
    assert (www.robots, www.listing, www.items, www.files) == (1, 51, 0, 0)
    assert (tile.robots, tile.listing, tile.items, tile.files) == (1, 0, 0, COLLECTION_ROWS)
    assert www.hours == pytest.approx(51 * 6 / 3600)
    assert tile.hours == pytest.approx(7501 * 3 / 3600)
    assert plan.hours == www.hours + tile.hours
    assert plan.requests == 52 + 7502
    assert tile.bytes_low >= COLLECTION_ROWS * 80_000
    assert tile.bytes_high <= COLLECTION_ROWS * 460_000 + 10_000
    assert not plan.is_exact


def test_item_pages_take_the_twelve_hours_that_they_do() -> None:
    (www, _) = plan_harvest(params(detail="item"), rows=None).hosts
    assert www.items == COLLECTION_ROWS
    assert 12.5 < www.hours < 13.2


def test_the_older_site_has_76_pages() -> None:
    assert plan_harvest(params(road="pictures"), rows=None).hosts[0].listing == 76


def test_a_replica_without_limits_takes_no_time() -> None:
    assert plan_harvest(params(source="sample"), rows=None).hours == 0


def test_a_known_catalogue_is_counted_and_weighed() -> None:
    rows: Sequence[CatalogRow] = [row(1, size=5), row(2), row(3, listed=False)]
    plan = plan_harvest(params(detail="item", page_size=2), rows=rows)
    www, tile = plan.hosts
    assert (www.listing, www.items, tile.files, plan.is_exact) == (2, 2, 2, True)
    assert tile.bytes_low == 100 + 5 + 80_000
    assert tile.bytes_high == 10_000 + 5 + 460_000


def test_an_empty_catalogue_still_asks_for_its_first_page() -> None:
    plan = plan_harvest(params(), rows=[])
    assert [host.requests for host in plan.hosts] == [2, 1]


@pytest.mark.parametrize("rendition", ["r", "u", "iiif:2048"])
def test_every_rendition_has_a_weight(rendition: str) -> None:
    plan = plan_harvest(params(rendition=rendition), rows=None)
    assert 0 < plan.bytes_low < plan.bytes_high


def test_a_picture_of_the_image_server_weighs_as_much_as_real_ones_of_its_size() -> None:
    low, high = to_iiif_bytes(1024)
    assert low < 182_000 < 447_000 < high
