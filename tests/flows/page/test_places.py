"""Where prints belong on a map: their own record, that of a namesake, their country, or nowhere."""

import pytest

from flows.page.collection import say_places
from flows.page.gazetteer import find_country
from flows.page.places import How, Spot, find_places
from tests.showing import to_row

LUCERNE = to_row("Switzerland--Lucerne", 47.05, 8.31)


@pytest.mark.parametrize(
    ("heading", "country"),
    [
        ("Switzerland--Lucerne", "Switzerland"),
        ("SCOTLAND--Oban", "Scotland"),
        ("Colorado--Manitou", "United States"),
        ("Czechia--Prague", "Czech Republic"),
        ("Zürich--Switzerland", "Switzerland"),
        ("Isle of Man--Douglas", "Isle of Man"),
    ],
)
def test_a_heading_leads_to_its_country(heading: str, country: str) -> None:
    found = find_country(heading)
    assert found is not None
    assert found[0] == country


@pytest.mark.parametrize("heading", ["", "--", "Ruritania--Strelsau", "<script>"])
def test_a_heading_of_no_known_country_leads_nowhere(heading: str) -> None:
    assert find_country(heading) is None


@pytest.mark.parametrize(
    ("name", "latitude", "longitude"),
    [("italy", 42.8, 12.1), ("england", 52.5, -1.5), ("texas", 39.5, -99.1), ("egypt", 26.5, 29.8)],
)
def test_the_middle_of_a_country_is_in_it(name: str, latitude: float, longitude: float) -> None:
    found = find_country(name)
    assert found is not None
    assert found[1] == pytest.approx((latitude, longitude), abs=1)


def test_a_print_without_coordinates_stands_where_its_namesakes_stand() -> None:
    astray = to_row("Switzerland--Lucerne", 46.0, 8.0)
    places = find_places([LUCERNE, LUCERNE, astray, to_row("switzerland--lucerne")])
    assert places.counts == {How.RECORD: 3, How.NAMESAKE: 1}
    assert {(spot.latitude, spot.prints) for spot in places.spots} >= {(46.0, 1)}
    assert sum(spot.prints for spot in places.spots if spot.latitude == 47.05) == 3


def test_a_country_lends_no_coordinates() -> None:
    places = find_places([to_row("Switzerland", 46.0, 7.7), to_row("Switzerland--Bern")])
    assert places.counts == {How.RECORD: 1, How.COUNTRY: 1}


def test_the_most_particular_heading_names_the_place() -> None:
    (spot,) = find_places([to_row("Italy; Italy--Venice", 45.44, 12.32)]).spots
    assert spot == Spot("Venice, Italy", How.RECORD, 1, 45.44, 12.32)
    assert spot.short == "Venice"
    assert spot.where == "45.4° N, 12.3° E"


def test_every_print_is_counted_and_negatives_and_skipped_rows_are_not_prints() -> None:
    rows = [
        LUCERNE, to_row("Norway--Molde"), to_row("Ruritania--Strelsau"), to_row(""),
        to_row("Italy") | {"role": "negative"}, to_row("Italy") | {"state": "skipped"},
    ]  # fmt: skip
    places = find_places(rows)
    assert places.counts == {How.RECORD: 1, How.COUNTRY: 1, How.NOWHERE: 2}
    assert places.prints == sum(spot.prints for spot in places.spots) == 4
    assert "4 colour prints: 1 placed by" in say_places(places)
    assert "2 that could not be placed" in say_places(places)
    assert "area of a dot" in say_places(places)
    assert "area of a dot" not in say_places(find_places([to_row("")]))
    assert "Strelsau, Ruritania" in {spot.name for spot in places.spots}


def test_an_empty_catalogue_is_said() -> None:
    assert "no colour print" in say_places(find_places([]))
