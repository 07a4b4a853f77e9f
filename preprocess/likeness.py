"""Pure: what is known of scans that may be alike, and which of them are worth comparing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from typing import Any, Final

import numpy as np

from harvest.records import Role
from preprocess.features import Features
from preprocess.hamming import Hashes
from preprocess.neighbours import find_crowds, find_near_pairs, find_turned_pairs
from preprocess.phash import CUTS
from preprocess.records import Outcome
from preprocess.sharing import find_sharing

MOST: Final = 128
"""Scans within the radius of one, beyond which its radius shrinks. Of unlike prints one pair in 400
lies within 16 bits, so at that radius this begins to bind at some 50,000 scans; at 18, at 13,000.
"""

CROWD: Final = 32
"""Scans within 3 bits of one that make a crowd: blank sheets, or one picture stored many times."""

_HUBS: Final = 3
"""Scans of a crowd that all others of it, and all outside, are compared with."""

_LARGEST_ITEM: Final = 12
"""Colour scans of an item of which every two are compared, whatever their hashes say."""


@dataclass(frozen=True, slots=True)
class ScanJob:
    """A stored scan to hash."""

    scan_id: str
    item_id: str
    role: Role
    path: str
    """Below `data`."""
    sha256: str = ""
    """Of the file; "" where it is not known."""
    size_bytes: int = 0
    number: str = ""
    """The printer's number; "" where it is not known."""


@dataclass(frozen=True, slots=True)
class Print:
    """What of a readable scan is needed to find others like it."""

    hashes: tuple[int, ...]
    """As `hash_cuts`, then the same of the print mirrored; the first is the hash of record."""
    features: Features
    corners: tuple[float, ...]
    """Eight floats: the print in pixels of the scan as stored."""
    shape: tuple[int, int]
    """Height and width of the frame."""
    area: float
    """Pixels of the scan as stored inside the mount."""


@dataclass(frozen=True, slots=True)
class ScanHash:
    """A scan, and its print if it could be read."""

    job: ScanJob
    found: Print | None


@dataclass(frozen=True, slots=True)
class Pair:
    """Two readable scans that are worth comparing, the smaller id first."""

    one: ScanHash
    other: ScanHash
    distance: int
    """Least Hamming distance of their hashes, in bits, either mirrored or not."""
    straight: bool
    """Whether to look for one lying on the other as they are."""
    turned: bool
    """Whether to look for one lying on the other turned over."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two scans, compared."""

    scan_id: str
    other_id: str
    outcome: Outcome
    score: float = 0.0
    """Correlation of the registered lightness, -1..1; 0 where nothing registers."""
    inks: float | None = None
    """As `measure_inks`; None where it was not measured."""
    distance: int = 0
    """Least Hamming distance of the hashes, in bits."""
    matches: int = 0
    """Local features that agree with the homography."""
    differs: tuple[str, ...] = ()
    """In what two scans of a view differ, of `inks`, `crop` and `number`."""
    by: str = "machine"
    """`machine`, or `person` where a correction decided."""


def plan_hashes(
    scans: Sequence[Mapping[str, Any]], catalog: Sequence[Mapping[str, Any]]
) -> list[ScanJob]:
    """Choose the scans to hash: all that are stored.

    Args:
        scans: Rows of the scans manifest.
        catalog: Rows of the catalogue, which say the prints' numbers.
    """
    numbers = {row["item_id"]: row["print_number"].strip() for row in catalog}
    return [
        ScanJob(
            row["scan_id"],
            row["item_id"],
            Role(row["role"]),
            row["path"],
            sha256=row["sha256"] or "",
            size_bytes=row["size_bytes"] or 0,
            number=numbers.get(row["item_id"], ""),
        )
        for row in scans
        if row["state"] == "stored"
    ]


def choose_colour(scans: Sequence[ScanHash]) -> list[ScanHash]:
    """Choose the readable colour scans, sorted by id; only these are compared."""
    chosen = [scan for scan in scans if scan.found is not None and scan.job.role is Role.COLOUR]
    return sorted(chosen, key=lambda scan: scan.job.scan_id)


