"""How well `preprocess.caption` finds the printed caption: on real prints and generated ones.

Five sets: the real prints of ../shared with the labels of captions.tsv; the same cut higher up, so
that buildings, fences and people lie low in the picture; the same with captions set in several
faces and inks; negatives of no caption among them; and the replica's scans. The net was trained on
one half of the real prints, chosen by the hash of the file's name; every figure is given for that
half, the other and both. Lettering that is cut off or hardly to be seen is left out, found or not.

Run it from the repository: `python bench/caption_truth.py`; it writes
bench/results/caption_truth.json, and with --draw what was missed and what was wrongly found.
"""

import argparse
import json
import statistics
import time
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from _captions import Case, cut_cases, generated_cases, lettered_cases, real_cases, stand
from _record import write_record
from PIL import Image, ImageDraw

from preprocess.caption import find_caption

Box = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Tally:
    """What came of some scans; `covered` and `spare` are of the captions found."""

    scans: int
    captions: int
    found: int
    """Captions of which a quarter or more lies in the box, a third or more of which is theirs."""
    missed: int
    wrong: int
    """Boxes where there is no caption, or beside it."""
    precision: float | None
    recall: float | None
    covered_mean: float | None
    """Part of the lettering's extent within the box."""
    covered_90: float | None
    """Part of the captions found of which 90 % or more is covered."""
    spare_mean: float | None
    """Area of the box over the lettering's."""


def is_tuned(name: str) -> bool:
    """Say whether a print belongs to the half that the net was trained on."""
    return zlib.crc32(name.encode()) % 2 == 0


def print_of(case: Case) -> str:
    """Name the print that a case was made of."""
    return case.name.split("#")[0].split("@")[0]


def share_of(box: Box, other: Box) -> float:
    """Return the part of a box that lies in another."""
    left, top = max(box[0], other[0]), max(box[1], other[1])
    right, bottom = min(box[2], other[2]), min(box[3], other[3])
    area = (box[2] - box[0]) * (box[3] - box[1])
    return max(0.0, right - left) * max(0.0, bottom - top) / area


def is_right(case: Case, box: Box) -> bool:
    """Say whether a box is the caption's."""
    return bool(box) and share_of(case.box, box) >= 0.25 and share_of(box, case.box) >= 1 / 3


def count(cases: list[Case], boxes: list[Box]) -> Tally:
    """Count what was found in some scans."""
    pairs = [(c, b) for c, b in zip(cases, boxes, strict=True) if c.kind != "remnant"]
    right = [(case, box) for case, box in pairs if case.box and is_right(case, box)]
    given = sum(1 for _, box in pairs if box)
    captions = sum(1 for case, _ in pairs if case.box)
    covered = [share_of(case.box, box) for case, box in right]
    spare = [1 / max(share_of(box, case.box), 1e-6) for case, box in right]
    return Tally(
        scans=len(pairs),
        captions=captions,
        found=len(right),
        missed=captions - len(right),
        wrong=given - len(right),
        precision=round(len(right) / given, 4) if given else None,
        recall=round(len(right) / captions, 4) if captions else None,
        covered_mean=round(float(np.mean(covered)), 4) if covered else None,
        covered_90=round(float(np.mean(np.array(covered) >= 0.9)), 4) if covered else None,
        spare_mean=round(float(np.mean(spare)), 3) if spare else None,
    )


def by_half(cases: list[Case], boxes: list[Box]) -> dict[str, dict[str, Any]]:
    """Count on the half that was trained on, the other and both."""
    tuned = [is_tuned(print_of(case)) for case in cases]
    halves = {"all": [True] * len(cases), "trained": tuned, "held_out": [not t for t in tuned]}
    return {
        half: asdict(
            count(
                [case for case, chosen in zip(cases, mask, strict=True) if chosen],
                [box for box, chosen in zip(boxes, mask, strict=True) if chosen],
            )
        )
        for half, mask in halves.items()
    }


def draw(cases: list[Case], boxes: list[Box], out: Path) -> None:
    """Draw the truth in green and what was found in red, twelve strips to a sheet."""
    height = 140
    for first in range(0, len(cases), 12):
        shown = list(zip(cases, boxes, strict=True))[first : first + 12]
        sheet = Image.new("RGB", (1536, len(shown) * height), "white")
        for place, (case, box) in enumerate(shown):
            upright = stand(case)
            tall, wide = upright.shape[:2]
            scale = 1536 / wide
            strip = Image.fromarray(upright).resize((1536, round(tall * scale)))
            pen = ImageDraw.Draw(strip)
            for edges, colour in ((case.box, "lime"), (box, "red")):
                if edges:
                    pen.rectangle(
                        [e * s for e, s in zip(edges, strip.size * 2, strict=True)], outline=colour
                    )
            sheet.paste(
                strip.crop((0, strip.height - 122, 1536, strip.height)), (0, place * height + 16)
            )
            ImageDraw.Draw(sheet).text((4, place * height + 2), case.name, fill="black")
        sheet.save(out / f"captions_{first // 12 + 1}.png")


def is_odd(case: Case, box: Box) -> bool:
    """Say whether a case is worth a look: missed, or wrongly found."""
    if case.kind == "remnant":
        return False
    return not is_right(case, box) if case.box else bool(box)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=120)
    parser.add_argument("--seed", type=int, default=21)
    parser.add_argument("--each", type=int, default=4)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--draw", type=Path)
    wanted = parser.parse_args()
    cv2.setNumThreads(1)
    sets = {
        "real": real_cases(),
        "cut": list(cut_cases()),
        "lettered": list(lettered_cases(wanted.each)),
        "generated": list(generated_cases(wanted.items, wanted.seed)),
    }
    boxes, times = {}, []
    for _ in range(wanted.runs):
        start = time.process_time()
        boxes = {
            name: [find_caption(case.rgb, case.corners) for case in cases]
            for name, cases in sets.items()
        }
        spent = time.process_time() - start
        times.append(round(1000 * spent / sum(map(len, sets.values())), 2))
    figures = {name: by_half(cases, boxes[name]) for name, cases in sets.items()}
    together = [case for cases in sets.values() for case in cases]
    figures["together"] = by_half(together, [box for found in boxes.values() for box in found])
    write_record(
        "caption_truth",
        packages=("numpy", "opencv-python-headless"),
        settings={"items": wanted.items, "seed": wanted.seed, "each": wanted.each},
        runs=[{"run": n + 1, "cpu_ms_per_scan": value} for n, value in enumerate(times)],
        median={"cpu_ms_per_scan": statistics.median(times)},
        sets=figures,
    )
    print(json.dumps({"cpu_ms_per_scan": times, **figures}, indent=1))
    if wanted.draw:
        odd = [
            (c, b)
            for name in sets
            for c, b in zip(sets[name], boxes[name], strict=True)
            if is_odd(c, b)
        ]
        draw([case for case, _ in odd], [box for _, box in odd], wanted.draw)


if __name__ == "__main__":
    main()
