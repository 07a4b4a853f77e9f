"""What the report shows, gathered from the manifests; the template lays it out."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from jinja2 import Environment, PackageLoader, StrictUndefined

from flows.account import Line, read_account, read_json
from flows.params import Params
from flows.project import Project
from flows.thumbnails import array_data_uri, embed_png, read_data_uri
from harvest.manifest import SCANS_SCHEMA, read_manifest
from preprocess.lab import from_bytes, to_rgb
from preprocess.manifest import GROUPS_SCHEMA, SAMPLES_SCHEMA
from preprocess.samples import Sample
from train.evaluation import read_split

Row = dict[str, Any]

GALLERY = 24
TWINS = 24
SHEETS = 6
"""Contact sheets on the page; the rest lie in data/crops/."""

SECTIONS = (
    ("test", "Test pictures"),
    ("metrics", "Figures"),
    ("training", "Training"),
    ("account", "Account"),
    ("gallery", "Gallery"),
    ("groups", "Groups"),
    ("pairs", "Pairs"),
    ("crops", "Crops"),
    ("harvest", "Harvest"),
)
METRICS = (
    ("dE00", "de00"),
    ("ab-L1", "ab_l1"),
    ("PSNR", "psnr"),
    ("CF", "cf"),
    ("|CF gap|", "cf_gap_abs"),
)
METHODS = {
    "grey": "grey",
    "mean": "mean colour",
    "lightness": "lightness table",
    "lightness_by_row": "lightness by row (the bar)",
    "own_mean": "own mean (oracle)",
}


@dataclass(frozen=True, slots=True)
class Harvested:
    """What the ledger says of the files that came."""

    files: int
    bytes: int
    seconds: float


def render_report(project: Project, params: Params, harvested: Harvested) -> str:
    """Draw the report: one page that needs nothing beside it.

    Raises:
        ManifestError: If a manifest is missing.
        AccountError: If the model is missing, or has not been evaluated.
        OSError: If one of its pictures cannot be read.
    """
    environment = Environment(
        loader=PackageLoader("flows"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("report.html.j2").render(
        gather(project, params, harvested=harvested)
    )


def gather(project: Project, params: Params, *, harvested: Harvested) -> dict[str, Any]:
    """Gather what the template needs, every picture as a data URI."""
    data, shards = project.data, project.shards(params.preprocess.size)
    account = read_account(project, size=params.preprocess.size)
    figures = read_json(data / "evaluation" / "metrics.json", stage="evaluate")
    record = read_json(data / "model" / "model.json", stage="train")
    titles = {row["key"]: row["title"] for row in _written(shards)}
    pictures = sorted((data / "evaluation" / "pictures").glob("*.jpg"))
    sheets = sorted((data / "crops").glob("*.jpg"))
    joined = _find_joined(project)
    show = partial(_picture, titles=titles, scores=_scores(data))
    negatives = islice(read_split(shards, "pairs"), TWINS)
    return {
        "version": version("photochrom"),
        "source": _say_source(params),
        "sections": SECTIONS,
        "facts": _facts(account, figures),
        "shown": [show(path) for path in pictures if "worst" not in path.name],
        "worst": [show(path) for path in pictures if "worst" in path.name],
        "metrics": _tables(figures),
        "curve": embed_png(data / "model" / "curve.png"),
        "training": _say_training(record),
        "account": account,
        "gallery": _gallery(shards, titles),
        "groups_text": _say_groups(account, len(joined)),
        "twins": _twins(project, joined[:TWINS]),
        "pairs_text": _say_pairs(account),
        "pairs": [_pair(sample, titles) for sample in negatives],
        "crops_text": _say_sheets(len(sheets)),
        "sheets": [
            {"src": read_data_uri(path, width=1280), "label": path.stem} for path in sheets[:SHEETS]
        ],
        "harvest_text": _say_harvest(harvested),
    }


def _to_hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _say_source(params: Params) -> str:
    if params.harvest.source != "sample":
        return "Prints of the Library of Congress"
    if params.replica.images is None:
        return "Generated prints, harvested over HTTP from a replica of loc.gov on this machine"
    return "Prints from a folder, harvested over HTTP from a replica of loc.gov on this machine"


def _facts(account: Sequence[Line], figures: Mapping[str, Any]) -> list[dict[str, str]]:
    passed = {line.stage: line.passed for line in account}
    ours, bar = figures["model"]["de00"], figures["baselines"]["lightness_by_row"]["de00"]
    gain = figures["difference"]["lightness_by_row"]["de00"]
    return [
        {"value": str(passed["scans"]), "label": "scans harvested"},
        {"value": str(passed["shards"]), "label": "samples in shards"},
        {"value": f"{ours['mean']:.2f}", "label": "dE00 of the model, test split"},
        {"value": f"{bar['mean']:.2f}", "label": "dE00 of the lightness-by-row table"},
        {
            "value": f"{gain['mean']:+.2f}",
            "label": f"difference, 95 % {gain['low']:+.2f} to {gain['high']:+.2f}, "
            f"{figures['views']} views",
        },
    ]


def _scores(data: Path) -> dict[str, float]:
    """Read the model's dE00 on each sample of the test split, by key."""
    rows = pq.read_table(data / "evaluation" / "samples.parquet").to_pylist()
    ours = [row for row in rows if row["track"] == "test" and row["method"] == "model"]
    return {row["key"]: row["de00"] for row in ours}


