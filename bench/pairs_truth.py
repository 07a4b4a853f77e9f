"""How well `preprocess.pairs` lays prints over their negatives, and what it turns away.

Copies made of the real prints of ../shared (`_copies.py`: every point's true place is known), and
the replica's negatives with their true homographies. Among them what must be turned away: true
negatives, mirrored ones, pictures taken from a step aside, and copies of other views, the nearest
by hash first. Run it from the repository: `python bench/pairs_truth.py`. It writes
bench/results/pairs_truth.json.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from _copies import HARD, ORDINARY, Film, ToPrint, make_copy
from _record import write_record
from PIL import Image

from preprocess.frames import find_corners, read_frame
from preprocess.images import read_scan
from preprocess.lab import to_lightness
from preprocess.pairs import PairJob, Placed, align_pairs
from preprocess.phash import hash_lightness
from preprocess.records import PairRow
from preprocess.register import map_points
from replica.catalogue import list_rows
from replica.records import DrawnScan, Role
from replica.scan import draw_scan
from replica.truth import find_truth, homography

PRINTS = Path(__file__).resolve().parents[2] / "shared" / "photochroms"
KNOWN = (("station-321", "devonshire-torquay"), ("station-322", "devonshire-brixham"))
"""Two pairs of files that show one print."""

TURNED_AWAY = ("inverted", "mirrored", "wrong")
"""Kinds of which no pair may be accepted; one of `moved` may, where it lies within 4 px."""

UNIT = 512
"""Longer side of the print, in the pixels that errors are given in."""


@dataclass(frozen=True, slots=True)
class Case:
    """A colour scan, a negative, and where the negative's points truly lie in the colour scan."""

    name: str
    kind: str
    job: PairJob
    to_print: ToPrint | None
    """None for another view."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a case; errors in pixels of a print 512 px long."""

    case: Case
    row: PairRow
    mean: float
    worst: float
    """Over a grid on what both show; NaN where there is no homography or no truth."""


def place(path: Path, data: Path) -> Placed:
    """Find the print in a stored scan, as the crop stage would."""
    scan = read_scan(path, least=768)
    corners = find_corners(scan.rgb) / scan.scale
    return Placed(
        path.stem,
        str(path.relative_to(data)),
        tuple(float(n) for n in corners.ravel()),
        scan.width,
        scan.height,
    )


def real_cases(data: Path, seed: int) -> Iterator[Case]:
    """Copy every real print in several ways, and lay other views' copies under it."""
    prints = {}
    for path in sorted(PRINTS.glob("*.jpg")):
        (data / path.name).write_bytes(path.read_bytes())
        prints[path.stem] = place(data / path.name, data)
    films: dict[str, Film] = {"ordinary-a": ORDINARY, "ordinary-b": ORDINARY, "hard": HARD}
    for number, (name, colour) in enumerate(prints.items()):
        extra = films | {"half": replace(ORDINARY, half=True)} if number % 3 == 0 else dict(films)
        if number % 3 == 1:
            extra |= {"inverted": ORDINARY, "mirrored": ORDINARY}
        if number % 3 == 2:
            extra["moved"] = replace(ORDINARY, moved=0.02 + 0.04 * (number % 5) / 4)
        for order, (label, film) in enumerate(extra.items()):
            rng = np.random.default_rng([seed, number, order])
            copy, to_print = make_copy(np.asarray(Image.open(data / colour.path)), rng, film)
            if label == "inverted":
                copy = 255 - copy
            if label == "mirrored":
                copy = np.ascontiguousarray(copy[:, ::-1])
            path = data / f"{name}.{label}.jpg"
            quality = int(rng.integers(35 if film is HARD else 70, 95))
            Image.fromarray(copy).save(path, quality=quality)
            job = PairJob(name, negative=place(path, data), colour=colour)
            known = None if label == "mirrored" else to_print
            yield Case(f"{name}.{label}", label.partition("-")[0], job, known)
    yield from wrong_cases(prints, data)


