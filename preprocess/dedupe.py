"""Edge: which scans show the same print, and which prints the same view.

Hashes propose pairs, generously; registered pictures decide. Four steps: `hash_scans` here,
`likeness.propose_pairs`, `compare_scans` here, `groups.group_scans`. The two here take a batch and
may run in any process; the other two see all scans.
"""

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from preprocess.errors import ScanError
from preprocess.features import find_features, find_homography
from preprocess.frames import find_corners, read_frame, to_frame
from preprocess.geometry import print_size
from preprocess.images import read_rgb
from preprocess.inks import measure_inks
from preprocess.lab import to_lab, to_lightness
from preprocess.likeness import Comparison, Outcome, Pair, Print, ScanHash, ScanJob
from preprocess.phash import hash_cuts
from preprocess.register import Homography, register

SAME_INKS: Final = 0.45
"""Largest `measure_inks` of two scans of one print."""

_POINTS: Final = 128
"""Features kept of a scan, 17 kB: two scans of one print share 36 or more, and matching two takes
0.3 ms, so hashes may propose generously."""

_MIN_MATCHES: Final = 10
"""Fewest agreeing features that make it worth reading both scans: all 2,413 unlike pairs of 70 real
prints have fewer."""

_ALIKE: Final = 6
"""Hash distance at which both scans are read even if no features agree."""

_CACHED: Final = 64
"""Frames kept while comparing; pairs come sorted, so the first of a pair stays."""


def hash_scans(jobs: Sequence[ScanJob], *, data: Path) -> list[ScanHash]:
    """Hash a batch of scans.

    Args:
        jobs: Scans, colour or negative.
        data: Folder that the jobs' paths lie below.

    Returns:
        One for each job, in order; one that cannot be read has no print.
    """
    cv2.setNumThreads(1)
    return [ScanHash(job, _find_print(data / job.path)) for job in jobs]


def _find_print(path: Path) -> Print | None:
    try:
        rgb = read_rgb(path)
        corners = find_corners(rgb)
        lightness = to_lightness(to_frame(rgb, corners))
    except (ScanError, ValueError):
        # The scan becomes a row with the state unreadable: group_scans writes it.
        return None
    width, height = print_size(corners)
    return Print(
        hashes=hash_cuts(lightness),
        features=find_features(lightness, most=_POINTS),
        corners=tuple(float(number) for number in corners.ravel()),
        shape=(lightness.shape[0], lightness.shape[1]),
        area=width * height,
    )


def compare_scans(pairs: Sequence[Pair], *, data: Path, same_view: float) -> list[Comparison]:
    """Decide a batch of proposed pairs.

    Args:
        pairs: Readable scans, best sorted by id.
        data: Folder that the scans' paths lie below.
        same_view: Smallest correlation of two scans of one plate.

    Returns:
        One comparison for each pair, in order.

    Raises:
        ScanError: If a scan that was read before cannot be read now.
    """
    cv2.setNumThreads(1)

    @lru_cache(maxsize=_CACHED)
    def read_lab(path: Path, corners: tuple[float, ...]) -> NDArray[np.float32]:
        return to_lab(read_frame(path, corners))

    compared = []
    for one, other in pairs:
        start = _find_start(one, other)
        score, inks = 0.0, None
        if start is not None and one.found is not None and other.found is not None:
            lab1 = read_lab(data / one.job.path, one.found.corners)
            lab2 = read_lab(data / other.job.path, other.found.corners)
            score, inks = _judge(lab1, lab2, start=start, same_view=same_view)
        outcome = _decide(inks)
        compared.append(Comparison(one.job.scan_id, other.job.scan_id, outcome, score, inks))
    return compared


def _find_start(one: ScanHash, other: ScanHash) -> Homography | None:
    """Find a first homography between two frames; None where there is no reason to look."""
    if one.found is None or other.found is None:
        return None
    homography, agreeing = find_homography(one.found.features, other.found.features)
    if agreeing >= _MIN_MATCHES:
        return homography
    if (one.found.hashes[0] ^ other.found.hashes[0]).bit_count() > _ALIKE:
        return None
    (height1, width1), (height2, width2) = one.found.shape, other.found.shape
    return np.diag([width2 / width1, height2 / height1, 1.0])


def _judge(
    lab1: NDArray[np.float32], lab2: NDArray[np.float32], *, start: Homography, same_view: float
) -> tuple[float, float | None]:
    """Measure the correlation of two frames and, if they are of one plate, their inks."""
    l1, l2 = (np.ascontiguousarray(lab[..., 0]) for lab in (lab1, lab2))
    homography, score = register(l1, l2, start)
    if score < same_view:
        return score, None
    return score, measure_inks(
        np.ascontiguousarray(lab1[..., 1:]), np.ascontiguousarray(lab2[..., 1:]), homography
    )


def _decide(inks: float | None) -> Outcome:
    if inks is None:
        return Outcome.DIFFERENT
    return Outcome.SAME_PRINT if inks <= SAME_INKS else Outcome.SAME_VIEW
