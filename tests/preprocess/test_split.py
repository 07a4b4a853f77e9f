from collections import Counter
from collections.abc import Mapping
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocess.split import Move, Split, assign_splits, find_moves, find_split

Views = dict[str, set[str]]

scans = st.integers(0, 30).map(lambda number: f"s{number:02d}")


def to_views(view_of: Mapping[str, int]) -> Views:
    """Gather scans by a label, and name each view after its smallest scan, as dedupe does."""
    gathered: dict[int, set[str]] = {}
    for scan_id, label in view_of.items():
        gathered.setdefault(label, set()).add(scan_id)
    return {min(members): members for members in gathered.values()}


def release(views: Views, splits: Mapping[str, Split]) -> dict[str, tuple[str, Split]]:
    return {scan: (view, splits[view]) for view, members in views.items() for scan in members}


labelled = st.dictionaries(scans, st.integers(0, 8), min_size=1)


def test_shares_are_80_10_10() -> None:
    counts = Counter(find_split(f"ppmsc.{number:05d}") for number in range(20_000))
    assert counts[Split.TRAIN] == pytest.approx(16_000, abs=200)
    assert counts[Split.VAL] == pytest.approx(2_000, abs=150)
    assert counts[Split.TEST] == pytest.approx(2_000, abs=150)


def test_a_split_never_changes_between_versions() -> None:
    known = {"ppmsc.06712": "train", "ppmsc.00021": "val", "view-0": "test"}
    assert {view: str(find_split(view)) for view in known} == known


@given(st.text(min_size=1))
def test_the_id_alone_decides(view_id: str) -> None:
    assert find_split(view_id) in set(Split)
    assert find_split(view_id) is find_split("".join(list(view_id)))


def test_an_empty_id_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        find_split("")


@given(labelled)
def test_before_a_release_the_name_decides(view_of: dict[str, int]) -> None:
    views = to_views(view_of)
    assert assign_splits(views, {}) == {view: find_split(view) for view in views}


@given(labelled, labelled)
def test_adding_scans_moves_a_released_view_only_by_a_merge(
    before: dict[str, int], more: dict[str, int]
) -> None:
    old = to_views(before)
    released = release(old, assign_splits(old, {}))
    # The scans that were there keep their views, and new ones join them or come on their own.
    new = to_views(more | before)
    splits = assign_splits(new, released)
    assert find_moves(new, released, splits=splits) == ()
    for view, members in new.items():
        assert {released[scan][1] for scan in members & set(before)} <= {splits[view]}


@given(labelled, labelled)
def test_only_merges_of_different_splits_move_a_view_and_always_into_train(
    before: dict[str, int], after: dict[str, int]
) -> None:
    old, new = to_views(before), to_views(after)
    released = release(old, assign_splits(old, {}))
    splits = assign_splits(new, released)
    moved = {move.view_id for move in find_moves(new, released, splits=splits)}
    for view, members in new.items():
        had = {released[scan][1] for scan in members if scan in released}
        if len(had) > 1:
            assert splits[view] is Split.TRAIN
        elif had:
            assert {splits[view]} == had
        else:
            assert splits[view] is find_split(view)
        for scan in members & set(released):
            name, split = released[scan]
            assert split is splits[view] or name in moved


@given(labelled, labelled, st.randoms())
def test_order_does_not_matter(
    before: dict[str, int], after: dict[str, int], random: Random
) -> None:
    old, new = to_views(before), to_views(after)
    released = release(old, assign_splits(old, {}))
    splits = assign_splits(new, released)
    order, other = list(new), list(released)
    random.shuffle(order)
    random.shuffle(other)
    shuffled = {view: sorted(new[view], reverse=True) for view in order}
    turned = {scan: released[scan] for scan in other}
    assert assign_splits(shuffled, turned) == splits
    moves = find_moves(new, released, splits=splits)
    assert find_moves(shuffled, turned, splits=splits) == moves


@given(labelled, labelled, labelled)
def test_a_second_release_changes_nothing_that_the_first_settled(
    first: dict[str, int], second: dict[str, int], third: dict[str, int]
) -> None:
    released: dict[str, tuple[str, Split]] = {}
    for view_of in (first, second, third):
        views = to_views(view_of)
        splits = assign_splits(views, released)
        released = release(views, splits)
        assert assign_splits(views, released) == splits
        assert find_moves(views, released, splits=splits) == ()


def test_a_renamed_view_stays_where_it_was() -> None:
    released = {"b": ("b", Split.TEST), "c": ("b", Split.TEST)}
    assert assign_splits({"a": {"a", "b", "c"}}, released) == {"a": Split.TEST}


def test_each_part_of_a_torn_view_stays_where_it_was() -> None:
    released = {"b": ("b", Split.VAL), "c": ("b", Split.VAL)}
    assert assign_splits({"b": {"b"}, "c": {"c"}}, released) == dict.fromkeys("bc", Split.VAL)


def test_a_duplicate_and_a_negative_hold_their_view_in_place() -> None:
    released = {"copy": ("print", Split.TEST)}
    splits = assign_splits({"print": {"print", "copy", "negative"}}, released)
    assert splits == {"print": Split.TEST}


def test_a_merge_goes_into_train_and_is_named() -> None:
    released = {"a": ("a", Split.TEST), "b": ("b", Split.VAL), "c": ("c", Split.TRAIN)}
    views = {"a": {"a", "b"}, "c": {"c"}}
    splits = assign_splits(views, released)
    assert splits == {"a": Split.TRAIN, "c": Split.TRAIN}
    assert find_moves(views, released, splits=splits) == (
        Move("a", "a", Split.TEST, Split.TRAIN),
        Move("b", "a", Split.VAL, Split.TRAIN),
    )


def test_views_of_one_split_merge_where_they_are() -> None:
    released = {"a": ("a", Split.TEST), "b": ("b", Split.TEST)}
    views = {"a": {"a", "b"}}
    splits = assign_splits(views, released)
    assert splits == {"a": Split.TEST}
    assert find_moves(views, released, splits=splits) == ()


def test_a_scan_in_two_views_is_refused() -> None:
    with pytest.raises(ValueError, match="s: expected one view, got a and b"):
        assign_splits({"a": {"s"}, "b": {"s"}}, {})
