"""Pure: what of the training set lies nearest to what a model is judged by.

A view never crosses splits, as far as dedupe knows. The audit asks again, of the samples as
written: for every view of the validation and test splits the training sample whose hash lies
nearest. `leaks.py` then looks at the nearest of all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from preprocess.records import SampleState
from preprocess.split import PAIRS, Split

Row = Mapping[str, Any]
"""A row of a manifest, as `harvest.manifest.read_manifest` gives it."""

Hashes = NDArray[np.uint64]

NEAR_BITS: Final = (10, 14)
"""Radii within which pairs across splits are counted; COLORIZATION.md, section 3."""

BITS: Final = 64

_BLOCK: Final = 128
"""Rows compared at once: 128 x 7,500 distances take 1 MB, which a cache holds."""


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A view that a model is judged by, and the training sample nearest to it."""

    view_id: str
    split: str
    """`val` or `test`."""
    scan_id: str
    """Of the view's samples the one that lies nearest."""
    other_id: str
    """Scan of the training sample."""
    other_view_id: str
    distance: int
    """Least Hamming distance of the first hash of one to any of the other, in bits."""
    mirrored: bool
    """Whether the distance is to the other turned over."""


@dataclass(frozen=True, slots=True)
class Audit:
    """How near the splits lie to one another."""

    neighbours: tuple[Neighbour, ...]
    """One for each view of the validation and test splits, the nearest first; none where nothing
    is trained on."""
    histograms: Mapping[str, tuple[int, ...]]
    """For `test` and `val` the number of views at each distance, 0..64 bits."""
    near_pairs: Mapping[int, int]
    """For each of `NEAR_BITS` the number of pairs of samples, of two splits, that lie within."""
    largest_view: str
    largest_scans: int
    """The view with most scans, and how many; "" and 0 where there is none."""
    unhashed: tuple[str, ...]
    """Samples that the audit could not see, since they have no hash."""


def audit_leaks(samples: Sequence[Row], groups: Sequence[Row]) -> Audit:
    """Find for every view that a model is judged by the nearest training sample.

    Real pairs count by their view's split, and only where it is `val` or `test`: those of training
    views are neither trained on nor judged by.

    Args:
        samples: Rows of the samples manifest; those not written are passed over.
        groups: Rows of the groups manifest.

    Returns:
        The audit.

    Raises:
        ValueError: If a sample's scan is not among the groups, or if two scans have not equally
            many hashes.
    """
    hashes_of = {row["scan_id"]: row["hashes"] for row in groups}
    told = [row for row in samples if _counts(row)]
    missing = sorted({row["scan_id"] for row in told} - set(hashes_of))
    if missing:
        raise ValueError(
            f"{missing[0]}: a sample, but not among the groups; run the dedupe stage again"
        )
    seen = sorted(
        (row for row in told if hashes_of[row["scan_id"]]), key=lambda row: str(row["scan_id"])
    )
    hashes = _to_array([hashes_of[row["scan_id"]] for row in seen])
    neighbours = _find_neighbours(seen, hashes)
    largest_view, largest_scans = _find_largest(groups)
    return Audit(
        neighbours=neighbours,
        histograms={split: _count(neighbours, split) for split in (Split.TEST, Split.VAL)},
        near_pairs=_count_near(seen, hashes),
        largest_view=largest_view,
        largest_scans=largest_scans,
        unhashed=tuple(sorted(row["scan_id"] for row in told if not hashes_of[row["scan_id"]])),
    )


def _counts(row: Row) -> bool:
    """Say whether a sample is trained on or judged by."""
    if row["state"] != SampleState.WRITTEN:
        return False
    return bool(row["split"] != PAIRS or row["view_split"] != Split.TRAIN)


