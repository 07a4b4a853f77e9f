"""Scans with and without a caption, and where the caption is: read, drawn and generated."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from _lettering import FAINT, compose, contrast, letter, repack
from PIL import Image

from preprocess.geometry import print_size, quad_homography
from preprocess.rectify import rectify
from preprocess.register import map_points
from replica.catalogue import list_rows
from replica.chance import rng_of
from replica.press import draw_print
from replica.press import print_size as drawn_size
from replica.records import DrawnScan, Role
from replica.scan import draw_scan
from replica.sheet import plan_sheet

HERE = Path(__file__).resolve().parent
PRINTS = HERE.parents[1] / "shared" / "photochroms"

SHOWN: Final = 0.75
"""Least part of the lettering's height within the scan for the caption to be whole."""


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A scan, its print's corners, and the caption's box in shares of the print, () for none.

    `kind` is `none`, `whole` or `remnant`, lettering that is cut off or can hardly be seen:
    finding it is no error and missing it is none.
    """

    name: str
    source: str
    rgb: np.ndarray
    corners: np.ndarray
    box: tuple[float, ...]
    kind: str


def real_cases() -> list[Case]:
    """Read the real prints with the labels of captions.tsv."""
    corners = read_corners()
    cases = []
    for line in (HERE / "captions.tsv").read_text().splitlines()[1:]:
        name, *edges, kind = line.split("\t")
        rgb = np.array(Image.open(PRINTS / name).convert("RGB"))
        box = tuple(float(edge) for edge in edges if edge)
        cases.append(Case(name, "real", rgb, corners.get(name, whole(rgb)), box, kind))
    return cases


def read_corners() -> dict[str, np.ndarray]:
    """Read the labelled corners of the real prints that show a mount."""
    lines = (PRINTS / "crops.tsv").read_text().splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    return {name: np.array(eight, np.float32).reshape(4, 2) for name, *eight in rows}


def whole(rgb: np.ndarray) -> np.ndarray:
    """Give the corners of a scan itself."""
    height, width = rgb.shape[:2]
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)


def cut_cases(shares: tuple[float, ...] = (0.55, 0.7, 0.85)) -> Iterator[Case]:
    """Cut the real prints higher up: buildings, fences and people low in the picture, no caption.

    The part that is left is stretched to no size: letters would be as large as on the whole print.
    """
    for case in real_cases():
        if case.kind != "none":
            continue
        upright = stand(case)
        for share in shares:
            rows = round(share * upright.shape[0])
            part = np.ascontiguousarray(upright[:rows])
            yield Case(f"{case.name}@{share}", "cut", part, whole(part), (), "none")


def lettered_cases(each: int) -> Iterator[Case]:
    """Set captions on the real prints that have none: six faces, five inks, JPEG."""
    for case in real_cases():
        if case.kind != "none":
            continue
        title = title_of(case.name)
        for number in range(each):
            rng = np.random.default_rng([7, number, *case.name.encode()])
            upright = stand(case)
            unit = max(upright.shape) / 1024
            picture, box, seen = letter(upright, compose(title, rng), rng, unit=unit)
            kind = "whole" if int(seen.split("-")[1]) >= FAINT else "remnant"
            name = f"{case.name}#{number}-{seen}"
            yield Case(name, "lettered", picture, whole(picture), box, kind)


def title_of(name: str) -> str:
    """Make a title of a file's name."""
    return name.removesuffix(".jpg").split("-", 2)[-1].replace("-", " ").upper()


def stand(case: Case) -> np.ndarray:
    """Lay the print of a case upright."""
    if np.array_equal(case.corners, whole(case.rgb)):
        return case.rgb
    width, height = print_size(case.corners)
    return rectify(case.rgb, case.corners, width=round(width), height=round(height))


def generated_cases(items: int, seed: int) -> Iterator[Case]:
    """Draw the replica's scans as the Library serves them: 1,024 px, JPEG."""
    for row in list_rows(items, seed):
        for resource in row.resources:
            if isinstance(resource.scan, DrawnScan):
                yield generated_case(resource.digital_id, resource.scan, 1280)


def generated_case(name: str, scan: DrawnScan, pixels: int) -> Case:
    """Draw one of the replica's scans; the caption is what differs from the print without it."""
    plan = plan_sheet(scan, pixels=pixels)
    picture = Image.fromarray(draw_scan(scan, pixels)).convert("RGB")
    before = np.array(picture.size)
    picture.thumbnail((1024, 1024), Image.Resampling.LANCZOS)
    corners = (plan.corners * (np.array(picture.size) / before)).astype(np.float32)
    box, kind = find_lettering(scan, plan.frame, corners=plan.corners, pixels=pixels)
    return Case(name, "generated", repack(np.array(picture), 85), corners, box, kind)


def find_lettering(
    scan: DrawnScan, frame: np.ndarray, *, corners: np.ndarray, pixels: int
) -> tuple[tuple[float, ...], str]:
    """Find the caption of a generated scan in shares of its print, and whether it is whole."""
    if scan.role == Role.NEGATIVE and not has_caption(scan):
        return (), "none"
    lettered = draw_print(scan.sheet, pixels, caption=True)
    bare = draw_print(scan.sheet, pixels, caption=False)
    changed = np.abs(lettered.astype(int) - bare).max(-1)
    (y0, x0), (y1, x1) = edges(changed > 10)
    seen = contrast(bare, lettered, changed > 10)
    width, height = drawn_size(scan.sheet, pixels)
    box = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]) / (width, height)
    to_unit = np.linalg.inv(quad_homography(np.float32(corners), width=1, height=1))
    inside = map_points(map_points(box, frame), to_unit)
    left, top = inside.min(0)
    right, bottom = inside.max(0)
    shown = (min(bottom, 1) - top) / (bottom - top)
    if shown <= 0.1:
        return (), "none"
    cut = np.clip([left, top, right, bottom], 0, 1)
    kind = "whole" if shown >= SHOWN and seen >= FAINT else "remnant"
    return tuple(float(edge) for edge in cut), kind


def has_caption(scan: DrawnScan) -> bool:
    """Say whether a copy negative was drawn with the caption, as `draw_scan` decides it."""
    return bool(rng_of(f"{scan.key}/scan").random() < 0.5)


def edges(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give the first and the last row and column that a mask holds; the last exclusive."""
    inked = np.argwhere(mask)
    return inked.min(0), inked.max(0) + 1
