"""Edge: lay a print over its copy negative, for real pairs of colour and black and white.

Features give a homography, enhanced correlation refines it, patches mend it and judge it
(`patches.py`). A negative is compared as stored, a positive picture; one that fits only inverted or
turned over is named so and rejected.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from harvest.records import Role
from preprocess.errors import ScanError
from preprocess.features import Features, find_features, find_homography, turn_features
from preprocess.frames import read_frame
from preprocess.geometry import (
    Corners,
    common_corners,
    is_convex,
    quad_homography,
    shape_corners,
)
from preprocess.lab import to_lightness
from preprocess.patches import estimate_worst, find_shifts, mend_homography
from preprocess.records import CropState, PairRow, PairState
from preprocess.register import Float, Homography, correlate, register

MIN_AGREEMENT: Final = 0.5
"""Least share of the structure that print and negative have in one place. Copies of other views
have none of it; a hard copy of the right one rarely less (bench/pairs_truth.py)."""

MAX_RESIDUAL: Final = 2.75
"""Largest distance, as `estimate_worst`, in pixels of a print 512 px long: the worst place is truly
off by less than 1.4 times as much, so by less than 4."""

MIN_COMMON: Final = 0.4
"""Smallest share of the print that the negative must show; the pair is cut to what it does."""

_POINTS: Final = 800
_MIN_MATCHES: Final = 10
_MENDINGS: Final = 2
"""The second finds patches that the first brought within reach."""


class PairReason(StrEnum):
    """Why a negative could not be laid under its print."""

    NOTHING = ""
    NO_COLOUR_SCAN = "no_colour_scan"
    UNREADABLE = "unreadable"
    FEW_MATCHES = "few_matches"
    """Nothing registers: another view, most likely."""
    INVERTED = "inverted"
    """It fits where dark is light: the scan shows the film itself, no positive."""
    MIRRORED = "mirrored"
    """It fits turned over."""
    POOR_FIT = "poor_fit"
    """It fits in a part alone."""
    WARPED = "warped"
    """It fits, but somewhere by too little: the film or the paper is bent, or it is a picture of
    the same place taken a step aside."""
    CUT_OFF = "cut_off"
    """It shows too little of the print."""


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
        One row for each job, in order. `residual` is how far off the print is estimated to lie
        where it is furthest off, in pixels of a print 512 px long; `score` the correlation of the
        lightness, negative for an inverted negative. Both are 0 where nothing registers.
    """
    cv2.setNumThreads(1)
    return [_align(job, data) for job in jobs]


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """How one picture lies over another."""

    homography: Homography
    """First to second."""
    score: float
    """Correlation of the fine structure, -1..1."""
    agreement: float
    """As `Shifts.agreement`."""
    residual: float
    """As `estimate_worst`."""


def fit_pictures(l1: Float, l2: Float) -> Fit | None:
    """Lay one picture over another, whatever their tones.

    Args:
        l1: Lightness of the first picture, shape (H1, W1), float32, 0..100, its longer side 512.
        l2: Lightness of the second picture, likewise.

    Returns:
        The fit; None where too few features agree on any.

    Raises:
        ValueError: If a lightness is not float32 of shape (H, W).
    """
    return _fit(l1, l2, find_features(l1, most=_POINTS), find_features(l2, most=_POINTS))


def _fit(l1: Float, l2: Float, one: Features, other: Features) -> Fit | None:
    start, agreeing = find_homography(one, other)
    if start is None or agreeing < _MIN_MATCHES:
        return None
    homography, _ = register(l1, l2, start)
    shifts = find_shifts(l1, l2, homography)
    for _ in range(_MENDINGS):
        mended = mend_homography(homography, shifts)
        after = find_shifts(l1, l2, mended)
        if after.agreement < shifts.agreement / 2:
            break
        homography, shifts = mended, after
    return Fit(
        homography,
        score=correlate(l1, l2, homography),
        agreement=shifts.agreement,
        residual=estimate_worst(shifts, homography, shape=l1.shape, other=l2.shape),
    )