def _picture(
    path: Path, *, titles: Mapping[str, str], scores: Mapping[str, float]
) -> dict[str, str]:
    key = path.stem.removeprefix("worst-").partition("-")[2]
    label = f"{titles.get(key) or key}, dE00 {scores[key]:.1f}"
    return {"src": read_data_uri(path, width=1024), "label": label}


def _tables(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Lay out the test split's figures and, where there are any, those of the real negatives."""
    tracks = [("Test split, lightness from the print", figures)]
    if figures["pairs"].get("samples"):
        tracks.append(("Copy negatives of the test split, lightness as scanned", figures["pairs"]))
    return [_table(caption, track) for caption, track in tracks]


def _table(caption: str, track: Mapping[str, Any]) -> dict[str, Any]:
    rows = [_metric_row("this model", track["model"], None)]
    rows += [
        _metric_row(label, track["baselines"][name], track["difference"][name])
        for name, label in METHODS.items()
    ]
    return {
        "caption": f"{caption}: {track['samples']} samples of {track['views']} views; "
        f"true colourfulness {track['truth']['cf']['mean']:.1f}",
        "columns": [*(label for label, _ in METRICS), "model minus it, dE00 (95 %)"],
        "rows": rows,
    }


def _metric_row(
    name: str, figures: Mapping[str, Any], difference: Mapping[str, Any] | None
) -> dict[str, Any]:
    cells = [f"{figures[metric]['mean']:.2f}" for _, metric in METRICS]
    if difference is None:
        cells.append("")
    else:
        gap = difference["de00"]
        cells.append(f"{gap['mean']:+.2f} [{gap['low']:+.2f}, {gap['high']:+.2f}]")
    return {"name": name, "cells": cells, "us": difference is None}


def _gallery(shards: Path, titles: Mapping[str, str]) -> list[dict[str, str]]:
    # Chosen by key before anything is read: the split may be far larger than memory.
    keys = [row["key"] for row in _written(shards) if row["split"] == "train"]
    chosen = set(sorted(keys, key=_to_hash)[:GALLERY])
    samples = [one for one in read_split(shards, "train") if one.info.key in chosen]
    return [
        {
            "src": _sample_uri(sample, sample.lab),
            "label": titles.get(sample.info.key) or sample.info.key,
        }
        for sample in samples
    ]


def _written(shards: Path) -> list[dict[str, Any]]:
    rows = read_manifest(shards / "samples.parquet", SAMPLES_SCHEMA)
    return [row for row in rows if row["state"] == "written"]


def _sample_uri(sample: Sample, lab: np.ndarray[Any, np.dtype[np.uint8]]) -> str:
    top, left, bottom, right = sample.info.valid
    return array_data_uri(to_rgb(from_bytes(lab[top:bottom, left:right])), width=320)


def _pair(sample: Sample, titles: Mapping[str, str]) -> dict[str, str]:
    assert sample.bw is not None
    neutral = np.full((*sample.bw.shape, 2), 128, np.uint8)
    grey = np.dstack((sample.bw, neutral))
    return {
        "left": _sample_uri(sample, grey),
        "right": _sample_uri(sample, sample.lab),
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
        return read_data_uri(project.data / paths[row["scan_id"]], width=360)

    return [
        {
            "left": show(kept),
            "right": show(row),
            "label": f"{kept['scan_id']}, kept, and {row['scan_id']}: "
            f"{'same print' if kept['group_id'] == row['group_id'] else 'same view'}"
            f"{_say_evidence(row['evidence'], kept['scan_id'])}",
        }
        for kept, row in joined
    ]


def _say_evidence(evidence: str, beside: str) -> str:
    """Say by which correlation a scan was joined, and to which if not to the one beside it."""
    other, _, score = evidence.rpartition(":")
    if not other:
        return ""
    return f", correlation {score}" + ("" if other == beside else f" with {other}")


def _say_training(record: Mapping[str, Any]) -> str:
    params = record["params"]
    return (
        f"{record['steps']} steps of {params['batch']} crops of {params['input']} px, seed "
        f"{params['seed']}; {len(record['shards'])} shards; torch {record['torch']}."
    )


def _say_groups(account: Sequence[Line], joined: int) -> str:
    line = next(line for line in account if line.stage == "dedupe")
    return (
        f"Of {line.seen} scans, {joined} show a print or a view that another scan shows too. "
        "Perceptual hashes propose; correlation of the registered lightness decides."
        f"{_say_shown(joined)}"
    )


def _say_shown(count: int) -> str:
    return f" The first {TWINS} are shown." if count > TWINS else ""


def _say_pairs(account: Sequence[Line]) -> str:
    line = next(line for line in account if line.stage == "pairs")
    if not line.seen:
        return "The source has no black-and-white copy negatives."
    return (
        f"{line.passed} of {line.seen} black-and-white copy negatives lie on their colour print "
        "after registration. The model never trains on them.{_say_shown(line.passed)}"
    )


def _say_sheets(count: int) -> str:
    if count <= SHEETS:
        return ""
    return f"The first {SHEETS} of {count} sheets; the rest lie in data/crops/."


def _say_harvest(harvested: Harvested) -> str:
    return (
        f"{harvested.files} files, {harvested.bytes / 1e6:.1f} MB, came over HTTP in "
        f"{harvested.seconds:.0f} s of transfer, all downloads added up. When and how each came "
        "is in .photochrom/ledger.sqlite."
    )