def find_copies(scans: Sequence[ScanHash]) -> list[Comparison]:
    """Find the scans whose files are the same byte for byte; these need no comparing.

    Args:
        scans: All scans; negatives and unreadable ones are passed over.

    Returns:
        A comparison of each copy with the first by id.
    """
    first: dict[str, str] = {}
    copies = []
    for scan in choose_colour(scans):
        original = first.setdefault(scan.job.sha256 or scan.job.scan_id, scan.job.scan_id)
        if original != scan.job.scan_id:
            outcome = Outcome.SAME_SCAN
            copies.append(Comparison(original, scan.job.scan_id, outcome, score=1.0, inks=0.0))
    return copies


def propose_pairs(scans: Sequence[ScanHash], *, radius: int) -> list[Pair]:
    """Propose the pairs of colour scans that are worth comparing.

    Hashes propose, and features do (`preprocess.sharing`), each as the prints are and turned over.
    However many scans are alike, none is proposed with many more than `MOST` others: of files with
    the same bytes one stands for all; within a crowd (`CROWD`) each is compared with the three
    smallest ids and the next, and only those three with scans outside; and beyond that the radius
    of a scan with very many neighbours shrinks. Not seen then is a pair that lies in one crowd or
    beyond both shrunken radii, shares no features that few others have, and is joined by no third.

    Args:
        scans: All scans; negatives and unreadable ones are passed over.
        radius: Largest Hamming distance of two hashes, in bits.

    Returns:
        Pairs within the radius or with shared features, and all pairs of an item's scans up to 12;
        sorted by id.
    """
    copies = {copy.other_id for copy in find_copies(scans)}
    colour = [scan for scan in choose_colour(scans) if scan.job.scan_id not in copies]
    if len(colour) < 2:
        return []
    hashes = np.array([scan.found.hashes for scan in colour if scan.found], np.uint64)
    within, wide = _find_crowded(hashes)
    features = [scan.found.features for scan in map(colour.__getitem__, wide) if scan.found]
    straight = within | _pair_items(colour) | _find_near(hashes[wide], radius, wide, turned=False)
    straight |= _place(find_sharing(features, turned=False), wide)
    turned = _find_near(hashes[wide], radius, wide, turned=True)
    turned |= _place(find_sharing(features, turned=True), wide)
    return [
        Pair(
            colour[i],
            colour[j],
            distance=_find_distance(hashes[i], hashes[j]),
            straight=(i, j) in straight,
            turned=(i, j) in turned,
        )
        for i, j in sorted(straight | turned)
    ]


Places = set[tuple[int, int]]


def _find_crowded(hashes: Hashes) -> tuple[Places, list[int]]:
    """Find the pairs to compare within crowds, and the rows to compare with all others."""
    within: Places = set()
    passed: set[int] = set()
    for members in find_crowds(hashes[:, 0], least=CROWD):
        hubs = members[:_HUBS]
        within |= {(hub, other) for hub in hubs for other in members if hub < other}
        within |= set(pairwise(members))
        passed.update(members[_HUBS:])
    return within, [place for place in range(len(hashes)) if place not in passed]


def _find_near(hashes: Hashes, radius: int, wide: Sequence[int], *, turned: bool) -> Places:
    own = hashes[:, : len(CUTS)]
    if turned:
        over = hashes[:, len(CUTS) :]
        rows = find_turned_pairs(own, over, radius=radius, most=MOST)
    else:
        rows = find_near_pairs(own, radius=radius, most=MOST)
    return _place(rows[:, :2].tolist(), wide)


def _place(pairs: Iterable[Sequence[int]], wide: Sequence[int]) -> Places:
    return {(wide[one], wide[other]) for one, other in pairs}


def _pair_items(colour: Sequence[ScanHash]) -> Places:
    of_item: dict[str, list[int]] = {}
    for place, scan in enumerate(colour):
        of_item.setdefault(scan.job.item_id, []).append(place)
    small = [members for members in of_item.values() if len(members) <= _LARGEST_ITEM]
    return {pair for members in small for pair in combinations(members, 2)}


def _find_distance(one: Hashes, other: Hashes) -> int:
    there = np.bitwise_count(one[0] ^ other).min()
    return int(min(there, np.bitwise_count(other[0] ^ one).min()))
