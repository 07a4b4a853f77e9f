"""The middle of a country, for a print of which no more is known; read from countries.csv.

The countries are those of today, as Natural Earth 1:110m draws them (public domain,
naturalearthdata.com): the centroid of the largest part of each, to a tenth of a degree. Lands that
it draws as none of their own, or whose largest part lies far from where photochroms were taken,
are set by hand, to about half a degree. Other names, those of the states of the United States
among them, lead to the country of today.
"""

import csv
from functools import cache
from importlib.resources import files

Point = tuple[float, float]
"""Latitude and longitude, degrees north and east."""


def find_country(heading: str) -> tuple[str, Point] | None:
    """Find the country of a heading.

    Args:
        heading: Such as "Switzerland--Lucerne"; the case of letters does not count.

    Returns:
        Its name and its middle; None where the heading names no country that is known here.
    """
    for part in heading.split("--"):
        found = _read().get(part.strip().casefold())
        if found is not None:
            return found
    return None


@cache
def _read() -> dict[str, tuple[str, Point]]:
    text = (files("flows") / "templates" / "countries.csv").read_text("utf-8")
    return {
        row["name"]: (row["country"], (float(row["latitude"]), float(row["longitude"])))
        for row in csv.DictReader(text.splitlines())
    }
