"""Edge: contact sheets of the crops, the least certain first, for a person to look over.

The sheets are pictures of their own, and what `crops.html` shows of every scan.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from preprocess.errors import ScanError
from preprocess.geometry import quad_homography, shape_corners
from preprocess.images import read_scan
from preprocess.pages import Card, Each, write_jpeg
from preprocess.records import CropReason, CropRow, CropState
from preprocess.register import map_points

COLUMNS: Final = 5
ROWS: Final = 6
CELL_WIDTH: Final = 256
CELL_HEIGHT: Final = 316
"""Five cells make a sheet 1,280 px wide."""

THUMBNAIL: Final = 236
"""Side of the square that a thumbnail fits in, in pixels."""

INSET: Final = 10
"""From the cell's left and upper edge to the thumbnail's square, in pixels."""

LINE: Final = 17
"""Height of a line of text, in pixels."""

QUALITY: Final = 80

PAPER: Final = (255, 253, 248)
INK: Final = (43, 38, 32)
SOFT: Final = (106, 97, 86)
SURE: Final = (224, 0, 150)
FLAGGED: Final = (205, 32, 20)
CORRECTED: Final = (0, 140, 84)
CAPTION: Final = (0, 110, 210)

_SHIFT: Final = 4
"""Bits of a pixel's fraction that OpenCV draws with."""


@dataclass(frozen=True, slots=True)
class SheetJob:
    """One sheet to draw; small, so that it travels cheaply to a process of a pool."""

    crops: tuple[CropRow, ...]
    cards: tuple[Card, ...]
    data: Path
    out: Path


def order_crops(crops: Sequence[CropRow]) -> list[CropRow]:
    """Order crops for looking over: those that need it most first.

    Args:
        crops: Rows of data/crops.parquet, in any order.

    Returns:
        Unreadable scans, stale corrections, flagged ones, the rest; each by confidence, the
        smallest first, then by scan id.
    """

    def rank(crop: CropRow) -> tuple[int, float, str]:
        if crop.state == CropState.UNREADABLE:
            return 0, crop.confidence, crop.scan_id
        if crop.reason == CropReason.STALE_CORRECTION:
            return 1, crop.confidence, crop.scan_id
        return 2 if crop.flagged else 3, crop.confidence, crop.scan_id

    return sorted(crops, key=rank)


def write_contact_sheets(
    crops: Sequence[CropRow],
    *,
    cards: Mapping[str, Card],
    data: Path,
    out: Path,
    each: Each = map,
) -> list[Path]:
    """Draw every crop, the print's outline over its scan, and write the sheets.

    Args:
        crops: Rows of data/crops.parquet, in any order.
        cards: Title and place of each scan, by scan id.
        data: The folder that the scans' paths are relative to.
        out: Folder for the sheets, made if missing; sheets of an earlier run are removed.
        each: Does the sheets: `map`, or that of a pool of processes.

    Returns:
        The sheets, `sheet-0001.jpg` and on, thirty scans on each in the order of `order_crops`.

    Raises:
        KeyError: If a crop's scan has no card.
    """
    out.mkdir(parents=True, exist_ok=True)
    order = order_crops(crops)
    jobs = []
    for number, first in enumerate(range(0, len(order), COLUMNS * ROWS), start=1):
        shown = tuple(order[first : first + COLUMNS * ROWS])
        path = out / f"sheet-{number:04d}.jpg"
        jobs.append(SheetJob(shown, tuple(cards[crop.scan_id] for crop in shown), data, path))
    sheets = list(each(draw_sheet, jobs))
    for old in set(out.glob("sheet-*.jpg")) - set(sheets):
        old.unlink()
    return sheets


