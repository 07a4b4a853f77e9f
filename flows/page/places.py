"""Pure: where the prints of a catalogue were taken, as far as it says."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from flows.page.gazetteer import find_country

Row = Mapping[str, Any]


class How(StrEnum):
    """How it is known where a print belongs on the map."""

    RECORD = "its record"
    NAMESAKE = "another record of the place"
    COUNTRY = "middle of the country"
    NOWHERE = "not on the map"


@dataclass(frozen=True, slots=True)
class Spot:
    """One place, and how many prints show it."""

    name: str
    """Such as "Lucerne, Switzerland"; "" where no record names it."""
    how: How
    prints: int
    latitude: float | None = None
    longitude: float | None = None

    @property
    def short(self) -> str:
        """The name without its country."""
        return self.name.partition(",")[0]

    @property
    def where(self) -> str:
        """Latitude and longitude in words; "" where unknown."""
        if self.latitude is None or self.longitude is None:
            return ""
        north = f"{abs(self.latitude):.1f}° {'N' if self.latitude >= 0 else 'S'}"
        return f"{north}, {abs(self.longitude):.1f}° {'E' if self.longitude >= 0 else 'W'}"


@dataclass(frozen=True, slots=True)
class Places:
    """The places of a catalogue."""

    spots: tuple[Spot, ...]
    """Most prints first."""
    counts: Mapping[How, int]
    """Prints, by how their place is known."""

    @property
    def prints(self) -> int:
        """All colour prints that the catalogue lists."""
        return sum(self.counts.values())


def find_places(rows: Iterable[Row]) -> Places:
    """Find where the colour prints of a catalogue belong on a map.

    A print stands where its record says; else where the most records of the same place say; else,
    where a heading names its country, in the middle of that.

    Args:
        rows: Of catalog.parquet.
    """
    prints = [row for row in rows if row["state"] == "listed" and row["role"] != "negative"]
    lent = _find_namesakes(prints)
    counts: Counter[How] = Counter()
    spots: Counter[tuple[str, float | None, float | None, bool]] = Counter()
    for row in prints:
        how, name, at = _place(row, lent)
        counts[how] += 1
        spots[(name, *(at or (None, None)), how is How.COUNTRY)] += 1
    found = [
        Spot(name, _how(latitude, rough), count, latitude, longitude)
        for (name, latitude, longitude, rough), count in spots.items()
    ]
    return Places(tuple(sorted(found, key=_order)), dict(counts))


def _how(latitude: float | None, rough: bool) -> How:
    if latitude is None:
        return How.NOWHERE
    return How.COUNTRY if rough else How.RECORD


def _order(spot: Spot) -> tuple[int, str, float, float]:
    return (-spot.prints, spot.name, spot.latitude or 0.0, spot.longitude or 0.0)


def _place(row: Row, lent: Mapping[str, tuple[float, float]]) -> tuple[How, str, Any]:
    headings = _headings(row)
    name = _say(headings[0]) if headings else ""
    at = _own(row)
    if at is not None:
        return How.RECORD, name, at
    for heading in headings:
        if heading.casefold() in lent:
            return How.NAMESAKE, _say(heading), lent[heading.casefold()]
    for heading in headings:
        country = find_country(heading)
        if country is not None:
            return How.COUNTRY, *country
    return How.NOWHERE, name, None


def _own(row: Row) -> tuple[float, float] | None:
    if row["latitude"] is None or row["longitude"] is None:
        return None
    return round(row["latitude"], 2), round(row["longitude"], 2)


def _headings(row: Row) -> list[str]:
    """Its headings, the most particular first."""
    parts = [part.strip() for part in row["place"].split(";")]
    return sorted(filter(None, parts), key=lambda part: -part.count("--"))


def _say(heading: str) -> str:
    return ", ".join(part.strip() for part in reversed(heading.split("--")))


def _find_namesakes(prints: Sequence[Row]) -> dict[str, tuple[float, float]]:
    """Where the most records with coordinates put each place that is less than a country."""
    known: defaultdict[str, Counter[tuple[float, float]]] = defaultdict(Counter)
    for row in prints:
        headings, at = _headings(row), _own(row)
        if at is not None and headings and "--" in headings[0]:
            known[headings[0].casefold()][at] += 1
    return {
        heading: min(found, key=lambda at: (-found[at], at)) for heading, found in known.items()
    }
