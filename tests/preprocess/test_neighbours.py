from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocess import neighbours
from preprocess.neighbours import find_crowds, find_near_pairs, find_turned_pairs


def count_bits(one: int, other: int) -> int:
    return (int(one) ^ int(other)).bit_count()


def find_by_hand(first: np.ndarray, others: np.ndarray, radius: int) -> list[tuple[int, ...]]:
    """Measure every pair, one after another."""
    found: list[tuple[int, ...]] = []
    for i, j in combinations(range(len(first)), 2):
        there = min(count_bits(first[i], other) for other in others[j])
        back = min(count_bits(first[j], other) for other in others[i])
        if min(there, back) <= radius:
            found.append((i, j, min(there, back)))
    return found


def draw_hashes(count: int, columns: int, seed: int = 0) -> np.ndarray:
    """Draw hashes of which the last fifty have neighbours at 0 to 12 bits."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, (count, columns), np.uint64, endpoint=False)
    flips = np.zeros((50, columns), np.uint64)
    for _ in range(12):
        one = np.uint64(1) << rng.integers(0, 64, (50, columns), np.uint64)
        flips |= np.where(rng.random((50, columns)) < 0.5, one, np.uint64(0))
    hashes[-50:] = hashes[:50] ^ flips
    hashes[-1] = hashes[0]
    return hashes


@pytest.fixture(params=["all", "buckets"])
def either(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Take one of the two searches, whatever it costs."""
    cost = {"all": 1e12, "buckets": 0.0}[request.param]
    monkeypatch.setattr(neighbours, "_CANDIDATE_NS", cost)
    monkeypatch.setattr(neighbours, "_PROBE_NS", cost)
    return str(request.param)


@pytest.mark.parametrize("radius", [0, 1, 2, 3, 8, 13, 18])
@pytest.mark.parametrize("columns", [1, 3])
def test_near_pairs_are_all_pairs_within_the_radius(radius: int, columns: int, either: str) -> None:
    hashes = draw_hashes(260, columns)
    rows = find_near_pairs(hashes, radius=radius)
    assert rows.dtype == np.int32
    assert [tuple(row) for row in rows.tolist()] == find_by_hand(hashes[:, 0], hashes, radius)


@pytest.mark.parametrize("radius", [0, 3, 8, 13, 18])
def test_turned_pairs_are_all_pairs_within_the_radius(radius: int, either: str) -> None:
    hashes = draw_hashes(260, 5)
    own, turned = hashes[:, :2], hashes[:, [3, 0, 4]]
    rows = find_turned_pairs(own, turned, radius=radius)
    assert [tuple(row) for row in rows.tolist()] == find_by_hand(own[:, 0], turned, radius)


def test_the_widest_radius_gives_every_pair() -> None:
    rows = find_near_pairs(draw_hashes(90, 2), radius=64)
    assert len(rows) == 90 * 89 // 2


def test_many_pairs_need_more_room_and_get_it(either: str) -> None:
    hashes = np.zeros((200, 1), np.uint64)
    hashes[::2] = 1
    rows = find_near_pairs(hashes, radius=2)
    assert [tuple(row) for row in rows.tolist()] == find_by_hand(hashes[:, 0], hashes, 2)


@given(st.integers(0, 9), st.integers(1, 40))
def test_a_radius_shrinks_where_too_many_lie_within(seed: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**12, (70, 1), np.uint64)
    hashes[:20] = rng.integers(0, 2**3, (20, 1), np.uint64)
    everything = find_near_pairs(hashes, radius=10)
    near = np.zeros((70, 11), int)
    for i, j, distance in everything:
        near[i, distance] += 1
        near[j, distance] += 1
    limits = [int(np.count_nonzero(np.cumsum(row) <= most)) - 1 for row in near]
    expected = [
        (i, j, distance)
        for i, j, distance in everything.tolist()
        if distance <= max(limits[i], limits[j])
    ]
    rows = find_near_pairs(hashes, radius=10, most=most)
    assert [tuple(row) for row in rows.tolist()] == expected
    assert len(rows) <= 70 * most


def test_pictures_all_alike_fill_no_memory() -> None:
    hashes = np.zeros((3000, 1), np.uint64)
    assert len(find_near_pairs(hashes, radius=18, most=100)) == 0
    spread = np.uint64(1) << (np.arange(3000, dtype=np.uint64) % np.uint64(50))
    assert len(find_near_pairs(spread[:, None], radius=18, most=100)) <= 3000 * 100


def test_a_crowd_is_found_and_a_few_alike_are_none() -> None:
    rng = np.random.default_rng(1)
    hashes = rng.integers(0, 2**64, 500, np.uint64, endpoint=False)
    crowd = np.arange(3, 500, 10)
    hashes[crowd] = hashes[3] ^ (np.uint64(1) << rng.integers(0, 64, len(crowd), np.uint64))
    hashes[[1, 2, 4]] = hashes[0]
    assert find_crowds(hashes, least=32) == [crowd.tolist()]
    assert find_crowds(hashes, least=len(crowd)) == []


def test_no_picture_is_in_two_crowds() -> None:
    hashes = np.concatenate([np.zeros(40, np.uint64), np.full(40, 0b11111, np.uint64)])
    hashes[20:40] = 0b11
    crowds = find_crowds(hashes, least=10)
    assert sorted(place for crowd in crowds for place in crowd) == list(range(80))
    assert [crowd[0] for crowd in crowds] == [0, 40]


def test_no_hashes_make_no_pairs() -> None:
    assert find_near_pairs(np.zeros((0, 3), np.uint64), radius=64).shape == (0, 3)


def test_other_arrays_and_radii_are_refused() -> None:
    good = np.zeros((3, 1), np.uint64)
    with pytest.raises(ValueError, match="expected uint64 hashes"):
        find_near_pairs(np.zeros(3, np.uint64), radius=1)
    with pytest.raises(ValueError, match="expected uint64 hashes"):
        find_near_pairs(np.zeros((3, 1), np.int64), radius=1)
    with pytest.raises(ValueError, match="radius of 0 to 64"):
        find_near_pairs(good, radius=65)
    with pytest.raises(ValueError, match="hashes of 3 pictures"):
        find_turned_pairs(good, good[:2], radius=1)