def _to_array(texts: Sequence[Sequence[str]]) -> Hashes:
    """Shape hexadecimal hashes: (N, V) uint64, first those upright, then as many mirrored."""
    counts = {len(text) for text in texts}
    if len(counts) > 1 or any(count % 2 for count in counts):
        raise ValueError(
            f"expected as many hashes of every scan, half of them mirrored, got {sorted(counts)}; "
            "run the dedupe stage again"
        )
    rows = [[int(text, 16) for text in row] for row in texts]
    return np.array(rows, np.uint64).reshape(len(texts), next(iter(counts), 2))


def _measure(one: Hashes, other: Hashes) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Measure all distances as dedupe does, upright and mirrored: shapes (N, M), bits.

    Two pictures are as far apart as the first hash of one and the nearest of the other.
    """
    half = one.shape[1] // 2
    sides = [
        [(0, column) for column in columns] + [(column, 0) for column in columns if column]
        for columns in (range(half), range(half, 2 * half))
    ]
    upright, mirrored = (
        np.minimum.reduce([np.bitwise_count(one[:, None, i] ^ other[None, :, j]) for i, j in side])
        for side in sides
    )
    return upright, mirrored


def _find_neighbours(rows: Sequence[Row], hashes: Hashes) -> tuple[Neighbour, ...]:
    splits = np.array([row["view_split"] for row in rows], object)
    train, judged = np.flatnonzero(splits == Split.TRAIN), np.flatnonzero(splits != Split.TRAIN)
    if not len(train):
        return ()
    best: dict[str, Neighbour] = {}
    for start in range(0, len(judged), _BLOCK):
        block = judged[start : start + _BLOCK]
        upright, mirrored = _measure(hashes[block], hashes[train])
        nearest = np.minimum(upright, mirrored)
        for place, index in enumerate(block):
            # The first of several is the smallest id, since the rows are sorted.
            near = int(nearest[place].argmin())
            row, other = rows[index], rows[train[near]]
            found = Neighbour(
                view_id=row["view_id"],
                split=row["view_split"],
                scan_id=row["scan_id"],
                other_id=other["scan_id"],
                other_view_id=other["view_id"],
                distance=int(nearest[place, near]),
                mirrored=bool(mirrored[place, near] < upright[place, near]),
            )
            best[found.view_id] = min(best.get(found.view_id, found), found, key=_rank)
    return tuple(sorted(best.values(), key=_rank))


def _rank(neighbour: Neighbour) -> tuple[int, str]:
    return neighbour.distance, neighbour.scan_id


def _count(neighbours: Sequence[Neighbour], split: Split) -> tuple[int, ...]:
    distances = [row.distance for row in neighbours if row.split == split]
    return tuple(np.bincount(np.array(distances, np.int64), minlength=BITS + 1).tolist())


def _count_near(rows: Sequence[Row], hashes: Hashes) -> dict[int, int]:
    """Count the pairs of samples of two splits that lie near."""
    counts = dict.fromkeys(NEAR_BITS, 0)
    members = [
        np.flatnonzero(np.array([row["view_split"] == split for row in rows], bool))
        for split in (Split.TEST, Split.VAL, Split.TRAIN)
    ]
    for place, part in enumerate(members):
        others = np.concatenate([*members[place + 1 :], np.zeros(0, np.int64)]).astype(np.int64)
        for start in range(0, len(part), _BLOCK):
            if not len(others):
                break
            distance = np.minimum(*_measure(hashes[part[start : start + _BLOCK]], hashes[others]))
            for bits in NEAR_BITS:
                counts[bits] += int(np.count_nonzero(distance <= bits))
    return counts


def _find_largest(groups: Sequence[Row]) -> tuple[str, int]:
    """Find the view with most scans, the smaller id where they tie."""
    scans: dict[str, int] = {}
    for row in groups:
        scans[row["view_id"]] = scans.get(row["view_id"], 0) + 1
    if not scans:
        return "", 0
    view_id = min(scans, key=lambda view: (-scans[view], view))
    return view_id, scans[view_id]
