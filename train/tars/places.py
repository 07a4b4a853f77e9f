"""Edge: where the samples of one split of a WebDataset lie, over all its tars.

Dimensions: N samples of the split.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from preprocess.split import PAIRS
from train.errors import DataError
from train.tars.decoding import Kind
from train.tars.index import SPLITS, Entries, OpenFile, TarIndex, open_indexes
from train.tars.members import LeftOut
from train.tars.names import Tar, find_tars, has_split_names

PLACE: Final = np.dtype([("xxh3", "<u8"), ("block", "<u4"), ("length", "<u4"), ("kind", "u1")])
"""What is held of a sample's entry in the index."""


@dataclass(frozen=True, slots=True)
class IndexedTar:
    """A tar, as its index has it."""

    tar: Tar
    index: Path
    size_bytes: int
    mtime_ns: int
    """0 for a tar behind a URL."""
    tag: str
    """Which file of the server it was; "" for a tar on a disk."""


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """The samples of a split."""

    tars: tuple[IndexedTar, ...]
    """Those that have a sample of the split."""
    starts: NDArray[np.int64]
    """Number of each tar's first sample, and N at the end."""
    rows: NDArray[np.void]
    """PLACE, (N,)."""
    valid_N4: NDArray[np.uint16] | None
    """What shards of ours give as valid boxes, zeros where none did; None but for LAB."""
    left_out: str
    """What the tars hold that is no sample, in a line; "" where there is nothing."""


@dataclass(slots=True)
class _Collected:
    """What grows while indexes are read; a bytearray grows in place, without a second copy."""

    tars: list[IndexedTar] = field(default_factory=list)
    starts: list[int] = field(default_factory=lambda: [0])
    rows: bytearray = field(default_factory=bytearray)
    valid: bytearray = field(default_factory=bytearray)
    kinds: dict[bool, str] = field(default_factory=dict)
    """For LAB, and for all else, a tar that holds it."""
    without: list[str] = field(default_factory=list)
    """Of the tars that hold samples without a picture, how many and the key of one."""
    left: LeftOut = field(default_factory=LeftOut)
    """Of all tars."""


def find_places(
    spec: str, *, split: str, cache: Path, threads: int, open_file: OpenFile | None
) -> Places:
    """Find the samples of one split.

    Where every tar's name begins with `train-`, `val-`, `test-` or `pairs-`, that is the split of
    its samples; else a sample's is that of its key, by `preprocess.split.find_split`.

    Args:
        spec: As for `find_tars`.
        split: `train`, `val`, `test` or `pairs`.
        cache: Folder of the indexes.
        threads: So many tars are indexed at once.
        open_file: Opens a tar behind a URL.

    Returns:
        The samples; none is a valid answer.

    Raises:
        DataError: If a tar is missing or broken, or some samples are LAB and others are not.
    """
    tars = find_tars(spec)
    named = has_split_names(tars)
    if named:
        tars = [tar for tar in tars if tar.split == split]
    elif split == PAIRS:
        tars = []
    found = _Collected()
    for index in open_indexes(tars, cache=cache, threads=threads, open_file=open_file):
        entries = index.entries
        if not named:
            entries = entries[entries["split"] == SPLITS.index(split)]
        _collect(found, index, entries)
    is_lab = list(found.kinds) == [True]
    rows = np.frombuffer(found.rows, PLACE)
    return Places(
        tars=tuple(found.tars),
        starts=np.array(found.starts, np.int64),
        rows=rows,
        valid_N4=np.frombuffer(found.valid, np.uint16).reshape(-1, 4) if is_lab else None,
        left_out=_describe(found),
    )


def _collect(found: _Collected, index: TarIndex, entries: Entries) -> None:
    """Add the samples of one tar."""
    if index.left.without:
        found.without.append(f"{index.left.without:,} of {index.tar.name} ({index.left.example!r})")
    found.left.beside += index.left.beside
    found.left.links += index.left.links
    if not len(entries):
        return
    lab = entries["kind"] == Kind.LAB
    for is_lab in np.unique(lab).tolist():
        found.kinds.setdefault(is_lab, index.tar.source)
    if len(found.kinds) > 1:
        raise DataError(
            f"{found.kinds[True]} holds arrays of LAB (lab.npy), {found.kinds[False]} pictures: "
            "expected one kind; keep them in sets of their own"
        )
    rows = np.empty(len(entries), PLACE)
    for name in PLACE.fields or ():
        rows[name] = entries[name]
    found.rows += rows.tobytes()
    if True in found.kinds:
        found.valid += np.ascontiguousarray(entries["valid"]).tobytes()
    found.starts.append(found.starts[-1] + len(entries))
    found.tars.append(
        IndexedTar(index.tar, index.path, index.size_bytes, index.mtime_ns, index.tag)
    )


def _describe(found: _Collected) -> str:
    """Say what the tars hold that is no sample."""
    said = []
    if found.without:
        more = len(found.without) - 1
        others = f" and of {more:,} tar{'s' * (more > 1)} more" if more else ""
        said.append(f"without a picture: {found.without[0]}{others}")
    if beside := found.left.beside:
        said.append(
            f"{beside:,} more picture{' shares' if beside == 1 else 's share'} a key with another "
            "(a key ends at the first dot)"
        )
    if links := found.left.links:
        said.append(f"{links:,} link{'s' * (links > 1)} (store the files themselves)")
    return f"left out, {'; '.join(said)}" if said else ""
