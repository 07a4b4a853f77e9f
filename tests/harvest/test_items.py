import gzip
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harvest.catalog import to_rows
from harvest.errors import (
    AstrayError,
    BlockedError,
    CatalogError,
    DisallowedError,
    DownloadError,
    ForbiddenError,
    HarvestError,
    NotFoundError,
    TooLargeError,
)
from harvest.items import (
    LOOKS,
    MOST_IN_A_ROW,
    check_items,
    fetch_item,
    fetch_items,
    fetch_own_rows,
    fetch_replies,
)
from harvest.listing import fetch_catalog, read_catalog
from harvest.records import CatalogRow, CatalogState, Role
from harvest.replies import find_alone, read_items, to_items
from tests.harvest.conftest import (
    Answer,
    Library,
    MakeClient,
    challenge,
    files_below,
    json_answer,
    not_found,
)
from tests.harvest.records import PNP, item, page, pictures_html, pictures_item
from tests.harvest.test_listing import asked, html_answer, page_url


def item_url(number: int) -> str:
    return f"https://www.loc.gov/item/2001{number:06d}/?fo=json&at=item%2Cresources"


def picture_url(number: int) -> str:
    return f"https://www.loc.gov/pictures/item/2001{number:06d}/?fo=json"


def reply_of(number: int, *, size: int = 5, **change: Any) -> dict[str, Any]:
    url = f"{PNP}/ppmsc/00000/{number:05d}v.jpg"
    files = [[{"url": url, "width": 1024, "height": 700, "size": size, "mimetype": "image/jpeg"}]]
    resource = item(number)["resources"][0] | {"files": files}
    return {"item": item(number, **change), "resources": [resource]}


def listed(*numbers: int, modified: str = "2016-04-21 06:01:15") -> list[list[CatalogRow]]:
    records = [item(n, item=item(n)["item"] | {"modified": modified}) for n in numbers]
    return to_items(to_rows(page(*records)))


def sizes(rows: list[CatalogRow]) -> list[int | None]:
    return [next(file.bytes for file in row.renditions if file.kind == "v") for row in rows]


