import re
from collections import Counter
from typing import Any

from replica.catalogue import list_rows
from replica.dates import filed_year
from replica.faults import Revision
from replica.records import Row, RowKind
from replica.replies import item_reply, page_of
from replica.results import to_result
from replica.revising import revise


def _sizes(_: object) -> tuple[int, int]:
    return 1280, 960


def _results(items: int = 300, seed: int = 1) -> list[dict[str, Any]]:
    rows = [row for row in list_rows(items, seed) if row.kind is RowKind.ITEM]
    return [to_result(row, _sizes, index=k) for k, row in enumerate(rows, 1)]


def test_some_records_have_coordinates_and_some_junk_in_their_place() -> None:
    places = [r["item"]["place"][0] for r in _results()]
    numbers = [p for p in places if re.fullmatch(r"-?\d+\.\d+", p["latitude"])]
    assert 0.3 < len(numbers) / len(places) < 0.5
    assert all(35 < float(p["latitude"]) < 75 for p in numbers)
    assert {p["latitude"] for p in places if p not in numbers} == {"", "latitude"}


def test_the_notes_name_part_of_the_collection_and_number_in_several_forms() -> None:
    notes = [" ".join(n) if isinstance(n := r["item"]["notes"], list) else n for r in _results()]
    views = sum("Views of " in note for note in notes)
    assert 0.6 < views / len(notes) < 0.95
    assert all("Forms part of: " in note for note in notes)
    assert any(re.search(r'Print no\. "\d+"\.', note) for note in notes)
    assert any(re.search(r"Print no\. \d+\.", note) for note in notes)
    assert any("catalogue J--foreign section" in note for note in notes)


def test_dates_come_in_several_forms_and_are_filed_by_their_first_year() -> None:
    results = _results()
    forms = Counter(r["item"]["date"].lstrip("[") for r in results)
    assert len(forms) >= 9
    assert forms.most_common(1)[0][0] == "between ca. 1890 and ca. 1900]"
    assert all(r["date"] == f"{filed_year(r['item']['date'])}-01-01" for r in results)
    assert [filed_year(d) for d in ("[189-?]", "c1901.", "1898 June 3.", "")] == [
        "1890",
        "1901",
        "1898",
        "1890",
    ]


def test_some_records_name_the_publisher_and_the_collection() -> None:
    blocks = [r["item"] for r in _results()]
    for name, low, high in (("creators", 0.75, 0.95), ("part_of", 0.3, 0.5)):
        assert low < sum(name in block for block in blocks) / len(blocks) < high
    assert {type(block["part_of"]) for block in blocks if "part_of" in block} == {str, list}
    assert len({block["modified"] for block in blocks}) > 100


def _modified(row: Row) -> tuple[str, str]:
    item = item_reply(row, _sizes)["item"]
    return item["timestamp"], item["item"]["modified"].replace("T", " ").removesuffix("Z")


def test_a_revision_makes_some_records_later_and_leaves_the_rest_alone() -> None:
    rows = list_rows(300, 1)
    revised = revise(rows, Revision(rate=0.1), seed=4)
    changed = [(a, b) for a, b in zip(rows, revised, strict=True) if a != b]
    assert 15 < len(changed) < 50
    for before, after in changed:
        assert after.kind is RowKind.ITEM
        assert all(new > old for old, new in zip(_modified(before), _modified(after), strict=True))
        assert all(resource.revision == 1 for resource in after.resources)
        assert (before.title, before.item_id) == (after.title, after.item_id)
    same_bytes = revise(rows, Revision(rate=0.1, new_bytes=False), seed=4)
    assert all(r.revision == 0 for row in same_bytes for r in row.resources)
    assert [r.item_id for r in same_bytes if r.revision] == [b.item_id for _, b in changed]


def test_pages_of_a_large_collection_are_made_one_by_one() -> None:
    rows = list_rows(7500, 1)
    seen = 0
    for current in range(1, -(-len(rows) // 150) + 1):
        page = page_of(rows, _sizes, per_page=150, current=current, extra={})
        assert page["pagination"]["of"] == len(rows)
        seen += len(page["results"])
    assert seen == len(rows)
