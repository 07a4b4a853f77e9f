"""Edge: crops.html, on which a person looks over the crops and corrects them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from preprocess.overrides import CROPS_HEADER, CropOverride
from preprocess.pages import Card, Each, say_size, to_link, write_page
from preprocess.records import CropReason, CropRow
from preprocess.sheets import (
    CELL_HEIGHT,
    CELL_WIDTH,
    COLUMNS,
    INSET,
    ROWS,
    THUMBNAIL,
    order_crops,
    write_contact_sheets,
)

PAGE: Final = "crops.html"


def write_crop_page(
    crops: Sequence[CropRow],
    *,
    cards: Mapping[str, Card],
    overrides: Mapping[str, CropOverride],
    source: str,
    data: Path,
    out: Path,
    each: Each = map,
) -> list[Path]:
    """Draw the contact sheets and the page that shows them, and lets corners be moved.

    From the disk the page collects corrections for a crops.csv that it gives to download;
    `photochrom review` serves it so that it saves them itself.

    Args:
        crops: Rows of data/crops.parquet, in any order.
        cards: Title, place and sha256 of each scan, by scan id.
        overrides: What people have corrected so far, by scan id.
        source: `harvest.source`; the corrections stand in overrides/<source>/crops.csv.
        data: The folder that the scans' paths are relative to.
        out: Folder of the page, one below `data`.
        each: Does the sheets: `map`, or that of a pool of processes.

    Returns:
        The sheets, in order.

    Raises:
        KeyError: If a crop's scan has no card.
        OSError: If the disk refuses.
    """
    sheets = write_contact_sheets(crops, cards=cards, data=data, out=out, each=each)
    weight = sum(sheet.stat().st_size for sheet in sheets)
    about = {
        "source": source,
        "count": len(crops),
        "flagged": sum(crop.flagged for crop in crops),
        "corrected": sum(crop.reason == CropReason.CORRECTED for crop in crops),
        "stale": sum(crop.reason == CropReason.STALE_CORRECTION for crop in crops),
        "sheets": [sheet.name for sheet in sheets],
        "sheet_weight": say_size(weight / max(1, len(sheets))),
    }
    content = {
        "kind": "crops",
        "source": source,
        "header": CROPS_HEADER,
        "sprites": _say_sprites(sheets, len(crops)),
        "rows": [_to_row(crop, cards[crop.scan_id]) for crop in order_crops(crops)],
        "overrides": [to_entry(override) for _, override in sorted(overrides.items())],
    }
    write_page(out / PAGE, "crops.html.j2", about=about, data=content)
    return sheets


def to_entry(override: CropOverride) -> dict[str, Any]:
    """Say a correction as the page and its server exchange it.

    Args:
        override: Of one scan.
    """
    return {
        "scan_id": override.scan_id,
        "sha256": override.sha256,
        "corners": list(override.corners),
        "note": override.note,
    }


def _say_sprites(sheets: Sequence[Path], count: int) -> dict[str, Any]:
    """Say where on which sheet each thumbnail is: crop k is cell k % 30 of sheet k // 30."""
    return {
        "sheets": [sheet.name for sheet in sheets],
        "columns": COLUMNS,
        "rows": ROWS,
        "width": CELL_WIDTH,
        "height": CELL_HEIGHT,
        "side": THUMBNAIL,
        "inset": INSET,
        "count": count,
    }


def _to_row(crop: CropRow, card: Card) -> dict[str, Any]:
    return {
        "id": crop.scan_id,
        "title": card.title,
        "src": to_link(card.path),
        "sha256": card.sha256,
        "role": crop.role,
        "width": crop.width,
        "height": crop.height,
        "corners": [round(number, 2) for number in crop.corners],
        "caption": [round(share, 4) for share in crop.caption],
        "mount": crop.mount,
        "confidence": round(crop.confidence, 3),
        "flagged": crop.flagged,
        "state": crop.state,
        "reason": crop.reason,
    }
