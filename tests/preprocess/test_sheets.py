from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from preprocess.images import read_rgb
from preprocess.pages import Card
from preprocess.records import CropReason, CropRow, CropState, Mount
from preprocess.sheets import (
    CAPTION,
    CELL_HEIGHT,
    CELL_WIDTH,
    CORRECTED,
    FLAGGED,
    INSET,
    PAPER,
    SURE,
    THUMBNAIL,
    order_crops,
    write_contact_sheets,
)

Rgb = NDArray[np.uint8]

CROP = CropRow(
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
    caption=(),
    state=CropState.CROPPED,
    reason=CropReason.NOTHING,
)
UNREADABLE = replace(
    CROP, scan_id="a.03", state=CropState.UNREADABLE, corners=(), confidence=0.0, flagged=True,
    width=0, height=0, reason=CropReason.UNREADABLE,
)  # fmt: skip


@pytest.fixture
def stored(scene: Callable[..., Rgb], store: Callable[[str, Rgb], str]) -> Card:
    return Card("Wengen, Jungfrau", store("a", np.full_like(scene(1), 90)), "0" * 64)


def cards_of(crops: list[CropRow], card: Card) -> dict[str, Card]:
    return {crop.scan_id: card for crop in crops}


def is_flagged(sheet: Path, place: int) -> bool:
    pixel = read_rgb(sheet)[2, place * CELL_WIDTH + 60].astype(int)
    return bool(np.abs(pixel - FLAGGED).max() < 60)


