from typing import Any

import pytest
from bs4 import BeautifulSoup

from replica.catalogue import list_rows
from replica.ppoc import LISTED
from replica.records import Row, RowKind

ITEMS, SEED = 30, 7
ROWS = [row for row in list_rows(ITEMS, SEED) if row.kind in LISTED]
SEARCH = "/pictures/search/?q=&co=pgz"


def _items() -> list[Row]:
    return [row for row in ROWS if row.kind is RowKind.ITEM]


def test_the_search_gives_every_item_once_over_its_pages(replica: Any) -> None:
    seen: list[str] = []
    for number in (1, 2, 3, 4, 5):
        page = replica.www(f"{SEARCH}&fo=json&c=10&sp={number}").json()
        assert page["search"]["hits"] == page["pages"]["of"] == len(ROWS)
        assert page["pages"]["total"] == -(-len(ROWS) // 10)
        seen += [result["pk"] for result in page["results"]]
    assert seen == [row.item_id for row in ROWS]


def test_the_search_comes_in_both_serialisations(replica: Any) -> None:
    results = replica.www(f"{SEARCH}&fo=json&c=100").json()["results"]
    classic = [r for r in results if r["modified"][10] == " "]
    modern = [r for r in results if r["modified"][10] == "T"]
    assert classic
    assert modern
    assert len(classic) + len(modern) == len(results)
    with_image = [r for r in classic if "thumb" in r["image"]]
    assert all(r["image"]["full"].startswith("//cdn.loc.gov/service/pnp/") for r in with_image)
    assert all(r["links"]["item"].startswith("//www.loc.gov/pictures/item/") for r in classic)
    with_image = [r for r in modern if "thumb" in r["image"]]
    assert all(r["image"]["full"].startswith("https://tile.loc.gov/") for r in with_image)
    assert any(r["title"].endswith(" /") for r in results)
    assert all(r["image"]["full"].endswith(("r.jpg", ".gif")) for r in results)


def test_both_roads_say_the_same_of_an_item(replica: Any) -> None:
    listing = replica.www("/collections/photochrom-prints/?fo=json&c=150").json()["results"]
    blocks = {r["item"]["id"]: r["item"] for r in listing if "item" in r}
    results = replica.www(f"{SEARCH}&fo=json&c=100").json()["results"]
    assert len(results) == len(blocks)
    for result in results:
        block = blocks[result["pk"]]
        for name in ("modified", "created_published_date", "call_number", "subjects"):
            assert result[name] == block[name]
        assert result["title"].removesuffix(" /") == block["title"]
        assert result["reproduction_number"].split() == block["reproduction_number"].split()
        reply = replica.www(f"/pictures/item/{result['pk']}/?fo=json").json()
        assert {**reply["item"], "title": block["title"]} == block


def test_the_grid_links_each_item_twice(replica: Any) -> None:
    soup = BeautifulSoup(replica.www(f"{SEARCH}&st=grid&sp=1").text, "html.parser")
    hrefs = [str(a["href"]) for a in soup.find_all("a", href=True)]
    ids = [h.rstrip("/").rpartition("/")[2] for h in hrefs if "/collection/pgz/item/" in h]
    assert set(ids) == {row.item_id for row in ROWS}
    assert all(ids.count(row.item_id) == 2 for row in _items())
    assert f"1 - {len(ROWS)} of {len(ROWS)}" in soup.get_text()


def test_the_grid_shows_a_hundred_and_a_list_twenty(replica: Any) -> None:
    assert len(replica.www(f"{SEARCH}&fo=json").json()["results"]) == 20
    assert len(replica.www(f"{SEARCH}&fo=json&st=grid").json()["results"]) == len(ROWS)
    third = replica.www(f"{SEARCH}&fo=json&si=3&c=2").json()["results"]
    assert [result["pk"] for result in third] == [row.item_id for row in ROWS[2:4]]


@pytest.mark.parametrize("prefix", ["/pictures/item/", "/pictures/collection/pgz/item/"])
def test_an_items_page_offers_the_downloads_of_every_scan(replica: Any, prefix: str) -> None:
    row = next(r for r in _items() if len(r.resources) == 2)
    soup = BeautifulSoup(replica.www(f"{prefix}{row.item_id}/").text, "html.parser")
    previews = soup.select("p.image_preview")
    assert len(previews) == 2
    for preview, resource in zip(previews, row.resources, strict=True):
        quiet = preview.find_next_sibling("span", class_="quiet")
        assert quiet is not None
        assert quiet.get_text() == f"[{resource.caption}]"
        downloads = quiet.find_next_sibling("p")
        assert downloads is not None
        texts = [a.get_text() for a in downloads.find_all("a")]
        assert texts[-1].startswith("TIFF (")
        assert all(text.endswith(("kb)", "mb)")) for text in texts)
        assert str(downloads.find_all("a")[-1]["href"]).endswith("u.tif")
    labels = {dt.get_text() for dt in soup.find_all("dt")}
    assert {"Title:", "Call Number:", "Reproduction Number:", "Notes:"} <= labels


def test_json_comes_for_those_who_accept_it(replica: Any) -> None:
    reply = replica.www(SEARCH, headers={"accept": "application/json"})
    assert reply.headers["content-type"] == "application/json"


def test_past_the_end_and_in_other_collections_nothing_is_found(replica: Any) -> None:
    assert replica.www(f"{SEARCH}&fo=json&sp=99").json()["results"] == []
    assert replica.www("/pictures/search/?co=fsac&fo=json").json()["results"] == []
    assert "no items" in replica.www(f"{SEARCH}&st=grid&sp=99").text


def test_what_is_no_item_is_unknown_to_the_older_site(replica: Any) -> None:
    assert replica.www("/pictures/item/1/").status_code == 404
    assert replica.www("/pictures/item/1/?fo=json").json()["caption"] == "Not Found"
    assert replica.tile(SEARCH).status_code == 404
