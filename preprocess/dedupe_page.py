"""Edge: dedupe.html, on which a person looks over the pairs of scans and judges them."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harvest.records import Role
from preprocess.errors import ScanError
from preprocess.features import find_features, find_homography
from preprocess.images import read_scan
from preprocess.lab import to_lightness
from preprocess.overrides import PAIRS_HEADER, PairOverride
from preprocess.pages import Card, Each, say_size, to_link, write_jpeg, write_page
from preprocess.records import Outcome
from preprocess.register import is_plausible, warp_back

PAGE: Final = "dedupe.html"

PICTURE: Final = 512
"""Longer side of a scan on the page, in pixels."""

QUALITY: Final = 82

_POINTS: Final = 500
_MIN_MATCHES: Final = 16
"""Fewest agreeing features of 500 for one picture to be laid over the other: chance gives fewer
than 10 (preprocess/dedupe.py), and a poor overlay would mislead."""

_BLANK: Final = (243, 234, 217)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Where the machine draws its lines."""

    same_view: float
    """Smallest correlation of two scans of one plate; `preprocess.same_view`."""
    same_inks: float
    """Largest `measure_inks` of two scans of one print."""


@dataclass(frozen=True, slots=True)
class PictureJob:
    """One scan to draw for the page."""

    scan: Path
    out: Path


@dataclass(frozen=True, slots=True)
class OverlayJob:
    """One picture to lay over another, both drawn already."""

    one: Path
    other: Path
    mirrored: bool
    out: Path


def write_dedupe_page(
    groups: Sequence[Mapping[str, Any]],
    *,
    cards: Mapping[str, Card],
    overrides: Mapping[tuple[str, str], PairOverride],
    thresholds: Thresholds,
    source: str,
    data: Path,
    out: Path,
    each: Each = map,
) -> int:
    """Draw the linked pairs side by side, the hardest first, on a page that takes verdicts.

    Args:
        groups: Rows of data/groups.parquet, links as dicts; in any order.
        cards: Title, place and sha256 of each scan, by scan id.
        overrides: What people have said of pairs so far, by the two ids.
        thresholds: By which the machine decided.
        source: `harvest.source`; the verdicts stand in overrides/<source>/pairs.csv.
        data: The folder that the scans' paths are relative to.
        out: Folder of the page, one below `data`; pictures of an earlier run are removed.
        each: Draws the pictures: `map`, or that of a pool of processes.

    Returns:
        Number of pairs on the page.

    Raises:
        KeyError: If a linked scan has no row or no card.
        OSError: If the disk refuses.
    """
    pairs = list_pairs(groups, thresholds=thresholds)
    overlays = _draw_pictures(pairs, cards=cards, data=data, out=out, each=each)
    weight = sum(picture.stat().st_size for picture in out.glob("*.jpg"))
    counts = {kind: sum(pair["outcome"] == kind for pair in pairs) for kind in Outcome}
    about = {
        "source": source,
        "count": len(pairs),
        "counts": {kind: count for kind, count in counts.items() if count},
        "same_view": f"{thresholds.same_view:.2f}",
        "same_inks": f"{thresholds.same_inks:.2f}",
        "weight_of_pictures": say_size(weight),
    }
    content = {
        "kind": "pairs",
        "source": source,
        "header": PAIRS_HEADER,
        "scans": {
            scan_id: _to_scan(scan_id, cards[scan_id])
            for scan_id in sorted({pair[side] for pair in pairs for side in ("one", "other")})
        },
        "rows": [{**pair, "overlay": overlays.get((pair["one"], pair["other"]))} for pair in pairs],
        "overrides": [to_pair_entry(override) for _, override in sorted(overrides.items())],
    }
    write_page(out / PAGE, "dedupe.html.j2", about=about, data=content)
    return len(pairs)


def to_pair_entry(override: PairOverride) -> dict[str, Any]:
    """Say a verdict as the page and its server exchange it.

    Args:
        override: Of one pair.
    """
    return {
        "scan_id": override.scan_id,
        "other_id": override.other_id,
        "outcome": override.outcome.value,
        "note": override.note,
    }


def list_pairs(
    groups: Sequence[Mapping[str, Any]], *, thresholds: Thresholds
) -> list[dict[str, Any]]:
    """List each linked pair once, the hardest first.

    Hardest is what came nearest to being decided otherwise: see `measure_margin`. What a person
    has decided comes after what the machine decided, and negatives, which no comparison joins to
    their print, come last.

    Args:
        groups: Rows of data/groups.parquet, links as dicts.
        thresholds: By which the machine decided.

    Returns:
        For each pair `one` and `other` (ids, the smaller first), `outcome`, `score`, `inks`,
        `distance`, `matches`, `differs`, `by`, `margin`, `negative`, and of both whether they
        are `kept`.

    Raises:
        KeyError: If a link names a scan that has no row.
    """
    rows = {row["scan_id"]: row for row in groups}
    pairs: dict[tuple[str, str], dict[str, Any]] = {}
    for scan_id in sorted(rows):
        for link in rows[scan_id]["links"]:
            one, other = sorted((scan_id, link["other_id"]))
            pairs.setdefault((one, other), _to_pair(rows[one], rows[other], link, thresholds))

    def rank(pair: Mapping[str, Any]) -> tuple[bool, bool, float, str, str]:
        judged = pair["by"] == "person"
        return pair["negative"], judged, pair["margin"], pair["one"], pair["other"]

    return sorted(pairs.values(), key=rank)


