"""Edge: a model and the test split to figures, one row for each sample and method, and pictures.

`metrics.json` holds what `train.scores.summarise` says of the test split, and under `pairs` the
same of the real negatives whose view is in the test split. `summary.json` holds the few figures
of it that `dvc metrics` shows.
"""

import contextlib
import hashlib
import itertools
import json
import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from preprocess.index import Shard
from preprocess.samples import JSON_BYTES, Sample, from_json
from train.data import Split, open_split
from train.errors import DataError, TrainError
from train.pictures import to_triptych, write_picture
from train.predict import Predictor
from train.scores import DIGITS, MODEL, Row, summarise, to_input, to_rows
from train.table import Palette, choose_pictures, fit_palette

SHOWN: Final = 12
"""Test samples shown: the first by hash, so that nobody picks them."""

WORST: Final = 3
"""Test samples shown besides: those with the largest dE00."""

_BLOCK: Final = 64
"""Samples read at once."""

NUMBERS: Final = ("ab_l1", "de00", "psnr", "cf", "cf_gap", "cf_gap_abs", "true_cf")
SCHEMA: Final = pa.schema(
    [pa.field(name, pa.string(), False) for name in ("track", "key", "view_id", "method")]
    + [pa.field(name, pa.float64(), False) for name in NUMBERS]
)

REFERENCE: Final = "lightness_by_row"
"""The baseline to beat: the best guess from lightness and height alone."""

SUMMARY_DIGITS: Final = 3
"""Decimals in the summary, so that a line of `dvc metrics show` takes 80 columns."""

MORE: Final = (
    "raise replica.items in params.yaml, or harvest more, and run the stages up to "
    "`photochrom shards` again"
)


class EvaluationError(TrainError):
    """The shards cannot be read, or hold too little to evaluate on."""


