from dataclasses import replace

import numpy as np
import pytest

from harvest.records import Role
from preprocess.features import Features
from preprocess.groups import find_idle, group_scans
from preprocess.likeness import Comparison, Print, ScanHash, ScanJob
from preprocess.overrides import PairOverride
from preprocess.records import GroupRow, GroupState, Outcome

NO_FEATURES = Features(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8))


def make_scan(
    scan_id: str,
    *,
    item_id: str = "",
    role: Role = Role.COLOUR,
    phash: int = 0,
    area: float = 100.0,
    size_bytes: int = 0,
    sha256: str = "",
    number: str = "",
    readable: bool = True,
) -> ScanHash:
    found = Print((phash,) * 6, NO_FEATURES, (0.0,) * 8, (350, 512), area)
    job = ScanJob(scan_id, item_id or f"item-{scan_id}", role, f"scans/{scan_id}.jpg")
    job = replace(job, sha256=sha256, size_bytes=size_bytes, number=number)
    return ScanHash(job, found if readable else None)


def link(
    pair: str,
    outcome: Outcome = Outcome.SAME_PRINT,
    *,
    score: float = 0.98,
    inks: float = 0.1,
    differs: tuple[str, ...] = (),
) -> Comparison:
    """Compare two scans, named by a letter each."""
    figures = {"score": score, "inks": inks, "distance": 4, "matches": 50}
    return Comparison(pair[0], pair[1], outcome, differs=differs, **figures)  # type: ignore[arg-type]


def said(pair: str, outcome: Outcome) -> dict[tuple[str, str], PairOverride]:
    """Have a person decide a pair, named by a letter each."""
    return {(pair[0], pair[1]): PairOverride(pair[0], pair[1], outcome, "")}


def groups_of(rows: list[GroupRow]) -> str:
    return " ".join(row.group_id for row in rows)


def views_of(rows: list[GroupRow]) -> str:
    return " ".join(row.view_id for row in rows)


def test_copies_make_a_group_and_variants_a_view() -> None:
    scans = [make_scan(scan_id) for scan_id in "abcdef"]
    links = [
        link("ab"),
        link("bc", Outcome.SAME_VIEW),
        link("cd", Outcome.SAME_SCAN),
        link("de", Outcome.MIRRORED),
        link("ef", Outcome.DIFFERENT, score=0.2),
    ]
    rows = group_scans(scans, links, {})
    assert groups_of(rows) == "a a c c e f"
    assert views_of(rows) == "a a a a a f"
    assert [row.state for row in rows] == ["kept", "duplicate", "kept", "duplicate", "kept", "kept"]


def test_the_largest_copy_is_kept_and_of_those_as_large_the_one_of_most_bytes() -> None:
    sizes = {"a": (89, 900), "b": (100, 300), "c": (95, 500), "d": (99, 500), "e": (99, 500)}
    scans = [make_scan(name, area=area, size_bytes=size) for name, (area, size) in sizes.items()]
    rows = group_scans(scans, [link("ab"), link("bc"), link("cd"), link("de")], {})
    assert [row.scan_id for row in rows if row.kept] == ["d"]


def test_the_evidence_names_every_scan_that_was_like_it() -> None:
    scans = [make_scan(scan_id) for scan_id in "abcd"]
    links = [
        link("ab"),
        link("ac", Outcome.SAME_VIEW, differs=("inks", "number")),
        link("ad", Outcome.DIFFERENT, score=0.4),
        link("bd", Outcome.DIFFERENT, score=0.1),
    ]
    rows = {row.scan_id: row for row in group_scans(scans, links, {})}
    assert [(one.other_id, one.outcome, one.differs) for one in rows["a"].links] == [
        ("b", "same_print", ""),
        ("c", "same_view", "inks,number"),
        ("d", "different", ""),
    ]
    assert [one.other_id for one in rows["d"].links] == ["a"]
    (told,) = rows["b"].links
    assert (told.score, told.inks, told.distance, told.matches) == (0.98, 0.1, 4, 50)
    assert told.by == "machine"


def test_files_with_the_same_bytes_are_one_scan() -> None:
    scans = [make_scan("a", sha256="x"), make_scan("b", sha256="x"), make_scan("c", sha256="y")]
    rows = group_scans(scans, [], {})
    assert groups_of(rows) == "a a c"
    assert [one.outcome for one in rows[1].links] == ["same_scan"]


def test_one_link_does_not_join_groups_that_most_others_speak_against() -> None:
    scans = [make_scan(scan_id) for scan_id in "abcde"]
    against = [link("ae", Outcome.SAME_VIEW), link("be", Outcome.SAME_VIEW)]
    rows = group_scans(scans, [link("ab"), link("bc"), link("ce"), *against], {})
    assert groups_of(rows) == "a a a d e"
    assert views_of(rows) == "a a a d a"
    assert [one.outcome for one in rows[2].links if one.other_id == "e"] == ["same_print"]
    rows = group_scans(scans, [link("ab"), link("bc"), link("ce"), link("ae"), against[1]], {})
    assert groups_of(rows) == "a a a d a"


