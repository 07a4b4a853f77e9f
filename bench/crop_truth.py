"""How well `preprocess.border` finds the print: against labels, generated truth and a hard set.

Four sets: the labelled real prints of ../shared, the real prints there without a mount, prints of
the replica, and real prints laid on boards, half of the boards of the very colour of the print's
rim. Run it from the repository: `python bench/crop_truth.py`. It writes
bench/results/crop_truth.json, and with --draw the outlines of all real prints.
"""

import argparse
import io
import json
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from _record import write_record
from PIL import Image, ImageDraw

from preprocess.border import Border, find_border
from preprocess.images import read_rgb
from replica.catalogue import list_rows
from replica.records import DrawnScan
from replica.scan import draw_scan
from replica.truth import find_truth

HERE = Path(__file__).resolve().parent
PRINTS = HERE.parents[1] / "shared" / "photochroms"
MIN_CONFIDENCE = 0.8
BAD = 0.01
"""Corner error, as a share of the scan's diagonal, from which a crop is bad."""


@dataclass(frozen=True, slots=True)
class Case:
    """A scan and the true corners of its print; `packed` is a JPEG, as harvested."""

    name: str
    kind: str
    packed: bytes
    corners: np.ndarray


def real_cases() -> list[Case]:
    """Read the real prints; those without labels show no mount, so they are whole."""
    lines = (PRINTS / "crops.tsv").read_text().splitlines()[1:]
    labels = {line.split("\t")[0]: line.split("\t")[1:] for line in lines}
    cases = []
    for path in sorted(PRINTS.glob("*.jpg")):
        with Image.open(path) as image:
            width, height = image.size
        whole = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
        corners = np.array(labels[path.name], float).reshape(4, 2) if path.name in labels else whole
        kind = "labelled" if path.name in labels else "unmounted"
        cases.append(Case(path.name, kind, path.read_bytes(), corners))
    return cases


def generated_cases(items: int, seed: int) -> Iterator[Case]:
    """Draw the replica's scans as the Library serves them: 1,024 px, JPEG."""
    rows = list_rows(items, seed)
    truth = find_truth(rows, pixels=1280)
    for row in rows:
        for resource in row.resources:
            if not isinstance(resource.scan, DrawnScan):
                continue
            picture = Image.fromarray(draw_scan(resource.scan, 1280)).convert("RGB")
            picture.thumbnail((1024, 1024), Image.Resampling.LANCZOS)
            known = truth[resource.digital_id]
            corners = np.array(known.corners).reshape(4, 2) * picture.size
            yield Case(resource.digital_id, "generated", pack(np.array(picture), 85), corners)


def laid_cases(count: int) -> Iterator[Case]:
    """Lay crops of the unmounted real prints on boards: tilt, uneven sheets, light, grain, JPEG."""
    names = [case for case in real_cases() if case.kind == "unmounted"]
    boards = {"black": (26, 20, 17), "white": (250, 250, 248), "grey": (142, 139, 133)}
    boards |= {"paper": (226, 213, 186)}
    for number in range(count):
        rng = np.random.default_rng([4, number])
        case = names[int(rng.integers(len(names)))]
        with Image.open(io.BytesIO(case.packed)) as image:
            picture = np.array(image.convert("RGB"))
        height, width = picture.shape[:2]
        (y0, x0), (y1, x1) = rng.uniform(0, 0.2, 2), rng.uniform(0.8, 1, 2)
        picture = picture[int(y0 * height) : int(y1 * height), int(x0 * width) : int(x1 * width)]
        if rng.random() < 0.2:
            picture = (picture * rng.uniform(0.25, 0.6)).astype(np.uint8)
        name = str(rng.choice(list(boards)))
        colour = np.array(boards[name]) + rng.normal(0, 3, 3)
        if number % 2:
            rim = np.concatenate([picture[:12].reshape(-1, 3), picture[:, :12].reshape(-1, 3)])
            level = rng.choice([5, 20, 50, 80, 95])
            colour = np.percentile(rim, level, axis=0) + rng.normal(0, rng.choice([1, 4, 10]), 3)
        scan, corners = lay(picture, colour, rng)
        kind = "laid_alike" if number % 2 else "laid"
        yield Case(f"{number}-{name}", kind, pack(scan, int(rng.integers(70, 95))), corners)


