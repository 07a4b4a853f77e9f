"""How well `preprocess.border` finds the print: against labels, generated truth and composites.

The sets: the labelled real prints of ../shared, the real prints there without a mount, the scans
of the replica, and composites of real and of generated prints on mounts of every kind, none of
them used to learn the weights. Run it from the repository: `python bench/crop_truth.py`. It writes
bench/results/crop_truth.json; with --draw also the outlines of all real prints and of the worst
composites.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from _crop_cases import (
    TEST,
    Case,
    composites,
    decode,
    drawn_prints,
    generated_cases,
    overlap,
    real_cases,
    real_prints,
)
from _mounts import KINDS
from _record import write_record
from PIL import Image, ImageDraw

from preprocess.border import Border, find_border
from preprocess.calibration import GOOD

MIN_CONFIDENCE = 0.8
BINS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 1.0)
"""Bounds of the reliability table: most confidences are high."""


def all_cases(each: int, *, items: int, seed: int) -> Iterator[Case]:
    """Make the cases of the report."""
    yield from real_cases()
    yield from generated_cases(items, seed)
    for source, prints, seed_ in (
        ("real", real_prints(TEST), seed + 10),
        ("generated", drawn_prints(60, 999), seed + 11),
    ):
        for case in composites(prints, (*KINDS, "none"), each=each, seed=seed_):
            yield Case(f"{source}-{case.name}", case.kind, case.packed, case.corners)


def measure(case: Case, border: Border) -> dict[str, float]:
    """Measure one border."""
    height, width = decode(case).shape[:2]
    away = np.linalg.norm(border.corners - case.corners, axis=1)
    return {
        "iou": overlap(border.corners, case.corners),
        "px": float(away.max()),
        "share": float(away.max() / np.hypot(width, height)),
        "cut": 1 - float(cv2.contourArea(border.corners)) / (width * height),
        "confidence": border.confidence,
    }


def summarise(measured: Sequence[dict[str, float]]) -> dict[str, Any]:
    """Sum up one set."""
    column = {name: np.array([one[name] for one in measured]) for name in measured[0]}
    flagged = column["confidence"] < MIN_CONFIDENCE
    return {
        "scans": len(measured),
        "iou_mean": round(float(column["iou"].mean()), 5),
        "iou_min": round(float(column["iou"].min()), 5),
        "below_097": int((column["iou"] < GOOD).sum()),
        "below_095": int((column["iou"] < 0.95).sum()),
        "corner_px_median": round(float(np.median(column["px"])), 2),
        "corner_px_max": round(float(column["px"].max()), 2),
        "corner_share_p95": round(float(np.percentile(column["share"], 95)), 5),
        "area_cut_mean": round(float(column["cut"].mean()), 5),
        "area_cut_max": round(float(column["cut"].max()), 5),
        "flagged": int(flagged.sum()),
        "flagged_below_097": int((flagged & (column["iou"] < GOOD)).sum()),
    }


def by_set(cases: list[Case], measured: list[dict[str, float]]) -> dict[str, dict[str, Any]]:
    """Sum up each set, each kind of composite, and all composites together."""
    named: dict[str, list[dict[str, float]]] = {}
    for case, one in zip(cases, measured, strict=True):
        if case.kind in ("labelled", "unmounted", "generated"):
            named.setdefault(case.kind, []).append(one)
        elif case.kind == "none":
            named.setdefault("parts without a mount", []).append(one)
        else:
            for name in ("composites", f"composites: {case.kind}"):
                named.setdefault(name, []).append(one)
            source = case.name.split("-")[0]
            named.setdefault(f"composites of {source} prints", []).append(one)
    return {name: summarise(ones) for name, ones in named.items()}


def reliability(measured: Sequence[dict[str, float]]) -> list[list[float]]:
    """Compare confidence with what came true: mean confidence, share good, count of each bin."""
    confidence = np.array([one["confidence"] for one in measured])
    good = np.array([one["iou"] >= GOOD for one in measured])
    place = np.clip(np.searchsorted(BINS, confidence, side="right") - 1, 0, len(BINS) - 2)
    return [
        [
            round(float(confidence[place == one].mean()), 4),
            round(float(good[place == one].mean()), 4),
            int((place == one).sum()),
        ]
        for one in range(len(BINS) - 1)
        if (place == one).any()
    ]


def draw(cases: Sequence[Case], borders: Sequence[Border], out: Path, *, name: str) -> None:
    """Draw the outlines, found in magenta over true in green, on sheets of eighteen."""
    columns, side = 6, 340
    for first in range(0, len(cases), 18):
        sheet = Image.new("RGB", (columns * side, 3 * side), "white")
        shown = zip(cases[first : first + 18], borders[first : first + 18], strict=True)
        for place, (case, border) in enumerate(shown):
            picture = Image.fromarray(decode(case))
            pen = ImageDraw.Draw(picture)
            for corners, ink in ((case.corners, (0, 200, 0)), (border.corners, (255, 0, 200))):
                outline = [tuple(corner) for corner in corners]
                pen.line([*outline, outline[0]], fill=ink, width=3)
            picture.thumbnail((side - 8, side - 30))
            at = (place % columns * side, place // columns * side)
            sheet.paste(picture, at)
            note = f"{case.name[:34]} {border.mount} {border.confidence:.2f}"
            note += f" {overlap(border.corners, case.corners):.3f}"
            ImageDraw.Draw(sheet).text((at[0] + 4, at[1] + side - 24), note, fill="black")
        sheet.save(out / f"{name}_{first // 18 + 1}.png")


def run_once(scans: Sequence[np.ndarray]) -> tuple[list[Border], float]:
    """Find the border of every scan; return also the CPU time of each, in ms."""
    start = time.process_time()
    borders = [find_border(scan, min_confidence=MIN_CONFIDENCE) for scan in scans]
    return borders, 1000 * (time.process_time() - start) / len(scans)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", type=int, default=20)
    parser.add_argument("--items", type=int, default=70)
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--draw", type=Path)
    wanted = parser.parse_args()
    cv2.setNumThreads(1)
    cases = list(all_cases(wanted.each, items=wanted.items, seed=wanted.seed))
    scans = [decode(case) for case in cases]
    runs, borders, measured = [], list[Border](), list[dict[str, float]]()
    for number in range(wanted.runs):
        borders, cpu_ms = run_once(scans)
        measured = [measure(case, one) for case, one in zip(cases, borders, strict=True)]
        sets = by_set(cases, measured)
        runs.append({"run": number + 1, "cpu_ms_per_scan": round(cpu_ms, 1), "sets": sets})
    write_record(
        "crop_truth",
        packages=("numpy", "opencv-python-headless"),
        settings={**vars(wanted), "draw": None, "min_confidence": MIN_CONFIDENCE, "good": GOOD},
        runs=runs,
        median=median_of(runs),
        reliability=reliability(measured),
        worst=name_worst(cases, measured),
    )
    print(json.dumps({"median": median_of(runs), "reliability": reliability(measured)}, indent=1))
    if wanted.draw:
        order = np.argsort([one["iou"] for one in measured])[:36]
        draw([cases[i] for i in order], [borders[i] for i in order], wanted.draw, name="worst")
        draw(cases[:70], borders[:70], wanted.draw, name="real")


def name_worst(cases: list[Case], measured: list[dict[str, float]]) -> list[list[Any]]:
    """Name the twelve worst: name, intersection over union, confidence."""
    order = np.argsort([one["iou"] for one in measured], kind="stable")[:12]
    return [
        [cases[i].name, round(measured[i]["iou"], 4), round(measured[i]["confidence"], 3)]
        for i in order
    ]


def median_of(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Take the median run of every figure; only the time varies, and another change would show."""
    sets = {
        kind: {name: statistics.median(run["sets"][kind][name] for run in runs) for name in figures}
        for kind, figures in runs[0]["sets"].items()
    }
    cpu_ms = statistics.median(run["cpu_ms_per_scan"] for run in runs)
    return {"cpu_ms_per_scan": cpu_ms, "sets": sets}


if __name__ == "__main__":
    main()
