"""Edge: contact sheets of the crops, the least certain first, for a person to look over."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from preprocess.errors import ScanError
from preprocess.images import read_reduced
from preprocess.records import CropRow, CropState

CELL_WIDTH: Final = 182
CELL_HEIGHT: Final = 182
THUMBNAIL: Final = 146
"""Side of the square that a thumbnail fits in, in pixels."""

LINE: Final = 13
"""Height of a line of text, in pixels."""

QUALITY: Final = 88

PAPER: Final = (250, 250, 248)
INK: Final = (30, 30, 30)
SURE: Final = (255, 0, 200)
FLAGGED: Final = (214, 30, 20)


def write_contact_sheets(
    crops: Sequence[CropRow],
    *,
    paths: Mapping[str, str],
    data: Path,
    out: Path,
    columns: int = 7,
    rows: int = 6,
) -> list[Path]:
    """Draw every crop, the print's outline over its scan, and write the sheets.

    Args:
        crops: Rows of data/crops.parquet, in any order.
        paths: Where each scan lies, below `data`, by scan id.
        data: The folder that the paths are relative to.
        out: Folder for the sheets, made if missing; sheets of an earlier run are removed.
        columns: Thumbnails side by side; seven make a sheet 1,274 px wide.
        rows: Lines of thumbnails on a sheet.

    Returns:
        The sheets, `sheet-0001.jpg` and on: unreadable and flagged scans first, then by
        confidence, the smallest first, then by scan id.

    Raises:
        KeyError: If a crop's scan has no path.
    """
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("sheet-*.jpg"):
        old.unlink()
    order = sorted(crops, key=lambda crop: (not crop.flagged, crop.confidence, crop.scan_id))
    per_sheet = columns * rows
    sheets = []
    for number, first in enumerate(range(0, len(order), per_sheet), start=1):
        shown = order[first : first + per_sheet]
        lines = -(-len(shown) // columns)
        sheet = Image.new("RGB", (columns * CELL_WIDTH, lines * CELL_HEIGHT), PAPER)
        for place, crop in enumerate(shown):
            corner = (place % columns * CELL_WIDTH, place // columns * CELL_HEIGHT)
            sheet.paste(_draw_cell(crop, data / paths[crop.scan_id]), corner)
        path = out / f"sheet-{number:04d}.jpg"
        sheet.save(path, "JPEG", quality=QUALITY, subsampling=0)
        sheets.append(path)
    return sheets


def _draw_cell(crop: CropRow, path: Path) -> Image.Image:
    cell = Image.new("RGB", (CELL_WIDTH, CELL_HEIGHT), PAPER)
    pen = ImageDraw.Draw(cell)
    colour = FLAGGED if crop.flagged else SURE
    if crop.state == CropState.CROPPED:
        thumbnail = _draw_thumbnail(crop, path, colour=colour)
        left = (CELL_WIDTH - thumbnail.width) // 2
        cell.paste(thumbnail, (left, 3 + (THUMBNAIL - thumbnail.height) // 2))
    font = ImageFont.load_default(size=LINE - 2)
    text = CELL_HEIGHT - 2 * LINE - 4
    pen.text((6, text), crop.scan_id, fill=INK, font=font)
    note = f"{crop.mount}  {crop.confidence:.2f}"
    if crop.flagged:
        note += "  FLAGGED" if crop.state == CropState.CROPPED else f"  {crop.reason}"
        pen.rectangle((1, 1, CELL_WIDTH - 2, CELL_HEIGHT - 2), outline=FLAGGED, width=2)
    pen.text((6, text + LINE), note, fill=FLAGGED if crop.flagged else INK, font=font)
    return cell


def _draw_thumbnail(crop: CropRow, path: Path, *, colour: tuple[int, int, int]) -> Image.Image:
    """Return the scan reduced, with the outline; an empty frame if it has become unreadable."""
    try:
        picture = Image.fromarray(read_reduced(path, long_side=THUMBNAIL))
    except ScanError:
        return Image.new("RGB", (THUMBNAIL, THUMBNAIL), FLAGGED)
    across, down = picture.width / crop.width, picture.height / crop.height
    outline = [
        (min(x * across, picture.width - 1), min(y * down, picture.height - 1))
        for x, y in zip(crop.corners[::2], crop.corners[1::2], strict=True)
    ]
    ImageDraw.Draw(picture).line([*outline, outline[0]], fill=colour, width=1)
    return picture
