from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from preprocess.audit import BITS, audit_leaks

WHOLE = (1 << BITS) - 1
FAR = tuple(f"{WHOLE:016x}" for _ in range(3))
"""Hashes, mirrored, that lie far from the small numbers of these tests."""


def to_sample(
    scan_id: str, split: str, *, view_id: str | None = None, shards: str | None = None
) -> dict[str, Any]:
    return {
        "scan_id": scan_id,
        "view_id": view_id or scan_id,
        "split": shards or split,
        "view_split": split,
        "state": "written",
    }


def to_group(
    scan_id: str, upright: Sequence[int], *, mirrored: Sequence[str] = FAR, view_id: str = ""
) -> dict[str, Any]:
    hashes = [*(f"{number:016x}" for number in upright), *mirrored]
    return {"scan_id": scan_id, "view_id": view_id or scan_id, "hashes": hashes}


def test_each_judged_view_meets_its_nearest_training_sample() -> None:
    samples = [
        to_sample("a", "train"),
        to_sample("b", "train"),
        to_sample("t1", "test", view_id="t"),
        to_sample("t2", "test", view_id="t"),
        to_sample("v", "val"),
    ]
    groups = [
        to_group("a", [0b1111_0000, 0, 0]),
        to_group("b", [0b1111_1111_0000, 1 << 40, 1 << 50]),
        to_group("t1", [0b1111, 0b11, 0b11], view_id="t"),
        to_group("t2", [0b1111_0001, 0, 0], view_id="t"),
        to_group("v", [(1 << 40) + 1, (1 << 40) + 3, (1 << 40) + 7]),
    ]
    audit = audit_leaks(samples, groups)
    found = [(n.view_id, n.split, n.scan_id, n.other_id, n.distance) for n in audit.neighbours]
    assert found == [("t", "test", "t2", "a", 1), ("v", "val", "v", "b", 1)]
    assert not any(n.mirrored for n in audit.neighbours)
    assert audit.histograms["test"][:3] == (0, 1, 0)
    assert (len(audit.histograms["val"]), sum(audit.histograms["val"])) == (BITS + 1, 1)


def test_a_training_sample_turned_over_is_found() -> None:
    turned = tuple(f"{number:016x}" for number in (7, 1 << 20, 1 << 30))
    groups = [to_group("a", [1 << 60, 1 << 61, 1 << 62], mirrored=turned), to_group("t", [3, 3, 3])]
    for pair in (("train", "test"), ("test", "train")):
        audit = audit_leaks([to_sample("a", pair[0]), to_sample("t", pair[1])], groups)
        assert [(n.distance, n.mirrored) for n in audit.neighbours] == [(1, True)]


def test_pairs_across_splits_are_counted_once() -> None:
    splits = {"a": "train", "b": "val", "c": "test", "d": "train"}
    samples = [to_sample(name, split) for name, split in splits.items()]
    numbers = {"a": 0, "b": (1 << 10) - 1, "c": ((1 << 10) - 1) << 4, "d": 0}
    groups = [to_group(name, [number] * 3) for name, number in numbers.items()]
    audit = audit_leaks(samples, groups)
    # a and d are trained on; both lie 10 bits from b and from c, and b lies 8 from c.
    assert audit.near_pairs == {10: 5, 14: 5}


def test_real_pairs_count_by_their_view() -> None:
    samples = [
        to_sample("a", "train"),
        to_sample("n1", "train", shards="pairs"),
        to_sample("n2", "test", shards="pairs"),
        to_sample("n3", "test") | {"state": "rejected"},
    ]
    groups = [to_group(name, [0, 0, 0]) for name in ("a", "n1", "n2", "n3")]
    audit = audit_leaks(samples, groups)
    assert [(n.scan_id, n.other_id) for n in audit.neighbours] == [("n2", "a")]
    assert audit.near_pairs == {10: 1, 14: 1}


def test_the_largest_view_and_what_has_no_hash_are_told() -> None:
    groups = [
        to_group("a", [0, 0, 0]),
        to_group("b", [0, 0, 0], view_id="a"),
        to_group("c", [0, 0, 0]),
        to_group("d", [0, 0, 0]) | {"hashes": []},
    ]
    audit = audit_leaks([to_sample("a", "train"), to_sample("d", "test")], groups)
    assert (audit.largest_view, audit.largest_scans) == ("a", 2)
    assert (audit.unhashed, audit.neighbours) == (("d",), ())


def test_nothing_is_audited_without_harm() -> None:
    audit = audit_leaks([], [])
    assert (audit.neighbours, audit.near_pairs) == ((), {10: 0, 14: 0})
    assert (audit.largest_view, audit.largest_scans) == ("", 0)
    alone = audit_leaks([to_sample("t", "test")], [to_group("t", [0, 0, 0])])
    assert alone.neighbours == ()


def test_foreign_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="not among the groups"):
        audit_leaks([to_sample("a", "train")], [])
    uneven = [to_group("a", [0, 0, 0]), to_group("b", [0, 0])]
    with pytest.raises(ValueError, match="as many hashes"):
        audit_leaks([to_sample("a", "train"), to_sample("b", "test")], uneven)


@given(seed=st.integers(0, 2**32), count=st.integers(2, 30))
@example(seed=0, count=400)
def test_the_nearest_is_as_by_hand(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    numbers = rng.integers(0, 1 << 12, (count, 4))
    splits = rng.choice(["train", "val", "test"], count, p=[0.6, 0.2, 0.2])
    names = [f"s{place:03d}" for place in range(count)]
    groups = [
        {"scan_id": name, "view_id": name, "hashes": [f"{n:016x}" for n in row]}
        for name, row in zip(names, numbers, strict=True)
    ]
    samples = [to_sample(name, split) for name, split in zip(names, splits, strict=True)]
    audit = audit_leaks(samples, groups)

    def measure(i: int, j: int) -> int:
        couples = [(i, j, k) for k in range(4)] + [(j, i, k) for k in range(4)]
        return min(int(numbers[a][0] ^ numbers[b][k]).bit_count() for a, b, k in couples)

    train = [place for place in range(count) if splits[place] == "train"]
    told = {n.scan_id: (n.distance, n.other_id) for n in audit.neighbours}
    wanted = {
        names[i]: min((measure(i, j), names[j]) for j in train)
        for i in range(count)
        if splits[i] != "train" and train
    }
    assert told == wanted
    assert audit.near_pairs[10] == sum(
        measure(i, j) <= 10 for i in range(count) for j in range(i) if splits[i] != splits[j]
    )
