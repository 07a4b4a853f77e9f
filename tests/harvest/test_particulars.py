from typing import Any

import pytest

from harvest.particulars import (
    to_collection_part,
    to_modified,
    to_moment,
    to_place,
    to_print_number,
    to_publisher,
)


@pytest.mark.parametrize(
    ("record", "place"),
    [
        ({"item": {"place": [{"latitude": "45.4371", "longitude": "12.33"}]}}, (45.4371, 12.33)),
        ({"item": {"place": [{"latitude": "", "longitude": "", "title": "Italy"}]}}, (None, None)),
        ({"item": {"place": [{"latitude": "0", "longitude": "0"}]}}, (None, None)),
        ({"item": {"place": [{"latitude": "", "longitude": 12}, {"latitude": 1, "longitude": 2}]}},
         (1.0, 2.0)),
        ({"item": {"place": {"latitude": 46.9, "longitude": -8.25}}}, (46.9, -8.25)),
        ({"coordinates": {"latitude": 46.9, "longitude": 8.3}, "latlong": [1, 2]}, (46.9, 8.3)),
        ({"coordinates": [8.3, 46.9]}, (None, None)),
        ({"latlong": [30.3629775, -88.1147216], "lonlat": [-88.1147216, 30.3629775]},
         (30.3629775, -88.1147216)),
        ({"latlong": "46.9, 8.3"}, (46.9, 8.3)),
        ({"latlong": ["geometry", "properties", "type"], "lonlat": [8.3, 46.9]}, (46.9, 8.3)),
        ({"latlong": [91, 8.3]}, (None, None)),
        ({"latlong": [46.9, 180.5]}, (None, None)),
        ({"latlong": [0.0, 0.0]}, (None, None)),
        ({"latlong": [float("nan"), float("inf")]}, (None, None)),
        ({"latlong": [10**400, True]}, (None, None)),
        ({"latlong": [51.5, 0]}, (51.5, 0.0)),
        ({}, (None, None)),
    ],
)  # fmt: skip
def test_coordinates_are_taken_where_they_are_numbers_in_range(
    record: dict[str, Any], place: tuple[float | None, float | None]
) -> None:
    assert to_place(record) == place


@pytest.mark.parametrize(
    ("record", "publisher"),
    [
        ({"item": {"creators": [{"title": "Photoglob Co.", "role": "publisher"}]}},
         "Photoglob Co."),
        ({"item": {"creators": [{"title": "Jackson, William Henry, 1843-1942",
                                 "role": "photographer"},
                                {"title": "Detroit Photographic Co.", "role": ""}]}},
         "Detroit Photographic Co."),
        ({"item": {"contributor_names": ["Some Firm, publisher"]}}, "Some Firm"),
        ({"item": {"creator": "Photochrom Co."}}, "Photochrom Co."),
        ({"item": {"creator": "Frazer, Jean Tomlinson, 1894-1969"}}, ""),
        ({"item": {"notes": ["Issued by: Allen & Ginter Company"]}}, "Allen & Ginter Company"),
        ({"item": {"notes": ["Title from the Detroit Publishing Co., Catalogue J"]}},
         ""),
        ({"item": {"created_published": "[Zürich : Photoglob Co., between 1890 and 1900]"}},
         "Photoglob Co."),
        ({"item": {"created_published": "[ca. 1916]"}}, ""),
        ({"contributor": ["photoglob co., zürich"]}, "Photoglob Co., Zürich"),
        ({"contributor": ["federal art project"]}, ""),
        ({}, ""),
    ],
)  # fmt: skip
def test_the_publisher_is_whoever_is_said_to_have_made_the_print(
    record: dict[str, Any], publisher: str
) -> None:
    assert to_publisher(record) == publisher


@pytest.mark.parametrize(
    ("note", "number"),
    [
        ('Print no. "8335".', "8335"),
        ("Print no. 6626.", "6626"),
        ("Print no.: 17a", "17a"),
        ('Detroit Publishing Co., no. "53028".', "53028"),
        ("Detroit no. 51034", "51034"),
        ('"8335 P.Z. - Venezia" printed on border.', "8335"),
        ("Title from the Detroit Publishing Co., Catalogue J, no. 10453.", ""),
        ('Title from the Detroit Publishing Co., catalogue J. Print no. "8335".', "8335"),
        ("Photographic print no more than 5 copies", ""),
        ("", ""),
    ],
)
def test_the_print_number_is_read_from_the_notes(note: str, number: str) -> None:
    assert to_print_number(["Some other note.", note]) == number


def test_the_collection_part_is_read_from_the_notes_else_from_its_own_field() -> None:
    part = "Views of Italy in the Photochrom print collection"
    assert to_collection_part([f"Forms part of: {part}."], given="other") == part
    assert to_collection_part([f'Forms part of {part}. Print no. "8335".'], given=None) == part
    assert to_collection_part(["Part of a set."], given=[f"{part}."]) == part
    assert to_collection_part([], given=None) == ""


def test_a_record_changed_when_cataloguers_or_the_catalogue_last_touched_it() -> None:
    item = {"modified": "2016-04-21 06:01:15", "source_modified": "2007-11-15 10:52:46"}
    index = {"timestamp": "2023-01-04T16:13:12.702Z"}
    assert to_modified({"item": item, **index}) == "2016-04-21T06:01:15Z"
    item["source_modified"] = "2017-06-22T00:00:00Z"
    assert to_modified({"item": item, **index}) == "2017-06-22T00:00:00Z"
    lower = {"number_source_modified": ["2007-11-15t10:52:46"]}
    assert to_modified({**lower, **index}) == "2007-11-15T10:52:46Z"
    assert to_modified(index) == "2023-01-04T16:13:12Z"
    assert to_modified({"timestamp": 1791572582480}) == ""
    assert to_moment("yesterday") == ""