def find(sheet: Path, colour: tuple[int, int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and columns of the first thumbnail that are nearer to a colour than to its grey."""
    square = read_rgb(sheet)[INSET : INSET + THUMBNAIL, INSET : INSET + THUMBNAIL].astype(int)
    rows, columns = np.nonzero(
        np.linalg.norm(square - colour, axis=-1) < 0.6 * np.linalg.norm(np.array(colour) - 90)
    )
    return rows, columns


def test_sheets_hold_thirty_at_1280_px(tmp_path: Path, stored: Card) -> None:
    crops = [replace(CROP, scan_id=f"a.{number:02d}") for number in range(33)]
    cards = cards_of(crops, stored)
    sheets = write_contact_sheets(crops, cards=cards, data=tmp_path, out=tmp_path / "s")
    assert [path.name for path in sheets] == ["sheet-0001.jpg", "sheet-0002.jpg"]
    assert read_rgb(sheets[0]).shape == (6 * CELL_HEIGHT, 1280, 3)
    assert read_rgb(sheets[1]).shape == (CELL_HEIGHT, 1280, 3)


def test_what_needs_a_look_comes_first() -> None:
    stale = replace(
        CROP, scan_id="z", confidence=0.9, flagged=True, reason=CropReason.STALE_CORRECTION
    )
    flagged = replace(CROP, scan_id="f", confidence=0.3, flagged=True)
    corrected = replace(CROP, scan_id="b", confidence=1.0, reason=CropReason.CORRECTED)
    less, twin = replace(CROP, scan_id="m", confidence=0.9), replace(CROP, scan_id="a")
    crops = [corrected, CROP, twin, less, flagged, stale, UNREADABLE]
    assert order_crops(crops) == [UNREADABLE, stale, flagged, less, twin, CROP, corrected]


def test_flagged_ones_are_marked(tmp_path: Path, stored: Card) -> None:
    crops = [
        CROP,
        replace(CROP, scan_id="a.01", confidence=0.3, flagged=True),
        replace(CROP, scan_id="a.02", confidence=0.9),
        UNREADABLE,
    ]
    cards = cards_of(crops, stored)
    (sheet,) = write_contact_sheets(crops, cards=cards, data=tmp_path, out=tmp_path / "s")
    assert [is_flagged(sheet, place) for place in range(4)] == [True, True, False, False]


@pytest.mark.parametrize(
    ("reason", "colour"), [(CropReason.NOTHING, SURE), (CropReason.CORRECTED, CORRECTED)]
)
def test_the_outline_is_drawn_where_the_corners_are(
    tmp_path: Path, stored: Card, reason: CropReason, colour: tuple[int, int, int]
) -> None:
    crops = [replace(CROP, reason=reason)]
    (sheet,) = write_contact_sheets(
        crops, cards=cards_of(crops, stored), data=tmp_path, out=tmp_path / "s"
    )
    rows, columns = find(sheet, colour)
    scale = THUMBNAIL / 480
    assert abs(np.ptp(columns) - 400 * scale) < 3
    assert abs(np.ptp(rows) - 280 * scale) < 3
    assert abs(columns.min() - 40 * scale) < 2


def test_the_caption_is_framed_where_it_was_found(tmp_path: Path, stored: Card) -> None:
    crops = [replace(CROP, caption=(0.25, 0.5, 0.75, 0.75))]
    (sheet,) = write_contact_sheets(
        crops, cards=cards_of(crops, stored), data=tmp_path, out=tmp_path / "s"
    )
    rows, columns = find(sheet, CAPTION)
    scale = THUMBNAIL / 480
    assert abs(columns.min() - 140 * scale) < 2
    assert abs(np.ptp(columns) - 200 * scale) < 3
    assert abs(np.ptp(rows) - 70 * scale) < 3


def test_titles_stand_on_the_sheets_whatever_their_letters_and_length(
    tmp_path: Path, stored: Card
) -> None:
    titles = ["", "Zürich", "Łódź", "W" * 400, "word " * 80]
    crops = [replace(CROP, scan_id=f"a.{number}") for number in range(len(titles))]
    cards = {
        crop.scan_id: replace(stored, title=title)
        for crop, title in zip(crops, titles, strict=True)
    }
    (sheet,) = write_contact_sheets(crops, cards=cards, data=tmp_path, out=tmp_path / "s")
    lines = read_rgb(sheet)[INSET + THUMBNAIL + 4 : -36].astype(int)
    dark = (np.abs(lines - PAPER).max(axis=-1) > 120).reshape(len(lines), 5, CELL_WIDTH)
    inked = dark.any(axis=0)
    assert not inked[0].any()
    assert inked[1:].any(axis=1).all()
    # Nothing runs out of its cell, and the longest fill theirs.
    assert not inked[:, :INSET].any()
    assert not inked[:, INSET + THUMBNAIL + 2 :].any()
    assert inked[3:, INSET + THUMBNAIL - 40 :].any(axis=1).all()
    # Letters beyond ASCII are not all the same empty box.
    assert not np.array_equal(dark[:, 1, :40], dark[:, 2, :40])


def test_the_same_crops_give_the_same_bytes_and_old_sheets_go(tmp_path: Path, stored: Card) -> None:
    crops = [replace(CROP, scan_id=f"a.{number:02d}") for number in range(61)]
    cards, out = cards_of(crops, stored), tmp_path / "s"
    first = write_contact_sheets(crops, cards=cards, data=tmp_path, out=out)
    content = [path.read_bytes() for path in first]
    assert len(first) == 3
    again = write_contact_sheets(crops[::-1], cards=cards, data=tmp_path, out=out)
    assert [path.read_bytes() for path in again] == content
    write_contact_sheets(crops[:1], cards=cards, data=tmp_path, out=out)
    assert [path.name for path in out.iterdir()] == ["sheet-0001.jpg"]


def test_a_scan_that_has_gone_is_shown_as_such(tmp_path: Path) -> None:
    (sheet,) = write_contact_sheets(
        [CROP], cards={"a.00": Card("t", "scans/gone.jpg", "")}, data=tmp_path, out=tmp_path / "s"
    )
    middle = read_rgb(sheet)[INSET + THUMBNAIL // 2, CELL_WIDTH // 2].astype(int)
    assert np.abs(middle - FLAGGED).max() < 30
