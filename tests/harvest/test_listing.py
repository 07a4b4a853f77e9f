import gzip
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from harvest.crosscheck import compare_rows
from harvest.errors import AstrayError, BlockedError, CatalogError, DownloadError
from harvest.leafing import MOST_LOOKS
from harvest.listing import fetch_catalog, read_catalog
from harvest.records import CatalogReason, CatalogRow
from tests.harvest.conftest import (
    Answer,
    Library,
    MakeClient,
    challenge,
    files_below,
    json_answer,
    not_found,
)
from tests.harvest.records import item, page, pictures_grid, pictures_page, pictures_result

EMPTY_UNDER_LOAD = json_answer(page(of=0), cache="no-cache, max-age=0")


def page_url(number: int, page_size: int = 2) -> str:
    return (
        "https://www.loc.gov/collections/photochrom-prints/"
        f"?fo=json&c={page_size}&sp={number}&at=results%2Cpagination"
    )


def grid_url(number: int, page_size: int = 2) -> str:
    search = "https://www.loc.gov/pictures/search/"
    return f"{search}?co=pgz&sp={number}&c={page_size}&st=grid&fo=json"


def html_answer(text: str, *, cache: str = "public, max-age=86400") -> Answer:
    headers = {"Content-Type": "text/html; charset=utf-8", "Cache-Control": cache}
    return Answer(200, text.encode(), headers)


def tell_listing(library: Library, *, of: int = 5, perpage: int = 2) -> None:
    """Five rows on three pages; the last page is short."""
    for number, rows in enumerate([(1, 2), (3, 4), (5,)], start=1):
        reply = page(*[item(row) for row in rows], number=number, of=of, perpage=perpage)
        library.tell(page_url(number), json_answer(reply))


def fetch(make_client: MakeClient, raw: Path, **change: Any) -> list[CatalogRow]:
    how: dict[str, Any] = {"road": "json", "page_size": 2, "detail": "listing", "raw": raw} | change
    return fetch_catalog(make_client(retries=how.pop("retries", 2)), **how)[0]


def ids(rows: list[CatalogRow]) -> list[str | None]:
    return [row.resource_id for row in rows]


def asked(library: Library) -> list[str]:
    return [each.path for each in library.asked if each.path != "/robots.txt"]


FIVE = [f"ppmsc.0000{n}" for n in range(1, 6)]


