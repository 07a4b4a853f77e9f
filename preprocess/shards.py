"""Edge: write the shards of a plan; the same input gives the same bytes, in any process."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from harvest.files import whole_file
from harvest.manifest import write_manifest
from preprocess.composition import Composition
from preprocess.descriptions import write_descriptions
from preprocess.errors import ScanError, ShardError
from preprocess.geometry import Placement, print_size, shape_corners
from preprocess.images import read_scan
from preprocess.index import Described, Index, describe_shard, to_index, write_index
from preprocess.lab_bytes import to_lab_bytes
from preprocess.manifest import SAMPLES_SCHEMA
from preprocess.planning import Plan, SampleJob, SampleReason, ShardPlan, Source
from preprocess.records import SampleRow, SampleState
from preprocess.rectify import rectify
from preprocess.samples import Sample, to_layout
from preprocess.split import PAIRS
from preprocess.tar import write_tar

SAMPLES_NAME: Final = "samples.parquet"

_NEUTRAL: Final = (0, 128, 128)
"""Bytes of padding: L 0, a 0, b 0."""

_OVERSAMPLING: Final = 1.9
"""Pixels of the decoded scan for one of the sample, at least, along either side. A scan of 1,024 px
is so decoded at a half for samples of 256 px, and whole for those of 512 px; what that costs in
colour, `preprocess.rectify` says."""

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class ShardReport:
    """What became of a planned shard."""

    described: Described | None
    """None where not one of its samples could be made; then there is no file."""
    rows: tuple[SampleRow, ...]


def write_shard(plan: ShardPlan, *, data: Path, out: Path) -> ShardReport:
    """Write one shard; it appears whole or not at all.

    A scan that cannot be read becomes a rejected row, and its sample's place goes to the next.

    Args:
        plan: The shard.
        data: Folder that the scans' paths lie below.
        out: Folder of the shards; made if missing.

    Returns:
        What the index is to say of the shard, and one row for each planned sample.

    Raises:
        ShardError: If samples do not come out at a constant stride.
        OSError: If the disk refuses.
    """
    rows: list[SampleRow] = []
    samples = _make_samples(plan, data, rows)
    first = next(samples, None)
    path = out / plan.name
    if first is None:
        path.unlink(missing_ok=True)
        return ShardReport(None, tuple(rows))
    with whole_file(path) as temporary:
        layout = to_layout(plan.size, paired=plan.split == PAIRS)
        count = write_tar(temporary, chain([first], samples), name=plan.name, layout=layout)
        described = describe_shard(
            temporary, name=plan.name, split=plan.split, samples=count, size=plan.size
        )
    return ShardReport(described, tuple(rows))


def finish_shards(
    plan: Plan, reports: Sequence[ShardReport], *, out: Path, made: Composition
) -> Index:
    """Write what goes with the shards, and remove shards that the plan does not hold.

    Args:
        plan: The plan.
        reports: One for each of its shards, in any order.
        out: Folder of the shards; made if missing.
        made: What the data set is made of, for its card.

    Returns:
        The index as written.

    Raises:
        ShardError: If the reports are not those of the plan.
        OSError: If the disk refuses.
    """
    rows = [*plan.rejected, *(row for report in reports for row in report.rows)]
    planned = sum(len(shard.jobs) for shard in plan.shards) + len(plan.rejected)
    if len(rows) != planned:
        raise ShardError(f"{out}: expected {planned} samples accounted for, got {len(rows)}")
    described = [report.described for report in reports if report.described is not None]
    index, samples = to_index(plan.settings.size, described)
    out.mkdir(parents=True, exist_ok=True)
    write_manifest(out / SAMPLES_NAME, rows, SAMPLES_SCHEMA)
    write_descriptions(out / SAMPLES_NAME, index, rows=rows, plan=plan, made=made)
    write_index(out, index, samples)
    # Only now: until the new index stands, the old one names the old shards.
    names = {shard.name for shard in index.shards}
    for path in sorted(out.glob("*.tar")):
        if path.name not in names:
            path.unlink()
    return index


def _make_samples(plan: ShardPlan, data: Path, rows: list[SampleRow]) -> Iterator[Sample]:
    """Make the samples that can be made, and add a row for each planned one."""
    written = 0
    for job in plan.jobs:
        try:
            sample = make_sample(job, data=data)
        except ScanError:
            rows.append(_to_row(job, None, SampleReason.UNREADABLE))
            continue
        rows.append(_to_row(job, (plan.name, written), SampleReason.NOTHING))
        written += 1
        yield sample


def make_sample(job: SampleJob, *, data: Path) -> Sample:
    """Make a sample from its scans.

    Each picture is resampled once, from the scan as stored to the sample, and converted to LAB
    once.

    Args:
        job: The sample.
        data: Folder that the scans' paths lie below.

    Returns:
        The sample.

    Raises:
        ScanError: If a scan cannot be read.
    """
    lab = _to_square(_rectify_lab(data, job.colour, job.placement), job.placement)
    if job.negative is None:
        return Sample(job.info, lab)
    bw = _to_square(_rectify_lab(data, job.negative, job.placement), job.placement)
    return Sample(job.info, lab, np.ascontiguousarray(bw[..., 0]))


def _rectify_lab(data: Path, source: Source, placement: Placement) -> Bytes:
    corners = shape_corners(source.corners)
    width, height = print_size(corners)
    enough = min(width / placement.width, height / placement.height) / _OVERSAMPLING
    scan = read_scan(data / source.path, shrink=max(1.0, enough))
    return to_lab_bytes(
        rectify(scan.rgb, corners * scan.scale, width=placement.width, height=placement.height)
    )


def _to_square(upright: Bytes, placement: Placement) -> Bytes:
    """Pad or cut a rectified print to the square."""
    top, left, bottom, right = placement.valid
    square = _neutral(placement.size).copy()
    square[top:bottom, left:right] = upright[
        top - placement.top : bottom - placement.top, left - placement.left : right - placement.left
    ]
    return square


@lru_cache(maxsize=2)
def _neutral(size: int) -> Bytes:
    """Fill a square with padding once for all samples: by threes of bytes that is slow."""
    return np.full((size, size, 3), _NEUTRAL, np.uint8)


def _to_row(job: SampleJob, place: tuple[str, int] | None, reason: SampleReason) -> SampleRow:
    return SampleRow(
        key=job.info.key,
        scan_id=job.info.scan_id,
        view_id=job.info.view_id,
        item_id=job.info.item_id,
        title=job.title,
        rights=job.rights,
        split=job.info.split,
        view_split=job.info.view_split,
        shard=None if place is None else place[0],
        index=None if place is None else place[1],
        width=job.print_width,
        height=job.print_height,
        valid=job.info.valid,
        state=SampleState.REJECTED if place is None else SampleState.WRITTEN,
        reason=reason,
    )
