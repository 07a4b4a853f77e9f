"""The account: what every stage saw, passed on and held back, and whether it adds up."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.table import Table

from flows.errors import AccountError
from flows.project import Project
from harvest.manifest import CATALOG_SCHEMA, SCANS_SCHEMA, read_manifest
from preprocess.errors import ShardError
from preprocess.index import INDEX_NAME, read_index
from preprocess.manifest import CROPS_SCHEMA, GROUPS_SCHEMA, PAIRS_SCHEMA, SAMPLES_SCHEMA

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One stage of the account, in the stage's own unit."""

    stage: str
    unit: str
    seen: int
    passed: int
    held: dict[str, int] = field(default_factory=dict)
    """Rows that do not go on, by reason."""
    marked: dict[str, int] = field(default_factory=dict)
    """Rows that go on and are worth telling apart: flagged, or by split."""
    fault: str = ""
    """Why the line does not add up; "" when it does."""
    run: bool = True
    """Whether the stage has run."""

    @property
    def held_text(self) -> str:
        """What is held back and why, in words; "" for nothing."""
        return _say(self.held)

    @property
    def held_or_none(self) -> str:
        """What is held back and why, in words."""
        return self.held_text or "none"

    @property
    def marked_text(self) -> str:
        """What is told apart among what goes on, in words; "" for nothing."""
        return _say(self.marked)


@dataclass(frozen=True, slots=True)
class Ledgered:
    """How a manifest is counted."""

    stage: str
    unit: str
    path: Path
    schema: pa.Schema
    passing: frozenset[str]


