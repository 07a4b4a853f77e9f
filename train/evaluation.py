"""Edge: a model and the test split to figures, one row for each sample and method, and pictures.

`metrics.json` holds what `train.scores.summarise` says of the test split, and under `pairs` the
same of the real negatives whose view is in the test split. `summary.json` holds the few figures
of it that `dvc metrics` shows.
"""

import hashlib
import itertools
import json
import shutil
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from preprocess.errors import ShardError
from preprocess.index import read_index
from preprocess.samples import Sample, from_members
from train.errors import TrainError
from train.pictures import to_triptych, write_picture
from train.predict import Predictor
from train.scores import DIGITS, MODEL, Row, summarise, to_input, to_rows
from train.table import Palette, fit_palette

SHOWN: Final = 12
"""Test samples shown: the first by hash, so that nobody picks them."""

WORST: Final = 3
"""Test samples shown besides: those with the largest dE00."""

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
        shards: Folder of the shards; the train split fits the baselines.
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
    """Read the samples of a split one by one.

    Args:
        shards: Folder of the shards.
        split: `train`, `val`, `test` or `pairs`.

    Yields:
        The samples in shard order; none if the split has no shard.

    Raises:
        EvaluationError: If there is no index of shards, or a shard is not as the index says.
    """
    try:
        index = read_index(shards)
    except ShardError as exc:
        raise EvaluationError(str(exc)) from exc
    for shard in index.shards:
        if shard.split == split:
            try:
                yield from _read_shard(shards / shard.name, sha256=shard.sha256)
            except (tarfile.TarError, OSError, ValueError) as exc:
                raise EvaluationError(
                    f"{shards / shard.name}: expected a shard as the index describes it, got: "
                    f"{exc}; run `photochrom shards` again, or `dvc pull` it"
                ) from exc


def _read_shard(path: Path, *, sha256: str) -> Iterator[Sample]:
    with path.open("rb") as stream:
        found = hashlib.file_digest(stream, "sha256").hexdigest()
    if found != sha256:
        raise ValueError(f"SHA-256 {found}, not {sha256}")
    with tarfile.open(path) as tar:
        for _, infos in itertools.groupby(tar, lambda info: info.name.partition(".")[0]):
            members: dict[str, bytes] = {}
            for info in infos:
                file = tar.extractfile(info)
                if file is None:
                    raise ValueError(f"{info.name} is not a file")
                members[info.name.partition(".")[2]] = file.read()
            yield from_members(members)


def _to_hash(sample: Sample) -> str:
    return hashlib.sha256(sample.info.key.encode()).hexdigest()


def _fit_palette(shards: Path) -> Palette:
    one, other = itertools.tee(read_split(shards, "train"))
    try:
        return fit_palette((sample.lab for sample in one), (sample.info.valid for sample in other))
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
