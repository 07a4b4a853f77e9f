"""The report of a collection that is not there, for tests of the page alone."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from flows.account import Line
from flows.page.collection import gather_inks, gather_places
from flows.page.figures import draw_distances, draw_reliability
from flows.page.report import SECTIONS, render
from flows.page.spending import gather_costs
from flows.page.thumbnails import array_data_uri
from flows.project import Project

Row = dict[str, Any]

HOSTILE = '<script>document.title = "taken"</script><img src=x onerror=alert(1)> & "\' {{ 7 * 7 }}'
LONG = "Zermatt, the Matterhorn and the " + "Gornergratbahnaussichtsplattform" * 6


def to_row(place: str, latitude: float | None = None, longitude: float | None = None) -> Row:
    """A row of the catalogue, of what the page reads of it."""
    return {
        "resource_id": "ppmsc.1", "state": "listed", "role": "colour", "place": place,
        "latitude": latitude, "longitude": longitude, "publisher": "Photoglob Co., Zürich",
        "date_from": 1890, "date_to": 1900,
    }  # fmt: skip


def draw_page(
    root: Path, *, catalog: Sequence[Row], titles: Sequence[str] = ("Lucerne", "Thun"),
    alarm: str = "",
) -> Path:  # fmt: skip
    """Draw a report.

    Args:
        root: A folder; the page goes to data/report.html below it.
        catalog: Rows of the catalogue.
        titles: Of its pictures.
        alarm: What the leak audit says.
    """
    picture = array_data_uri(np.full((30, 40, 3), 128, np.uint8), width=40)
    shown = [{"src": picture, "label": title} for title in titles]
    twins = [{"left": picture, "right": picture, "label": title} for title in titles]
    figure = draw_distances([0, 2, 5, 1, *[0] * 61], near=14)
    table = {
        "caption": "Test split: 2 samples", "columns": ["dE00", "difference"],
        "rows": [{"name": "this model", "cells": ["4.87", ""], "us": True},
                 {"name": "grey", "cells": ["13.75", "−8.88 [−9.7, −7.9]"], "us": False}],
    }  # fmt: skip
    pixels = [np.full((9, 3), 40 * number, np.uint8) for number in range(1, 6)]
    page = render(
        {
            "version": "0", "source": "Made up", "sections": SECTIONS,
            "facts": [{"value": "2", "label": "scans harvested"}],
            "account": [Line("catalog", "rows", 3, 2, {"no_image": 1}, fault="a row is lost")],
            "harvest_text": "2 files.", "shards": "data/shards/64",
            "front": shown, "gallery": shown, "twins": twins, "pairs": twins, "leaks": twins,
            "groups_text": "Two.", "pairs_text": "Two.", "crops_text": "", "sheets": shown,
            "reliability": draw_reliability([(0.5, 0.5, 3)]), "leaks_text": "None.",
            "leaks_alarm": alarm, "leaks_distances": figure, "shown": shown, "worst": shown,
            "metrics": [table, table], "curve": figure, "training": "3 steps.",
        }
        | gather_inks({"ppmsc.1": np.concatenate(pixels)}, catalog, of=1)
        | gather_places(catalog)
        | gather_costs(Project(root), source="sample", size=64)
    )  # fmt: skip
    path = root / "data" / "report.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page, "utf-8")
    for name in ("crops/crops.html", "dedupe/dedupe.html"):
        (path.parent / name).parent.mkdir(exist_ok=True)
        (path.parent / name).write_text("<!doctype html><title>beside</title>")
    return path