def evaluate(*, shards: Path, model: Path, out: Path, on_progress: Callable[[float], None]) -> None:
    """Measure a model and the baselines on the test split, and write figures and pictures.

    Args:
        shards: Folder of the shards; the train split fits the baselines, by the pictures
            that the table of a training is fitted to.
        model: Folder of the model.
        out: Folder to write; it is replaced whole when all is done.
        on_progress: Called with the share done, 0..1.

    Raises:
        EvaluationError: If a shard is damaged, or the train or test split holds no sample.
        ModelError: If the model is missing or damaged.
    """
    predictor = Predictor.load(model)
    tests = sorted(read_split(shards, "test"), key=_to_hash)
    if not tests:
        raise EvaluationError(
            f"{shards}: expected samples in the test split, found none: one view in ten goes "
            f"there, and the set has too few; {MORE}"
        )
    palette = _fit_palette(shards)
    pairs = [pair for pair in read_split(shards, "pairs") if pair.info.view_split == "test"]
    samples = [("test", sample) for sample in tests]
    samples += [("pairs", sample) for sample in sorted(pairs, key=_to_hash)]
    rows: list[Row] = []
    for done, (track, sample) in enumerate(samples, 1):
        rows += to_rows(sample, track=track, colours=predictor, palette=palette)
        on_progress(done / len(samples))
    # DVC and the report must never see half an evaluation.
    part = out.with_name(f".{out.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    _write_figures(part, rows)
    _write_pictures(part / "pictures", rows=rows, tests=tests, predictor=predictor)
    if out.exists():
        shutil.rmtree(out)
    part.rename(out)


def read_split(shards: Path, split: str) -> Iterator[Sample]:
    """Read the samples of a split one by one; each is checked against its hash in the index.

    Args:
        shards: Folder of the shards.
        split: `train`, `val`, `test` or `pairs`.

    Yields:
        The samples in shard order; none if the split has no shard.

    Raises:
        EvaluationError: If there is no index of shards, or a shard is not as the index says.
    """
    with _open_split(shards, split) as samples:
        count = len(samples)
        starts = range(0, count, _BLOCK)
        yield from _read(samples, (np.arange(at, min(at + _BLOCK, count)) for at in starts))


@contextlib.contextmanager
def _open_split(shards: Path, name: str) -> Iterator[Split]:
    try:
        with open_split(shards, name) as split:
            yield split
    except DataError as exc:
        raise EvaluationError(str(exc)) from exc


def _read(split: Split, batches: Iterable[NDArray[np.int64]]) -> Iterator[Sample]:
    """Read samples by their numbers, batch by batch."""
    for indices in batches:
        rows_BR = np.empty((len(indices), split.row_bytes), np.uint8)
        split.gather(indices, rows_BR, np.empty((len(indices), 4), np.int64))
        for row in rows_BR:
            yield _to_sample(row, split.entries[0])


def _to_sample(row: NDArray[np.uint8], entry: Shard) -> Sample:
    """Take a sample's members out of its bytes, which lie alike in all shards of a split."""
    members = {
        one.suffix: row[one.offset : one.offset + math.prod(one.shape)].reshape(one.shape)
        for one in entry.members
    }
    info = from_json(row[entry.json_offset : entry.json_offset + JSON_BYTES].tobytes())
    return Sample(info=info, lab=members["lab.npy"], bw=members.get("bw.npy"))


def _to_hash(sample: Sample) -> str:
    return hashlib.sha256(sample.info.key.encode()).hexdigest()


def _fit_palette(shards: Path) -> Palette:
    with _open_split(shards, "train") as split:
        one, other = itertools.tee(_read(split, choose_pictures(len(split))))
        try:
            return fit_palette(
                (sample.lab for sample in one), (sample.info.valid for sample in other)
            )
        except ValueError as exc:
            raise EvaluationError(
                f"{shards}: the baselines cannot be fitted to the train split: {exc}; {MORE}"
            ) from exc


def to_summary(figures: dict[str, Any]) -> dict[str, float]:
    """Take out of all figures of the test split the few that two runs are compared by.

    Args:
        figures: What `train.scores.summarise` says of the test split, which has samples.

    Returns:
        `dE00` and `psnr` of the model; `gain`, its dE00 less that of the table of lightness by
        row, below 0 where it is the better one; `gain_high`, the upper end of that difference's
        95 % interval; and `views`.
    """
    gain = figures["difference"][REFERENCE]["de00"]
    measured = {
        "dE00": figures[MODEL]["de00"]["mean"],
        "gain": gain["mean"],
        "gain_high": gain["high"],
        "psnr": figures[MODEL]["psnr"]["mean"],
    }
    summary = {name: round(value, SUMMARY_DIGITS) for name, value in measured.items()}
    return summary | {"views": figures["views"]}


def _write_figures(folder: Path, rows: Sequence[Row]) -> None:
    folder.mkdir(parents=True)
    figures = summarise([row for row in rows if row.track == "test"])
    figures["pairs"] = summarise([row for row in rows if row.track == "pairs"])
    (folder / "metrics.json").write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    summary = to_summary(figures)
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
    records = [
        asdict(row) | {name: round(getattr(row, name), DIGITS) for name in NUMBERS} for row in rows
    ]
    table = pa.Table.from_pylist(records, schema=SCHEMA)
    pq.write_table(table, folder / "samples.parquet", compression="zstd", version="2.6")


def _write_pictures(
    folder: Path, *, rows: Sequence[Row], tests: Sequence[Sample], predictor: Predictor
) -> None:
    folder.mkdir()
    scores = {row.key: row.de00 for row in rows if row.track == "test" and row.method == MODEL}
    worst = sorted(tests, key=lambda sample: (-scores[sample.info.key], sample.info.key))
    named = [(f"{number:02d}", sample) for number, sample in enumerate(tests[:SHOWN], 1)]
    named += [(f"worst-{number:02d}", sample) for number, sample in enumerate(worst[:WORST], 1)]
    for name, sample in named:
        lab, seen = to_input(sample)
        triptych = to_triptych(lab, seen=seen, predicted_ab=predictor.predict_ab(seen))
        write_picture(folder / f"{name}-{sample.info.key}.jpg", triptych)
