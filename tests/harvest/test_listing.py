import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from harvest.errors import BlockedError, CatalogError, DownloadError, NotFoundError
from harvest.listing import fetch_catalog, fetch_item, fetch_listing, fetch_page, read_catalog
from harvest.records import CatalogRow, CatalogState
from tests.harvest.conftest import (
    Answer,
    Library,
    MakeClient,
    challenge,
    files_below,
    json_answer,
    not_found,
)
from tests.harvest.records import PNP, item, page

EMPTY_UNDER_LOAD = json_answer(page(of=0), cache="no-cache, max-age=0")


def page_url(number: int, page_size: int = 2) -> str:
    return (
        "https://www.loc.gov/collections/photochrom-prints/"
        f"?fo=json&c={page_size}&sp={number}&at=results%2Cpagination"
    )


def item_url(number: int) -> str:
    return f"https://www.loc.gov/item/2001{number:06d}/?fo=json&at=item%2Cresources"


def tell_listing(library: Library, *, of: int = 5, perpage: int = 2) -> None:
    """Five rows on three pages; the last page is short."""
    for number, rows in enumerate([(1, 2), (3, 4), (5,)], start=1):
        reply = page(*[item(row) for row in rows], number=number, of=of, perpage=perpage)
        library.tell(page_url(number), json_answer(reply))


def ids(rows: list[CatalogRow]) -> list[str | None]:
    return [row.resource_id for row in rows]


