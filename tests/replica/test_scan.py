import hashlib
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from replica import scan as scan_module
from replica.catalogue import item_row, list_rows
from replica.records import DrawnScan, Print, Role
from replica.scan import draw_scan
from replica.sheet import Mount
from replica.truth import find_truth, homography

PIXELS = 320
ROOT = Path(__file__).resolve().parents[2]


def _scans(items: int, seed: int) -> dict[str, DrawnScan]:
    rows = list_rows(items, seed)
    pairs = [(r.digital_id, r.scan) for row in rows for r in row.resources]
    return {name: scan for name, scan in pairs if isinstance(scan, DrawnScan)}


def _digest(scan: DrawnScan) -> str:
    return hashlib.sha256(draw_scan(scan, PIXELS).tobytes()).hexdigest()


def test_a_scan_is_the_same_pixels_in_another_process() -> None:
    scans = _scans(40, 11)
    names = [*list(scans)[:3], next(n for n in scans if n.startswith("cph"))]
    program = (
        "import sys, hashlib\n"
        "from replica.catalogue import list_rows\n"
        "from replica.scan import draw_scan\n"
        "scans = {r.digital_id: r.scan for row in list_rows(41, 11) for r in row.resources}\n"
        f"for name in {names!r}:\n"
        f"    pixels = draw_scan(scans[name], {PIXELS})\n"
        "    sys.stdout.write(hashlib.sha256(pixels.tobytes()).hexdigest() + '\\n')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [_digest(scans[name]) for name in names]


def test_another_seed_gives_another_print() -> None:
    one, two = item_row(1, 0).resources[0].scan, item_row(2, 0).resources[0].scan
    assert isinstance(one, DrawnScan)
    assert isinstance(two, DrawnScan)
    assert _digest(one) != _digest(two)


def test_the_true_corners_bound_the_sheet_that_was_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = list_rows(40, 4)
    truth = find_truth(rows, pixels=PIXELS)
    tones = {"white": 255, "black": 0}
    mounts = set()
    for name, scan in _scans(40, 4).items():
        drawn = {}
        for tone, value in tones.items():

            def plain(sheet: Print, pixels: int, *, caption: bool, value: int = value) -> object:
                from replica.press import print_size

                width, height = print_size(sheet, pixels)
                return np.full((height, width, 3), value, np.uint8)

            monkeypatch.setattr(scan_module, "draw_print", plain)
            pixels = draw_scan(scan, PIXELS)
            drawn[tone] = (pixels if pixels.ndim == 2 else pixels[..., 0]).astype(int)
        found = drawn["white"] - drawn["black"] > 90
        height, width = found.shape
        corners = np.array(truth[name].corners).reshape(4, 2) * (width, height) - 0.5
        expected = np.zeros((height, width), np.uint8)
        cv2.fillConvexPoly(expected, np.rint(corners * 16).astype(np.int32), 1, cv2.LINE_8, 4)
        union = np.count_nonzero(found | (expected > 0))
        assert np.count_nonzero(found & (expected > 0)) / union > 0.985, name
        mounts.add(truth[name].mount)
    assert mounts == set(Mount)


def test_the_true_homography_takes_a_colour_scan_to_its_negative() -> None:
    rows = list_rows(40, 7)
    truth = find_truth(rows, pixels=512)
    scans = _scans(40, 7)
    pairs = [row.resources for row in rows if any(r.role == Role.NEGATIVE for r in row.resources)]
    for colour, negative in pairs[:4]:
        one = cv2.cvtColor(draw_scan(scans[colour.digital_id], 512), cv2.COLOR_RGB2GRAY)
        two = draw_scan(scans[negative.digital_id], 512)
        matrix = homography(truth[colour.digital_id], truth[negative.digital_id])
        to_one = np.diag([1 / one.shape[1], 1 / one.shape[0], 1.0])
        to_two = np.diag([two.shape[1], two.shape[0], 1.0])
        size = (two.shape[1], two.shape[0])
        warped = cv2.warpPerspective(one, to_two @ matrix @ to_one, size)
        rows_, columns = (slice(n // 6, -n // 6) for n in two.shape)
        inner = [np.ravel(cv2.blur(a, (3, 3))[rows_, columns]) for a in (warped, two)]
        assert np.corrcoef(inner[0].astype(float), inner[1].astype(float))[0, 1] > 0.85


def test_a_homography_between_two_views_is_refused() -> None:
    truth = list(find_truth(list_rows(3, 7), pixels=PIXELS).values())
    with pytest.raises(ValueError, match="expected scans of one view"):
        homography(truth[0], next(t for t in truth if t.view_id != truth[0].view_id))


def test_a_copy_negative_is_grey_and_a_print_is_not() -> None:
    for scan in list(_scans(14, 3).values()):
        pixels = draw_scan(scan, PIXELS)
        assert pixels.ndim == (2 if scan.role == Role.NEGATIVE else 3)
