from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from preprocess.images import read_rgb
from preprocess.records import CropReason, CropRow, CropState, Mount
from preprocess.sheets import CELL_HEIGHT, CELL_WIDTH, FLAGGED, write_contact_sheets

Rgb = NDArray[np.uint8]

SURE = CropRow(
    scan_id="a.00",
    role="colour",
    view_id="v",
    group_id="g",
    corners=(40, 30, 440, 30, 440, 310, 40, 310),
    width=480,
    height=350,
    mount=Mount.GREY,
    confidence=0.99,
    flagged=False,
    state=CropState.CROPPED,
    reason=CropReason.NOTHING,
)


@pytest.fixture
def stored(scene: Callable[..., Rgb], store: Callable[[str, Rgb], str]) -> str:
    return store("a", np.full_like(scene(1), 90))


def is_flagged(sheet: Path, place: int) -> bool:
    pixel = read_rgb(sheet)[1, place * CELL_WIDTH + 60].astype(int)
    return bool(np.abs(pixel - FLAGGED).max() < 60)


def test_sheets_hold_forty_two_at_less_than_1280_px(tmp_path: Path, stored: str) -> None:
    crops = [replace(SURE, scan_id=f"a.{number:02d}") for number in range(45)]
    sheets = write_contact_sheets(
        crops, paths={crop.scan_id: stored for crop in crops}, data=tmp_path, out=tmp_path / "s"
    )
    assert [path.name for path in sheets] == ["sheet-0001.jpg", "sheet-0002.jpg"]
    assert 7 * CELL_WIDTH <= 1280
    assert read_rgb(sheets[0]).shape == (6 * CELL_HEIGHT, 7 * CELL_WIDTH, 3)
    assert read_rgb(sheets[1]).shape == (CELL_HEIGHT, 7 * CELL_WIDTH, 3)


def test_the_least_certain_come_first_and_flagged_ones_are_marked(
    tmp_path: Path, stored: str
) -> None:
    crops = [
        SURE,
        replace(SURE, scan_id="a.01", confidence=0.3, flagged=True),
        replace(SURE, scan_id="a.02", confidence=0.9),
        replace(
            SURE, scan_id="a.03", state=CropState.UNREADABLE, corners=(), confidence=0.0,
            flagged=True, width=0, height=0, reason=CropReason.UNREADABLE,
        ),
    ]  # fmt: skip
    paths = {crop.scan_id: stored for crop in crops}
    (sheet,) = write_contact_sheets(crops, paths=paths, data=tmp_path, out=tmp_path / "s")
    assert [is_flagged(sheet, place) for place in range(4)] == [True, True, False, False]


def test_the_outline_is_drawn_where_the_corners_are(tmp_path: Path, stored: str) -> None:
    paths = {"a.00": stored}
    (sheet,) = write_contact_sheets([SURE], paths=paths, data=tmp_path, out=tmp_path / "s")
    cell = read_rgb(sheet)[:150, :CELL_WIDTH].astype(int)
    magenta = (cell[..., 0] - cell[..., 1] > 60) & (cell[..., 2] - cell[..., 1] > 40)
    rows, columns = np.nonzero(magenta)
    scale = 146 / 480
    assert abs(np.ptp(columns) - 400 * scale) < 4
    assert abs(np.ptp(rows) - 280 * scale) < 4


def test_the_same_crops_give_the_same_bytes_and_old_sheets_go(tmp_path: Path, stored: str) -> None:
    crops = [replace(SURE, scan_id=f"a.{number:02d}") for number in range(9)]
    paths = {crop.scan_id: stored for crop in crops}
    out = tmp_path / "s"
    first = write_contact_sheets(crops, paths=paths, data=tmp_path, out=out, columns=2, rows=2)
    content = [path.read_bytes() for path in first]
    assert len(first) == 3
    again = write_contact_sheets(
        crops[::-1], paths=paths, data=tmp_path, out=out, columns=2, rows=2
    )
    assert [path.read_bytes() for path in again] == content
    write_contact_sheets(crops[:1], paths=paths, data=tmp_path, out=out)
    assert [path.name for path in out.iterdir()] == ["sheet-0001.jpg"]


def test_a_scan_that_has_gone_is_shown_as_such(tmp_path: Path) -> None:
    (sheet,) = write_contact_sheets(
        [SURE], paths={"a.00": "scans/gone.jpg"}, data=tmp_path, out=tmp_path / "s"
    )
    middle = read_rgb(sheet)[80, CELL_WIDTH // 2].astype(int)
    assert np.abs(middle - FLAGGED).max() < 30