def wrong_cases(prints: dict[str, Placed], data: Path) -> Iterator[Case]:
    """Lay under every print the copies of the three views that look most like it."""
    hashes = {
        name: hash_lightness(to_lightness(read_frame(data / scan.path, scan.corners)))
        for name, scan in prints.items()
    }
    for name, colour in prints.items():
        others = [other for other in prints if other != name and not same_print(name, other)]
        others.sort(key=lambda other: (hashes[name] ^ hashes[other]).bit_count())
        for other in others[:3]:
            negative = place(data / f"{other}.ordinary-a.jpg", data)
            yield Case(f"{name}.{other}", "wrong", PairJob(name, negative, colour), None)


def same_print(one: str, other: str) -> bool:
    """Say whether two real prints are known to be the same."""
    return any((a in one and b in other) or (b in one and a in other) for a, b in KNOWN)


def replica_cases(data: Path, items: int, seed: int) -> Iterator[Case]:
    """Lay the replica's negatives under their own print, and under the next item's."""
    rows = list_rows(items, seed)
    truth = find_truth(rows, pixels=1280)
    couples = []
    for row in rows:
        drawn = [r for r in row.resources if isinstance(r.scan, DrawnScan)]
        colours = [r for r in drawn if r.role == Role.COLOUR]
        for resource in (r for r in drawn if r.role == Role.NEGATIVE and colours):
            couples.append((colours[0], resource))
    stored = {
        resource.digital_id: store(resource, data) for couple in couples for resource in couple
    }
    for colour, negative in couples:
        one, other = (stored[r.digital_id] for r in (colour, negative))
        matrix = homography(truth[negative.digital_id], truth[colour.digital_id])
        matrix = np.diag([one.width, one.height, 1]) @ matrix
        matrix = matrix @ np.diag([1 / other.width, 1 / other.height, 1])
        yield Case(
            negative.digital_id,
            "replica",
            PairJob("v", negative=other, colour=one),
            lambda points, matrix=matrix: map_points(points, matrix),
        )
    for (colour, _), (other_colour, negative) in pairwise(couples):
        if truth[colour.digital_id].view_id != truth[other_colour.digital_id].view_id:
            job = PairJob("v", stored[negative.digital_id], stored[colour.digital_id])
            yield Case(f"{colour.digital_id}.{negative.digital_id}", "wrong", job, None)


def store(resource: Any, data: Path) -> Placed:
    """Draw a scan of the replica and store it as the Library serves it."""
    picture = Image.fromarray(draw_scan(resource.scan, 1280))
    picture.thumbnail((1024, 1024), Image.Resampling.LANCZOS)
    path = data / f"{resource.digital_id}.jpg"
    picture.save(path, quality=85)
    return place(path, data)


def judge(case: Case, row: PairRow) -> Judged:
    """Measure a row against the truth, on a grid over what both scans show."""
    if not row.homography or case.to_print is None or case.job.colour is None:
        return Judged(case, row, np.nan, np.nan)
    negative, colour = case.job.negative, case.job.colour
    across, down = np.linspace(0, negative.width, 33), np.linspace(0, negative.height, 33)
    points = np.stack(np.meshgrid(across, down), axis=-1).reshape(-1, 2)
    true = case.to_print(points)
    quads = [np.array(scan.corners, np.float32).reshape(4, 2) for scan in (colour, negative)]
    both = np.array(
        [within(quads[0], p) and within(quads[1], q) for p, q in zip(true, points, strict=True)]
    )
    found = map_points(points, np.linalg.inv(np.reshape(row.homography, (3, 3))))
    away = np.linalg.norm(found - true, axis=1)[both] * UNIT / long_side(quads[0])
    return Judged(case, row, float(away.mean()), float(away.max()))


def within(quad: np.ndarray, point: np.ndarray) -> bool:
    """Say whether a point lies in a quadrilateral."""
    return bool(cv2.pointPolygonTest(quad, (float(point[0]), float(point[1])), False) >= 0)


def long_side(quad: np.ndarray) -> float:
    """Give the longer side of a print, in pixels of its scan."""
    return float(np.linalg.norm(np.roll(quad, -1, axis=0) - quad, axis=1).max())


