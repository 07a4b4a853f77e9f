"""Pure: which sample goes where, before a single scan is read."""

from collections import Counter
from collections.abc import Container, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from harvest.records import CatalogState, Role
from preprocess.caption import trim_caption
from preprocess.composition import Manifests, Row, group_views
from preprocess.geometry import (
    Corners,
    Placement,
    common_corners,
    inset_corners,
    is_convex,
    place_print,
    print_size,
    shape_corners,
)
from preprocess.records import CropState, PairState, SampleRow, SampleState
from preprocess.register import map_points
from preprocess.samples import SampleInfo, to_json, to_key
from preprocess.shard_names import choose_bits, name_shard, to_order
from preprocess.split import PAIRS, Move, Released, Split, assign_splits, find_moves


class SampleReason(StrEnum):
    """Why a sample is in no shard; a rejected pair gives its `PairReason` instead."""

    NOTHING = ""
    UNREADABLE = "unreadable"
    BAD_NAME = "bad_name"
    KEY_TAKEN = "key_taken"
    BAD_CORNERS = "bad_corners"


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides the shards, beside the scans."""

    size: int
    fit: Literal["pad", "crop"]
    inset: float
    caption: Literal["keep", "trim"]
    shard_mb: float
    """Most that a shard is expected to take, in units of 10^6 bytes."""


@dataclass(frozen=True, slots=True)
class Source:
    """A scan, and the print's corners in it."""

    path: str
    """Below `data`."""
    corners: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SampleJob:
    """A sample to make."""

    info: SampleInfo
    title: str
    rights: str
    colour: Source
    negative: Source | None
    """Its corners are the colour print's, as they lie in the negative; None but in pairs."""
    print_width: int
    print_height: int
    """Size in pixels of the print in the colour scan."""
    placement: Placement


@dataclass(frozen=True, slots=True)
class ShardPlan:
    """A shard to write."""

    name: str
    split: str
    size: int
    jobs: tuple[SampleJob, ...]
    """In the order they have in the shard."""


@dataclass(frozen=True, slots=True)
class Plan:
    """All shards to write, and the samples that cannot be."""

    shards: tuple[ShardPlan, ...]
    """Sorted by name."""
    rejected: tuple[SampleRow, ...]
    settings: Settings
    split_of: dict[str, Split]
    """For each view its split."""
    moved: tuple[Move, ...]
    """Released views that a merge has moved; a release names them."""


def plan_shards(manifests: Manifests, settings: Settings, *, released: Released) -> Plan:
    """Plan all shards of a size.

    Args:
        manifests: Each row of the crops becomes one sample, written or rejected; each cropped
            negative has a row among the pairs, each scan one among the groups.
        settings: Size and layout.
        released: The splits of the last release, which its views keep.

    Returns:
        The plan; only shards with samples are in it.

    Raises:
        ValueError: If a crop's scan, its view or a negative's pair is not among the rows.
    """
    views = group_views(manifests.groups)
    split_of = assign_splits(views, released)
    tables = _to_tables(manifests, split_of)
    jobs: dict[str, SampleJob] = {}
    rejected: list[SampleRow] = []
    for crop in sorted(manifests.crops, key=lambda row: str(row["scan_id"])):
        job, reason = _plan_sample(crop, tables, settings, jobs)
        if job is None:
            rejected.append(_reject_crop(crop, tables, reason))
        else:
            jobs[job.info.key] = job
    moved = find_moves(views, released, splits=split_of)
    return Plan(_share_out(jobs, settings), tuple(rejected), settings, split_of, moved)


def _share_out(jobs: Mapping[str, SampleJob], settings: Settings) -> tuple[ShardPlan, ...]:
    """Share samples, by key, out to shards."""
    counts = Counter(job.info.split for job in jobs.values())
    bits = choose_bits(counts, size=settings.size, shard_mb=settings.shard_mb)
    members: dict[str, list[SampleJob]] = {}
    for key in sorted(jobs, key=to_order):
        name = name_shard(jobs[key].info.split, key, bits=bits)
        members.setdefault(name, []).append(jobs[key])
    return tuple(
        ShardPlan(name, found[0].info.split, settings.size, tuple(found))
        for name, found in sorted(members.items())
    )


@dataclass(frozen=True, slots=True)
class _Tables:
    """Rows by scan id, and splits by view."""

    crop_of: dict[str, Row]
    pair_of: dict[str, Row]
    scan_of: dict[str, Row]
    rights_of: dict[str, str]
    split_of: dict[str, Split]


