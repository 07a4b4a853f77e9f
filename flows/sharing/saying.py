"""Pure: what the commands of sharing print."""

from collections.abc import Sequence

from rich.table import Table

from flows.sharing.changes import Change, count, say_changes
from flows.sharing.checking import Checked, to_printable
from flows.sharing.cold import Packed
from flows.sharing.record import Record, to_folder
from flows.sharing.sides import Side

NAMED = 20
"""Samples that a comparison names, unless all are asked for."""


def say_checked(checked: Checked, *, name: str, seconds: float) -> str:
    """Say what a check found, a line for each thing.

    Args:
        checked: What it found; the faults themselves are printed elsewhere.
        name: What was checked.
        seconds: How long it took.
    """
    size = checked.size_bytes / 1e9
    read = f"{len(checked.digests)} files, {size:.2f} GB in {seconds:.1f} s"
    count = len(checked.faults)
    right = f"{'what is here' if checked.absent else 'every byte'} is as its manifests say"
    verdict = f"{count} wrong" if count else right
    lines = [f"{name}: {read}: {verdict}"]
    for group, files in sorted(checked.absent.items()):
        # DVC's patterns do not see inside a folder that it tracks: the whole of it is named.
        whole = group.rpartition("/")[0] if "*" in group else group
        what = f"{files} {'shard' if group.endswith('-*') else 'file'}{'s' * (files != 1)} of "
        if not files:
            what = "files of "
        lines.append(f"not here: {what}{group} (`dvc pull {whole}` brings what is missing)")
    return "\n".join(map(to_printable, [*lines, *checked.notes]))


def say_packed(packed: Packed) -> str:
    """Say what a copy for cold storage won and cost, and how it is used again."""
    share = packed.zstd_bytes / max(1, packed.tar_bytes)
    name = to_printable(str(packed.folder))
    return (
        f"{name}: shards of {packed.tar_bytes / 1e6:.1f} MB in {packed.zstd_bytes / 1e6:.1f} MB "
        f"({share:.0%}), {packed.cpu_s:.1f} CPU s\n"
        f"`photochrom verify {name}` checks it, `photochrom unpack {name} FOLDER` undoes it"
    )


def say_unpacked(packed: Packed) -> str:
    """Say what came out of a copy for cold storage."""
    return (
        f"{to_printable(str(packed.folder))}: shards of {packed.tar_bytes / 1e6:.1f} MB from "
        f"{packed.zstd_bytes / 1e6:.1f} MB, {packed.cpu_s:.1f} CPU s; every byte of them is as "
        "the index says"
    )


def say_release(record: Record) -> str:
    """Say what was released, and how it is shared."""
    parts = ", ".join(f"{part} {count}" for part, count in record.samples.items())
    changes = ", ".join(f"{count} {kind}" for kind, count in record.changes.items())
    return (
        f"{record.name}: {sum(record.samples.values())} samples of {record.source}: {parts}\n"
        f"{changes} ({record.since}); more in {to_folder(record.source)}/\n"
        "To share it: `dvc push`, then `git push --follow-tags`"
    )


def to_table(old: Side, new: Side) -> Table:
    """Lay out for a terminal of 80 columns how each split changed."""
    table = Table(box=None, pad_edge=False)
    table.add_column("split")
    for name in (old.name, "added", "dropped", "in", "out", "changed", new.name):
        table.add_column(name, justify="right", overflow="fold")
    for line in count(old.entries, new.entries):
        numbers = (line.before, line.added, line.dropped, line.came, line.left, line.changed)
        table.add_row(line.part, *map(str, numbers), str(line.after))
    return table


def say_each(changes: Sequence[Change], *, every: bool) -> str:
    """Name the samples that are not as they were, a line for each.

    Args:
        changes: What changed.
        every: Whether to name all.
    """
    shown = changes if every else changes[:NAMED]
    lines = [say_changes(changes)]
    for change in shown:
        parts = [entry.part for entry in (change.before, change.after) if entry is not None]
        split = " to ".join(dict.fromkeys(parts))
        kinds = " and ".join(change.kinds)
        line = f"{kinds:<8} {split:<12} {change.entry.key}  {change.entry.title}"
        lines.append(to_printable(line)[:80])
    if len(shown) < len(changes):
        lines.append(f"and {len(changes) - len(shown)} more: `--all` names them")
    return "\n".join(lines)
