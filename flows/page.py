"""What the report shows, gathered from the manifests; the template lays it out."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from jinja2 import Environment, PackageLoader, StrictUndefined

from flows.account import Line, read_account, read_json
from flows.page_curation import gather_curation, sample_uri
from flows.page_leaks import gather_leaks
from flows.params import Params
from flows.project import Project
from flows.thumbnails import embed_png, read_data_uri
from harvest.manifest import read_manifest
from preprocess.manifest import SAMPLES_SCHEMA
from train.evaluation import read_split

GALLERY = 24

SECTIONS = (
    ("test", "Test pictures"),
    ("metrics", "Figures"),
    ("training", "Training"),
    ("account", "Account"),
    ("gallery", "Gallery"),
    ("groups", "Groups"),
    ("pairs", "Pairs"),
    ("crops", "Crops"),
    ("leaks", "Splits"),
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
    show = partial(_picture, titles=titles, scores=_scores(data))
    return (
        {
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
            "harvest_text": _say_harvest(harvested, source=params.harvest.source),
        }
        | gather_curation(project, account, shards=shards, titles=titles)
        | gather_leaks(project, params)
    )


def _to_hash(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _say_source(params: Params) -> str:
    if params.harvest.source == "folder":
        return "Pictures from a folder of one's own"
    if params.harvest.source == "loc":
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
            "src": sample_uri(sample, sample.lab),
            "label": titles.get(sample.info.key) or sample.info.key,
        }
        for sample in samples
    ]


def _written(shards: Path) -> list[dict[str, Any]]:
    rows = read_manifest(shards / "samples.parquet", SAMPLES_SCHEMA)
    return [row for row in rows if row["state"] == "written"]


def _say_training(record: Mapping[str, Any]) -> str:
    params = record["params"]
    return (
        f"{record['steps']} steps of {params['batch']} crops of {params['input']} px, seed "
        f"{params['seed']}; {len(record['shards'])} shards; torch {record['torch']}."
    )


def _say_harvest(harvested: Harvested, *, source: str) -> str:
    how = "were copied from a folder" if source == "folder" else "came over HTTP"
    return (
        f"{harvested.files} files, {harvested.bytes / 1e6:.1f} MB, {how} in "
        f"{harvested.seconds:.0f} s of transfer, all downloads added up. When and how each came "
        "is in .photochrom/ledger.sqlite."
    )
