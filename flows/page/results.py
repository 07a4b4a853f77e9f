"""What the report shows of the model: its training, its pictures and its figures."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from flows.account import read_json
from flows.page.thumbnails import embed_png, read_data_uri

TRIPTYCH = 840
"""Width of a test picture on the page, in pixels."""

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


def read_figures(data: Path) -> dict[str, Any]:
    """Read the figures of the evaluation.

    Args:
        data: The checkout's data/.

    Raises:
        AccountError: If the model has not been evaluated.
    """
    return read_json(data / "evaluation" / "metrics.json", stage="evaluate")


def gather_results(
    data: Path, figures: Mapping[str, Any], titles: Mapping[str, str]
) -> dict[str, Any]:
    """Gather what the template shows of the model.

    Args:
        data: The checkout's data/.
        figures: Of the evaluation.
        titles: Title of each sample, by key.

    Raises:
        AccountError: If the model is missing.
        OSError: If one of its pictures cannot be read.
    """
    record = read_json(data / "model" / "model.json", stage="train")
    pictures = sorted((data / "evaluation" / "pictures").glob("*.jpg"))
    show = partial(_picture, titles=titles, scores=_scores(data))
    return {
        "shown": [show(path) for path in pictures if "worst" not in path.name],
        "worst": [show(path) for path in pictures if "worst" in path.name],
        "metrics": _tables(figures),
        "curve": embed_png(data / "model" / "curve.png"),
        "training": _say_training(record),
    }


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
    return {"src": read_data_uri(path, width=TRIPTYCH), "label": label}


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


def _say_training(record: Mapping[str, Any]) -> str:
    params = record["params"]
    return (
        f"{record['steps']} steps of {params['batch']} crops of {params['input']} px, seed "
        f"{params['seed']}; {len(record['shards'])} shards; torch {record['torch']}."
    )
