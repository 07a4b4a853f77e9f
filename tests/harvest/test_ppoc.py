import json
from pathlib import Path
from typing import Any

import pytest

from harvest.catalog import choose_rendition, to_item_rows, to_rows
from harvest.crosscheck import compare_rows
from harvest.errors import CatalogError
from harvest.ppoc import to_item_reply, to_listing
from harvest.records import CatalogReason, CatalogRow, CatalogState, Kind, Role
from tests.harvest.records import (
    PNP,
    item,
    page,
    pictures_grid,
    pictures_html,
    pictures_item,
    pictures_page,
    pictures_result,
)

STEM = f"{PNP}/ppmsc/06700/06712"


def rows_of(*results: Any) -> list[CatalogRow]:
    return to_rows(to_listing(pictures_page(*results), ""))


@pytest.mark.parametrize("newer", [True, False])
def test_both_serialisations_of_the_search_give_the_rows_of_the_api(newer: bool) -> None:
    (row,) = rows_of(pictures_result(newer=newer))
    (of_api,) = to_rows(page(item()))
    assert (row.item_id, row.resource_id) == (of_api.item_id, of_api.resource_id)
    assert (row.title, row.caption, row.role) == (of_api.title, of_api.caption, of_api.role)
    assert row.title_given == "[The arsenal, Venice, Italy] /"
    assert (row.date_from, row.date_to, row.publisher) == (1890, 1900, "Photoglob Co.")
    assert row.modified == "2016-04-21T00:00:00Z"
    assert compare_rows([of_api], [row]) == []


def test_the_picture_that_the_search_never_names_is_derived() -> None:
    (row,) = rows_of(pictures_result())
    assert [file.url for file in choose_rendition(row, "v")] == [
        f"{STEM}v.jpg",
        f"{STEM}r.jpg",
        f"{STEM.replace('/service/', '/master/')}u.tif",
    ]
    assert {file.kind for file in row.renditions} == {
        Kind.SQUARE, Kind.THUMB, Kind.R, Kind.V, Kind.MASTER
    }  # fmt: skip


def test_several_reproduction_numbers_in_a_row_are_one_a_line() -> None:
    numbers = "LC-DIG-ppmsc-06712 (digital file from original) LC-USZ62-1 (b&w film copy neg.)"
    (row,) = rows_of(pictures_result(reproduction_number=numbers))
    assert row.reproduction_number.splitlines() == [
        "LC-DIG-ppmsc-06712 (digital file from original)",
        "LC-USZ62-1 (b&w film copy neg.)",
    ]
    assert row.role is Role.COLOUR


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"pk": "../../etc/passwd"}, CatalogReason.BAD_ID),
        ({"pk": "/etc/passwd"}, CatalogReason.BAD_ID),
        ({"pk": "2001\x00"}, CatalogReason.BAD_ID),
        ({"pk": "2" * 300}, CatalogReason.BAD_ID),
        ({"pk": None, "links": {}}, CatalogReason.UNREADABLE),
        ({"title": "[Group of photochrom prints of Italy] /"}, CatalogReason.GROUP_RECORD),
        ({"title": "[Group of\nphotochrom prints\nof Italy] /"}, CatalogReason.GROUP_RECORD),
        ({"image": {"full": "https://memory.loc.gov/pp/grp.gif"}}, CatalogReason.GROUP_RECORD),
        ({"image": {"full": "//www.loc.gov/pictures/static/images/x.png"}}, CatalogReason.NO_IMAGE),
        ({"image": None}, CatalogReason.NO_IMAGE),
        ({"image": {"full": "http://169.254.169.254/06712r.jpg"}}, CatalogReason.FOREIGN_ADDRESS),
    ],
)
def test_a_result_that_is_no_digitised_item_is_skipped_with_its_reason(
    change: dict[str, Any], reason: CatalogReason
) -> None:
    (row,) = rows_of(pictures_result(**change))
    assert (row.state, row.reason) == (CatalogState.SKIPPED, reason)


def test_a_result_that_is_no_object_is_unreadable() -> None:
    (row,) = rows_of("mangled")
    assert row.reason is CatalogReason.UNREADABLE


