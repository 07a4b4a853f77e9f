"""Pure: what came, went, moved and changed from one list of samples to another."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flows.sharing.entries import Entry

PARTS = ("train", "val", "test", "pairs/train", "pairs/val", "pairs/test")
KINDS = ("added", "dropped", "moved", "changed")


@dataclass(frozen=True, slots=True)
class Change:
    """A sample that is not as it was; `before` or `after` is None where there is none."""

    before: Entry | None
    after: Entry | None

    @property
    def entry(self) -> Entry:
        """The sample as it is now, or as it was last."""
        found = self.after or self.before
        assert found is not None
        return found

    @property
    def kinds(self) -> tuple[str, ...]:
        """What happened to it; a sample may have both moved and changed."""
        if self.before is None:
            return ("added",)
        if self.after is None:
            return ("dropped",)
        moved = self.before.part != self.after.part
        changed = self.before.sha256 != self.after.sha256
        return ("moved",) * moved + ("changed",) * changed


@dataclass(frozen=True, slots=True)
class Count:
    """How one split changed: `before + added + came - dropped - left == after`."""

    part: str
    before: int
    added: int
    dropped: int
    came: int
    left: int
    changed: int
    after: int


def compare(old: Sequence[Entry], new: Sequence[Entry]) -> list[Change]:
    """Compare two lists of samples.

    Args:
        old: No key twice.
        new: No key twice.

    Returns:
        What is not the same, sorted by key. A sample that only lies in another shard, or at
        another place in it, is the same.
    """
    was, now = ({entry.key: entry for entry in entries} for entries in (old, new))
    changes = [Change(was.get(key), now.get(key)) for key in sorted(was.keys() | now.keys())]
    return [change for change in changes if change.kinds]


def of_kind(changes: Iterable[Change], kind: str) -> list[Change]:
    """Choose the changes of one kind of KINDS."""
    return [change for change in changes if kind in change.kinds]


def count(old: Sequence[Entry], new: Sequence[Entry]) -> list[Count]:
    """Count, split by split, what `compare` finds.

    Returns:
        One line for each part of PARTS that either list has.
    """
    changes = compare(old, new)
    lines = []
    for part in PARTS:
        before = sum(entry.part == part for entry in old)
        after = sum(entry.part == part for entry in new)
        moved = [
            (c.before.part, c.after.part)
            for c in changes
            if c.before is not None and c.after is not None and "moved" in c.kinds
        ]
        line = Count(
            part=part,
            before=before,
            added=sum(c.entry.part == part for c in of_kind(changes, "added")),
            dropped=sum(c.entry.part == part for c in of_kind(changes, "dropped")),
            came=sum(after_part == part for _, after_part in moved),
            left=sum(before_part == part for before_part, _ in moved),
            changed=sum(c.entry.part == part for c in of_kind(changes, "changed")),
            after=after,
        )
        if before or after:
            lines.append(line)
    return lines


def say_changes(changes: Sequence[Change]) -> str:
    """Say in a line how many samples came, went, moved and changed."""
    return ", ".join(f"{len(of_kind(changes, kind))} {kind}" for kind in KINDS)


def to_csv(changes: Sequence[Change]) -> bytes:
    """Write changes as a table; the same changes give the same bytes."""
    sink = io.StringIO(newline="")
    table = csv.writer(sink, lineterminator="\n")
    table.writerow(["key", "change", "split_before", "split_after", "title"])
    for change in changes:
        before, after = change.before, change.after
        table.writerow(
            [
                change.entry.key,
                " and ".join(change.kinds),
                before.part if before else "",
                after.part if after else "",
                change.entry.title,
            ]
        )
    return sink.getvalue().encode()
