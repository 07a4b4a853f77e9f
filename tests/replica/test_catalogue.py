from hypothesis import given, settings
from hypothesis import strategies as st

from replica.catalogue import list_rows, parts_of
from replica.records import DrawnScan, Role, Row, RowKind
from replica.truth import find_truth


def _items(rows: tuple[Row, ...]) -> list[Row]:
    return [row for row in rows if row.kind == RowKind.ITEM]


@given(st.integers(1, 90), st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_one_item_more_leaves_the_others_alone(items: int, seed: int) -> None:
    few, more = list_rows(items, seed), list_rows(items + 1, seed)
    assert len(_items(few)) == items
    assert len(_items(more)) == items + 1
    assert more[: len(few)] == few


def test_ids_are_unique_over_a_large_collection() -> None:
    rows = list_rows(3000, 1)
    items = [row.item_id for row in rows]
    resources = [r.digital_id for row in rows for r in row.resources]
    assert len(set(items)) == len(items)
    assert len(set(resources)) == len(resources)


def test_every_kind_of_row_is_met_in_a_small_collection() -> None:
    assert {row.kind for row in list_rows(12, 5)} == set(RowKind)


def test_rescans_variants_negatives_and_lookalikes_come_at_their_rates() -> None:
    parts = [parts_of(3, i) for i in range(1200)]
    assert 0.07 < parts.count("rescan") / 1200 < 0.09
    assert 0.03 < parts.count("variant") / 1200 < 0.05
    assert 0.014 < parts.count("lookalike") / 1200 < 0.02
    items = _items(list_rows(1200, 3))
    negatives = sum(r.role == Role.NEGATIVE for row in items for r in row.resources)
    assert 0.12 < negatives / 1200 < 0.16


def test_a_negative_is_the_second_resource_and_shows_its_items_view() -> None:
    rows = list_rows(240, 7)
    truth = find_truth(rows, pixels=320)
    seen = 0
    for row in rows:
        for place, resource in enumerate(row.resources):
            if resource.role == Role.NEGATIVE:
                seen += 1
                assert place == 1
                assert resource.caption == "b&w film copy neg."
                first = row.resources[0].digital_id
                assert truth[resource.digital_id].view_id == truth[first].view_id
    assert seen > 20


def test_a_rescan_shares_its_group_and_a_variant_its_view_alone() -> None:
    items = _items(list_rows(120, 2))
    truth = find_truth(items, pixels=320)
    first = [truth[row.resources[0].digital_id] for row in items]
    for index, found in enumerate(first):
        groups = {t.group_id for t in first[:index]}
        views = {t.view_id for t in first[:index]}
        part = parts_of(2, index)
        assert (found.group_id in groups) == (part == "rescan")
        assert (found.view_id in views) == (part in ("rescan", "variant"))


def test_a_lookalike_is_a_view_of_its_own_with_anothers_layout() -> None:
    items = _items(list_rows(120, 2))
    scans = [row.resources[0].scan for row in items]
    views = [scan.sheet.view for scan in scans if isinstance(scan, DrawnScan)]
    (index,) = [i for i in range(60) if parts_of(2, i) == "lookalike"]
    twins = [v for v in views[:index] if v.layout == views[index].layout]
    assert twins
    assert all(v.view_id != views[index].view_id and v.detail != views[index].detail for v in twins)