def test_all_pages_are_read_whatever_last_and_total_say(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_listing(library)
    rows, seen = fetch_catalog(make_client(), page_size=2, detail="listing", raw=tmp_path)
    assert ids(rows) == [f"ppmsc.0000{n}" for n in range(1, 6)]
    assert [row.row for row in rows] == [1, 2, 3, 4, 5]
    assert seen == 5
    assert len(library.asked) == 3


def test_raw_replies_are_kept_so_that_rows_can_be_rebuilt(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_listing(library)
    first = fetch_catalog(make_client(), page_size=2, detail="listing", raw=tmp_path)
    names = files_below(tmp_path)
    assert names == [f"listing/0000{n}.json.gz" for n in (1, 2, 3)]
    kept = [(tmp_path / name).read_bytes() for name in names]
    assert json.loads(gzip.decompress(kept[2]))["results"] == [item(5)]
    assert read_catalog(tmp_path) == first[0]
    fetch_catalog(make_client(), page_size=2, detail="listing", raw=tmp_path)
    assert [(tmp_path / name).read_bytes() for name in names] == kept


def test_raw_pages_of_a_longer_listing_go(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_listing(library)
    list(fetch_listing(make_client(), page_size=2, raw=tmp_path))
    library.tell(page_url(1), json_answer(page(item(9), of=1, perpage=2)))
    list(fetch_listing(make_client(), page_size=2, raw=tmp_path))
    assert files_below(tmp_path) == ["listing/00001.json.gz"]


def test_the_servers_page_size_counts(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    for number in (1, 2):
        reply = page(item(number), number=number, of=2, perpage=1)
        library.tell(page_url(number, 150), json_answer(reply))
    rows, _ = fetch_catalog(make_client(), page_size=150, detail="listing", raw=tmp_path)
    assert len(rows) == 2


def test_an_empty_page_under_load_is_asked_again(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_listing(library)
    library.scripts[page_url(2)].insert(0, EMPTY_UNDER_LOAD)
    library.scripts[page_url(1)].insert(0, EMPTY_UNDER_LOAD)
    rows, _ = fetch_catalog(make_client(), page_size=2, detail="listing", raw=tmp_path)
    assert len(rows) == 5


def test_a_page_that_stays_empty_is_never_taken_for_the_end(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_listing(library)
    library.tell(page_url(3), EMPTY_UNDER_LOAD)
    with pytest.raises(DownloadError, match="cannot be right"):
        list(fetch_listing(make_client(retries=1), page_size=2, raw=tmp_path))


@pytest.mark.parametrize("gone", [not_found(), json_answer(page(number=3, of=4, perpage=2))])
def test_a_listing_that_is_short_is_an_error(
    library: Library, make_client: MakeClient, tmp_path: Path, gone: Answer
) -> None:
    tell_listing(library)
    library.tell(page_url(3), gone)
    with pytest.raises(CatalogError, match="expected 5 rows, as page 1 said, got 4"):
        list(fetch_listing(make_client(), page_size=2, raw=tmp_path))


def test_an_empty_catalogue_is_an_error(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    library.tell(page_url(1), json_answer(page(of=0)))
    with pytest.raises(CatalogError, match="expected rows on page 1"):
        list(fetch_listing(make_client(), page_size=2, raw=tmp_path))


@pytest.mark.parametrize(
    "past_end", [not_found(), json_answer(page(number=9, of=5, perpage=2), cache="no-cache")]
)
def test_past_the_end_there_is_no_page(
    library: Library, make_client: MakeClient, tmp_path: Path, past_end: Answer
) -> None:
    library.tell(page_url(9), past_end)
    assert fetch_page(make_client(), 9, page_size=2, raw=tmp_path) is None
    assert files_below(tmp_path) == []


def test_a_collection_that_is_not_there_is_an_error(
    make_client: MakeClient, tmp_path: Path
) -> None:
    with pytest.raises(NotFoundError):
        fetch_page(make_client(), 1, page_size=2, raw=tmp_path)


@pytest.mark.parametrize("pagination", [None, {}, {"of": "many", "perpage": 2}, {"of": 3}])
def test_a_listing_without_counts_is_an_error(
    library: Library, make_client: MakeClient, tmp_path: Path, pagination: Any
) -> None:
    reply = {"results": [item(1)], "pagination": pagination}
    library.tell(page_url(1), json_answer(reply))
    with pytest.raises(CatalogError, match="expected a count under pagination"):
        list(fetch_listing(make_client(), page_size=2, raw=tmp_path))


def test_a_challenge_stops_the_listing(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    tell_listing(library)
    library.tell(page_url(2), challenge())
    with pytest.raises(BlockedError):
        list(fetch_listing(make_client(), page_size=2, raw=tmp_path))
    assert len(library.asked) == 2


def test_detail_asks_for_every_listed_item(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    web_page = {"url": "https://www.loc.gov/collections/photochrom-prints/"}
    listing = page(item(1), web_page, item(2), of=3, perpage=4)
    library.tell(page_url(1, 4), json_answer(listing))
    url = f"{PNP}/ppmsc/00000/00001v.jpg"
    files = [[{"url": url, "width": 1024, "height": 700, "size": 5, "mimetype": "image/jpeg"}]]
    resource = item(1)["resources"][0] | {"files": files}
    library.tell(item_url(1), json_answer({"item": item(1), "resources": [resource]}))
    rows, _ = fetch_catalog(make_client(), page_size=4, detail="item", raw=tmp_path)
    assert [(row.row, row.state) for row in rows] == [
        (1, CatalogState.LISTED),
        (2, CatalogState.SKIPPED),
        (3, CatalogState.LISTED),  # its own reply is missing, so the listing's word stands
    ]
    assert rows[0].renditions[0].bytes == 5
    assert len(library.asked) == 3
    assert "items/2001000001.json.gz" in files_below(tmp_path)


def test_an_item_reply_is_kept_as_it_came(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    library.tell(item_url(1), json_answer({"item": item(1)}))
    reply = fetch_item(make_client(), "2001000001", raw=tmp_path)
    kept = (tmp_path / "items/2001000001.json.gz").read_bytes()
    assert json.loads(gzip.decompress(kept)) == reply == {"item": item(1)}


def test_no_raw_pages_are_no_catalogue(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="run photochrom catalog first"):
        read_catalog(tmp_path)
