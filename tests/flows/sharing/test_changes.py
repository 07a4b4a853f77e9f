import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from flows.sharing.changes import compare, count, of_kind, say_changes, to_csv
from flows.sharing.saying import say_each
from tests.flows.sharing.lists import make_entry

ENTRIES = st.lists(
    st.builds(
        make_entry,
        st.sampled_from("abcdef"),
        st.sampled_from(["train", "val", "test", "pairs"]),
        view_split=st.sampled_from(["train", "val", "test"]),
        sha256=st.sampled_from(["0" * 64, "1" * 64]),
    ),
    unique_by=lambda entry: entry.key,
)


def test_each_kind_of_change_is_told_apart() -> None:
    old = [make_entry("kept"), make_entry("gone", "val"), make_entry("moved", "test")]
    old += [make_entry("painted"), make_entry("both", "val")]
    new = [make_entry("kept", shard="train-000003.tar", index=7), make_entry("come", "test")]
    new += [make_entry("moved"), make_entry("painted", sha256="1" * 64)]
    new += [make_entry("both", sha256="1" * 64)]
    changes = compare(old, new)
    assert {change.entry.key: change.kinds for change in changes} == {
        "both": ("moved", "changed"),
        "come": ("added",),
        "gone": ("dropped",),
        "moved": ("moved",),
        "painted": ("changed",),
    }
    assert say_changes(changes) == "1 added, 1 dropped, 2 moved, 2 changed"


def test_a_pair_whose_view_moves_has_moved() -> None:
    old = [make_entry("pair", "pairs", view_split="test")]
    new = [make_entry("pair", "pairs", view_split="train")]
    (change,) = compare(old, new)
    assert change.kinds == ("moved",)
    assert [line.part for line in count(old, new)] == ["pairs/train", "pairs/test"]


@given(ENTRIES, ENTRIES)
def test_the_count_of_every_split_adds_up(old: list, new: list) -> None:  # type: ignore[type-arg]
    lines = count(old, new)
    for line in lines:
        now = line.before + line.added - line.dropped + line.came - line.left
        assert now == line.after
    assert sum(line.before for line in lines) == len(old)
    assert sum(line.after for line in lines) == len(new)
    assert sum(line.changed for line in lines) == len(of_kind(compare(old, new), "changed"))


def test_the_table_of_changes_says_from_where_to_where() -> None:
    old = [make_entry("moved", "test", title='A "view", twice')]
    new = [make_entry("moved", "train", title='A "view", twice')]
    (row,) = csv.DictReader(io.StringIO(to_csv(compare(old, new)).decode()))
    assert row == {
        "key": "moved",
        "change": "moved",
        "split_before": "test",
        "split_after": "train",
        "title": 'A "view", twice',
    }


def test_a_title_gives_the_terminal_no_commands() -> None:
    said = say_each(compare([], [make_entry("a", title="\x1b[2JMill")]), every=False)
    assert said.endswith("a  \\x1b[2JMill")