def _to_tables(manifests: Manifests, split_of: dict[str, Split]) -> _Tables:
    view_of = {row["scan_id"]: row["view_id"] for row in manifests.groups}
    for crop in manifests.crops:
        if view_of.get(crop["scan_id"]) != crop["view_id"]:
            raise ValueError(
                f"{crop['scan_id']}: cropped in view {crop['view_id']}, but grouped in "
                f"{view_of.get(crop['scan_id'])}; run the dedupe and crop stages again"
            )
    return _Tables(
        crop_of={row["scan_id"]: row for row in manifests.crops},
        pair_of={row["scan_id"]: row for row in manifests.pairs},
        scan_of={row["scan_id"]: row for row in manifests.scans},
        rights_of={
            row["resource_id"]: row["rights"]
            for row in manifests.catalog
            if row["state"] == CatalogState.LISTED
        },
        split_of=split_of,
    )


def _plan_sample(
    crop: Row, tables: _Tables, settings: Settings, taken: Container[str]
) -> tuple[SampleJob | None, str]:
    """Plan one sample, or say why there is none."""
    scan_id = crop["scan_id"]
    if scan_id not in tables.scan_of:
        raise ValueError(f"{scan_id}: cropped, but not among the scans; run the crop stage again")
    if crop["state"] != CropState.CROPPED:
        return None, SampleReason.UNREADABLE
    if to_key(scan_id) in taken:
        return None, SampleReason.KEY_TAKEN
    print_of, pair = crop, None
    if crop["role"] == Role.NEGATIVE:
        if scan_id not in tables.pair_of:
            raise ValueError(f"{scan_id}: a negative without a pair; run the pairs stage again")
        pair = tables.pair_of[scan_id]
        if pair["state"] != PairState.ALIGNED:
            return None, pair["reason"]
        print_of = tables.crop_of[pair["colour_scan_id"]]
    if not is_convex(_find_print(print_of, settings)):
        return None, SampleReason.BAD_CORNERS
    job = _make_job(crop, print_of, pair, tables, settings)
    try:
        to_json(job.info)
    except ValueError:
        return None, SampleReason.BAD_NAME
    return job, SampleReason.NOTHING


def _make_job(
    crop: Row, print_of: Row, pair: Row | None, tables: _Tables, settings: Settings
) -> SampleJob:
    """Put together what one sample needs: from its own scan and, in pairs, from its print's."""
    own = tables.scan_of[crop["scan_id"]]
    corners = inset_corners(_find_print(print_of, settings), share=settings.inset)
    negative = None
    if pair is not None:
        homography = np.array(pair["homography"], np.float64).reshape(3, 3)
        own_print = inset_corners(shape_corners(crop["corners"]), share=settings.inset)
        corners, _ = common_corners(corners, homography, other=own_print)
        negative = Source(own["path"], _flatten(map_points(corners, homography)))
    placement = place_print(*print_size(corners), size=settings.size, fit=settings.fit)
    view_split = tables.split_of[crop["view_id"]]
    info = SampleInfo(
        key=to_key(crop["scan_id"]),
        scan_id=crop["scan_id"],
        item_id=own["item_id"],
        view_id=crop["view_id"],
        group_id=crop["group_id"],
        split=view_split if pair is None else PAIRS,
        view_split=view_split,
        source_width=crop["width"],
        source_height=crop["height"],
        valid=placement.valid,
        size=settings.size,
        scan_sha256=own["sha256"],
    )
    width, height = print_size(corners)
    return SampleJob(
        info=info,
        title=own["title"],
        rights=tables.rights_of.get(crop["scan_id"], ""),
        colour=Source(tables.scan_of[print_of["scan_id"]]["path"], _flatten(corners)),
        negative=negative,
        print_width=round(width),
        print_height=round(height),
        placement=placement,
    )


def _find_print(crop: Row, settings: Settings) -> Corners:
    """Find what is shown of a print: all of it, or what is above its caption."""
    corners = shape_corners(crop["corners"])
    return trim_caption(corners, tuple(crop["caption"])) if settings.caption == "trim" else corners


def _flatten(corners: NDArray[np.floating]) -> tuple[float, ...]:
    return tuple(float(number) for number in corners.ravel())


def _reject_crop(crop: Row, tables: _Tables, reason: str) -> SampleRow:
    view_split = tables.split_of[crop["view_id"]]
    scan = tables.scan_of[crop["scan_id"]]
    return SampleRow(
        key=to_key(crop["scan_id"]),
        scan_id=crop["scan_id"],
        view_id=crop["view_id"],
        item_id=scan["item_id"],
        title=scan["title"],
        rights=tables.rights_of.get(crop["scan_id"], ""),
        split=PAIRS if crop["role"] == Role.NEGATIVE else view_split,
        view_split=view_split,
        shard=None,
        index=None,
        width=0,
        height=0,
        valid=(),
        state=SampleState.REJECTED,
        reason=reason,
    )
