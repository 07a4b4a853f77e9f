"""Edge: find the print in every scan of a batch, or take the corners that a person gave it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.border import LEAST_SIDE, Border, find_border
from preprocess.caption import find_caption
from preprocess.errors import PreprocessError, ScanError
from preprocess.geometry import Corners, is_convex, shape_corners
from preprocess.images import Scan, read_scan
from preprocess.mounts import name_mount
from preprocess.overrides import CropOverride
from preprocess.records import CropReason, CropRow, CropState, GroupState, Mount
from preprocess.strips import to_plane

LEAST_PX: Final = 2048
"""Longer side at which a scan is read: a pixel of it is half a thousandth of the print."""

_OUTSIDE_PX: Final = 1.0
"""How far a corrected corner may lie outside its scan, in pixels as stored; it is moved in."""

_LEAST_MOUNT: Final = 0.005
"""Share of the scan outside a corrected print from which that is a mount."""


@dataclass(frozen=True, slots=True)
class CropJob:
    """One scan to crop; small, so that it travels cheaply to a process of a pool."""

    scan_id: str
    role: str
    view_id: str
    group_id: str
    path: str
    """Where the scan lies, below data/."""
    sha256: str
    override: CropOverride | None = None
    """What a person said of this scan id, perhaps of an older file."""


def plan_crops(
    groups: Sequence[dict[str, Any]],
    scans: Sequence[dict[str, Any]],
    overrides: Mapping[str, CropOverride],
) -> list[CropJob]:
    """Choose the scans to crop: the one kept of each print, and every negative.

    Args:
        groups: Rows of the groups manifest.
        scans: Rows of the scans manifest.
        overrides: Corrected corners, by scan id.
    """
    stored = {row["scan_id"]: row for row in scans}
    return [
        CropJob(
            scan_id=row["scan_id"],
            role=row["role"],
            view_id=row["view_id"],
            group_id=row["group_id"],
            path=stored[row["scan_id"]]["path"],
            sha256=stored[row["scan_id"]]["sha256"],
            override=overrides.get(row["scan_id"]),
        )
        for row in groups
        if row["state"] in (GroupState.KEPT, GroupState.NEGATIVE)
    ]


def crop_scans(jobs: Sequence[CropJob], *, data: Path, min_confidence: float) -> list[CropRow]:
    """Find the print in each scan.

    Args:
        jobs: Scans to crop.
        data: The folder that the jobs' paths are relative to.
        min_confidence: A border found with less is flagged, and cut with caution, 0..1.

    Returns:
        One row per job, in their order; a scan that cannot be decoded is a row too.

    Raises:
        PreprocessError: If corrected corners are not those of a print within its scan.
    """
    cv2.setNumThreads(1)  # the workers are the parallelism
    return [_crop(job, data=data, min_confidence=min_confidence) for job in jobs]


def _crop(job: CropJob, *, data: Path, min_confidence: float) -> CropRow:
    try:
        scan = read_scan(data / job.path, least=LEAST_PX)
    except ScanError:
        return _without_corners(job, width=0, height=0, reason=CropReason.UNREADABLE)
    if min(scan.rgb.shape[:2]) < LEAST_SIDE:
        small = CropReason.TOO_SMALL
        return _without_corners(job, width=scan.width, height=scan.height, reason=small)
    if job.override is not None and job.override.sha256 == job.sha256:
        return _corrected(job, scan, job.override)
    border = find_border(scan.rgb, min_confidence=min_confidence)
    row = _found(job, scan, border, flagged=border.confidence < min_confidence)
    if job.override is None:
        return row
    return replace(row, flagged=True, reason=CropReason.STALE_CORRECTION)


def _found(job: CropJob, scan: Scan, border: Border, *, flagged: bool) -> CropRow:
    """Write down what the machine found, in pixels as stored."""
    reason = CropReason.NO_MOUNT if border.mount is Mount.NONE else CropReason.NOTHING
    return CropRow(
        scan_id=job.scan_id,
        role=job.role,
        view_id=job.view_id,
        group_id=job.group_id,
        corners=tuple(float(value) for value in (border.corners / scan.scale).ravel()),
        width=scan.width,
        height=scan.height,
        mount=border.mount,
        confidence=border.confidence,
        flagged=flagged,
        caption=_caption(job, scan.rgb, border.corners),
        state=CropState.CROPPED,
        reason=CropReason.LOW_CONFIDENCE if flagged else reason,
    )


def _corrected(job: CropJob, scan: Scan, override: CropOverride) -> CropRow:
    """Write down what a person said."""
    corners = _check_corners(override, width=scan.width, height=scan.height)
    reduced = np.asarray(corners * scan.scale, np.float32)
    border = Border(reduced, _name_outside(scan.rgb, reduced), 1.0, (1.0, 1.0, 1.0, 1.0))
    row = _found(job, scan, border, flagged=False)
    stored = tuple(float(value) for value in corners.ravel())
    return replace(row, corners=stored, reason=CropReason.CORRECTED)


def _check_corners(override: CropOverride, *, width: int, height: int) -> Corners:
    corners = shape_corners(override.corners)
    held = np.clip(corners, 0, [width, height]).astype(np.float32)
    if np.abs(held - corners).max() > _OUTSIDE_PX or not is_convex(held):
        raise PreprocessError(
            f"crops.csv of the overrides, row of {override.scan_id}: expected corners of a convex "
            "print, clockwise from the top-left, within the scan of "
            f"{width} x {height} px; got {', '.join(f'{value:g}' for value in override.corners)}; "
            "correct the row or delete it, and run the crop stage again"
        )
    return held


def _name_outside(rgb: NDArray[np.uint8], corners: Corners) -> Mount:
    """Name the mount around a corrected print by its middle colour."""
    inside = np.zeros(rgb.shape[:2], np.uint8)
    cv2.fillConvexPoly(inside, np.rint(corners).astype(np.int32), 1)
    outside = rgb[inside == 0]
    if len(outside) < _LEAST_MOUNT * inside.size:
        return Mount.NONE
    colour = np.median(outside, axis=0).astype(np.uint8).reshape(1, 1, 3)
    return name_mount(to_plane(colour)[0, 0])


def _caption(job: CropJob, rgb: NDArray[np.uint8], corners: Corners) -> tuple[float, ...]:
    """Find the printed caption; a negative's, if it has one, is never trimmed."""
    return find_caption(rgb, corners) if job.role == "colour" else ()


def _without_corners(job: CropJob, *, width: int, height: int, reason: CropReason) -> CropRow:
    return CropRow(
        scan_id=job.scan_id,
        role=job.role,
        view_id=job.view_id,
        group_id=job.group_id,
        corners=(),
        width=width,
        height=height,
        mount=Mount.NONE,
        confidence=0.0,
        flagged=True,
        caption=(),
        state=CropState.UNREADABLE,
        reason=reason,
    )
