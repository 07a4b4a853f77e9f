from dataclasses import replace

from flows.crosschecking import choose_items, to_line, to_markdown_row
from harvest.catalog import to_rows
from harvest.crosscheck import Difference
from harvest.records import CatalogReason, CatalogState
from tests.harvest.records import item, page


def test_items_are_spread_over_the_catalogue_and_skipped_rows_are_none() -> None:
    rows = to_rows(page(*(item(6000 + number) for number in range(10))))
    rows[0] = replace(rows[0], state=CatalogState.SKIPPED, reason=CatalogReason.NO_IMAGE)
    chosen = choose_items(rows, 3)
    assert [item[0].row for item in chosen] == [2, 5, 8]
    assert len(choose_items(rows, 100)) == 9
    assert choose_items([], 5) == []


def test_a_difference_is_told_in_both_words() -> None:
    one = Difference("2001", "ppmsc.06712", "title", "A | B", "C")
    assert to_line(one) == "  ppmsc.06712 title: json 'A | B', pictures 'C'"
    assert to_markdown_row(one) == "| 2001 | ppmsc.06712 | title | A \\| B | C |"
