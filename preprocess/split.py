"""Pure: which split a view belongs to."""

import hashlib
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


def find_split(view_id: str) -> Split:
    """Find the split of a view from its id alone.

    So a view keeps its split while its name stays, and every copy, variant and negative of it
    follows. Its name is the smallest id of its scans: a scan with a smaller one that joins it
    renames it, and may move it.

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
