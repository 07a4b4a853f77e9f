"""Pure: from the globe to the plane, and the land of the base map.

Sources: Lambert's azimuthal equal-area projection, Snyder, "Map Projections: A Working Manual",
USGS Professional Paper 1395 (1987), equations 22-4, 24-2 and 24-4 on the sphere; Equal Earth,
Šavrič, Patterson and Jenny, Int. J. Geographical Information Science 33 (2019); the clipping of a
polygon, Sutherland and Hodgman, Communications of the ACM 17 (1974). The land is Natural Earth
1:50m (public domain, naturalearthdata.com), thinned by Douglas and Peucker's method to 0.045
degrees in Europe, 0.1 about it and in North America and 0.35 elsewhere, without Antarctica.
"""

import json
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Final

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.float64]
"""Shape (N, 2): longitude and latitude in degrees, or x and y."""
Box = tuple[float, float, float, float]
"""Least x, least y, greatest x, greatest y."""
Projection = Callable[[Points], Points]

_EQUAL_EARTH: Final = (1.340264, -0.081106, 0.000893, 0.003796)
_HUNDREDTHS: Final = 100
"""Steps of a degree in land.json, whose rings are differences from point to point."""


def equal_earth(points: Points) -> Points:
    """Project by Equal Earth about Greenwich.

    Args:
        points: Longitude and latitude, shape (N, 2), degrees.

    Returns:
        x to the east and y to the north, shape (N, 2), in radii of the globe.
    """
    a1, a2, a3, a4 = _EQUAL_EARTH
    longitude, latitude = np.radians(points).T
    theta = np.arcsin(np.sqrt(3) / 2 * np.sin(latitude))
    slope = 9 * a4 * theta**8 + 7 * a3 * theta**6 + 3 * a2 * theta**2 + a1
    x = 2 * np.sqrt(3) * longitude * np.cos(theta) / (3 * slope)
    y = a4 * theta**9 + a3 * theta**7 + a2 * theta**3 + a1 * theta
    return np.column_stack((x, y))


def azimuthal(longitude: float, latitude: float) -> Projection:
    """Make Lambert's azimuthal equal-area projection about a point.

    Args:
        longitude: Of its middle, degrees.
        latitude: Of its middle, degrees.
    """
    middle = np.radians(latitude)

    def project(points: Points) -> Points:
        east, north = np.radians(points - (longitude, 0)).T
        beside = np.cos(north) * np.cos(east)
        cosine = np.sin(middle) * np.sin(north) + np.cos(middle) * beside
        scale = np.sqrt(2 / np.maximum(1e-9, 1 + cosine))
        x = scale * np.cos(north) * np.sin(east)
        y = scale * (np.cos(middle) * np.sin(north) - np.sin(middle) * beside)
        return np.column_stack((x, y))

    return project


def read_land() -> list[Points]:
    """Read the coasts: closed rings of longitude and latitude, the last point not repeated.

    A ring goes on beyond 180 degrees where the land does.
    """
    rings = json.loads((files("flows") / "templates" / "land.json").read_text("utf-8"))
    return [np.cumsum(np.reshape(ring, (-1, 2)), axis=0) / _HUNDREDTHS for ring in rings]


def near(rings: list[Points], window: Box) -> Iterator[Points]:
    """Cut rings of longitude and latitude to a window, which may reach beyond 180 degrees.

    Args:
        rings: As `read_land` gives them.
        window: In degrees.

    Yields:
        What of each ring lies within.
    """
    for ring in rings:
        for turn in (-360, 0, 360):
            part = clip(ring + np.array((turn, 0)), window)
            if len(part):
                yield part


def clip(ring: Points, box: Box) -> Points:
    """Cut a polygon to a box.

    Args:
        ring: Its corners, shape (N, 2), the last not repeated.
        box: What to keep.

    Returns:
        The corners of what lies within, shape (M, 2); M is 0 where nothing does. Parts that fall
        asunder stay joined by lines along the box.
    """
    low, high = np.asarray(box[:2]), np.asarray(box[2:])
    if (ring.max(0) < low).any() or (ring.min(0) > high).any():
        return ring[:0]
    for axis in (0, 1):
        ring = _cut(ring, axis, float(low[axis]), 1.0)
        ring = _cut(ring, axis, float(high[axis]), -1.0)
    return ring


def _cut(ring: Points, axis: int, limit: float, sign: float) -> Points:
    """Keep what lies on one side of a line."""
    depth = sign * (ring[:, axis] - limit)
    kept: list[Points] = []
    for index in range(len(ring)):
        before, here = depth[index - 1], depth[index]
        if (before >= 0) != (here >= 0):
            share = before / (before - here)
            kept.append(ring[index - 1] + share * (ring[index] - ring[index - 1]))
        if here >= 0:
            kept.append(ring[index])
    return np.array(kept) if kept else ring[:0]
