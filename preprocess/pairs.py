"""Edge: lay a print over its copy negative, for real pairs of colour and black and white."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from harvest.records import Role
from preprocess.errors import ScanError
from preprocess.features import find_features, find_homography, measure_residual
from preprocess.frames import read_frame
from preprocess.geometry import Corners, common_corners, quad_homography, shape_corners
from preprocess.lab import to_lightness
from preprocess.records import CropState, PairRow, PairState
from preprocess.register import Float, Homography, register

MIN_SCORE: Final = 0.6
"""Smallest correlation of a negative with its print: film sees inks in other tones than L does,
so less than between two prints, but more than the 0.51 that other views reach."""

MIN_COMMON: Final = 0.7
"""Smallest share of the print that the negative must show; the pair is cut to what it does."""

_POINTS: Final = 800
_MIN_MATCHES: Final = 10


class PairReason(StrEnum):
    """Why a negative could not be laid under its print."""

    NOTHING = ""
    NO_COLOUR_SCAN = "no_colour_scan"
    UNREADABLE = "unreadable"
    FEW_MATCHES = "few_matches"
    POOR_FIT = "poor_fit"
    CUT_OFF = "cut_off"


@dataclass(frozen=True, slots=True)
class Placed:
    """A scan, and where the print lies in it."""

    scan_id: str
    path: str
    """Below `data`."""
    corners: tuple[float, ...]
    """Eight floats, pixels of the scan."""
    width: int
    height: int
    """Size of the scan in pixels."""


@dataclass(frozen=True, slots=True)
class PairJob:
    """A negative, and the colour scan of its view, if there is one."""

    view_id: str
    negative: Placed
    colour: Placed | None


def plan_pairs(crops: Sequence[dict[str, Any]], scans: Sequence[dict[str, Any]]) -> list[PairJob]:
    """Find the colour scan for each negative.

    Args:
        crops: Rows of the crops manifest.
        scans: Rows of the scans manifest.

    Returns:
        One job for each cropped negative, sorted by id. Of several colour scans of the view, one
        of the negative's own item comes first, then the smallest id.
    """
    scan_of = {scan["scan_id"]: scan for scan in scans}
    cropped = [crop for crop in crops if crop["state"] == CropState.CROPPED]
    of_view: dict[str, list[dict[str, Any]]] = {}
    for crop in cropped:
        if crop["role"] == Role.COLOUR:
            of_view.setdefault(crop["view_id"], []).append(crop)
    jobs = []
    for crop in cropped:
        if crop["role"] != Role.NEGATIVE:
            continue
        item_id = scan_of[crop["scan_id"]]["item_id"]
        candidates = sorted(
            of_view.get(crop["view_id"], []),
            key=lambda c: (scan_of[c["scan_id"]]["item_id"] != item_id, c["scan_id"]),
        )
        colour = _place(candidates[0], scan_of) if candidates else None
        jobs.append(PairJob(crop["view_id"], negative=_place(crop, scan_of), colour=colour))
    return sorted(jobs, key=lambda job: job.negative.scan_id)


def _place(crop: dict[str, Any], scan_of: dict[str, dict[str, Any]]) -> Placed:
    scan_id = crop["scan_id"]
    return Placed(
        scan_id=scan_id,
        path=scan_of[scan_id]["path"],
        corners=tuple(crop["corners"]),
        width=crop["width"],
        height=crop["height"],
    )


def align_pairs(jobs: Sequence[PairJob], *, data: Path) -> list[PairRow]:
    """Lay a batch of prints over their negatives.

    Args:
        jobs: Negatives and their colour scans.
        data: Folder that the scans' paths lie below.

    Returns:
        One row for each job, in order. `residual` is the median distance of the matches that
        agree, in pixels of a print 512 px long; `score` the correlation of the lightness.
    """
    cv2.setNumThreads(1)
    return [_align(job, data) for job in jobs]


def _align(job: PairJob, data: Path) -> PairRow:
    if job.colour is None:
        return _reject(job, PairReason.NO_COLOUR_SCAN)
    try:
        l_colour = to_lightness(read_frame(data / job.colour.path, job.colour.corners))
        l_negative = to_lightness(read_frame(data / job.negative.path, job.negative.corners))
    except (ScanError, ValueError):
        return _reject(job, PairReason.UNREADABLE)
    one = find_features(l_colour, most=_POINTS)
    other = find_features(l_negative, most=_POINTS)
    start, agreeing = find_homography(one, other)
    if start is None or agreeing < _MIN_MATCHES:
        return _reject(job, PairReason.FEW_MATCHES)
    between, score = register(l_colour, l_negative, start)
    residual = measure_residual(one, other, between)
    colour, negative = (shape_corners(scan.corners) for scan in (job.colour, job.negative))
    homography = (
        _to_scan(negative, l_negative) @ between @ np.linalg.inv(_to_scan(colour, l_colour))
    )
    homography /= homography[2, 2]
    if score < MIN_SCORE:
        return _reject(job, PairReason.POOR_FIT, score=score, residual=residual)
    _, share = common_corners(colour, homography, other=negative)
    if share < MIN_COMMON:
        return _reject(job, PairReason.CUT_OFF, score=score, residual=residual)
    return PairRow(
        scan_id=job.negative.scan_id,
        colour_scan_id=job.colour.scan_id,
        view_id=job.view_id,
        homography=tuple(float(number) for number in homography.ravel()),
        residual=round(residual, 4),
        score=round(score, 4),
        state=PairState.ALIGNED,
        reason=PairReason.NOTHING,
    )


def _reject(
    job: PairJob, reason: PairReason, *, score: float = 0.0, residual: float = 0.0
) -> PairRow:
    return PairRow(
        scan_id=job.negative.scan_id,
        colour_scan_id=None if job.colour is None else job.colour.scan_id,
        view_id=job.view_id,
        homography=(),
        residual=round(residual, 4),
        score=round(score, 4),
        state=PairState.REJECTED,
        reason=reason,
    )


def _to_scan(corners: Corners, frame: Float) -> Homography:
    return quad_homography(corners, width=frame.shape[1], height=frame.shape[0])
