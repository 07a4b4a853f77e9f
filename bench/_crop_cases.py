"""The cases on which the crop is learned, calibrated and measured: real, generated, made up.

Prints and seeds are kept apart: the weights are learned on the first half of the real prints,
calibration and report use the other half, and no generated print is in two sets.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from zlib import crc32

import numpy as np
from _mounts import compose, pack
from PIL import Image

from replica.catalogue import list_rows
from replica.press import draw_print
from replica.records import DrawnScan
from replica.scan import draw_scan
from replica.truth import find_truth

HERE = Path(__file__).resolve().parent
PRINTS = HERE.parents[1] / "shared" / "photochroms"

LEARN: Final = 0
"""Real prints of even place in the list of those without a mount."""

TEST: Final = 1
"""The others."""


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
            corners = whole(*image.size)
        kind = "unmounted"
        if path.name in labels:
            corners, kind = np.array(labels[path.name], float).reshape(4, 2), "labelled"
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


def real_prints(half: int) -> list[np.ndarray]:
    """Decode half of the real prints without a mount."""
    bare = [case for case in real_cases() if case.kind == "unmounted"]
    return [decode(case) for case in bare[half::2]]


def drawn_prints(items: int, seed: int) -> list[np.ndarray]:
    """Draw generated prints, one an item."""
    drawn = []
    for row in list_rows(items, seed):
        scans = [resource.scan for resource in row.resources]
        scan = next((one for one in scans if isinstance(one, DrawnScan) and not one.rescan), None)
        if scan is not None:
            drawn.append(draw_print(scan.sheet, 1024, caption=True))
    return drawn


def composites(
    prints: Sequence[np.ndarray], kinds: Sequence[str], *, each: int, seed: int
) -> Iterator[Case]:
    """Lay parts of prints on mounts, or on none.

    Args:
        prints: Pictures to choose from.
        kinds: Of `_mounts.KINDS`, or "none".
        each: Cases of each kind.
        seed: Another one gives other cases.
    """
    for kind in kinds:
        for number in range(each):
            rng = np.random.default_rng([seed, crc32(kind.encode()), number])
            picture = prints[int(rng.integers(len(prints)))]
            height, width = picture.shape[:2]
            (y0, x0), (y1, x1) = rng.uniform(0, 0.2, 2), rng.uniform(0.8, 1, 2)
            if rng.random() < 0.1:  # a panorama
                y1 = y0 + rng.uniform(0.4, 0.6)
            part = picture[int(y0 * height) : int(y1 * height), int(x0 * width) : int(x1 * width)]
            if kind == "none":
                scan, corners = part, whole(part.shape[1], part.shape[0])
            else:
                scan, corners = compose(part, kind, rng)
            yield Case(f"{kind}-{number}", kind, pack(scan, int(rng.integers(70, 96))), corners)


def vary(cases: Sequence[Case], seed: int) -> Iterator[Case]:
    """Make some cases grey or of another size, as negatives and other services have them."""
    rng = np.random.default_rng(seed)
    for case in cases:
        if rng.random() > 0.3:
            yield case
            continue
        picture = Image.fromarray(decode(case))
        corners = case.corners
        if rng.random() < 0.3:
            picture = picture.convert("L").convert("RGB")
        if rng.random() < 0.6:
            before = np.array(picture.size)
            share = rng.choice([512, 640, 800, 1400]) / max(before)
            picture = picture.resize(tuple(np.rint(before * share).astype(int)))
            corners = corners * picture.size / before
        packed = pack(np.array(picture), int(rng.integers(75, 96)))
        yield Case(case.name, case.kind, packed, corners)


def whole(width: float, height: float) -> np.ndarray:
    """Return the corners of a scan."""
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], float)


def decode(case: Case) -> np.ndarray:
    """Decode a case."""
    with Image.open(io.BytesIO(case.packed)) as image:
        return np.array(image.convert("RGB"))


def overlap(found: np.ndarray, truth: np.ndarray) -> float:
    """Intersection over union of two convex quadrilaterals, clockwise from the top-left.

    By Sutherland and Hodgman's clipping: OpenCV's intersectConvexConvex errs where sides coincide.
    """
    shared = [np.asarray(corner, float) for corner in found]
    for place in range(4):
        start, along = truth[place], truth[(place + 1) % 4] - truth[place]
        inside = [_cross(along, corner - start) for corner in shared]
        clipped = []
        for number, corner in enumerate(shared):
            before, depth, depth_before = shared[number - 1], inside[number], inside[number - 1]
            if (depth >= 0) != (depth_before >= 0):
                clipped.append(before + (corner - before) * depth_before / (depth_before - depth))
            if depth >= 0:
                clipped.append(corner)
        shared = clipped
    common = _area(np.array(shared)) if shared else 0.0
    return common / (_area(found) + _area(truth) - common)


def _cross(first: np.ndarray, second: np.ndarray) -> float:
    return float(first[0] * second[1] - first[1] * second[0])


def _area(corners: np.ndarray) -> float:
    after = np.roll(corners, -1, axis=0).astype(float)
    return float(abs((corners[:, 0] * after[:, 1] - corners[:, 1] * after[:, 0]).sum()) / 2)
