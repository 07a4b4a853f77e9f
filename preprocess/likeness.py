"""Pure: what is known of scans that may be alike, and which of them are worth comparing."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations
from typing import Any

import numpy as np

from harvest.records import Role
from preprocess.features import Features
from preprocess.phash import find_near_pairs


@dataclass(frozen=True, slots=True)
class ScanJob:
    """A stored scan to hash."""

    scan_id: str
    item_id: str
    role: Role
    path: str
    """Below `data`."""


@dataclass(frozen=True, slots=True)
class Print:
    """What of a readable scan is needed to find others like it."""

    hashes: tuple[int, ...]
    """As `hash_cuts`; the first is the hash of record."""
    features: Features
    corners: tuple[float, ...]
    """Eight floats: the print in pixels of the scan."""
    shape: tuple[int, int]
    """Height and width of the frame."""
    area: float
    """Pixels of the scan inside the mount."""


@dataclass(frozen=True, slots=True)
class ScanHash:
    """A scan, and its print if it could be read."""

    job: ScanJob
    found: Print | None


class Outcome(StrEnum):
    """What two scans are to each other."""

    SAME_PRINT = "same_print"
    SAME_VIEW = "same_view"
    DIFFERENT = "different"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two scans, compared."""

    scan_id: str
    other_id: str
    outcome: Outcome
    score: float
    """Correlation of the registered lightness, -1..1; 0 where nothing registers."""
    inks: float | None
    """As `measure_inks`; None for different views."""


Pair = tuple[ScanHash, ScanHash]


def plan_hashes(scans: Sequence[dict[str, Any]]) -> list[ScanJob]:
    """Choose the scans to hash: all that are stored.

    Args:
        scans: Rows of the scans manifest.
    """
    return [
        ScanJob(row["scan_id"], row["item_id"], Role(row["role"]), row["path"])
        for row in scans
        if row["state"] == "stored"
    ]


def propose_pairs(scans: Sequence[ScanHash], *, radius: int) -> list[Pair]:
    """Propose the pairs of colour scans that are worth comparing.

    Args:
        scans: All scans; negatives and unreadable ones are passed over.
        radius: Largest Hamming distance of two hashes, in bits.

    Returns:
        Pairs within the radius, and all pairs of one item's scans; sorted by id.
    """
    colour = sorted(
        (scan for scan in scans if scan.found is not None and scan.job.role is Role.COLOUR),
        key=lambda scan: scan.job.scan_id,
    )
    if not colour:
        return []
    hashes = np.array([scan.found.hashes for scan in colour if scan.found], np.uint64)
    places = {(int(i), int(j)) for i, j, _ in find_near_pairs(hashes, radius=radius)}
    of_item: dict[str, list[int]] = {}
    for place, scan in enumerate(colour):
        of_item.setdefault(scan.job.item_id, []).append(place)
    for members in of_item.values():
        places.update(combinations(members, 2))
    return [(colour[i], colour[j]) for i, j in sorted(places)]
