"""Pure: what a harvest will ask of each host, how long that takes and how much it brings."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harvest.addresses import TILE, WWW
from harvest.catalog import choose_rendition
from harvest.params import HarvestParams
from harvest.records import CatalogRow, CatalogState, Kind, Rendition

COLLECTION_ROWS = 7501
"""Records of the collection in 2026 (FACTS c: the API's own count, noted in a public client)."""

GRID_ROWS = 100
"""Most rows on a page of the older site's grid: its 76 pages hold the collection (FACTS b)."""

FILE_BYTES = {
    Kind.V: (80_000, 460_000),
    Kind.R: (25_000, 190_000),
    Kind.MASTER: (17_000_000, 110_000_000),
}
"""Least and most of a file. v and r: the Library's technical notes, and four real v.jpg within
them (FACTS c). u: 17 MB as the notes say, 110 MB for 7,300 x 5,000 px of 24 bits, as the prints
scanned in 2008 and 2017 have (FACTS c: 7,226 to 7,481 px)."""

IIIF_BITS_PER_PIXEL = (1.7, 4.7)
"""Of a JPEG: four real v.jpg have 1.77, 2.19, 2.89 and 4.61 (FACTS c, 182 kB of 1024x803 to
447 kB of 1024x758)."""

ASPECT = 0.75
"""Short side by long side: the usual sheet of 6.5 x 9 in. has 0.72, the four v.jpg 0.74 to 0.78."""

ROW_BYTES = (1_500, 7_000)
"""Of one row of a page of the listing: some 1 kB on the older site, 7 kB in the API's
(FACTS a1: about 1 MB for 150 rows with everything)."""

ITEM_BYTES = (3_000, 40_000)
"""Of one item's own page; real blocks have 3 to 12 kB before the resources."""

ROBOTS_BYTES = (100, 10_000)


@dataclass(frozen=True, slots=True)
class HostPlan:
    """What is asked of one host.

    Attributes:
        host: Canonical.
        robots: Requests for its robots.txt.
        listing: Requests for pages of the listing.
        items: Requests for items' own pages.
        files: Requests for files.
        hours: Least time at the limits, from the first request to the last.
        bytes_low: What it brings at least.
        bytes_high: What it brings at most.
    """

    host: str
    robots: int
    listing: int
    items: int
    files: int
    hours: float
    bytes_low: int
    bytes_high: int

    @property
    def requests(self) -> int:
        """All of them, without retries."""
        return self.robots + self.listing + self.items + self.files


@dataclass(frozen=True, slots=True)
class Plan:
    """What a harvest asks for.

    Attributes:
        hosts: What is asked of each host.
        is_exact: Whether the catalogue was known; else the collection's count is taken.
    """

    hosts: tuple[HostPlan, ...]
    is_exact: bool

    @property
    def requests(self) -> int:
        """All requests, without retries."""
        return sum(host.requests for host in self.hosts)

    @property
    def hours(self) -> float:
        """Least time at the limits: the catalogue comes first, then the files."""
        return sum(host.hours for host in self.hosts)

    @property
    def bytes_low(self) -> int:
        """What comes at least."""
        return sum(host.bytes_low for host in self.hosts)

    @property
    def bytes_high(self) -> int:
        """What comes at most."""
        return sum(host.bytes_high for host in self.hosts)


def find_floor_s(requests: int, limits: Sequence[str]) -> float:
    """Find the least time in which so many requests may go out.

    Each goes out as soon as all sliding windows allow: none may hold more than its limit. That
    is the least, because sending one later never lets another one go out sooner.

    Args:
        requests: How many, 0 or more.
        limits: Such as ["1/6", "10/60"]; none lets them all go at once.

    Returns:
        Seconds from the first request to the last.

    Raises:
        ValueError: If a limit is not of this form, or `requests` is negative.
    """
    if requests < 0:
        raise ValueError(f"expected no negative number, got {requests}")
    windows = [_to_limit(limit) for limit in limits]
    sent: deque[float] = deque(maxlen=max((count for count, _ in windows), default=1))
    now = 0.0
    for number in range(requests):
        for count, window_s in windows:
            if number >= count:
                now = max(now, sent[-count] + window_s)
        sent.append(now)
    return now


def plan_harvest(
    params: HarvestParams, *, rows: Sequence[CatalogRow] | None, expected: int = COLLECTION_ROWS
) -> Plan:
    """Say what a harvest will ask for, if nothing of it is there yet.

    Args:
        params: The `harvest` section.
        rows: The catalogue, where it was read before; None takes `expected`, and one file a
            record.
        expected: Records that an unknown catalogue has.

    Returns:
        The plan; retries, and files that are missing, come on top.

    Raises:
        ValueError: If a limit is not of its form.
    """
    listed = None if rows is None else [row for row in rows if row.state is CatalogState.LISTED]
    count = expected if rows is None else max((row.row for row in rows), default=0)
    of_items = count if listed is None else len({row.item_id for row in listed})
    items = of_items if params.detail == "item" else 0
    most = params.page_size if params.road == "json" else min(GRID_ROWS, params.page_size)
    pages = max(1, math.ceil(count / most))
    www = _add(_times(ROW_BYTES, count), _times(ITEM_BYTES, items))
    www_requests = {"listing": pages, "items": items, "files": 0}
    tile = find_file_bytes(params.rendition, listed, expected=expected)
    files = expected if listed is None else len(listed)
    tile_requests = {"listing": 0, "items": 0, "files": files}
    return Plan(
        hosts=(
            _plan_host(params, WWW, requests=www_requests, brings=www),
            _plan_host(params, TILE, requests=tile_requests, brings=tile),
        ),
        is_exact=rows is not None,
    )


def find_file_bytes(
    rendition: str, listed: Sequence[CatalogRow] | None, *, expected: int = COLLECTION_ROWS
) -> tuple[int, int]:
    """Find what the files of a harvest weigh.

    Args:
        rendition: Kind wanted, such as "v" or "iiif:2048".
        listed: The rows whose files are wanted; None where the catalogue is unknown.
        expected: Files that are then wanted.

    Returns:
        Bytes at least, and at most.
    """
    kind, _, pixels = rendition.partition(":")
    usual = to_iiif_bytes(int(pixels)) if pixels else FILE_BYTES[Kind(kind)]
    if listed is None:
        return _times(usual, expected)
    low = high = 0
    for row in listed:
        candidates = choose_rendition(row, rendition)
        least, most = _weigh(candidates[0], usual) if candidates else (0, 0)
        low, high = low + least, high + most
    return low, high


def to_iiif_bytes(pixels: int) -> tuple[int, int]:
    """Guess what a JPEG from the image server weighs.

    Args:
        pixels: Its longest side.

    Returns:
        Bytes at least, and at most.
    """
    area = pixels * pixels * ASPECT
    return round(area * IIIF_BITS_PER_PIXEL[0] / 8), round(area * IIIF_BITS_PER_PIXEL[1] / 8)


def _plan_host(
    params: HarvestParams, host: str, *, requests: Mapping[str, int], brings: tuple[int, int]
) -> HostPlan:
    """Plan one host; its robots.txt is the first request."""
    limits = params.limits.get(params.source, {}).get(host, [])
    seconds = find_floor_s(1 + sum(requests.values()), limits)
    low, high = _add(ROBOTS_BYTES, brings)
    return HostPlan(
        host=host, robots=1, **requests, hours=seconds / 3600, bytes_low=low, bytes_high=high
    )


def _weigh(file: Rendition, usual: tuple[int, int]) -> tuple[int, int]:
    """Take the size that the catalogue gives, else the usual one of the file's kind."""
    if file.bytes is not None:
        return file.bytes, file.bytes
    return FILE_BYTES.get(file.kind, usual)


def _to_limit(limit: str) -> tuple[int, float]:
    count, _, seconds = limit.partition("/")
    try:
        read = int(count), float(seconds)
    except ValueError as exc:
        raise ValueError(f"limit {limit!r}: expected requests/seconds such as '10/60'") from exc
    if read[0] < 1 or not 0 < read[1] < math.inf:
        raise ValueError(f"limit {limit!r}: expected requests/seconds such as '10/60'")
    return read


def _times(each: tuple[int, int], count: int) -> tuple[int, int]:
    return each[0] * count, each[1] * count


def _add(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] + other[0], one[1] + other[1]
