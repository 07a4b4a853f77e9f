"""Edge: look at the pairs that the audit found nearest, and say whether they are one view."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from preprocess.audit import Neighbour
from preprocess.errors import ScanError
from preprocess.frames import read_frame
from preprocess.lab import to_lightness
from preprocess.pairs import MIN_AGREEMENT, fit_pictures
from preprocess.register import Float

CONFIRMED: Final = 12
"""Nearest pairs worth a look: half a second each."""


class Verdict(StrEnum):
    """What a test view and the training sample nearest to it are."""

    CLEAR = "clear"
    """Two views that look alike to a hash."""
    ALIKE = "alike"
    """They lie over one another in most places, but correlate less than one view does: a person
    should look."""
    LEAK = "leak"
    """One view in two splits."""
    UNREADABLE = "unreadable"
    """One of the two scans cannot be read."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A pair that was looked at."""

    neighbour: Neighbour
    verdict: Verdict
    score: float
    """Correlation of the registered lightness, -1..1; 0 where nothing registers."""
    agreement: float
    """Share of the structure that lies in one place, 0..1."""


def confirm_leaks(
    neighbours: Sequence[Neighbour],
    *,
    crops: Sequence[Mapping[str, Any]],
    scans: Sequence[Mapping[str, Any]],
    data: Path,
    same_view: float,
    most: int = CONFIRMED,
) -> list[Confirmed]:
    """Register the nearest pairs of an audit, upright and mirrored.

    Args:
        neighbours: As `Audit.neighbours`, the nearest first.
        crops: Rows of the crops manifest.
        scans: Rows of the scans manifest.
        data: Folder that the scans' paths lie below.
        same_view: Smallest correlation of two scans of one view.
        most: How many pairs to look at.

    Returns:
        One for each pair looked at, in order.

    Raises:
        ValueError: If a pair's scan is not among the crops or the scans.
    """
    cv2.setNumThreads(1)
    corners_of = {row["scan_id"]: tuple(row["corners"]) for row in crops}
    path_of = {row["scan_id"]: row["path"] for row in scans}
    confirmed = []
    for neighbour in neighbours[:most]:
        for scan_id in (neighbour.scan_id, neighbour.other_id):
            if scan_id not in corners_of or scan_id not in path_of:
                raise ValueError(f"{scan_id}: a sample, but not cropped; run the crop stage again")
        try:
            one, other = (
                to_lightness(read_frame(data / path_of[scan_id], corners_of[scan_id]))
                for scan_id in (neighbour.scan_id, neighbour.other_id)
            )
        except (ScanError, ValueError):
            confirmed.append(Confirmed(neighbour, Verdict.UNREADABLE, 0.0, 0.0))
            continue
        confirmed.append(_compare(neighbour, one, other, same_view))
    return confirmed


def _compare(neighbour: Neighbour, one: Float, other: Float, same_view: float) -> Confirmed:
    fits = [fit_pictures(one, turned) for turned in (other, np.ascontiguousarray(other[:, ::-1]))]
    score = max((fit.score for fit in fits if fit is not None), default=0.0)
    agreement = max((fit.agreement for fit in fits if fit is not None), default=0.0)
    verdict = Verdict.CLEAR
    if score >= same_view:
        verdict = Verdict.LEAK
    elif agreement >= MIN_AGREEMENT:
        verdict = Verdict.ALIKE
    return Confirmed(neighbour, verdict, round(score, 4), round(agreement, 4))
