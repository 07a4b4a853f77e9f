"""The map: what is drawn of a collection, and where names find room."""

import itertools
import math
import re

import numpy as np
import pytest

from flows.page.chart import WIDTH, Chart, Dot, draw_maps, lay_words, to_path
from flows.page.places import How, Spot
from flows.page.projection import read_land

LAND = read_land()


def spot(name: str, latitude: float | None, longitude: float | None, prints: int = 1) -> Spot:
    return Spot(name, How.RECORD, prints, latitude, longitude)


LUCERNE = spot("Lucerne, Switzerland", 47.05, 8.31, 9)
DENVER = spot("Denver, Colorado", 39.7, -105.0, 1)


def assert_sound(chart: Chart) -> None:
    """Every dot and name lies within the picture, and the land is drawn."""
    for dot in chart.dots:
        assert 0 <= dot.x <= WIDTH
        assert 0 <= dot.y <= chart.height
    for word in (*chart.words, *chart.few_words):
        assert 0 <= word.x <= WIDTH
        assert 0 <= word.y <= chart.height
    numbers = [float(number) for number in re.findall(r"-?\d+\.?\d*", chart.land)]
    assert len(numbers) > 20
    assert all(math.isfinite(number) for number in numbers)


def test_nothing_placed_is_no_map() -> None:
    assert draw_maps([], LAND) == []
    assert draw_maps([spot("Nowhere", None, None)], LAND) == []


def test_one_place_is_one_map_with_it_in_the_middle() -> None:
    (chart,) = draw_maps([LUCERNE], LAND)
    assert_sound(chart)
    assert chart.dots[0].x == pytest.approx(WIDTH / 2, abs=1)
    assert [word.text for word in chart.words] == ["Lucerne"]
    assert "Lucerne, Switzerland (9)" in chart.label


def test_a_print_beyond_europe_adds_the_world() -> None:
    detail, world = draw_maps([LUCERNE, DENVER], LAND)
    assert len(detail.dots) == 1
    assert len(world.dots) == 2
    assert_sound(detail)
    assert_sound(world)


def test_prints_that_are_all_elsewhere_have_a_map_of_their_own() -> None:
    (chart,) = draw_maps([DENVER, spot("New York", 40.7, -74.0)], LAND)
    assert len(chart.dots) == 2
    assert_sound(chart)


@pytest.mark.parametrize(("latitude", "longitude"), [(-18.1, 179.9), (66.0, -179.0), (84.0, 20.0)])
def test_the_edges_of_the_world_are_drawn(latitude: float, longitude: float) -> None:
    for chart in draw_maps([spot("Edge", latitude, longitude), LUCERNE, DENVER], LAND):
        assert_sound(chart)


def test_two_hundred_places_have_names_that_cover_no_other() -> None:
    spots = [spot(f"Place {n}", 36 + n % 20 * 1.6, n // 20 * 2.5, 200 - n) for n in range(200)]
    (chart,) = draw_maps(spots, LAND)
    assert_sound(chart)
    assert len(chart.dots) == 200
    assert 5 < len(chart.words) <= 40
    boxes = [
        (word.x - wide * share, word.y, word.x + wide * (1 - share))
        for word in chart.words
        for wide in [len(word.text) * 11 * 0.5]
        for share in [{"start": 0.0, "middle": 0.5, "end": 1.0}[word.anchor]]
    ]
    for one, other in itertools.combinations(boxes, 2):
        beside = one[2] <= other[0] or other[2] <= one[0]
        assert beside or abs(one[1] - other[1]) >= 11


def test_the_area_of_a_dot_goes_with_its_prints() -> None:
    (chart,) = draw_maps([LUCERNE, spot("Rome", 41.9, 12.5, 36)], LAND)
    small, large = chart.dots
    assert (large.radius / small.radius) ** 2 == pytest.approx(4, rel=0.05)


def test_only_the_middle_of_a_country_is_hollow() -> None:
    (chart,) = draw_maps([LUCERNE, Spot("Italy", How.COUNTRY, 1, 42.8, 12.1)], LAND)
    assert [dot.hollow for dot in chart.dots] == [False, True]


def test_a_name_that_finds_no_room_is_left_out_and_a_long_one_is_cut() -> None:
    dots = [(Dot(360.0, 200.0, 5.0, False, ""), "M" * 60)] * 3
    words = list(lay_words(dots[:1], size=11.0, most=9, height=400.0))
    assert [word.text for word in words] == ["M" * 21 + "…"]
    assert list(lay_words(dots, size=11.0, most=9, height=12.0)) == []


def test_a_path_goes_in_steps_and_leaves_out_what_does_not_move() -> None:
    points = np.array([(0, 0), (1.26, 0.5), (1.27, 0.51), (0, 2)], dtype=np.float64)
    assert to_path(points) == "M0 0l1.3 0.5 -1.3 1.5"