def _align(job: PairJob, data: Path) -> PairRow:
    if job.colour is None:
        return _reject(job, PairReason.NO_COLOUR_SCAN)
    try:
        l_colour, l_negative = (_read(data, scan) for scan in (job.colour, job.negative))
    except (ScanError, ValueError):
        return _reject(job, PairReason.UNREADABLE)
    one, other = (find_features(lightness, most=_POINTS) for lightness in (l_colour, l_negative))
    fit = _fit(l_colour, l_negative, one, other)
    if fit is None or fit.agreement < MIN_AGREEMENT:
        reason, fit = _explain(l_colour, l_negative, one, other, fit)
        return _reject(job, reason, fit)
    colour, negative = (shape_corners(scan.corners) for scan in (job.colour, job.negative))
    between = _to_scan(negative, l_negative) @ fit.homography
    homography = between @ np.linalg.inv(_to_scan(colour, l_colour))
    homography /= homography[2, 2]
    if fit.residual > MAX_RESIDUAL:
        return _reject(job, PairReason.WARPED, fit)
    if common_corners(colour, homography, other=negative)[1] < MIN_COMMON:
        return _reject(job, PairReason.CUT_OFF, fit)
    return PairRow(
        scan_id=job.negative.scan_id,
        colour_scan_id=job.colour.scan_id,
        view_id=job.view_id,
        homography=tuple(float(number) for number in homography.ravel()),
        residual=round(fit.residual, 4),
        score=round(fit.score, 4),
        state=PairState.ALIGNED,
        reason=PairReason.NOTHING,
    )


def _read(data: Path, scan: Placed) -> Float:
    corners = shape_corners(scan.corners)
    if not is_convex(corners):
        raise ValueError(f"{scan.scan_id}: expected four corners of a print, got {scan.corners}")
    return to_lightness(read_frame(data / scan.path, scan.corners))


def _explain(
    l_colour: Float, l_negative: Float, one: Features, other: Features, fit: Fit | None
) -> tuple[PairReason, Fit | None]:
    """Say why a negative does not fit, and the fit that shows it: it may fit, seen otherwise."""
    positive = np.asarray(100 - l_negative, np.float32)
    inverted = _fit(l_colour, positive, one, _invert_features(other))
    if inverted is not None and inverted.agreement >= MIN_AGREEMENT:
        score = correlate(l_colour, l_negative, inverted.homography)
        return PairReason.INVERTED, replace(inverted, score=score)
    turned = np.ascontiguousarray(l_negative[:, ::-1])
    mirrored = _fit(l_colour, turned, one, turn_features(other, width=turned.shape[1]))
    if mirrored is not None and mirrored.agreement >= MIN_AGREEMENT:
        return PairReason.MIRRORED, mirrored
    return (PairReason.FEW_MATCHES if fit is None else PairReason.POOR_FIT), fit


def _invert_features(features: Features) -> Features:
    """Find the features of a picture with dark for light, without looking at it again.

    Each point's own direction turns round, and the 4 x 4 cells of its descriptor with it, but not
    the directions in the cells, which count from the point's own.
    """
    cells = features.descriptors.reshape(-1, 4, 4, 8)[:, ::-1, ::-1]
    return replace(features, descriptors=np.ascontiguousarray(cells).reshape(-1, 128))


def _reject(job: PairJob, reason: PairReason, fit: Fit | None = None) -> PairRow:
    known = fit is not None and np.isfinite(fit.residual)
    return PairRow(
        scan_id=job.negative.scan_id,
        colour_scan_id=None if job.colour is None else job.colour.scan_id,
        view_id=job.view_id,
        homography=(),
        residual=round(fit.residual, 4) if fit is not None and known else 0.0,
        score=0.0 if fit is None else round(fit.score, 4),
        state=PairState.REJECTED,
        reason=reason,
    )


def _to_scan(corners: Corners, frame: Float) -> Homography:
    return quad_homography(corners, width=frame.shape[1], height=frame.shape[0])