def test_where_as_much_speaks_for_as_against_the_average_decides() -> None:
    scans = [make_scan(scan_id) for scan_id in "abc"]
    sure, clear, doubtful = link("ab", inks=0.05), link("ac", inks=0.1), link("ac", inks=0.23)
    against = link("bc", Outcome.SAME_VIEW, inks=0.25)
    assert groups_of(group_scans(scans, [sure, clear, against], {})) == "a a a"
    assert groups_of(group_scans(scans, [sure, doubtful, against], {})) == "a a c"


def test_prints_of_other_numbers_are_not_joined_by_one_without() -> None:
    scans = [make_scan("a", number="7"), make_scan("b"), make_scan("c", number="8")]
    rows = group_scans(scans, [link("ab", inks=0.1), link("bc", inks=0.05)], {})
    assert groups_of(rows) == "a b b"
    assert views_of(rows) == "a a a"


def test_one_scan_under_two_numbers_is_one_print_all_the_same() -> None:
    scans = [make_scan("a", number="7"), make_scan("b", number="8")]
    rows = group_scans(scans, [link("ab", Outcome.SAME_SCAN, differs=("number",))], {})
    assert groups_of(rows) == "a a"
    assert rows[0].links[0].differs == "number"


def test_a_person_decides_a_pair_and_one_never_compared() -> None:
    scans = [make_scan(scan_id) for scan_id in "abc"]
    decided = said("ab", Outcome.SAME_VIEW) | said("bc", Outcome.SAME_PRINT)
    rows = group_scans(scans, [link("ab")], decided)
    assert groups_of(rows) == "a b b"
    assert views_of(rows) == "a a a"
    assert [(one.outcome, one.by) for one in rows[1].links] == [
        ("same_view", "person"),
        ("same_print", "person"),
    ]


def test_what_a_person_parts_stays_apart_though_a_third_scan_joins_it() -> None:
    scans = [make_scan(scan_id) for scan_id in "abc"]
    links = [link("ab", score=0.9), link("bc", Outcome.SAME_VIEW, score=0.99)]
    rows = group_scans(scans, links, said("ac", Outcome.DIFFERENT))
    assert groups_of(rows) == "a a c"
    assert views_of(rows) == "a a c"
    assert [(one.other_id, one.outcome, one.by) for one in rows[2].links] == [
        ("a", "different", "person"),
        ("b", "same_view", "machine"),
    ]


def test_a_persons_word_on_scans_that_are_not_compared_is_idle() -> None:
    scans = [make_scan("a"), make_scan("n", role=Role.NEGATIVE), make_scan("u", readable=False)]
    decided = said("an", Outcome.SAME_PRINT) | said("au", Outcome.SAME_VIEW)
    decided |= said("az", Outcome.SAME_VIEW)
    assert groups_of(group_scans(scans, [], decided)) == "a n u"
    assert [one.other_id for one in find_idle(scans, decided)] == ["n", "u", "z"]


def test_a_negative_takes_its_items_view_and_is_never_dropped() -> None:
    scans = [
        make_scan("a"),
        make_scan("b", item_id="one", phash=0b11),
        make_scan("n1", item_id="one", role=Role.NEGATIVE, phash=0b1),
        make_scan("n2", item_id="two", role=Role.NEGATIVE),
    ]
    rows = {row.scan_id: row for row in group_scans(scans, [link("ab")], {})}
    assert (rows["n1"].view_id, rows["n1"].group_id, rows["n1"].state) == ("a", "n1", "negative")
    assert [(one.other_id, one.distance) for one in rows["n1"].links] == [("b", 1)]
    assert (rows["n2"].view_id, rows["n2"].kept, rows["n2"].links) == ("n2", False, ())


def test_unreadable_scans_become_rows() -> None:
    scans = [
        make_scan("a", readable=False),
        make_scan("n", role=Role.NEGATIVE, readable=False),
    ]
    rows = group_scans(scans, [], {})
    assert [row.state for row in rows] == [GroupState.UNREADABLE] * 2
    assert [(row.phash, row.hashes, row.kept, row.reason) for row in rows] == [
        ("", (), False, "unreadable")
    ] * 2


def test_hashes_are_written_as_sixteen_digits() -> None:
    (row,) = group_scans([make_scan("a", phash=0xABC)], [], {})
    assert row.phash == "0000000000000abc"
    assert row.hashes == ("0000000000000abc",) * 6


def test_the_order_of_comparisons_changes_nothing() -> None:
    scans = [
        make_scan(scan_id, number=number) for scan_id, number in zip("abcd", "7 8 ", strict=True)
    ]
    links = [link("ab"), link("bc"), link("cd", Outcome.MIRRORED), link("ad", score=0.99)]
    assert group_scans(scans, links, {}) == group_scans(scans[::-1], links[::-1], {})


def test_two_scans_with_one_id_are_refused() -> None:
    with pytest.raises(ValueError, match="distinct scan ids"):
        group_scans([make_scan("a"), make_scan("a")], [], {})
