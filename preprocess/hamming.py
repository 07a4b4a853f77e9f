"""Pure: the compiled loops of `preprocess.neighbours`.

Compiled by numba, and kept beside the module, so that a second process does not compile again. All
arithmetic on hashes stays in uint64: numba makes a float of a uint64 and an int together.
"""

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
Rows = NDArray[np.int32]
Whole = NDArray[np.int64]
Sorted = tuple[Hashes, NDArray[np.int32], Whole]
"""Hashes in the order of one part, where each stood, and where the bucket of each key begins."""

_PAIRS: Final = np.uint64(0x5555555555555555)
_FOURS: Final = np.uint64(0x3333333333333333)
_BYTES: Final = np.uint64(0x0F0F0F0F0F0F0F0F)
_SUM: Final = np.uint64(0x0101010101010101)
_ONE: Final = np.uint64(1)
_TWO: Final = np.uint64(2)
_FOUR: Final = np.uint64(4)
_TOP: Final = np.uint64(56)
_PART: Final = np.uint64(0xFFFF)
_BITS: Final = np.uint64(16)
_BLOCK: Final = 1024

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function by numba at its first call."""
    return cast(Function, njit(cache=True)(function))


@compiled
def count_bits(value: np.uint64) -> np.int64:
    """Count the bits that are set; LLVM makes one instruction of it."""
    value = value - ((value >> _ONE) & _PAIRS)
    value = (value & _FOURS) + ((value >> _TWO) & _FOURS)
    value = (value + (value >> _FOUR)) & _BYTES
    return np.int64((value * _SUM) >> _TOP)


@compiled
def scan_all(
    first: Hashes, columns: Hashes, own: bool, limits: Whole, near: Rows, room: Rows
) -> int:
    """Measure all pairs.

    Args:
        first: Shape (N,).
        columns: Shape (W, N): the hashes that `first` is held against.
        own: Whether the first of them are `first` itself.
        limits: Shape (N,): radius of each picture; a pair counts within either.
        near: Shape (N, R + 1), int32, added to: how many lie at each distance up to R.
        room: Shape (M, 3), written: the first M pairs found.

    Returns:
        Number of pairs found, more than M where the room was too small.
    """
    count, radius, found = len(first), near.shape[1] - 1, 0
    least = np.empty(_BLOCK, np.int64)
    for i in range(count):
        for start in range(i + 1, count, _BLOCK):
            stop = min(start + _BLOCK, count)
            least[:] = 64
            for column in range(len(columns)):
                others = columns[column]
                for j in range(start, stop):
                    bits = count_bits(first[i] ^ others[j])
                    least[j - start] = min(least[j - start], bits)
                if own and column == 0:
                    continue
                for j in range(start, stop):
                    bits = count_bits(first[j] ^ others[i])
                    least[j - start] = min(least[j - start], bits)
            for j in range(start, stop):
                distance = least[j - start]
                if distance <= radius:
                    found = _keep(i, j, distance, limits, near, room, found)
    return found


@compiled
def join_buckets(
    one: Sorted,
    other: Sorted,
    masks: Whole,
    where: tuple[int, int, bool],
    task: tuple[Hashes, Hashes, Whole],
    kept: tuple[Whole, Rows, Rows],
    found: int,
) -> int:
    """Measure the pairs whose keys in one part differ by one of the masks.

    A pair that an earlier column or part has led to is passed over, so none counts twice.

    Args:
        one: The first hashes, sorted by the part.
        other: One column of the others, sorted by it too; `one` itself where they are the same.
        masks: Differences of the keys.
        where: The column, the part, and whether the column is that of the first hashes.
        task: The first hashes, shape (N,); the others, shape (N, W); the parts' budgets.
        kept: Limits, counts and room as `scan_all` takes them.
        found: Pairs found so far.

    Returns:
        Pairs found by now.
    """
    hashes1, places1, starts1 = one
    hashes2, places2, starts2 = other
    own = where[2]
    limits, near, room = kept
    radius = near.shape[1] - 1
    for mask in masks:
        for key in range(len(starts1) - 1):
            low, high = starts1[key], starts1[key + 1]
            partner = key ^ mask
            if low == high or (own and partner < key):
                continue
            for at in range(low, high):
                begin = at + 1 if own and mask == 0 else starts2[partner]
                for to in range(begin, starts2[partner + 1]):
                    if count_bits(hashes1[at] ^ hashes2[to]) > radius:
                        continue
                    a, b = places1[at], places2[to]
                    if a != b and _is_new(a, b, where, task, radius):
                        i, j = min(a, b), max(a, b)
                        distance = _measure(i, j, task[0], task[1])
                        found = _keep(i, j, distance, limits, near, room, found)
    return found


@compiled
def _is_new(
    a: int, b: int, where: tuple[int, int, bool], task: tuple[Hashes, Hashes, Whole], radius: int
) -> bool:
    """Say whether no earlier column, direction or part leads to a pair."""
    column, part, own = where
    first, others, budgets = task
    for earlier in range(column):
        if count_bits(first[a] ^ others[b, earlier]) <= radius:
            return False
        if count_bits(first[b] ^ others[a, earlier]) <= radius:
            return False
    if not own and a > b and count_bits(first[b] ^ others[a, column]) <= radius:
        return False
    differing = first[a] ^ others[b, column]
    for before in range(part):
        if count_bits(differing & _PART) <= budgets[before]:
            return False
        differing >>= _BITS
    return True


@compiled
def _measure(i: int, j: int, first: Hashes, others: Hashes) -> np.int64:
    least = np.int64(64)
    for column in range(others.shape[1]):
        there = count_bits(first[i] ^ others[j, column])
        back = count_bits(first[j] ^ others[i, column])
        least = min(least, there, back)
    return least


@compiled
def _keep(
    i: int, j: int, distance: np.int64, limits: Whole, near: Rows, room: Rows, found: int
) -> int:
    near[i, distance] += 1
    near[j, distance] += 1
    if distance > limits[i] and distance > limits[j]:
        return found
    if found < len(room):
        room[found, 0], room[found, 1], room[found, 2] = i, j, distance
    return found + 1