def test_all_pages_are_read_whatever_last_and_total_say(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_listing(library)
    heard: list[tuple[int, int]] = []
    rows, seen = fetch_catalog(
        make_client(),
        road="json",
        page_size=2,
        detail="listing",
        raw=tmp_path,
        on_page=lambda done, of: heard.append((done, of)),
    )
    assert ids(rows) == FIVE
    assert [row.row for row in rows] == [1, 2, 3, 4, 5]
    assert seen == 5
    assert heard == [(1, 3), (2, 3), (3, 3)]
    assert len(asked(library)) == 3


def test_raw_replies_are_kept_so_that_rows_can_be_rebuilt(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_listing(library)
    first = fetch(make_client, tmp_path)
    names = files_below(tmp_path)
    assert names == [f"listing/0000{n}.json.gz" for n in (1, 2, 3)]
    kept = [(tmp_path / name).read_bytes() for name in names]
    assert json.loads(gzip.decompress(kept[2]))["results"] == [item(5)]
    assert read_catalog(tmp_path, "json") == first
    assert fetch(make_client, tmp_path) == first
    assert [(tmp_path / name).read_bytes() for name in names] == kept
    assert len(asked(library)) == 6  # a listing that was whole is read anew


def test_raw_pages_of_a_longer_listing_go(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_listing(library)
    fetch(make_client, tmp_path)
    library.tell(page_url(1), json_answer(page(item(9), of=1, perpage=2)))
    fetch(make_client, tmp_path, may_shrink=True)
    assert files_below(tmp_path) == ["listing/00001.json.gz"]


@pytest.mark.parametrize("road", ["json", "pictures"])
def test_a_listing_far_shorter_than_the_last_one_is_not_believed(
    library: Library, make_client: MakeClient, tmp_path: Path, road: str
) -> None:
    tell_listing(library)
    tell_pictures(library, html=False)
    whole = fetch(make_client, tmp_path, road=road)
    library.tell(page_url(1), json_answer(page(item(9), of=1, perpage=2)))
    library.tell(grid_url(1), json_answer(pictures_page(pictures_result(9))))
    listing = tmp_path / ("listing" if road == "json" else "pictures/listing")
    for _ in range(2):  # it is asked for anew each time, and never taken
        library.asked.clear()
        with pytest.raises(CatalogError, match=r"about 5 rows.*got 1.*did shrink, remove") as error:
            fetch(make_client, tmp_path, road=road)
        assert str(listing) in str(error.value)
        assert len(asked(library)) == 1
    assert read_catalog(tmp_path, road) == whole
    shutil.rmtree(listing)  # as the message says
    assert len(fetch(make_client, tmp_path, road=road)) == 1


def test_a_listing_may_be_a_tenth_shorter_or_follow_a_damaged_one(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    for of in (10, 9, 8):
        reply = page(*map(item, range(of)), of=of, perpage=10)
        library.tell(page_url(1, 10), json_answer(reply))
        if of == 8:
            (tmp_path / "listing/00001.json.gz").write_bytes(b"damaged")
        assert len(fetch(make_client, tmp_path, page_size=10)) == of


def test_the_servers_page_size_counts(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    for number in (1, 2):
        reply = page(item(number), number=number, of=2, perpage=1)
        library.tell(page_url(number, 150), json_answer(reply))
    assert len(fetch(make_client, tmp_path, page_size=150)) == 2


def test_an_empty_page_under_load_is_asked_again(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_listing(library)
    library.scripts[page_url(2)].insert(0, EMPTY_UNDER_LOAD)
    library.scripts[page_url(1)].insert(0, EMPTY_UNDER_LOAD)
    assert ids(fetch(make_client, tmp_path)) == FIVE


def test_a_page_that_stays_empty_is_never_taken_for_the_end(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_listing(library)
    library.tell(page_url(3), EMPTY_UNDER_LOAD)
    with pytest.raises(DownloadError, match="cannot be right"):
        fetch(make_client, tmp_path, retries=1)


def test_a_page_that_is_cut_short_is_asked_again(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_listing(library)
    library.scripts[page_url(2)].insert(0, json_answer(page(item(3), number=2, of=5, perpage=2)))
    assert ids(fetch(make_client, tmp_path)) == FIVE


def test_an_interrupted_listing_goes_on_with_the_pages_that_came(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_listing(library)
    whole = fetch(make_client, tmp_path)
    library.tell(page_url(3), challenge())
    with pytest.raises(BlockedError):
        fetch(make_client, tmp_path)
    assert read_catalog(tmp_path, "json") == whole  # the last whole listing is still there
    tell_listing(library)
    library.asked.clear()
    assert fetch(make_client, tmp_path) == whole
    assert len(asked(library)) == 1
    assert files_below(tmp_path) == [f"listing/0000{n}.json.gz" for n in (1, 2, 3)]


@pytest.mark.parametrize("why", ["old", "other page size", "damaged"])
def test_pages_that_no_longer_serve_are_asked_for_again(
    library: Library, make_client: MakeClient, tmp_path: Path, why: str
) -> None:
    tell_listing(library)
    library.tell(page_url(3), challenge())
    with pytest.raises(BlockedError):
        fetch(make_client, tmp_path)
    tell_listing(library)
    first, size = tmp_path / "listing.next/00001.json.gz", 2
    if why == "old":
        os.utime(first, (time.time() - 90_000,) * 2)
    elif why == "damaged":
        first.write_bytes(first.read_bytes()[:-9])
    else:
        size = 5
        library.tell(page_url(1, 5), json_answer(page(*map(item, range(1, 6)), perpage=5)))
    library.asked.clear()
    assert ids(fetch(make_client, tmp_path, page_size=size)) == FIVE
    assert len(asked(library)) == {"old": 3, "damaged": 2, "other page size": 1}[why]


def test_a_kill_before_the_last_step_costs_no_request(
    library: Library, make_client: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_listing(library)
    with monkeypatch.context() as patch:
        patch.setattr("harvest.listing.finish_listing", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            fetch(make_client, tmp_path)
    library.asked.clear()
    assert ids(fetch(make_client, tmp_path)) == FIVE
    assert asked(library) == []


def test_a_row_that_moved_between_pages_is_found_again(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_listing(library)
    moved = json_answer(page(item(2), item(4), number=2, of=5, perpage=2))  # and 3 is on neither
    library.scripts[page_url(2)][:0] = [moved, moved]
    assert ids(fetch(make_client, tmp_path)) == FIVE
    assert len(asked(library)) == 3 + 2 * 2


@pytest.mark.parametrize("worse", [page(item(1), of=5, perpage=2), page(item(1), item(1), of=5)])
def test_a_second_look_that_shows_less_is_not_taken(
    library: Library, make_client: MakeClient, tmp_path: Path, worse: dict[str, Any]
) -> None:
    tell_listing(library)
    worse["pagination"]["perpage"] = len(worse["results"])  # else it would be doubtful at once
    library.tell(page_url(2), json_answer(page(item(1), item(4), number=2, of=5, perpage=2)))
    library.scripts[page_url(1)].append(json_answer(worse))
    rows = fetch(make_client, tmp_path)
    assert [row.resource_id for row in rows if not row.reason] == [FIVE[0], FIVE[1], *FIVE[3:]]
    assert read_catalog(tmp_path, "json") == rows


def test_a_row_that_stays_double_is_the_catalogues_own(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_listing(library)
    library.tell(page_url(2), json_answer(page(item(1), item(4), number=2, of=5, perpage=2)))
    rows = fetch(make_client, tmp_path)
    assert [row.reason for row in rows] == ["", "", CatalogReason.REPEATED, "", ""]
    assert len(asked(library)) == 3 + 2 * MOST_LOOKS


def test_a_listing_that_grows_meanwhile_is_read_to_its_new_end(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_listing(library, of=6)
    old = json_answer(page(item(1), item(2), number=1, of=4, perpage=2))
    library.scripts[page_url(1)].insert(0, old)
    library.tell(page_url(3), json_answer(page(item(5), item(6), number=3, of=6, perpage=2)))
    assert len(fetch(make_client, tmp_path)) == 6


def test_a_page_that_was_gone_for_once_is_asked_again(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_listing(library)
    library.scripts[page_url(2)].insert(0, not_found())
    assert ids(fetch(make_client, tmp_path)) == FIVE


@pytest.mark.parametrize("gone", [not_found(), json_answer(page(number=3, of=4, perpage=2))])
def test_a_listing_that_is_short_is_an_error_and_the_next_run_asks_for_the_rest(
    library: Library, make_client: MakeClient, tmp_path: Path, gone: Answer
) -> None:
    tell_listing(library)
    library.tell(page_url(3), gone)
    with pytest.raises(CatalogError, match="expected 5 rows, as page 1 said, got 4 on 2 of 3"):
        fetch(make_client, tmp_path)
    tell_listing(library)
    library.asked.clear()
    assert ids(fetch(make_client, tmp_path)) == FIVE
    assert len(asked(library)) == 2  # page 1, which may have been wrong, and page 3


def test_a_listing_that_does_not_add_up_is_not_taken_up_again(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_listing(library, of=6)
    library.tell(page_url(3), json_answer(page(item(5), number=3, of=5, perpage=2)))
    with pytest.raises(CatalogError, match="changed meanwhile"):
        fetch(make_client, tmp_path)
    tell_listing(library)
    assert ids(fetch(make_client, tmp_path)) == FIVE


def test_behind_a_page_that_is_missing_nothing_is_asked_for(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_listing(library, of=4500)
    library.tell(page_url(2), not_found())
    with pytest.raises(CatalogError, match="got 2 on 1 of 2250 pages"):
        fetch(make_client, tmp_path)
    assert asked(library) == [*asked(library)[:1], *asked(library)[1:2] * (2 + MOST_LOOKS)]


@pytest.mark.parametrize("road", ["json", "pictures"])
@pytest.mark.parametrize("html", [False, True])
def test_a_listing_that_counts_without_end_is_refused_at_its_first_page(
    library: Library, make_client: MakeClient, tmp_path: Path, road: str, html: bool
) -> None:
    tell_listing(library, of=2**53)
    results = [pictures_result(1), pictures_result(2)]
    endless = json_answer(pictures_page(*results, of=2, pages=2**50))
    grid = html_answer(pictures_grid(1, 2, of=999_999_999))
    library.tell(grid_url(1), grid if html else endless)
    for _ in range(2):  # it is not kept for the next run either
        with pytest.raises(CatalogError, match="got a listing of"):
            fetch(make_client, tmp_path, road=road)
    assert len(asked(library)) == 2


def test_a_grid_that_brings_new_rows_for_ever_ends(
    library: Library, make_client: MakeClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harvest.leaves.COLLECTION_ROWS", 1)  # so 8 pages at most
    for number in range(1, 12):
        library.tell(grid_url(number), html_answer(pictures_grid(2 * number, 2 * number + 1)))
    with pytest.raises(CatalogError, match="got a listing of 9 pages"):
        fetch(make_client, tmp_path, road="pictures")
    assert len(asked(library)) == 9


@pytest.mark.parametrize("says", [True, False])
def test_a_server_that_always_gives_the_first_page_is_at_fault(
    library: Library, make_client: MakeClient, tmp_path: Path, says: bool
) -> None:
    for number in (1, 2, 3):
        reply = page(item(1), item(2), number=number if says else 1, of=6, perpage=2)
        library.tell(page_url(number), json_answer(reply))
    message = "got those of page 1 on 3" if says else "cannot be right"
    with pytest.raises((CatalogError, DownloadError), match=message):
        fetch(make_client, tmp_path, retries=1)


@pytest.mark.parametrize("road", ["json", "pictures"])
def test_a_page_that_leads_elsewhere_is_asked_again_and_not_for_ever(
    library: Library, make_client: MakeClient, tmp_path: Path, road: str
) -> None:
    tell_listing(library)
    tell_pictures(library, html=False)
    url = (page_url if road == "json" else grid_url)(2)
    astray = Answer(302, b"", {"Location": "https://example.org/elsewhere"})
    library.scripts[url][:0] = [astray] * (MOST_LOOKS - 1)
    assert ids(fetch(make_client, tmp_path, road=road)) == FIVE
    library.tell(url, astray)
    with pytest.raises(AstrayError, match=r"example\.org"):
        fetch(make_client, tmp_path, road=road)


def test_a_page_without_counts_is_not_kept_for_the_next_run(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_listing(library)
    library.scripts[page_url(2)].insert(0, json_answer({"results": [item(3)]}))
    with pytest.raises(CatalogError, match="expected a count"):
        fetch(make_client, tmp_path)
    assert ids(fetch(make_client, tmp_path)) == FIVE


def test_an_empty_catalogue_is_an_error(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    library.tell(page_url(1), json_answer(page(of=0)))
    with pytest.raises(CatalogError, match="expected rows on page 1"):
        fetch(make_client, tmp_path)


def test_a_collection_that_is_not_there_is_an_error(
    make_client: MakeClient, tmp_path: Path
) -> None:
    with pytest.raises(CatalogError, match="expected rows on page 1, got none"):
        fetch(make_client, tmp_path)


@pytest.mark.parametrize("pagination", [None, {}, {"of": "many", "perpage": 2}, {"of": 3}])
def test_a_listing_without_counts_is_an_error(
    library: Library, make_client: MakeClient, tmp_path: Path, pagination: Any
) -> None:
    reply = {"results": [item(1)], "pagination": pagination}
    library.tell(page_url(1), json_answer(reply))
    with pytest.raises(CatalogError, match="expected a count under pagination"):
        fetch(make_client, tmp_path)


def test_a_challenge_stops_the_listing(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_listing(library)
    library.tell(page_url(2), challenge())
    with pytest.raises(BlockedError):
        fetch(make_client, tmp_path)
    assert len(asked(library)) == 2


def test_no_raw_pages_are_no_catalogue(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="run photochrom catalog first"):
        read_catalog(tmp_path, "json")


def test_a_gap_or_a_damaged_page_is_no_catalogue(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_listing(library)
    fetch(make_client, tmp_path)
    third = tmp_path / "listing/00003.json.gz"
    third.write_bytes(third.read_bytes()[:20])
    with pytest.raises(CatalogError, match="damaged file"):
        read_catalog(tmp_path, "json")
    (tmp_path / "listing/00002.json.gz").unlink()
    with pytest.raises(CatalogError, match="2 with gaps"):
        read_catalog(tmp_path, "json")


def tell_pictures(library: Library, *, html: bool, of: int | None = 5) -> None:
    for number, rows in enumerate([(1, 2), (3, 4), (5,)], start=1):
        results = [pictures_result(row) for row in rows]
        listed = json_answer(pictures_page(*results, of=of, pages=3))
        grid = html_answer(pictures_grid(*rows, of=of))
        library.tell(grid_url(number), grid if html else listed)


@pytest.mark.parametrize("html", [False, True])
def test_the_older_site_gives_the_same_catalogue_in_json_and_in_html(
    library: Library, make_client: MakeClient, tmp_path: Path, html: bool
) -> None:
    tell_pictures(library, html=html)
    rows = fetch(make_client, tmp_path, road="pictures")
    assert ids(rows) == FIVE
    assert [row.item_id for row in rows] == [f"200100000{n}" for n in range(1, 6)]
    assert read_catalog(tmp_path, "pictures") == rows
    ending = "html" if html else "json"
    assert files_below(tmp_path) == [f"pictures/listing/0000{n}.{ending}.gz" for n in (1, 2, 3)]
    assert len(asked(library)) == 3


@pytest.mark.parametrize("end", [not_found(), html_answer(pictures_grid())])
def test_a_grid_that_does_not_count_ends_where_no_new_item_comes(
    library: Library, make_client: MakeClient, tmp_path: Path, end: Answer
) -> None:
    tell_pictures(library, html=True, of=None)
    library.tell(grid_url(4), end)
    library.scripts[grid_url(2)].insert(0, html_answer("<p>Server Too Busy</p>"))
    assert ids(fetch(make_client, tmp_path, road="pictures")) == FIVE


def test_a_grid_that_repeats_its_last_page_ends_there(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_pictures(library, html=True, of=None)
    library.tell(grid_url(4), html_answer(pictures_grid(5)))
    assert ids(fetch(make_client, tmp_path, road="pictures")) == FIVE
    assert "pictures/listing/00004.html.gz" not in files_below(tmp_path)


def test_a_page_of_the_older_site_that_comes_empty_is_asked_again(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_pictures(library, html=False)
    library.scripts[grid_url(2)].insert(0, json_answer(pictures_page(of=5, pages=3)))
    assert ids(fetch(make_client, tmp_path, road="pictures")) == FIVE


@pytest.mark.parametrize(
    "load",
    [
        json_answer(pictures_page(of=0, pages=0), cache="no-cache, max-age=0"),
        html_answer("<p>The Library is being improved</p>", cache="no-store"),
    ],
)
def test_a_page_that_the_older_site_sends_under_load_is_asked_again_and_never_taken(
    library: Library, make_client: MakeClient, tmp_path: Path, load: Answer
) -> None:
    tell_pictures(library, html=False)
    for number in (1, 3):
        library.scripts[grid_url(number)][:0] = [load, load]
    assert ids(fetch(make_client, tmp_path, road="pictures")) == FIVE
    library.tell(grid_url(2), load)
    with pytest.raises(DownloadError, match="cannot be right"):
        fetch(make_client, tmp_path, road="pictures")


def test_a_grid_that_does_not_count_may_end_with_a_page_that_is_not_kept(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_pictures(library, html=True, of=None)
    library.tell(grid_url(4), html_answer("<p>Your search found no items.</p>", cache=""))
    assert ids(fetch(make_client, tmp_path, road="pictures")) == FIVE


def test_the_older_sites_first_page_may_come_empty_once_and_not_twice(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_pictures(library, html=True)
    library.scripts[grid_url(1)].insert(0, html_answer("<p>Server Too Busy</p>"))
    assert ids(fetch(make_client, tmp_path, road="pictures")) == FIVE
    library.tell(grid_url(1), html_answer("<p>Your search found no items.</p>"))
    with pytest.raises(CatalogError, match="expected rows on page 1"):
        fetch(make_client, tmp_path, road="pictures")


def test_each_road_keeps_its_own_pages(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_listing(library)
    tell_pictures(library, html=False)
    by_api = fetch(make_client, tmp_path)
    by_pages = fetch(make_client, tmp_path, road="pictures")
    assert read_catalog(tmp_path, "json") == by_api
    assert read_catalog(tmp_path, "pictures") == by_pages
    assert compare_rows(by_api, by_pages) == []
