from dataclasses import replace
from typing import Any

import pytest

from harvest.catalog import to_rows
from harvest.crosscheck import Difference, compare_rows, find_unmatched
from harvest.ppoc import to_listing
from harvest.records import CatalogRow, Role
from tests.harvest.records import item, page, pictures_page, pictures_result


def roads() -> tuple[CatalogRow, CatalogRow]:
    (ours,) = to_rows(page(item()))
    (theirs,) = to_rows(to_listing(pictures_page(pictures_result()), ""))
    return ours, theirs


def test_the_same_item_by_both_roads_has_no_difference() -> None:
    ours, theirs = roads()
    assert compare_rows([ours], [theirs]) == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": "The arsenal, Padua"}, "title"),
        ({"date": "1901", "date_from": 1901}, "date"),
        ({"call_number": "LOT 1"}, "call_number"),
        ({"reproduction_number": "LC-DIG-ppmsc-06713 (x)"}, "reproduction_number"),
        ({"subjects": ("Padua",)}, "subjects"),
        ({"modified": "2016-04-22T00:00:00Z"}, "modified"),
        ({"role": Role.NEGATIVE}, "role"),
        ({"publisher": "Detroit Photographic Co."}, "publisher"),
        ({"rights": "Rights status not evaluated."}, "rights"),
    ],
)
def test_a_field_that_differs_is_reported_with_both_values(
    change: dict[str, Any], field: str
) -> None:
    ours, theirs = roads()
    found = compare_rows([ours], [replace(theirs, **change)])
    first = next(difference for difference in found if difference.field == field)
    values = str(getattr(ours, field)), str(change[field])
    assert first == Difference("2001006712", "ppmsc.06712", field, *values)


@pytest.mark.parametrize(
    "change",
    [
        {"title": "the  ARSENAL, Venice, Italy"},
        {"date": "between ca. 1890 and ca. 1900]."},
        {"subjects": ("italy--venice.",)},
        {"modified": "2016-04-21T06:01:15Z"},
        {"notes": (), "place": "", "latitude": 45.4},
        {"notes": ("Print no. 6626. Forms part of: Views of Italy in the Photochrom print "
                   "collection.",)},
    ],
)  # fmt: skip
def test_what_means_the_same_or_is_missing_is_no_difference(change: dict[str, Any]) -> None:
    ours, theirs = roads()
    assert compare_rows([ours], [replace(theirs, **change)]) == []


def test_files_that_stand_elsewhere_or_have_other_sides_are_reported() -> None:
    ours, theirs = roads()
    files = [replace(file, width=3, height=4) for file in theirs.renditions]
    (difference,) = {
        difference.field: difference
        for difference in compare_rows([ours], [replace(theirs, renditions=tuple(files))])
        if difference.field == "renditions.v"
    }.values()
    assert (difference.json, difference.pictures) == ("(1024, 759)", "(3, 4)")
    moved = [replace(file, url=file.url.replace("ppmsc", "ppmsca")) for file in theirs.renditions]
    fields = {d.field for d in compare_rows([ours], [replace(theirs, renditions=tuple(moved))])}
    assert fields == {"renditions.t", "renditions.r", "renditions.v", "renditions.u"}


def test_an_item_that_one_road_skips_is_reported_once() -> None:
    ours, _ = roads()
    (group,) = to_rows(
        to_listing(pictures_page(pictures_result(title="[Group of photochrom prints]")), "")
    )
    assert compare_rows([ours], [group]) == [
        Difference("2001006712", None, "state", "listed", "skipped group_record")
    ]


def test_items_of_one_road_alone_are_no_difference_but_named() -> None:
    ours, theirs = roads()
    (other,) = to_rows(page(item(9)))
    assert compare_rows([ours, other], [theirs]) == []
    assert find_unmatched([ours, other], [theirs]) == (["2001000009"], [])
    assert find_unmatched([], [theirs]) == ([], ["2001006712"])
