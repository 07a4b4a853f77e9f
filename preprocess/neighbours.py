"""Pure: which pictures' hashes lie near, exactly, in memory that the answer decides.

Two searches give the same rows, and the cheaper one is taken. Where there are few pictures or the
radius is large, all pairs are measured: at radius 8 below some 10,000 pictures, at 18 below 100,000
and more. Else the hashes are sorted into buckets by each of their four 16-bit parts: of two hashes
that differ in r bits one part differs in few (Norouzi, Punjani and Fleet 2012, multi-index hashing;
the bits that the four parts may differ in add up to r - 3).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from preprocess.hamming import Hashes, Rows, Sorted, Whole, join_buckets, scan_all

Search = Callable[["_Task", Whole, Rows], tuple[int, Rows]]

PARTS: Final = 4
BITS: Final = 16
_KEYS: Final = 1 << BITS

_ROOM: Final = 32
"""Room for so many pairs a picture at first: memory that is not written to costs nothing. A second
pass follows where there are more."""

_SCAN_NS: Final = 0.65
_PROBE_NS: Final = 24.0
_CANDIDATE_NS: Final = 1.0
"""Cost of a distance when all pairs are counted, of a look into two buckets, and of a distance
there; only their ratios matter, and a wrong one costs time alone. bench/hash_search.py."""

_CROWDED_BITS: Final = 3

_SAMPLED: Final = 48
"""Masks on which the candidates of a part are counted before the search is chosen."""


def find_near_pairs(hashes: Hashes, *, radius: int, most: int | None = None) -> Rows:
    """Find all pairs of pictures whose hashes lie near, exactly.

    Two pictures are as far apart as the nearest of: their first hashes, or the first of one and
    any other of the other.

    Args:
        hashes: Shape (N, V), uint64: V hashes of each picture.
        radius: Largest Hamming distance, in bits, 0..64.
        most: Where more than so many lie within the radius of a picture, its own radius shrinks
            until they do not; a pair is left out if it lies outside both radii. The rows are then
            at most N x `most`, however much alike the pictures are. None for no such limit.

    Returns:
        Shape (M, 3), int32: the pictures' rows, the smaller first, and the distance; sorted.

    Raises:
        ValueError: If `hashes` is not uint64 of shape (N, V), or `radius` is no such number.
    """
    _check(hashes, radius)
    return _find(_Task(hashes[:, 0].copy(), np.ascontiguousarray(hashes), radius, own=True), most)


def find_turned_pairs(
    hashes: Hashes, turned: Hashes, *, radius: int, most: int | None = None
) -> Rows:
    """Find all pairs of pictures of which one, turned over, hashes like the other.

    Args:
        hashes: Shape (N, V), uint64; only the first of each picture counts.
        turned: Shape (N, W), uint64: hashes of the same pictures mirrored.
        radius: As `find_near_pairs`.
        most: As `find_near_pairs`.

    Returns:
        As `find_near_pairs`; the distance is that of the first hash of one picture to the nearest
        mirrored one of the other, whichever way round is nearer.

    Raises:
        ValueError: As `find_near_pairs`, or if the two do not hold equally many pictures.
    """
    _check(hashes, radius)
    _check(turned, radius)
    if len(hashes) != len(turned):
        raise ValueError(f"expected hashes of {len(hashes)} pictures, got those of {len(turned)}")
    return _find(_Task(hashes[:, 0].copy(), np.ascontiguousarray(turned), radius, own=False), most)


def find_crowds(first: Hashes, *, least: int) -> list[list[int]]:
    """Find the pictures that very many others are all but equal to.

    A picture with more than `least` others within 3 bits is crowded. Crowded pictures join the
    first by row that lies within 3 bits of them, so those of one crowd lie within 6.

    Args:
        first: Shape (N,), uint64: a hash of each picture.
        least: Fewest others that make a picture crowded.

    Returns:
        The rows of each crowd, sorted; no picture is in two.

    Raises:
        ValueError: As `find_near_pairs`.
    """
    _check(first[:, None], _CROWDED_BITS)
    task = _Task(first.copy(), first[:, None].copy(), _CROWDED_BITS, own=True)
    _, near = _choose(task)(task, np.full(len(first), -1), np.zeros((0, 3), np.int32))
    rows = np.flatnonzero(near.sum(axis=1) > least)
    crowds = []
    while len(rows):
        within = np.bitwise_count(first[rows] ^ first[rows[0]]) <= _CROWDED_BITS
        crowds.append(rows[within].tolist())
        rows = rows[~within]
    return crowds


def estimate_costs(hashes: Hashes, *, radius: int) -> tuple[float, float]:
    """Estimate what the two searches cost; the cheaper is taken.

    Args:
        hashes: As `find_near_pairs`.
        radius: As `find_near_pairs`.

    Returns:
        Seconds for measuring all pairs and for buckets, on a core of 2024.
    """
    task = _Task(hashes[:, 0].copy(), np.ascontiguousarray(hashes), radius, own=True)
    return task.scan_ns * 1e-9, task.bucket_ns * 1e-9


@dataclass(frozen=True, slots=True)
class _Task:
    """A search: every `first` against every one of `others`, but not a picture against itself."""

    first: Hashes
    """Shape (N,)."""
    others: Hashes
    """Shape (N, W)."""
    radius: int
    own: bool
    """Whether the first column of `others` is `first`."""

    @property
    def budgets(self) -> Whole:
        """Bits that each part may differ in; -1 for a part that need not be looked at."""
        share, rest = divmod(self.radius + 1, PARTS)
        return np.array([share + (part < rest) - 1 for part in range(PARTS)], np.int64)

    @property
    def sides(self) -> int:
        """Distances that a pair has."""
        return 2 * int(self.others.shape[1]) - self.own

    @property
    def scan_ns(self) -> float:
        """Cost of measuring all pairs."""
        return 0.5 * _SCAN_NS * len(self.first) ** 2 * self.sides

    @property
    def bucket_ns(self) -> float:
        """Cost of looking into buckets, the candidates counted on some of the masks."""
        total = 0.0
        for part, budget in enumerate(self.budgets.tolist()):
            masks = _to_masks(budget)
            counts = np.bincount(_to_keys(self.first, part), minlength=_KEYS).astype(np.float64)
            sample = masks[:: max(1, len(masks) // _SAMPLED)]
            keys = np.arange(_KEYS)
            pairs = sum(float(counts @ counts[keys ^ mask]) for mask in sample)
            pairs *= len(masks) / max(1, len(sample))
            total += _PROBE_NS * np.count_nonzero(counts) * len(masks) + _CANDIDATE_NS * pairs
        return 0.5 * total * self.sides


def _choose(task: _Task) -> Search:
    return _search_buckets if task.bucket_ns < task.scan_ns else _search_all


def _find(task: _Task, most: int | None) -> Rows:
    count = len(task.first)
    limits = np.full(count, task.radius, np.int64)
    search = _choose(task)
    room = np.zeros((max(1024, _ROOM * count), 3), np.int32)
    found, near = search(task, limits, room)
    if most is not None:
        limits = np.count_nonzero(np.cumsum(near, axis=1) <= most, axis=1) - 1
    if found > len(room):
        # Not more than there are, and with a limit not more than the pictures' radii leave.
        room = np.zeros((_count_within(near, limits) if most is not None else found, 3), np.int32)
        found, _ = search(task, limits, room)
    rows = room[:found]
    within = rows[:, 2] <= np.maximum(limits[rows[:, 0]], limits[rows[:, 1]])
    rows = rows[within]
    return rows[np.lexsort((rows[:, 1], rows[:, 0]))]


def _count_within(near: Rows, limits: Whole) -> int:
    """Count the pairs that lie within a picture's radius, once for each of their pictures."""
    inside = np.arange(near.shape[1])[None, :] <= limits[:, None]
    return int(near[inside].sum())


