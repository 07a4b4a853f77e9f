"""Edge: which scans show the same print, and which prints the same view.

Hashes propose pairs, generously; registered pictures decide. Four steps: `hash_scans` here,
`likeness.propose_pairs`, `compare_scans` here, `groups.group_scans`. The two here take a batch and
may run in any process; the other two see all scans.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from preprocess.errors import ScanError
from preprocess.features import find_features, find_homography, turn_features
from preprocess.frames import LEAST_PX, find_corners, read_frame, to_frame
from preprocess.geometry import print_size
from preprocess.images import read_scan
from preprocess.lab import to_lab, to_lightness
from preprocess.likeness import Comparison, Pair, Print, ScanHash, ScanJob
from preprocess.phash import CUTS, hash_cuts, hash_turned
from preprocess.records import Outcome
from preprocess.register import Homography
from preprocess.verdicts import Framed, decide, measure, turn_framed

_POINTS: Final = 128
"""Features kept of a scan, 17 kB: two scans of one print share 36 or more, and matching two takes
0.1 ms, so hashes may propose generously."""

_MIN_MATCHES: Final = 10
"""Fewest agreeing features that make it worth reading both scans: all 2,413 unlike pairs of 70 real
prints have fewer."""

_ALIKE: Final = 6
"""Hash distance at which both scans are read even if no features agree."""

_BLANK: Final = 8
"""A print with fewer features is blank, or next to it: nothing could be said of it."""

_CACHED: Final = 64
"""Frames kept while comparing; pairs come sorted, so the first of a pair stays."""

Reader = Callable[[ScanHash], Framed]


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
        scan = read_scan(path, least=LEAST_PX)
        found = find_corners(scan.rgb)
        lightness = to_lightness(to_frame(scan.rgb, found))
    except (ScanError, ValueError):
        # The scan becomes a row with the state unreadable: group_scans writes it.
        return None
    corners = np.asarray(found / scan.scale, np.float32)
    width, height = print_size(corners)
    return Print(
        hashes=(*hash_cuts(lightness), *hash_turned(lightness)),
        features=find_features(lightness, most=_POINTS),
        corners=tuple(float(number) for number in corners.ravel()),
        shape=(lightness.shape[0], lightness.shape[1]),
        area=width * height,
    )


def compare_scans(pairs: Sequence[Pair], *, data: Path, same_view: float) -> list[Comparison]:
    """Decide a batch of proposed pairs.

    Args:
        pairs: Pairs of readable scans, best sorted by id.
        data: Folder that the scans' paths lie below.
        same_view: Smallest correlation of two scans of one plate.

    Returns:
        One comparison for each pair, in order.

    Raises:
        ScanError: If a scan that was read before cannot be read now.
    """
    cv2.setNumThreads(1)

    @lru_cache(maxsize=_CACHED)
    def read(path: str, corners: tuple[float, ...]) -> Framed:
        lab = to_lab(read_frame(data / path, corners))
        return Framed(lab, np.ascontiguousarray(lab[..., 0]), corners)

    def frame(scan: ScanHash) -> Framed:
        assert scan.found is not None  # only readable scans are proposed
        return read(scan.job.path, scan.found.corners)

    return [_compare(pair, frame, same_view=same_view) for pair in pairs]


def _compare(pair: Pair, frame: Reader, *, same_view: float) -> Comparison:
    """Look for one print lying on the other as it is, then turned over."""
    one, other = pair.one.job, pair.other.job
    numbers = one.number.casefold(), other.number.casefold()
    best = Comparison(one.scan_id, other.scan_id, Outcome.DIFFERENT, distance=pair.distance)
    for turned in [way for way, wanted in ((False, pair.straight), (True, pair.turned)) if wanted]:
        start, matches = _find_start(pair.one, pair.other, turned=turned)
        if start is None:
            continue
        framed = turn_framed(frame(pair.other)) if turned else frame(pair.other)
        measures = measure(frame(pair.one), framed, start, same_view=same_view)
        outcome, differs = decide(measures, turned=turned, numbers=numbers)
        tried = replace(
            best,
            outcome=outcome,
            score=measures.score,
            inks=measures.inks,
            matches=matches,
            differs=differs,
        )
        if outcome is not Outcome.DIFFERENT:
            return tried
        best = max(best, tried, key=lambda comparison: comparison.score)
    return best


def _find_start(one: ScanHash, other: ScanHash, *, turned: bool) -> tuple[Homography | None, int]:
    """Find a first homography between two frames; None where there is no reason to look."""
    assert one.found is not None
    assert other.found is not None
    (height1, width1), (height2, width2) = one.found.shape, other.found.shape
    features, phash = other.found.features, other.found.hashes[0]
    if turned:
        features = turn_features(features, width=width2)
        phash = other.found.hashes[len(CUTS)]
    if min(len(one.found.features.points), len(features.points)) < _BLANK:
        return None, 0
    homography, agreeing = find_homography(one.found.features, features, least=_MIN_MATCHES)
    if agreeing >= _MIN_MATCHES:
        return homography, agreeing
    if (one.found.hashes[0] ^ phash).bit_count() > _ALIKE:
        return None, agreeing
    return np.diag([width2 / width1, height2 / height1, 1.0]), agreeing
