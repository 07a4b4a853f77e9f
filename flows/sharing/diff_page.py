"""The page that shows what changed between two lists of samples, old and new side by side."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flows.page.templates import fill_template
from flows.page.thumbnails import array_data_uri
from flows.sharing.changes import KINDS, Change, compare, count, of_kind
from flows.sharing.checking import Show
from flows.sharing.entries import Entry, read_arrays, sum_up
from flows.sharing.sides import Side
from preprocess.lab import from_bytes, to_rgb
from preprocess.samples import JSON_BYTES, from_json, to_layout
from preprocess.split import PAIRS

PICTURES = 240
"""Changes of each kind that are shown; the others are named."""

WIDTH = 224
"""Of a picture, in pixels."""

TEXTS = {
    "added": "Samples that were not there before.",
    "dropped": "Samples that are not there any more.",
    "moved": "Samples of views that are in another split now; a figure on val or test that was "
    "computed before is not comparable without them.",
    "changed": "Samples whose pixels are others: left as they were, right as they are.",
}


@dataclass(slots=True)
class Pictures:
    """Reads the pictures of one side, and remembers which shards could not be had."""

    side: Side
    missing: dict[str, str] = field(default_factory=dict)
    """Why, by shard."""

    def read(self, entries: Sequence[Entry]) -> Iterator[tuple[str, str]]:
        """Give key and data URI of those that can be had; each shard is opened once."""
        for name in sorted({entry.shard for entry in entries}):
            try:
                with self.side.open_file(name) as stream:
                    for entry in entries:
                        if entry.shard == name:
                            yield entry.key, _draw(stream, entry, self.side.size)
            # A remote may be of any kind, and fail in any way: the page then says so.
            except Exception as exc:
                self.missing[name] = " ".join(str(exc).split())[:200] or type(exc).__name__


def render_diff(old: Side, new: Side, *, on_progress: Show) -> str:
    """Draw the page: self-contained, with a picture of each change as far as they can be had.

    Args:
        old: The side before.
        new: The side after.
        on_progress: Told the share of the kinds that are done, 0 to 1.
    """
    changes = compare(old.entries, new.entries)
    before, after = Pictures(old), Pictures(new)
    sections = []
    for number, kind in enumerate(KINDS, 1):
        sections.append(_gather(kind, of_kind(changes, kind), before, after))
        on_progress(number / len(KINDS))
    shown = {
        "old": old,
        "new": new,
        "lines": count(old.entries, new.entries),
        "sections": sections,
        "missing": [side for side in (before, after) if side.missing],
        "version": version("photochrom"),
    }
    return fill_template("diff.html.j2", shown)


def _gather(
    kind: str, changes: Sequence[Change], before: Pictures, after: Pictures
) -> dict[str, Any]:
    shown = changes[:PICTURES]
    # Of a sample that was added, moved or dropped one picture says all.
    old = [c.before for c in shown if c.before and kind in ("dropped", "changed")]
    new = [c.after for c in shown if c.after and kind != "dropped"]
    pictures = {"old": dict(before.read(old)), "new": dict(after.read(new))}
    return {
        "kind": kind,
        "text": TEXTS[kind],
        "count": len(changes),
        "shown": [_to_figure(change, kind, pictures) for change in shown],
        "rest": [_to_caption(change) for change in changes[PICTURES:]],
    }


def _to_figure(change: Change, kind: str, pictures: dict[str, dict[str, str]]) -> dict[str, Any]:
    key = change.entry.key
    sides = {"dropped": ("old",), "changed": ("old", "new")}.get(kind, ("new",))
    return _to_caption(change) | {
        "pictures": [{"side": side, "src": pictures[side].get(key, "")} for side in sides]
    }


def _to_caption(change: Change) -> dict[str, Any]:
    parts = [entry.part for entry in (change.before, change.after) if entry is not None]
    return {
        "title": change.entry.title or change.entry.key,
        "key": change.entry.key,
        "split": " → ".join(dict.fromkeys(parts)),
    }


def _draw(stream: Any, entry: Entry, size: int) -> str:
    """Draw a sample as a data URI; of a pair the negative and the print."""
    layout = to_layout(size, paired=entry.split == PAIRS)
    start = entry.index * layout.stride
    stream.seek(start + layout.json_offset)
    top, left, bottom, right = from_json(stream.read(JSON_BYTES)).valid
    arrays = [(offset, shape) for _, offset, shape in layout.arrays]
    contents = read_arrays(stream, start, arrays)
    if sum_up(contents) != entry.sha256:
        raise ValueError(f"{entry.shard}: {entry.key} has other pixels than its release says")
    drawn: list[NDArray[np.uint8]] = []
    for content, (_, shape) in zip(contents, arrays, strict=True):
        picture = np.frombuffer(content, np.uint8).reshape(shape)[top:bottom, left:right]
        if picture.ndim == 2:
            picture = np.dstack((picture, np.full((*picture.shape, 2), 128, np.uint8)))
        drawn.insert(0, to_rgb(from_bytes(picture)))
    return array_data_uri(np.hstack(drawn), width=WIDTH * len(drawn))