def summarise(judged: Sequence[Judged]) -> dict[str, Any]:
    """Say how one kind fared."""
    taken = [j for j in judged if j.row.state == "aligned"]
    figures: dict[str, Any] = {
        "pairs": len(judged),
        "accepted": len(taken),
        "rejected": dict(sorted(Counter(j.row.reason for j in judged if j not in taken).items())),
    }
    if taken and np.isfinite([j.worst for j in taken]).all():
        for name, errors in (
            ("mean_px", [j.mean for j in taken]),
            ("worst_point_px", [j.worst for j in taken]),
        ):
            figures[name] = quantiles(errors)
    return figures


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """Give the median, the 95th percentile and the largest."""
    return {
        "median": round(float(np.median(values)), 3),
        "p95": round(float(np.percentile(values, 95)), 3),
        "max": round(float(np.max(values)), 3),
    }


def relate(judged: Sequence[Judged]) -> dict[str, float]:
    """Say how far the residual of the accepted can be trusted."""
    known = [j for j in judged if j.row.state == "aligned" and np.isfinite(j.worst)]
    residual, mean, worst = (
        np.array(values)
        for values in zip(*((j.row.residual, j.mean, j.worst) for j in known), strict=True)
    )
    ranks = [np.argsort(np.argsort(values)) for values in (residual, mean, worst)]
    return {
        "pairs": len(known),
        "pearson_with_mean_error": round(float(np.corrcoef(residual, mean)[0, 1]), 3),
        "spearman_with_mean_error": round(float(np.corrcoef(ranks[0], ranks[1])[0, 1]), 3),
        "spearman_with_worst_error": round(float(np.corrcoef(ranks[0], ranks[2])[0, 1]), 3),
        "worst_error_over_residual_median": round(float(np.median(worst / residual)), 2),
        "worst_error_over_residual_p99": round(float(np.percentile(worst / residual, 99)), 2),
    }


def run(items: int, seed: int) -> tuple[list[Judged], dict[str, float]]:
    """Make all cases and lay them over one another; return also CPU milliseconds a pair."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        cases = [*real_cases(data, seed), *replica_cases(data, items, seed)]
        rows: dict[str, PairRow] = {}
        cpu_ms = {}
        for label, wanted in (("right", False), ("turned_away", True)):
            chosen = [case for case in cases if (case.kind in TURNED_AWAY) is wanted]
            start = time.process_time()
            aligned = align_pairs([case.job for case in chosen], data=data)
            cpu_ms[label] = round(1000 * (time.process_time() - start) / len(chosen), 1)
            rows |= {case.name: row for case, row in zip(chosen, aligned, strict=True)}
    return [judge(case, rows[case.name]) for case in cases], cpu_ms


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=240)
    parser.add_argument("--seed", type=int, default=4)
    wanted = parser.parse_args()
    judged, cpu_ms = run(wanted.items, wanted.seed)
    kinds = dict.fromkeys(j.case.kind for j in judged)
    taken = [j for j in judged if j.row.state == "aligned"]
    true = [j for j in taken if j.case.kind not in TURNED_AWAY]
    figures = {
        "pairs": len(judged),
        "accepted": len(taken),
        "wrongly_accepted": [j.case.name for j in taken if j.case.kind in TURNED_AWAY],
        "mean_px": quantiles([j.mean for j in true]),
        "worst_point_px": quantiles([j.worst for j in true]),
        "accepted_with_a_point_over_4_px": sum(j.worst > 4 for j in true),
        "residual": relate(judged),
        "cpu_ms_per_pair": cpu_ms,
        "kinds": {kind: summarise([j for j in judged if j.case.kind == kind]) for kind in kinds},
    }
    settings = {
        "items": wanted.items,
        "seed": wanted.seed,
        "tuned_on_seeds": [1, 2, 3],
        "unit_px": UNIT,
    }
    packages = ("numpy", "opencv-python-headless")
    write_record("pairs_truth", packages=packages, settings=settings, runs=[figures])
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