def draw_sheet(job: SheetJob) -> Path:
    """Draw one sheet and write it.

    Args:
        job: What stands on it, and where it goes.

    Returns:
        The sheet.

    Raises:
        OSError: If the disk refuses.
    """
    cv2.setNumThreads(1)
    lines = -(-len(job.crops) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * CELL_WIDTH, lines * CELL_HEIGHT), PAPER)
    for place, (crop, card) in enumerate(zip(job.crops, job.cards, strict=True)):
        corner = (place % COLUMNS * CELL_WIDTH, place // COLUMNS * CELL_HEIGHT)
        sheet.paste(_draw_cell(crop, card, data=job.data), corner)
    write_jpeg(job.out, sheet, quality=QUALITY)
    return job.out


def _draw_cell(crop: CropRow, card: Card, *, data: Path) -> Image.Image:
    cell = Image.new("RGB", (CELL_WIDTH, CELL_HEIGHT), PAPER)
    pen = ImageDraw.Draw(cell)
    if crop.state == CropState.CROPPED:
        thumbnail = _draw_thumbnail(crop, data / card.path)
        left = INSET + (THUMBNAIL - thumbnail.width) // 2
        cell.paste(thumbnail, (left, INSET + (THUMBNAIL - thumbnail.height) // 2))
    else:
        said = crop.reason.replace("_", " ")
        pen.text((CELL_WIDTH / 2, INSET + THUMBNAIL / 2), said, FLAGGED, _font(14), anchor="mm")
    top = INSET + THUMBNAIL + 4
    for number, line in enumerate(_wrap(card.title, width=THUMBNAIL, lines=2)):
        pen.text((INSET, top + number * LINE), line, fill=INK, font=_font(13))
    note = f"{crop.scan_id} · {crop.mount} · {crop.confidence:.2f}"
    if crop.reason:
        note += f" · {crop.reason.replace('_', ' ')}"
    (fitted,) = _wrap(note, width=THUMBNAIL, lines=1, size=11)
    pen.text(
        (INSET, top + 2 * LINE), fitted, fill=FLAGGED if crop.flagged else SOFT, font=_font(11)
    )
    if crop.flagged:
        pen.rectangle((2, 2, CELL_WIDTH - 3, CELL_HEIGHT - 3), outline=FLAGGED, width=2)
    return cell


def _draw_thumbnail(crop: CropRow, path: Path) -> Image.Image:
    """Return the scan reduced, with the outline; a red square if it has become unreadable."""
    try:
        scan = read_scan(path, least=THUMBNAIL)
    except ScanError:
        return Image.new("RGB", (THUMBNAIL, THUMBNAIL), FLAGGED)
    picture = Image.fromarray(scan.rgb)
    picture.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    pixels = np.array(picture)
    to_thumbnail = np.array([picture.width / crop.width, picture.height / crop.height])
    corners = shape_corners(crop.corners)
    if crop.caption:
        left, top, right, bottom = crop.caption
        box = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
        shown = map_points(box, quad_homography(corners, width=1, height=1))
        _draw_outline(pixels, shown * to_thumbnail, colour=CAPTION, thickness=1)
    _draw_outline(pixels, corners * to_thumbnail, colour=_colour(crop), thickness=1)
    return Image.fromarray(pixels)


def _colour(crop: CropRow) -> tuple[int, int, int]:
    if crop.flagged:
        return FLAGGED
    return CORRECTED if crop.reason == CropReason.CORRECTED else SURE


def _draw_outline(
    pixels: NDArray[np.uint8],
    points: NDArray[np.floating],
    *,
    colour: tuple[int, int, int],
    thickness: int,
) -> None:
    # OpenCV's whole numbers are the centres of pixels; ours are their edges.
    inside = np.clip(points - 0.5, 0, np.array(pixels.shape[1::-1]) - 1)
    fixed = np.rint(inside * (1 << _SHIFT)).astype(np.int32)
    cv2.polylines(pixels, [fixed], True, colour, thickness, cv2.LINE_AA, _SHIFT)


def _wrap(text: str, *, width: int, lines: int, size: int = 13) -> list[str]:
    """Break a text at its spaces; what does not fit ends with three dots."""
    font, words, broken = _font(size), text.split(), [""]
    for place, word in enumerate(words):
        longer = f"{broken[-1]} {word}".strip()
        if font.getlength(longer) <= width:
            broken[-1] = longer
        elif broken[-1] and len(broken) < lines:
            broken.append(word)
        else:
            broken[-1] = " ".join((longer, *words[place + 1 :]))
            break
    while font.getlength(broken[-1]) > width:
        broken[-1] = broken[-1].removesuffix("…")[:-1].rstrip(" ,") + "…"
    return broken


@lru_cache(maxsize=4)
def _font(size: int) -> ImageFont.FreeTypeFont:
    """Load the font that comes with matplotlib: Pillow's own has no letter beyond ASCII."""
    spec = find_spec("matplotlib")
    assert spec is not None  # a dependency of this room
    assert spec.origin is not None
    fonts = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    return ImageFont.truetype(fonts / "DejaVuSerif.ttf", size)
