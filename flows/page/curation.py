"""What the report shows of preprocessing: what was merged, paired, cropped, and kept apart."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from flows.account import Line
from flows.page.figures import draw_reliability
from flows.page.thumbnails import array_data_uri, read_data_uri
from flows.project import Project
from harvest.manifest import SCANS_SCHEMA, read_manifest
from preprocess.calibration import RELIABILITY
from preprocess.lab import from_bytes, to_rgb
from preprocess.manifest import GROUPS_SCHEMA
from preprocess.samples import Sample
from train.evaluation import read_split

Row = dict[str, Any]

TWINS = 6
SHEETS = 2
"""Contact sheets on the page; the rest lie in data/crops/."""

WIDTH = 300
"""Of a picture in a pair, in pixels; that of a sheet is larger."""

OUTCOMES = {
    "same_scan": "the same scan",
    "same_print": "the same print",
    "same_view": "the same view",
    "mirrored": "the same view, mirrored",
    "different": "different",
}


def gather_curation(
    project: Project, account: Sequence[Line], *, shards: Path, titles: Mapping[str, str]
) -> dict[str, Any]:
    """Gather what the template shows of dedupe, pairs and crops.

    Args:
        project: The checkout.
        account: A line for each stage.
        shards: Folder of the shards.
        titles: Title of each sample, by key.
    """
    lines = {line.stage: line for line in account}
    joined = _find_joined(project)
    sheets = sorted((project.data / "crops").glob("sheet-*.jpg"))
    negatives = islice(read_split(shards, "pairs"), TWINS)
    return {
        "groups_text": _say_groups(lines["dedupe"], len(joined)),
        "twins": _twins(project, joined[:TWINS]),
        "pairs_text": _say_pairs(lines["pairs"]),
        "pairs": [_pair(sample, titles) for sample in negatives],
        "crops_text": _say_sheets(len(sheets)),
        "reliability": draw_reliability(RELIABILITY),
        "sheets": [
            {"src": read_data_uri(path, width=1000), "label": path.stem} for path in sheets[:SHEETS]
        ],
    }


def sample_uri(sample: Sample, lab: np.ndarray[Any, np.dtype[np.uint8]]) -> str:
    """Show the picture within a sample's square as a data URI.

    Args:
        sample: Names the part of the square that the picture fills.
        lab: Its bytes, shape (S, S, 3), uint8, as in a shard.
    """
    top, left, bottom, right = sample.info.valid
    return array_data_uri(to_rgb(from_bytes(lab[top:bottom, left:right])), width=WIDTH)


def _pair(sample: Sample, titles: Mapping[str, str]) -> dict[str, str]:
    assert sample.bw is not None
    neutral = np.full((*sample.bw.shape, 2), 128, np.uint8)
    grey = np.dstack((sample.bw, neutral))
    return {
        "left": sample_uri(sample, grey),
        "right": sample_uri(sample, sample.lab),
        "label": f"{titles[sample.info.key]}: {sample.info.scan_id}, "
        f"view in {sample.info.view_split}",
    }


def _find_joined(project: Project) -> list[tuple[Row, Row]]:
    """Find each scan that stands for no view of its own, after the one kept that it joins."""
    rows = read_manifest(project.data / "groups.parquet", GROUPS_SCHEMA)
    kept = [row for row in rows if row["kept"]]
    of_view = {row["view_id"]: row for row in reversed(kept)}
    of_group = {row["group_id"]: row for row in kept}
    pairs = []
    for row in rows:
        other = of_view[row["view_id"]] if row["kept"] else of_group.get(row["group_id"])
        if other is not None and other is not row:
            pairs.append((other, row))
    return pairs


def _twins(project: Project, joined: Sequence[tuple[Row, Row]]) -> list[dict[str, str]]:
    scans = read_manifest(project.data / "scans.parquet", SCANS_SCHEMA)
    paths = {row["scan_id"]: row["path"] for row in scans}

    def show(row: Row) -> str:
        return read_data_uri(project.data / paths[row["scan_id"]], width=WIDTH)

    return [
        {
            "left": show(kept),
            "right": show(row),
            "label": f"{kept['scan_id']}, kept, and {row['scan_id']}: {_say_link(row, kept)}",
        }
        for kept, row in joined
    ]


def _say_link(row: Row, kept: Row) -> str:
    """Say what a scan is to the one beside it, or through which other one it was joined to it."""
    beside = kept["scan_id"]
    links = [link for link in row["links"] if link["outcome"] != "different"]
    if not links:
        return "joined through others"
    best = max(links, key=lambda link: (link["other_id"] == beside, link["score"]))
    through = "" if best["other_id"] == beside else f" (through {best['other_id']})"
    differs = f", other {best['differs'].replace(',', ' and ')}" if best["differs"] else ""
    by = ", a person says" if best["by"] == "person" else f", correlation {best['score']:.3f}"
    return f"{OUTCOMES[best['outcome']]}{through}{differs}{by}"


def _say_groups(line: Line, joined: int) -> str:
    return (
        f"Of {line.seen} scans, {joined} show a print or a view that another scan shows too. "
        "Perceptual hashes propose; correlation of the registered lightness decides."
        f"{_say_shown(joined)}"
    )


def _say_shown(count: int) -> str:
    return f" The first {TWINS} are shown." if count > TWINS else ""


def _say_pairs(line: Line) -> str:
    if not line.seen:
        return "The source has no black-and-white copy negatives."
    return (
        f"{line.passed} of {line.seen} black-and-white copy negatives lie on their colour print "
        f"after registration. The model never trains on them.{_say_shown(line.passed)}"
    )


def _say_sheets(count: int) -> str:
    if count <= SHEETS:
        return ""
    return f"The first {SHEETS} of {count} sheets; the rest lie in data/crops/."
