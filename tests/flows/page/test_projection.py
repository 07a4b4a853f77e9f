"""The projections against published values, and what clipping keeps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flows.page.projection import azimuthal, clip, equal_earth, near, read_land

SQUARE = np.array([(0, 0), (10, 0), (10, 10), (0, 10)], dtype=np.float64)


def area(ring: np.ndarray) -> float:
    x, y = ring.T
    return abs(float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))) / 2


def test_lambert_gives_snyders_numerical_example() -> None:
    # Snyder (1987), page 332: a sphere of radius 3, centre 40 N, 100 W; the point 20 S, 100 E.
    found = 3 * azimuthal(-100, 40)(np.array([(100.0, -20.0)]))
    assert found[0] == pytest.approx((-4.2339303, 4.0257775), abs=1e-7)


@given(st.floats(-170, 170), st.floats(-80, 80))
def test_both_projections_keep_areas(longitude: float, latitude: float) -> None:
    cell = 0.1
    corners = np.array([(0, 0), (cell, 0), (cell, cell), (0, cell)])
    ring = corners + np.array((longitude, latitude))
    south, north = np.radians(latitude), np.radians(latitude + cell)
    true = np.radians(cell) * (np.sin(north) - np.sin(south))
    assert area(equal_earth(ring)) == pytest.approx(true, rel=1e-3)
    assert area(azimuthal(longitude - 30, 10)(ring)) == pytest.approx(true, rel=1e-3)


def test_equal_earth_has_its_published_shape() -> None:
    edge = equal_earth(np.array([(180.0, 0.0), (0.0, 90.0)]))
    assert edge[0, 0] / edge[1, 1] == pytest.approx(2.05458, abs=1e-4)


def test_a_polygon_is_cut_to_its_window() -> None:
    assert area(clip(SQUARE, (2, 3, 5, 20))) == pytest.approx(3 * 7)
    assert area(clip(SQUARE, (-5, -5, 50, 50))) == pytest.approx(100)
    assert len(clip(SQUARE, (11, 0, 20, 10))) == 0


def test_a_ring_is_seen_across_the_date_line() -> None:
    parts = list(near([SQUARE + np.array((175, 0))], (-190, -5, -170, 20)))
    assert sum(area(part) for part in parts) == pytest.approx(100)


def test_the_land_is_the_earths() -> None:
    """Of 29.2 % of the globe, Antarctica is 2.7; Rome is on land, mid-Atlantic is not."""
    rings = read_land()
    assert sum(area(equal_earth(ring)) for ring in rings) / (4 * np.pi) == pytest.approx(
        0.264, abs=0.012
    )
    for longitude, latitude, dry in ((8.3, 47.05, True), (12.5, 41.9, True), (-30.0, 45.0, False)):
        spot = (longitude - 1e-3, latitude - 1e-3, longitude + 1e-3, latitude + 1e-3)
        assert any(len(clip(ring, spot)) for ring in rings) == dry
