"""A project of four scans with its pages drawn, for tests of the review."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from flows.project import Project
from harvest.manifest import SCANS_SCHEMA, write_manifest
from preprocess.crop_page import write_crop_page
from preprocess.dedupe_page import Thresholds, write_dedupe_page
from preprocess.overrides import CropOverride, read_crop_overrides
from preprocess.pages import to_cards
from preprocess.records import CropReason, CropRow, CropState, Mount

Row = dict[str, Any]
CORNERS = (40.0, 30.0, 440.0, 30.0, 440.0, 310.0, 40.0, 310.0)
IDS = ("a", "b", "odd/../ id&1", "n")
SHAS = {scan_id: f"{number:064x}" for number, scan_id in enumerate(IDS)}


def to_crop(scan_id: str) -> CropRow:
    return CropRow(
        scan_id=scan_id, role="colour", view_id="v", group_id="g", corners=CORNERS, width=480,
        height=350, mount=Mount.BLACK, confidence=0.9, flagged=False, caption=(),
        state=CropState.CROPPED, reason=CropReason.NOTHING,
    )  # fmt: skip


def to_scan(scan_id: str, path: str) -> Row:
    return {
        "scan_id": scan_id, "item_id": scan_id,
        "role": "negative" if scan_id == "n" else "colour", "title": f"Wengen {scan_id}",
        "url": None, "path": path, "rendition": "v", "sha256": SHAS[scan_id], "size_bytes": 1,
        "width": 480, "height": 350, "state": "stored", "reason": "",
    }  # fmt: skip


def draw_project(root: Path) -> Project:
    """Make the scans, their manifest and both pages."""
    project = Project(root)
    pixels = np.zeros((350, 480, 3), np.uint8)
    pixels[30:310, 40:440] = np.random.default_rng(0).integers(90, 250, (280, 400, 1))
    scans = []
    for number, scan_id in enumerate(IDS):
        path = project.data / "scans" / f"{number}.{'tif' if number == 1 else 'png'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        scans.append(to_scan(scan_id, path.relative_to(project.data).as_posix()))
    write_manifest(project.data / "scans.parquet", scans, SCANS_SCHEMA)
    cards = to_cards(scans)
    write_crop_page(
        [to_crop(scan_id) for scan_id in IDS], cards=cards, overrides={}, source="loc",
        data=project.data, out=project.data / "crops",
    )  # fmt: skip
    link = {
        "other_id": "b", "outcome": "same_view", "score": 0.8, "inks": 0.5, "distance": 3,
        "matches": 40, "differs": "inks", "by": "machine",
    }  # fmt: skip
    groups = [
        {"scan_id": "a", "role": "colour", "kept": True, "links": [link]},
        {"scan_id": "b", "role": "colour", "kept": True, "links": []},
    ]
    write_dedupe_page(
        groups, cards=cards, overrides={}, thresholds=Thresholds(0.75, 0.45), source="loc",
        data=project.data, out=project.data / "dedupe",
    )  # fmt: skip
    return project


def read_crops(project: Project) -> dict[str, CropOverride]:
    return read_crop_overrides(project.root / "overrides" / "loc" / "crops.csv")