def _say(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {why}" for why, count in counts.items())


def read_account(project: Project, *, size: int) -> list[Line]:
    """Read every manifest and check each against the one before.

    Args:
        project: The checkout.
        size: Side of the samples, in pixels; names the folder of shards.

    Returns:
        A line for each stage, in the order of the pipeline; one that has not run says so,
        and is a fault only when a later one has.

    Raises:
        ManifestError: If a manifest cannot be read.
    """
    rows = {one.stage: _read(one) for one in _manifests(project, size)}
    lines = [
        _count(one, rows[one.stage], expected=_expected(one.stage, rows))
        for one in _manifests(project, size)
    ]
    shards = project.shards(size)
    lines.append(_count_model(project, rows["shards"], shards=shards))
    lines.append(_count_evaluation(project, rows["shards"]))
    return [_with_gap(line, lines[number + 1 :]) for number, line in enumerate(lines)]


def to_table(lines: Sequence[Line]) -> Table:
    """Lay the account out for a terminal of 80 columns."""
    table = Table(box=None, pad_edge=False)
    for name, justify in (("stage", "left"), ("unit", "left"), ("seen", "right")):
        table.add_column(name, justify="right" if justify == "right" else "left")
    table.add_column("passed on", justify="right")
    table.add_column("held back")
    table.add_column("among the rest")
    table.add_column("")
    for line in lines:
        mark = "[red]wrong[/red]" if line.fault else "[green]ok[/green]" if line.run else "not run"
        seen, passed = (str(line.seen), str(line.passed)) if line.run else ("", "")
        table.add_row(line.stage, line.unit, seen, passed, line.held_text, line.marked_text, mark)
    return table


def to_markdown(lines: Sequence[Line]) -> str:
    """Lay the account out as a table in Markdown, for the Prefect UI."""
    head = "| | stage | unit | seen | passed on | held back | among the rest |\n"
    rows = [
        f"| {line.fault or ('ok' if line.run else 'not run')} | {line.stage} | {line.unit} "
        f"| {line.seen:,} | {line.passed:,} | {line.held_text} | {line.marked_text} |"
        for line in lines
    ]
    return "\n".join([f"{head}|---|---|---|--:|--:|---|---|", *rows])


def _manifests(project: Project, size: int) -> list[Ledgered]:
    data = project.data
    samples = project.shards(size) / "samples.parquet"
    return [
        _ledgered("catalog", "rows", data / "catalog.parquet", CATALOG_SCHEMA, "listed"),
        _ledgered("scans", "resources", data / "scans.parquet", SCANS_SCHEMA, "stored"),
        _ledgered("dedupe", "scans", data / "groups.parquet", GROUPS_SCHEMA, "kept negative"),
        _ledgered("crop", "scans", data / "crops.parquet", CROPS_SCHEMA, "cropped"),
        _ledgered("pairs", "negatives", data / "pairs.parquet", PAIRS_SCHEMA, "aligned"),
        _ledgered("shards", "samples", samples, SAMPLES_SCHEMA, "written"),
    ]


def _ledgered(stage: str, unit: str, path: Path, schema: pa.Schema, passing: str) -> Ledgered:
    return Ledgered(stage, unit, path, schema, frozenset(passing.split()))


def _read(manifest: Ledgered) -> list[Row] | None:
    return read_manifest(manifest.path, manifest.schema) if manifest.path.is_file() else None


def _expected(stage: str, rows: dict[str, list[Row] | None]) -> Counter[str] | None:
    """Scans that a stage must have a row for, from the manifests before it; None for the first."""
    catalog, scans, groups = rows["catalog"], rows["scans"], rows["dedupe"]
    crops = rows["crop"]
    if stage == "scans" and catalog is not None:
        return Counter(row["resource_id"] for row in catalog if row["state"] == "listed")
    if stage == "dedupe" and scans is not None:
        return _ids(scans, "stored")
    if stage == "crop" and groups is not None:
        return _ids(groups, "kept", "negative")
    if stage == "pairs" and crops is not None:
        return _ids([row for row in crops if row["role"] == "negative"], "cropped")
    if stage == "shards" and crops is not None:
        return Counter(row["scan_id"] for row in crops)
    return None


def _ids(rows: Sequence[Row], *states: str) -> Counter[str]:
    return Counter(row["scan_id"] for row in rows if row["state"] in states)


def _count(manifest: Ledgered, rows: list[Row] | None, *, expected: Counter[str] | None) -> Line:
    if rows is None:
        return Line(manifest.stage, manifest.unit, 0, 0, run=False)
    held = Counter(
        row["reason"] or row["state"] for row in rows if row["state"] not in manifest.passing
    )
    passed = len(rows) - held.total()
    fault = ""
    if expected is not None:
        there = Counter(row["scan_id"] for row in rows)
        lost, foreign = (expected - there).total(), (there - expected).total()
        if lost or foreign:
            fault = (
                f"{manifest.stage}: {manifest.path.name} lacks {lost} of the {expected.total()} "
                f"scans that the stage before passed on, and has {foreign} others; run `dvc repro`"
            )
    if manifest.stage == "scans" and not fault:
        fault = _find_lost_files(manifest.path.parent, rows)
    if manifest.stage == "shards" and not fault:
        fault = _find_miscounts(manifest.path.parent, rows)
    return Line(
        manifest.stage,
        manifest.unit,
        seen=len(rows),
        passed=passed,
        held=dict(sorted(held.items())),
        marked=_mark([row for row in rows if row["state"] in manifest.passing]),
        fault=fault,
    )


def _find_lost_files(data: Path, rows: Sequence[Row]) -> str:
    """Say whether files that the scans' manifest names are gone; none at all were not fetched."""
    named = [data / row["path"] for row in rows if row["path"] is not None]
    lost = sum(not path.is_file() for path in named)
    if lost in (0, len(named)):
        return ""
    return f"scans: {lost} of {len(named)} files are not there; run `photochrom scans`"


def _find_miscounts(shards: Path, rows: Sequence[Row]) -> str:
    """Say whether the index has other shards or counts than the table of samples.

    A shard's length does not tell: below 64 px one sample more or less may take as many bytes.
    """
    if not (shards / INDEX_NAME).is_file():
        return ""
    try:
        said = {shard.name: shard.samples for shard in read_index(shards).shards}
    except ShardError as exc:
        return f"shards: {exc}"
    counts = Counter(row["shard"] for row in rows if row["state"] == "written")
    wrong = sorted(name for name in said.keys() | counts if said.get(name) != counts.get(name))
    if not wrong:
        return ""
    return (
        f"shards: {INDEX_NAME} has {said.get(wrong[0], 0)} samples in {wrong[0]}, "
        f"samples.parquet {counts[wrong[0]]}; run `photochrom shards`"
    )


def _mark(rows: Sequence[Row]) -> dict[str, int]:
    """Count what goes on by split, or what of it is flagged."""
    if rows and "split" in rows[0]:
        return dict(sorted(Counter(row["split"] for row in rows).items()))
    flagged = sum(row.get("flagged", False) for row in rows)
    return {"flagged": flagged} if flagged else {}


def _count_model(project: Project, samples: list[Row] | None, *, shards: Path) -> Line:
    """Count the samples that the model learned from, and check that they are today's shards."""
    path = project.data / "model" / "model.json"
    record = read_json(path, stage="train") if path.is_file() else {}
    if record.get("data") == "webdataset":
        # It stands beside the pipeline, whose stages may not have run.
        count = sum(record["samples"].values())
        return Line("train", "samples", count, count, run=samples is not None)
    if samples is None or not record:
        return Line("train", "samples", 0, 0, run=False)
    known = record["shards"]
    try:
        there = {shard.name: shard.sha256 for shard in read_index(shards).shards}
    except ShardError as exc:
        return Line("train", "samples", 0, 0, fault=f"train: {exc}")
    seen = [
        row for row in samples if row["state"] == "written" and row["split"] in ("train", "val")
    ]
    used = sum(known.get(row["shard"]) == there.get(row["shard"]) for row in seen)
    fault = ""
    if used != len(seen):
        fault = "train: the model was not trained on these shards; run `dvc repro`"
    splits = dict(sorted(Counter(row["split"] for row in seen).items()))
    return Line("train", "samples", len(seen), used, marked=splits, fault=fault)


def _count_evaluation(project: Project, samples: list[Row] | None) -> Line:
    path = project.data / "evaluation" / "metrics.json"
    if samples is None or not path.is_file():
        return Line("evaluate", "samples", 0, 0, run=False)
    measured = read_json(path, stage="evaluate")["samples"]
    there = sum(row["split"] == "test" and row["state"] == "written" for row in samples)
    fault = ""
    if measured != there:
        fault = f"evaluate: {measured} samples measured of {there} in the split; run `dvc repro`"
    return Line("evaluate", "samples", there, measured, fault=fault)


def read_json(path: Path, *, stage: str) -> dict[str, Any]:
    """Read a figure file of a stage.

    Raises:
        AccountError: If it is missing or torn; the message names the stage to run.
    """
    try:
        record: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as exc:
        raise AccountError(
            f"{path}: expected what `photochrom {stage}` writes ({exc}); run it first"
        ) from exc
    return record


def _with_gap(line: Line, later: Sequence[Line]) -> Line:
    """Mark a stage that has not run although a later one has."""
    if line.run or not any(other.run for other in later):
        return line
    fault = f"{line.stage}: its manifest is missing, yet a later stage has run; run `dvc repro`"
    return Line(line.stage, line.unit, 0, 0, fault=fault, run=False)
