"""Edge: the splits of the last release, which Git holds for each source."""

from collections.abc import Collection, Mapping
from pathlib import Path

import pyarrow as pa

from harvest.manifest import read_manifest, to_schema, write_manifest
from preprocess.errors import PreprocessError
from preprocess.split import Released, Split

RELEASED_SCHEMA = to_schema(
    [
        pa.field("scan_id", pa.string(), nullable=False),
        pa.field("view_id", pa.string(), nullable=False),
        pa.field("split", pa.string(), nullable=False),
    ],
    sort=["scan_id"],
    stage="git restore splits",
)
"""splits/<source>.parquet: one row for each scan of this release and those before, duplicates and
negatives too."""


def read_released(path: Path) -> dict[str, tuple[str, Split]]:
    """Read the splits of the last release.

    Args:
        path: Such as `splits/loc.parquet`.

    Returns:
        For each scan the view it was released in, and that view's split; nothing where there is
        no such file, for then nothing has been released.

    Raises:
        ManifestError: If the file cannot be read or has other columns.
        PreprocessError: If a scan is in it twice, a split is unknown, or a view crosses splits.
    """
    if not path.exists():
        return {}
    released: dict[str, tuple[str, Split]] = {}
    for row in read_manifest(path, RELEASED_SCHEMA):
        if row["scan_id"] in released:
            raise _fault(path, row["scan_id"], "one row for each scan", "another")
        if row["split"] not in set(Split):
            raise _fault(path, row["scan_id"], "train, val or test", repr(row["split"]))
        released[row["scan_id"]] = (row["view_id"], Split(row["split"]))
    _check_views(released, path)
    return released


def to_released(
    members: Mapping[str, Collection[str]], released: Released, *, splits: Mapping[str, Split]
) -> dict[str, tuple[str, Split]]:
    """Say what a release fixes: for each scan its view, and the view's split.

    A scan of an earlier release that is not here any more is remembered, so that it comes back to
    the split it had; where its view is still here, it follows it.

    Args:
        members: For each view the ids of all its scans, duplicates and negatives too.
        released: What the last release said; empty before the first.
        splits: What `assign_splits` gives for both.
    """
    found = {
        scan_id: (view_id, splits.get(view_id, split))
        for scan_id, (view_id, split) in released.items()
    }
    for view_id, scans in members.items():
        found |= dict.fromkeys(scans, (view_id, splits[view_id]))
    return found


def write_released(path: Path, released: Released) -> None:
    """Write the splits of a release; the same splits give the same bytes.

    Args:
        path: Such as `splits/loc.parquet`.
        released: For each scan its view, and the view's split.

    Raises:
        PreprocessError: If a view crosses splits; then nothing is written.
        OSError: If the disk refuses.
    """
    _check_views(released, path)
    rows = [
        {"scan_id": scan_id, "view_id": view_id, "split": str(split)}
        for scan_id, (view_id, split) in released.items()
    ]
    write_manifest(path, rows, RELEASED_SCHEMA)


def _check_views(released: Released, path: Path) -> None:
    """Refuse a release whose views cross splits."""
    split_of: dict[str, Split] = {}
    for scan_id, (view_id, split) in sorted(released.items()):
        if split_of.setdefault(view_id, split) is not split:
            raise _fault(path, scan_id, f"{split_of[view_id]}, as its view {view_id}", str(split))


def _fault(path: Path, scan_id: str, expected: str, got: str) -> PreprocessError:
    return PreprocessError(
        f"{path}: {scan_id}: expected {expected}, got {got}; take the file from the last release"
    )