def measure_margin(score: float, inks: float, *, thresholds: Thresholds) -> float:
    """Measure how far a pair lies from being decided otherwise.

    The nearer of two distances, each as a share of the way from its threshold to the end of its
    scale: of the correlation, and, where inks were measured, of the inks.

    Args:
        score: Correlation of the registered lightness, -1..1.
        inks: As `measure_inks`; 0 where it was not measured.
        thresholds: By which the machine decided.

    Returns:
        0 at a threshold, 1 at the end of the scale or beyond.
    """
    line = thresholds.same_view
    margin = (line - score) / line if score < line else (score - line) / (1 - line or 1)
    if inks > 0 and score >= line:
        margin = min(margin, abs(inks - thresholds.same_inks) / thresholds.same_inks)
    return min(1.0, margin)


def _to_pair(
    one: Mapping[str, Any], other: Mapping[str, Any], link: Mapping[str, Any], lines: Thresholds
) -> dict[str, Any]:
    margin = measure_margin(link["score"], link["inks"], thresholds=lines)
    return {
        "one": one["scan_id"],
        "other": other["scan_id"],
        "outcome": str(link["outcome"]),
        "score": round(link["score"], 3),
        "inks": round(link["inks"], 3),
        "distance": link["distance"],
        "matches": link["matches"],
        "differs": link["differs"],
        "by": link["by"],
        "margin": round(margin, 3),
        "negative": Role.NEGATIVE in (one["role"], other["role"]),
        "kept": [one["kept"], other["kept"]],
    }


def _to_scan(scan_id: str, card: Card) -> dict[str, str]:
    return {"title": card.title, "picture": _name(scan_id), "src": to_link(card.path)}


def _name(*scan_ids: str) -> str:
    """Name a picture after the scans on it, in letters that every file system takes."""
    hashes = (hashlib.sha256(scan_id.encode()).hexdigest()[:16] for scan_id in scan_ids)
    return f"{'-'.join(hashes)}.jpg"


def _draw_pictures(
    pairs: Sequence[Mapping[str, Any]],
    *,
    cards: Mapping[str, Card],
    data: Path,
    out: Path,
    each: Each,
) -> dict[tuple[str, str], str]:
    """Draw every scan of the pairs, and overlays; return the names of those, by the two ids."""
    out.mkdir(parents=True, exist_ok=True)
    shown = sorted({pair[side] for pair in pairs for side in ("one", "other")})
    jobs = [PictureJob(data / cards[one].path, out / _name(one)) for one in shown]
    list(each(draw_picture, jobs))
    keys = [(pair["one"], pair["other"]) for pair in pairs]
    overlays = [
        OverlayJob(
            out / _name(one), out / _name(other), pair["outcome"] == Outcome.MIRRORED,
            out / _name(one, other),
        )
        for (one, other), pair in zip(keys, pairs, strict=True)
    ]  # fmt: skip
    drawn = [*each(draw_overlay, overlays)]
    kept = {job.out for job in jobs}
    kept |= {job.out for job, is_drawn in zip(overlays, drawn, strict=True) if is_drawn}
    for old in set(out.glob("*.jpg")) - kept:
        old.unlink()
    return {key: _name(*key) for key, is_drawn in zip(keys, drawn, strict=True) if is_drawn}


def draw_picture(job: PictureJob) -> None:
    """Draw one scan reduced; a blank where it has become unreadable.

    Args:
        job: What is drawn, and where.

    Raises:
        OSError: If the disk refuses.
    """
    try:
        picture = Image.fromarray(read_scan(job.scan, least=PICTURE).rgb)
    except ScanError:
        picture = Image.new("RGB", (PICTURE, PICTURE), _BLANK)
    picture.thumbnail((PICTURE, PICTURE), Image.Resampling.LANCZOS)
    write_jpeg(job.out, picture, quality=QUALITY)


def draw_overlay(job: OverlayJob) -> bool:
    """Lay the second picture of a pair over the first, so that the two can be blinked.

    Args:
        job: The pictures as drawn, and where the overlay goes.

    Returns:
        Whether one was drawn: False where too little of the two agrees.

    Raises:
        OSError: If the disk refuses.
    """
    cv2.setNumThreads(1)
    one, other = _read(job.one), _read(job.other)
    if job.mirrored:
        other = np.ascontiguousarray(other[:, ::-1])
    first, second = (find_features(to_lightness(rgb), most=_POINTS) for rgb in (one, other))
    homography, agreeing = find_homography(first, second)
    if homography is None or agreeing < _MIN_MATCHES:
        return False
    if not is_plausible(homography, shape=one.shape):
        return False
    laid = warp_back(other, homography, width=one.shape[1], height=one.shape[0])
    write_jpeg(job.out, Image.fromarray(laid), quality=QUALITY)
    return True


def _read(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.array(image)
