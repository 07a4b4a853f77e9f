"""Edge: find the print in every scan of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2

from preprocess.border import LEAST_SIDE, Border, find_border
from preprocess.errors import ScanError
from preprocess.images import read_rgb
from preprocess.records import CropReason, CropRow, CropState, GroupState, Mount


@dataclass(frozen=True, slots=True)
class CropJob:
    """One scan to crop; small, so that it travels cheaply to a process of a pool."""

    scan_id: str
    role: str
    view_id: str
    group_id: str
    path: str
    """Where the scan lies, below data/."""


def plan_crops(groups: Sequence[dict[str, Any]], scans: Sequence[dict[str, Any]]) -> list[CropJob]:
    """Choose the scans to crop: the one kept of each print, and every negative.

    Args:
        groups: Rows of the groups manifest.
        scans: Rows of the scans manifest.
    """
    paths = {row["scan_id"]: row["path"] for row in scans}
    return [
        CropJob(row["scan_id"], row["role"], row["view_id"], row["group_id"], paths[row["scan_id"]])
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
    """
    cv2.setNumThreads(1)  # the workers are the parallelism
    return [_crop(job, data=data, min_confidence=min_confidence) for job in jobs]


def _crop(job: CropJob, *, data: Path, min_confidence: float) -> CropRow:
    try:
        rgb = read_rgb(data / job.path)
    except ScanError:
        return _without_corners(job, width=0, height=0, reason=CropReason.UNREADABLE)
    height, width = rgb.shape[:2]
    if min(height, width) < LEAST_SIDE:
        return _without_corners(job, width=width, height=height, reason=CropReason.TOO_SMALL)
    border = find_border(rgb, min_confidence=min_confidence)
    flagged = border.confidence < min_confidence
    return CropRow(
        scan_id=job.scan_id,
        role=job.role,
        view_id=job.view_id,
        group_id=job.group_id,
        corners=tuple(float(value) for value in border.corners.ravel()),
        width=width,
        height=height,
        mount=border.mount,
        confidence=border.confidence,
        flagged=flagged,
        state=CropState.CROPPED,
        reason=_reason(border, flagged=flagged),
    )


def _reason(border: Border, *, flagged: bool) -> CropReason:
    if flagged:
        return CropReason.LOW_CONFIDENCE
    return CropReason.NO_MOUNT if border.mount is Mount.NONE else CropReason.NOTHING


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
        state=CropState.UNREADABLE,
        reason=reason,
    )