def test_detail_asks_for_every_listed_item(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    web_page = {"url": "https://www.loc.gov/collections/photochrom-prints/"}
    listing = page(item(1), web_page, item(2), of=3, perpage=4)
    library.tell(page_url(1, 4), json_answer(listing))
    library.tell(item_url(1), json_answer(reply_of(1)))
    how: dict[str, Any] = {"road": "json", "page_size": 4, "detail": "item", "raw": tmp_path}
    rows, seen = fetch_catalog(make_client(), **how)
    assert [(row.row, row.state) for row in rows] == [
        (1, CatalogState.LISTED),
        (2, CatalogState.SKIPPED),
        (3, CatalogState.LISTED),  # its own reply is missing, so the listing's word stands
    ]
    assert (seen, rows[0].renditions[0].bytes) == (3, 5)
    assert len(asked(library)) == 2 + LOOKS  # an item that is not there is asked for again
    assert files_below(tmp_path) == ["items/2001000001.json.gz", "listing/00001.json.gz"]
    assert read_catalog(tmp_path, "json") == rows
    plain = read_catalog(tmp_path, "json", detail="listing")
    assert plain[0].renditions != rows[0].renditions


def test_an_item_reply_is_kept_as_it_came(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    library.tell(item_url(1), json_answer(reply_of(1)))
    ((row,),) = listed(1)
    fetch_item(make_client(), row, road="json", raw=tmp_path)
    kept = (tmp_path / "items/2001000001.json.gz").read_bytes()
    assert json.loads(gzip.decompress(kept)) == reply_of(1)


def test_an_item_is_asked_for_again_only_when_its_record_changed(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    client = make_client()
    library.tell(item_url(1), json_answer(reply_of(1)))
    library.tell(item_url(2), json_answer(reply_of(2)))
    first = fetch_items(client, listed(1, 2), road="json", raw=tmp_path)
    assert fetch_items(client, listed(1, 2), road="json", raw=tmp_path) == first
    assert len(asked(library)) == 2
    library.tell(item_url(2), json_answer(reply_of(2, size=6)))
    changed = [*listed(1), *listed(2, modified="2020-01-01T00:00:00Z")]
    assert sizes(read_items(changed, road="json", raw=tmp_path)) == [5, None]  # the old one is old
    assert sizes(fetch_items(client, changed, road="json", raw=tmp_path)) == [5, 6]
    assert len(asked(library)) == 3


def test_without_a_word_of_changes_a_reply_serves_for_a_day(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    library.tell(item_url(1), json_answer(reply_of(1)))
    ((row,),) = listed(1)
    silent = [[replace(row, modified="")]]
    for _ in range(2):
        fetch_items(make_client(), silent, road="json", raw=tmp_path)
    assert len(asked(library)) == 1
    os.utime(tmp_path / "items/2001000001.json.gz", (time.time() - 90_000,) * 2)
    fetch_items(make_client(), silent, road="json", raw=tmp_path)
    assert len(asked(library)) == 2


def test_a_batch_that_was_stopped_goes_on_with_what_is_missing(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    library.tell(item_url(1), json_answer(reply_of(1)))
    library.tell(item_url(2), challenge())
    with pytest.raises(BlockedError):
        fetch_items(make_client(), listed(1, 2), road="json", raw=tmp_path)
    library.tell(item_url(2), json_answer(reply_of(2)))
    assert sizes(fetch_items(make_client(), listed(1, 2), road="json", raw=tmp_path)) == [5, 5]
    assert sum("2001000001" in path for path in asked(library)) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(403, b"{}", {"Content-Type": "application/json"}),
        json_answer({"item": {"url": "https://www.loc.gov/item/999/"}}),
        json_answer({"item": item(7)}),
    ],
)
def test_where_no_reply_is_the_items_own_the_listings_word_stands(
    library: Library, make_client: MakeClient, tmp_path: Path, answer: Answer
) -> None:
    library.tell(item_url(1), answer)
    assert fetch_items(make_client(), listed(1), road="json", raw=tmp_path) == listed(1)[0]


def test_a_reply_that_is_no_items_is_asked_for_again(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    library.tell(item_url(1), json_answer({"item": "none"}), json_answer(reply_of(1)))
    busy = html_answer("<h1>Server Too Busy</h1>")
    library.tell(picture_url(2), busy, json_answer(pictures_item(2)))
    library.tell(picture_url(3), busy)
    assert sizes(fetch_items(make_client(), listed(1), road="json", raw=tmp_path)) == [5]
    rows = fetch_items(make_client(), listed(2, 3), road="pictures", raw=tmp_path)
    assert [row.item_id for row in rows] == ["2001000002", "2001000003"]
    assert files_below(tmp_path) == [
        "items/2001000001.json.gz",
        "pictures/items/2001000002.json.gz",
    ]


def test_an_item_that_was_gone_for_once_is_asked_for_again(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    library.tell(item_url(1), not_found(), json_answer(reply_of(1)))
    library.tell(item_url(2), json_answer(reply_of(2)))
    assert sizes(fetch_items(make_client(), listed(1, 2), road="json", raw=tmp_path)) == [5, 5]
    assert ["2001000001" in path for path in asked(library)] == [True, False, True]


def test_one_item_that_does_not_come_is_missing_and_the_next_run_asks_for_it(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    library.tell(item_url(1), Answer(500))
    library.tell(item_url(2), json_answer(reply_of(2)))
    with pytest.raises(DownloadError, match=r"without an answer: 1.*2001000001.*--rebuild"):
        fetch_items(make_client(retries=0), listed(1, 2), road="json", raw=tmp_path)
    assert find_alone(listed(1, 2), road="json", raw=tmp_path) == ["2001000001"]
    library.tell(item_url(1), json_answer(reply_of(1)))
    library.asked.clear()
    assert fetch_replies(make_client(), listed(1, 2), road="json", raw=tmp_path) == {}
    assert find_alone(listed(1, 2), road="json", raw=tmp_path) == []
    assert len(asked(library)) == 1


def test_items_that_never_come_do_not_keep_the_others_from_coming(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    numbers = range(1, 9)
    for number in numbers:
        library.tell(item_url(number), Answer(500) if number % 2 else json_answer(reply_of(number)))
    missing = fetch_replies(make_client(retries=0), listed(*numbers), road="json", raw=tmp_path)
    assert list(missing) == [f"200100000{number}" for number in (1, 3, 5, 7)]
    assert len(asked(library)) == 8 + 4 * (LOOKS - 1)


def test_several_items_in_a_row_that_do_not_come_are_the_network(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    for number in range(1, 5):
        library.tell(item_url(number), Answer(500))
    with pytest.raises(DownloadError, match="500"):
        fetch_replies(make_client(retries=0), listed(1, 2, 3, 4), road="json", raw=tmp_path)
    assert len(asked(library)) == MOST_IN_A_ROW


NOTHING = [json_answer({"item": None}), html_answer("<p>The Library is being improved</p>")]


@pytest.mark.parametrize(("road", "nothing"), [("json", NOTHING[0]), ("pictures", NOTHING[1])])
def test_a_reply_that_says_nothing_counts_when_the_server_means_it(
    library: Library, make_client: MakeClient, tmp_path: Path, road: str, nothing: Answer
) -> None:
    url = item_url(1) if road == "json" else picture_url(1)
    library.tell(url, nothing)
    assert fetch_items(make_client(), listed(1), road=road, raw=tmp_path) == listed(1)[0]
    assert len(asked(library)) == LOOKS
    assert find_alone(listed(1), road=road, raw=tmp_path) == ["2001000001"]
    under_load = Answer(200, nothing.body, nothing.headers | {"Cache-Control": "no-store"})
    library.tell(url, under_load)
    with pytest.raises(DownloadError, match="cannot be right"):
        fetch_items(make_client(), listed(1), road=road, raw=tmp_path)
    reply = reply_of(1) if road == "json" else pictures_item(1)
    library.tell(url, under_load, under_load, json_answer(reply))
    library.asked.clear()
    assert fetch_replies(make_client(), listed(1), road=road, raw=tmp_path) == {}
    assert len(asked(library)) == 3


def test_a_reply_that_is_another_items_is_not_kept(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    library.tell(item_url(1), json_answer(reply_of(7)))
    missing = fetch_replies(make_client(), listed(1), road="json", raw=tmp_path)
    assert "that of another" in str(missing["2001000001"])
    assert files_below(tmp_path) == []


@pytest.mark.parametrize(
    "kind",
    [
        AstrayError,
        CatalogError,
        DisallowedError,
        ForbiddenError,
        NotFoundError,
        TooLargeError,
    ],
)
def test_an_answer_lets_the_listings_word_stand_and_silence_does_not(
    kind: type[HarvestError],
) -> None:
    check_items({})
    check_items({"1": kind("an answer")})
    with pytest.raises(DownloadError, match="without an answer: 1, the first one 2 "):
        check_items({"1": kind("an answer"), "2": DownloadError("none")})


def test_what_a_reply_leaves_out_the_listing_fills(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    bare = {"item": {"url": item(1)["url"], "title": "Arsenal"}, **reply_of(1)}
    bare["item"] = {"url": item(1)["url"], "title": "Arsenal"}
    library.tell(item_url(1), json_answer(bare))
    ((before,),) = listed(1)
    (row,) = fetch_items(make_client(), [[before]], road="json", raw=tmp_path)
    assert (row.title, row.title_given) == ("Arsenal", "Arsenal")
    assert (row.date, row.date_from, row.rights) == (before.date, 1890, before.rights)
    (own,) = fetch_own_rows(make_client(), [[before]], road="json", raw=tmp_path)
    assert (own.date, own.date_from, own.rights) == ("", None, "")
    assert len(asked(library)) == 1


def test_an_item_without_its_own_reply_has_no_own_rows(
    make_client: MakeClient, tmp_path: Path
) -> None:
    assert fetch_own_rows(make_client(), listed(1), road="json", raw=tmp_path) == []


@pytest.mark.parametrize("html", [False, True])
def test_the_older_site_has_items_in_json_and_in_html(
    library: Library, make_client: MakeClient, tmp_path: Path, html: bool
) -> None:
    reply = json_answer(pictures_item(1, second="b&w film copy neg."))
    library.tell(picture_url(1), html_answer(pictures_html(1)) if html else reply)
    rows = fetch_items(make_client(), listed(1), road="pictures", raw=tmp_path)
    assert rows[0].resource_id == "ppmsc.00001"
    assert [row.role for row in rows[1:]] == ([] if html else [Role.NEGATIVE])
    ending = "html" if html else "json"
    assert files_below(tmp_path) == [f"pictures/items/2001000001.{ending}.gz"]
    assert read_items(listed(1), road="pictures", raw=tmp_path) == rows


def test_a_row_that_is_skipped_or_names_another_file_is_never_asked_for(
    library: Library, make_client: MakeClient, tmp_path: Path
) -> None:
    hostile = item(1, url="https://www.loc.gov/item/..%2f..%2fetc/", id="../../etc")
    rows = to_items(to_rows(page(hostile, "mangled", item(2, image_url=[], resources=[]))))
    fetch_items(make_client(), rows, road="json", raw=tmp_path)
    assert asked(library) == []
    with pytest.raises(ValueError, match="expected an LCCN"):
        fetch_item(make_client(), rows[0][0], road="json", raw=tmp_path)
    assert files_below(tmp_path) == []
