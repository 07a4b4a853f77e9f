from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvest.records import Role
from preprocess.features import Features
from preprocess.groups import find_closures, group_scans
from preprocess.likeness import Comparison, Outcome, Print, ScanHash, ScanJob, propose_pairs
from preprocess.records import GroupState

NO_FEATURES = Features(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8))


def make_scan(
    scan_id: str,
    *,
    item_id: str = "",
    role: Role = Role.COLOUR,
    phash: int = 0,
    area: float = 100.0,
    readable: bool = True,
) -> ScanHash:
    found = Print((phash,) * 3, NO_FEATURES, (0.0,) * 8, (350, 512), area)
    job = ScanJob(scan_id, item_id or f"item-{scan_id}", role, f"scans/{scan_id}.jpg")
    return ScanHash(job, found if readable else None)


def same(one: str, other: str, *, score: float = 0.98, inks: float = 0.1) -> Comparison:
    outcome = Outcome.SAME_PRINT if inks < 0.4 else Outcome.SAME_VIEW
    return Comparison(one, other, outcome, score, inks)


def test_copies_make_a_group_and_variants_a_view() -> None:
    scans = [make_scan(scan_id) for scan_id in "abcd"]
    rows = group_scans(scans, [same("a", "b"), same("b", "c", inks=0.9)])
    assert [(row.scan_id, row.group_id, row.view_id) for row in rows] == [
        ("a", "a", "a"),
        ("b", "a", "a"),
        ("c", "c", "a"),
        ("d", "d", "d"),
    ]
    assert [row.state for row in rows] == ["kept", "duplicate", "kept", "kept"]


def test_different_scans_stay_apart() -> None:
    comparison = Comparison("a", "b", Outcome.DIFFERENT, 0.5, None)
    rows = group_scans([make_scan("a"), make_scan("b")], [comparison])
    assert [row.view_id for row in rows] == ["a", "b"]
    assert [row.evidence for row in rows] == ["", ""]


def test_the_largest_copy_is_kept_and_the_smaller_id_breaks_ties() -> None:
    scans = [make_scan("a"), make_scan("b", area=200.0), make_scan("c", area=200.0)]
    rows = group_scans(scans, [same("a", "b"), same("b", "c")])
    assert [row.kept for row in rows] == [False, True, False]


def test_evidence_names_the_scan_that_agrees_best() -> None:
    scans = [make_scan(scan_id) for scan_id in "abc"]
    rows = group_scans(scans, [same("a", "b", score=0.98123), same("a", "c", score=0.99)])
    assert [row.evidence for row in rows] == ["c:0.990", "a:0.981", "a:0.990"]


def test_a_negative_takes_its_items_view_and_is_never_dropped() -> None:
    scans = [
        make_scan("a"),
        make_scan("b", item_id="one"),
        make_scan("n1", item_id="one", role=Role.NEGATIVE),
        make_scan("n2", item_id="two", role=Role.NEGATIVE),
    ]
    rows = {row.scan_id: row for row in group_scans(scans, [same("a", "b")])}
    assert (rows["n1"].view_id, rows["n1"].group_id, rows["n1"].state) == ("a", "n1", "negative")
    assert rows["n1"].evidence == "b:item"
    assert (rows["n2"].view_id, rows["n2"].kept) == ("n2", False)


def test_unreadable_scans_become_rows() -> None:
    rows = group_scans(
        [make_scan("a", readable=False), make_scan("n", role=Role.NEGATIVE, readable=False)], []
    )
    assert [row.state for row in rows] == [GroupState.UNREADABLE] * 2
    assert [(row.phash, row.kept, row.reason) for row in rows] == [("", False, "unreadable")] * 2


def test_the_hash_is_written_as_sixteen_digits() -> None:
    assert group_scans([make_scan("a", phash=0xABC)], [])[0].phash == "0000000000000abc"


def test_one_item_is_proposed_whatever_the_hash_says() -> None:
    far = 2**64 - 1
    scans = [
        make_scan("c", item_id="one", phash=far),
        make_scan("a", item_id="one"),
        make_scan("b", phash=0b111),
        make_scan("n", item_id="one", role=Role.NEGATIVE),
        make_scan("u", item_id="one", readable=False),
    ]
    pairs = propose_pairs(scans, radius=3)
    assert [(one.job.scan_id, other.job.scan_id) for one, other in pairs] == [
        ("a", "b"),
        ("a", "c"),
    ]
    assert propose_pairs(scans[3:], radius=64) == []


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30))), st.randoms())
def test_closures_do_not_depend_on_the_order_of_links(
    links: Sequence[tuple[int, int]], random: object
) -> None:
    ids = [f"{number:02d}" for number in range(31)]
    named = [(ids[one], ids[other]) for one, other in links]
    closures = find_closures(ids, named)
    random.shuffle(named)  # type: ignore[attr-defined]
    assert find_closures(ids, [link[::-1] for link in named]) == closures
    assert all(closures[one] == closures[other] for one, other in named)
    assert all(root <= one and closures[root] == root for one, root in closures.items())


def test_two_scans_with_one_id_are_refused() -> None:
    with pytest.raises(ValueError, match="distinct scan ids"):
        group_scans([make_scan("a"), make_scan("a")], [])