def test_a_missing_key_is_read_from_the_link() -> None:
    (row,) = rows_of(pictures_result(pk=None))
    assert row.item_id == "2001006712"


def test_the_search_says_how_many_rows_and_pages_there_are() -> None:
    listing = to_listing(pictures_page(pictures_result(), of=7501, pages=76), "")
    assert listing["pagination"] == {"of": 7501, "total": 76, "perpage": None}


def test_the_grid_gives_each_item_once_with_its_title() -> None:
    listing = to_listing(None, pictures_grid(6712, 6713, of=7501))
    assert listing["pagination"]["of"] == 7501
    rows = to_rows(listing)
    assert [row.item_id for row in rows] == ["2001006712", "2001006713"]
    assert {row.title for row in rows} == {"The arsenal, Venice, Italy"}
    assert [str(file.kind) for file in choose_rendition(rows[0], "v")] == ["v", "r", "u"]
    assert to_listing(None, pictures_grid())["pagination"]["of"] is None


@pytest.mark.parametrize(
    ("text", "of"),
    [
        ("Results: 1 - 100 of 7,501", 7501),
        ("Results: 7,401 to 7,501 of 7,501", 7501),
        ("1,1,1,1,1,1,1,1,1,1 - 100 of 7,501", None),  # no number is so long
    ],
)
def test_the_grid_counts_in_numbers_of_a_credible_length(text: str, of: int | None) -> None:
    assert to_listing(None, f"<p>{text}</p>")["pagination"]["of"] == of


def test_an_item_in_json_and_in_html_and_of_the_api_are_one() -> None:
    lccn = "2001006712"
    of_json = to_item_rows(to_item_reply(pictures_item(), "", item_id=lccn), row=1)
    of_html = to_item_rows(to_item_reply(None, pictures_html(), item_id=lccn), row=1)
    of_api = to_rows(page(item()))
    assert of_json[0].print_number == of_html[0].print_number == "6626"
    assert of_html[0].collection_part == "Views of Italy in the Photochrom print collection"
    assert compare_rows(of_api, of_json) == []
    assert compare_rows(of_api, of_html) == []
    for (row,) in (of_json, of_html):
        assert (row.resource_id, row.caption) == ("ppmsc.06712", "digital file from original")
        assert {Kind.R, Kind.V, Kind.MASTER} <= {file.kind for file in row.renditions}


def test_the_rounded_sizes_of_a_web_page_are_no_sizes() -> None:
    (row,) = to_item_rows(to_item_reply(None, pictures_html(), item_id="2001006712"), row=1)
    assert {file.bytes for file in row.renditions} == {None}


def test_a_copy_negative_is_told_by_the_number_that_is_left() -> None:
    reply = pictures_item(second="b&w film copy neg.")
    colour, copy = to_item_rows(to_item_reply(reply, "", item_id="2001006712"), row=1)
    assert (colour.role, colour.resource_id) == (Role.COLOUR, "ppmsc.06712")
    assert (copy.role, copy.resource_id) == (Role.NEGATIVE, "cph.3b49078")


def test_what_is_no_page_of_the_older_site_is_a_catalog_error() -> None:
    with pytest.raises(CatalogError, match="expected a list under 'results'"):
        to_listing({"results": "none"}, "")
    with pytest.raises(CatalogError, match="expected an object under 'item'"):
        to_item_reply({"item": None}, "", item_id="1")
    with pytest.raises(CatalogError, match="expected an item's page"):
        to_item_reply(None, "<h1>Server Too Busy</h1>", item_id="1")


@pytest.mark.shared
@pytest.mark.parametrize("name", ["2016", "recent"])
def test_a_recorded_result_is_read(shared: Path, name: str) -> None:
    result = json.loads((shared / f"loc/ppoc_search_result_{name}.json").read_text())
    (row,) = rows_of(result)
    told = {
        "2016": ("2013650184", "ds.04479", "digital file from original item", 1922),
        "recent": ("2010637645", "highsm.05808", "original digital file", 2010),
    }[name]
    assert (row.item_id, row.resource_id, row.caption, row.date_from) == told
    assert row.state is CatalogState.LISTED
    assert not row.title.endswith("/")
    assert choose_rendition(row, "r")[0].url.startswith(PNP)