def lay(
    picture: np.ndarray, colour: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Lay a picture on a board; return the scan and the true corners."""
    height, width = picture.shape[:2]
    low, high = np.log(0.008), np.log(0.14)
    shares = np.exp(rng.uniform(low, high, 4 if rng.random() < 0.5 else 1)) * np.ones(4)
    top, right, bottom, left = np.maximum(6, shares * max(height, width)).astype(int)
    size = (left + width + right, top + height + bottom)
    frame = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    turn = np.deg2rad(np.clip(rng.normal(0, 0.5), -1.6, 1.6))
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = frame.mean(axis=0)
    corners = (frame - middle) @ matrix.T + middle + (left, top)
    corners += rng.normal(0, 0.0025 * max(width, height), (4, 2))
    corners = np.clip(corners, 3, np.array(size) - 3).astype(np.float32)
    warp = cv2.getPerspectiveTransform(frame.astype(np.float32) - 0.5, corners - 0.5)
    laid = cv2.warpPerspective(picture, warp, size, borderMode=cv2.BORDER_REPLICATE)
    mask = np.zeros(size[::-1], np.uint8)
    cv2.fillConvexPoly(mask, np.rint((corners - 0.5) * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
    share = mask[..., None] / 255
    light = cv2.resize(
        rng.normal(0, rng.uniform(0, 3), (3, 4)), size, interpolation=cv2.INTER_CUBIC
    )
    fibres = cv2.GaussianBlur(rng.normal(0, rng.uniform(1, 8), size[::-1]), (0, 0), 1)
    board = colour + (light + fibres)[..., None]
    if rng.random() < 0.5:
        near = cv2.GaussianBlur(share, (0, 0), rng.uniform(1, 4))
        board = board * (1 - rng.uniform(0, 0.35) * near[..., None])
    scan = board * (1 - share) + laid * share
    scan = cv2.GaussianBlur(scan, (0, 0), rng.uniform(0.4, 0.9))
    return np.clip(scan + rng.normal(0, 1, scan.shape), 0, 255).astype(np.uint8), corners


def pack(picture: np.ndarray, quality: int) -> bytes:
    """Pack a picture as JPEG."""
    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "JPEG", quality=quality)
    return packed.getvalue()


def overlap(found: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two convex quadrilaterals."""
    found, truth = found.astype(np.float32), truth.astype(np.float32)
    shared = cv2.intersectConvexConvex(found, truth)[0]
    return float(shared / (cv2.contourArea(found) + cv2.contourArea(truth) - shared))


def summarise(cases: list[Case], borders: list[Border]) -> dict[str, Any]:
    """Measure the borders of one set."""
    away, furthest, shares, spans = [], [], [], []
    for case, border in zip(cases, borders, strict=True):
        with Image.open(io.BytesIO(case.packed)) as image:
            diagonal = float(np.hypot(*image.size))
        distance = np.linalg.norm(border.corners - case.corners, axis=1)
        away.append(distance / diagonal)
        furthest.append(float(distance.max()))
        shares.append(overlap(border.corners, case.corners))
        spans.append(diagonal)
    worst = np.array([errors.max() for errors in away])
    flagged = np.array([border.confidence < MIN_CONFIDENCE for border in borders])
    bad = worst > BAD
    return {
        "scans": len(cases),
        "corner_error_px_max": round(max(furthest), 2),
        "corner_error_share_mean": round(float(np.mean(away)), 6),
        "corner_error_share_p95": round(float(np.percentile(away, 95)), 6),
        "worst_corner_share_p95": round(float(np.percentile(worst, 95)), 6),
        "iou_mean": round(float(np.mean(shares)), 5),
        "iou_min": round(min(shares), 5),
        "bad": int(bad.sum()),
        "flagged": int(flagged.sum()),
        "bad_and_flagged": int((bad & flagged).sum()),
        "bad_names": [case.name for case, is_bad in zip(cases, bad, strict=True) if is_bad],
    }


def draw(cases: list[Case], borders: list[Border], out: Path) -> None:
    """Draw the outlines on sheets of eighteen."""
    columns, side = 6, 340
    for first in range(0, len(cases), 18):
        sheet = Image.new("RGB", (columns * side, 3 * side), "white")
        for place, (case, border) in enumerate(
            zip(cases[first : first + 18], borders[first : first + 18], strict=True)
        ):
            picture = Image.open(io.BytesIO(case.packed)).convert("RGB")
            outline = [tuple(corner) for corner in border.corners]
            ImageDraw.Draw(picture).line([*outline, outline[0]], fill=(255, 0, 200), width=3)
            picture.thumbnail((side - 8, side - 30))
            at = (place % columns * side, place // columns * side)
            sheet.paste(picture, at)
            note = f"{case.name[:40]} {border.mount} {border.confidence:.2f}"
            ImageDraw.Draw(sheet).text((at[0] + 4, at[1] + side - 24), note, fill="black")
        sheet.save(out / f"crop_{first // 18 + 1}.jpg", quality=88)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=70)
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--laid", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--draw", type=Path)
    wanted = parser.parse_args()
    cases = [*real_cases(), *generated_cases(wanted.items, wanted.seed), *laid_cases(wanted.laid)]
    scans = [decode(case) for case in cases]
    runs, borders = [], list[Border]()
    for number in range(wanted.runs):
        start = time.process_time()
        borders = [find_border(scan, min_confidence=MIN_CONFIDENCE) for scan in scans]
        cpu_ms = 1000 * (time.process_time() - start) / len(scans)
        runs.append(
            {"run": number + 1, "cpu_ms_per_scan": round(cpu_ms, 1), "sets": by_set(cases, borders)}
        )
    median = median_of(runs)
    write_record(
        "crop_truth",
        packages=("numpy", "opencv-python-headless"),
        settings={
            "items": wanted.items,
            "seed": wanted.seed,
            "laid": wanted.laid,
            "min_confidence": MIN_CONFIDENCE,
            "bad_from_share_of_diagonal": BAD,
        },
        runs=runs,
        median=median,
    )
    print(json.dumps(median, indent=1))
    if wanted.draw:
        real = [place for place, case in enumerate(cases) if case.kind in ("labelled", "unmounted")]
        draw([cases[i] for i in real], [borders[i] for i in real], wanted.draw)


def by_set(cases: list[Case], borders: list[Border]) -> dict[str, dict[str, Any]]:
    """Measure each set."""
    sets = {}
    for kind in dict.fromkeys(case.kind for case in cases):
        chosen = [place for place, case in enumerate(cases) if case.kind == kind]
        sets[kind] = summarise([cases[i] for i in chosen], [borders[i] for i in chosen])
    return sets


def decode(case: Case) -> np.ndarray:
    """Decode a case as the crop stage would."""
    if case.kind in ("labelled", "unmounted"):
        return read_rgb(PRINTS / case.name)
    with Image.open(io.BytesIO(case.packed)) as image:
        return np.array(image.convert("RGB"))


def median_of(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Take the median run of every figure; only the time varies, and another change would show."""
    sets = {
        kind: {
            name: statistics.median(run["sets"][kind][name] for run in runs)
            for name, value in figures.items()
            if isinstance(value, int | float)
        }
        for kind, figures in runs[0]["sets"].items()
    }
    cpu_ms = statistics.median(run["cpu_ms_per_scan"] for run in runs)
    return {"cpu_ms_per_scan": cpu_ms, "sets": sets}


if __name__ == "__main__":
    main()