def _search_all(task: _Task, limits: Whole, room: Rows) -> tuple[int, Rows]:
    near = np.zeros((len(task.first), task.radius + 1), np.int32)
    columns = np.ascontiguousarray(task.others.T)
    return scan_all(task.first, columns, task.own, limits, near, room), near


def _search_buckets(task: _Task, limits: Whole, room: Rows) -> tuple[int, Rows]:
    near = np.zeros((len(task.first), task.radius + 1), np.int32)
    budgets, found = task.budgets, 0
    for column in range(task.others.shape[1]):
        for part, budget in enumerate(budgets.tolist()):
            one = _sort_by_part(task.first, part)
            own = task.own and column == 0
            other = one if own else _sort_by_part(task.others[:, column], part)
            found = join_buckets(
                one,
                other,
                _to_masks(budget),
                (column, part, own),
                (task.first, task.others, budgets),
                (limits, near, room),
                found,
            )
    return found, near


def _sort_by_part(hashes: Hashes, part: int) -> Sorted:
    keys = _to_keys(hashes, part)
    order = np.argsort(keys, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(keys, minlength=_KEYS))])
    return hashes[order], order.astype(np.int32), starts.astype(np.int64)


def _to_keys(hashes: Hashes, part: int) -> Whole:
    return ((hashes >> np.uint64(BITS * part)) & np.uint64(_KEYS - 1)).astype(np.int64)


def _to_masks(budget: int) -> Whole:
    """Give the ways in which a part may differ, the fewest bits first."""
    bits = np.bitwise_count(np.arange(_KEYS, dtype=np.uint32)).astype(np.int64)
    order = np.argsort(bits, kind="stable")
    return order[: np.count_nonzero(bits <= budget)].astype(np.int64)


def _check(hashes: Hashes, radius: int) -> None:
    if hashes.ndim != 2 or hashes.dtype != np.uint64 or hashes.shape[1] < 1:
        raise ValueError(
            f"expected uint64 hashes of shape (N, V), got {hashes.dtype} of shape {hashes.shape}"
        )
    if not 0 <= radius <= 64:
        raise ValueError(f"expected a radius of 0 to 64 bits, got {radius}")
