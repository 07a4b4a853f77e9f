"""Pure: which split a view belongs to."""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Split(StrEnum):
    """The part that a view plays; a view never crosses splits."""

    TRAIN = "train"
    VAL = "val"
    TEST = "test"


PAIRS = "pairs"
"""What stands for a split in the shards of real pairs, which keep their view's own beside it."""

TRAIN_SHARE = 0.8
VAL_SHARE = 0.1

Released = Mapping[str, tuple[str, Split]]
"""For each scan of a release the view that it was in, and that view's split."""


@dataclass(frozen=True, slots=True)
class Move:
    """A released view, or a part of it, that is in another split than it was released in."""

    view_id: str
    """The name that the view was released under."""
    into: str
    """The view that its scans are in now."""
    source: Split
    target: Split


def find_split(view_id: str) -> Split:
    """Find the split of a new view from its id alone.

    So a view keeps its split while its name stays, and every copy, variant and negative of it
    follows. Its name is the smallest id of its scans: a scan with a smaller one that joins it
    renames it, and may move it, until a release holds it in place (`assign_splits`).

    Args:
        view_id: Id of the view, not empty.

    Returns:
        `train` for 80 of 100 views, `val` for 10, `test` for 10.

    Raises:
        ValueError: If `view_id` is empty.
    """
    if not view_id:
        raise ValueError("expected the id of a view, got an empty one")
    place = int.from_bytes(hashlib.sha256(view_id.encode()).digest()[:8]) / 2**64
    if place < TRAIN_SHARE:
        return Split.TRAIN
    return Split.VAL if place < TRAIN_SHARE + VAL_SHARE else Split.TEST


def assign_splits(members: Mapping[str, Collection[str]], released: Released) -> dict[str, Split]:
    """Give every view its split.

    A view with a released scan keeps the split that the scan was released in, whatever the view
    is called now; so does each part of a view that was torn. Only where scans of different
    splits have become one view is there a choice, and it falls on `train`: what was trained on
    cannot be unseen. A view without a released scan gets `find_split`.

    Args:
        members: For each view the ids of all its scans, duplicates and negatives too.
        released: What the last release said; empty before the first.

    Returns:
        The split of each view.

    Raises:
        ValueError: If a view has an empty id, or a scan is in two views.
    """
    place: dict[str, str] = {}
    for view_id, scans in members.items():
        for scan_id in scans:
            if place.setdefault(scan_id, view_id) != view_id:
                raise ValueError(
                    f"{scan_id}: expected one view, got {place[scan_id]} and {view_id}"
                )
    splits = {}
    for view_id, scans in members.items():
        had = {released[scan_id][1] for scan_id in scans if scan_id in released}
        if not had:
            splits[view_id] = find_split(view_id)
        else:
            splits[view_id] = had.pop() if len(had) == 1 else Split.TRAIN
    return splits


def find_moves(
    members: Mapping[str, Collection[str]], released: Released, *, splits: Mapping[str, Split]
) -> tuple[Move, ...]:
    """Find the released views that a merge has moved.

    Args:
        members: As for `assign_splits`.
        released: As for `assign_splits`.
        splits: What it returned.

    Returns:
        The moves, sorted by the view's released name; none before the first release.
    """
    moves = set()
    for view_id, scans in members.items():
        for scan_id in scans:
            name, split = released.get(scan_id, ("", splits[view_id]))
            if split is not splits[view_id]:
                moves.add(Move(name, view_id, split, splits[view_id]))
    return tuple(sorted(moves, key=lambda move: (move.view_id, move.into)))
