from typing import Any

import pytest

from harvest.errors import CatalogError
from harvest.leaves import (
    Leaf,
    check_length,
    count,
    find_fault,
    find_unsettled,
    is_doubtful,
    is_worse,
    to_leaf,
)
from tests.harvest.records import item, page


def leaf(*ids: str, of: int | None = 5, pages: int | None = 3) -> Leaf:
    return Leaf(ids, len(ids), of, pages)


def whole() -> dict[int, Leaf | None]:
    return {1: leaf("a", "b"), 2: leaf("c", "d"), 3: leaf("e")}


def test_a_page_is_remembered_by_what_its_rows_say_they_are() -> None:
    found = to_leaf(page(item(1), "mangled", {"id": "x"}, of=7, perpage=3), road="json")
    assert found == Leaf(("https://www.loc.gov/item/2001000001/", "x"), 3, 7, 3)


@pytest.mark.parametrize(
    ("pagination", "counts"),
    [
        ({"of": 7501, "total": 76}, (7501, 76)),
        ({"of": 7501, "total": None}, (7501, 3751)),
        ({}, (None, None)),
    ],
)
def test_the_older_site_may_count_or_not(
    pagination: dict[str, Any], counts: tuple[int | None, int | None]
) -> None:
    found = to_leaf({"results": [{}, {}], "pagination": pagination}, road="pictures")
    assert (found.of, found.pages) == counts


def test_pages_that_belong_together_are_settled() -> None:
    assert find_unsettled(whole()) == []
    assert find_fault(whole()) == ""


@pytest.mark.parametrize(
    ("change", "unsettled"),
    [
        ({2: None}, [2]),
        ({2: leaf("c")}, [2]),
        ({1: leaf("a")}, [1]),
        ({3: leaf(of=5)}, [3]),
        ({2: leaf("b", "d")}, [1, 2]),
        ({2: leaf("d", "d")}, [2]),
        ({3: leaf("e", of=6)}, [1, 3]),
    ],
)
def test_pages_that_do_not_are_asked_for_again(
    change: dict[int, Leaf | None], unsettled: list[int]
) -> None:
    assert find_unsettled(whole() | change) == unsettled


def test_rows_that_do_not_add_up_are_a_fault_and_double_ones_are_not() -> None:
    assert find_fault(whole() | {3: leaf("a")}) == ""
    assert find_fault(whole() | {3: None}) == (
        "expected 5 rows, as page 1 said, got 4 on 2 of 3 pages"
    )
    assert "got 6 on 3 of 3" in find_fault(whole() | {3: leaf("e", "f")})
    assert find_fault({1: leaf("a", of=None, pages=None)}) == ""


def test_a_page_whose_rows_are_all_on_another_one_is_a_fault() -> None:
    fault = "expected other rows on each page, got those of page"
    assert find_fault(whole() | {2: leaf("a", "b")}) == f"{fault} 1 on 2"
    assert find_fault(whole() | {2: leaf("a", "d"), 3: leaf("d")}) == ""
    ones = {n: leaf("a", of=3) for n in (1, 2, 3)}
    assert find_fault(ones) == f"{fault} 1 on 3"


def test_a_page_with_more_rows_than_fit_on_one_is_an_error() -> None:
    with pytest.raises(CatalogError, match=r"at most 1 rows, as pagination\.perpage says, got 2"):
        to_leaf(page(item(1), item(2), perpage=1), road="json")


@pytest.mark.parametrize(("page_size", "most"), [(150, 608), (100, 608), (25, 2408)])
def test_a_listing_may_have_eight_times_the_pages_of_the_collection(
    page_size: int, most: int
) -> None:
    check_length(most, page_size=page_size)
    with pytest.raises(CatalogError, match=f"got a listing of {most + 1} pages"):
        check_length(most + 1, page_size=page_size)


def test_an_empty_page_is_doubtful_unless_it_may_be_kept_or_lies_behind_the_last() -> None:
    assert is_doubtful(page(of=0), number=1, cacheable=False)
    assert not is_doubtful(page(of=0), number=1, cacheable=True)
    behind = page(of=5, perpage=2, number=9)
    assert not is_doubtful(behind, number=9, cacheable=False)


def test_a_page_with_fewer_rows_than_it_counts_is_doubtful() -> None:
    short = page(item(), of=5, perpage=2, number=2)
    assert is_doubtful(short, number=2, cacheable=True)
    last = page(item(), of=5, perpage=2, number=3)
    assert not is_doubtful(last, number=3, cacheable=True)
    assert is_doubtful(page(of=5, perpage=2, number=3), number=3, cacheable=True)


def test_a_page_that_says_it_is_another_is_doubtful() -> None:
    assert is_doubtful(page(item(1), item(2), of=5, perpage=2), number=2, cacheable=True)
    first = page(item(1), item(2), of=5, perpage=2)
    assert not is_doubtful(first, number=1, cacheable=True)


@pytest.mark.parametrize(
    ("counts", "rows", "doubtful"),
    [
        ({"of": 5, "total": 3, "perpage": 2}, 1, True),
        ({"of": 5, "total": 3}, 1, False),  # which the other pages show
        ({"of": 5, "total": 3}, 0, True),
        ({"of": 3, "total": 1}, 0, False),
        ({}, 0, True),
    ],
)
def test_the_older_sites_counts_count_as_far_as_they_go(
    counts: dict[str, int], rows: int, doubtful: bool
) -> None:
    found = {"results": [{}] * rows, "pagination": counts}
    assert is_doubtful(found, number=2, cacheable=False) is doubtful


@pytest.mark.parametrize(
    ("later", "worse"),
    [
        (None, True),
        (leaf("a"), True),
        (leaf("a", "a"), True),
        (leaf("a", "c"), False),
        (leaf("a", of=4), False),  # the listing itself is another
    ],
)
def test_a_look_that_shows_less_of_the_same_listing_is_worse(
    later: Leaf | None, worse: bool
) -> None:
    assert is_worse(later, leaf("a", "b")) is worse
    assert not is_worse(later, None)


@pytest.mark.parametrize("value", [None, "many", -1, 0, True, [3], 1.5])
def test_what_is_no_count_is_an_error(value: Any) -> None:
    with pytest.raises(CatalogError, match=r"expected a count under pagination\.of"):
        count({"pagination": {"of": value}}, "of")
