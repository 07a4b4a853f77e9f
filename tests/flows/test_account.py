import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from rich.console import Console

from flows.account import Line, read_account, to_table
from flows.project import Project
from harvest.manifest import CATALOG_SCHEMA, SCANS_SCHEMA, read_manifest, write_manifest
from preprocess.index import SAMPLE_DTYPE, Described, Member, Shard, to_index, write_index
from preprocess.manifest import CROPS_SCHEMA, GROUPS_SCHEMA, PAIRS_SCHEMA, SAMPLES_SCHEMA
from preprocess.samples import to_layout

SIZE = 64


def fill(schema: pa.Schema, **given: Any) -> dict[str, Any]:
    """A row with the given values, and something of the right type in every other column."""

    def some(field: pa.Field) -> Any:
        if pa.types.is_string(field.type):
            return ""
        if pa.types.is_list(field.type):
            return []
        return False if pa.types.is_boolean(field.type) else 0

    return {field.name: given.get(field.name, some(field)) for field in schema}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Three rows, two of them listed; both stored; one a duplicate of the other."""
    project = Project(root=tmp_path)
    data, shards = project.data, project.shards(SIZE)
    write_manifest(
        data / "catalog.parquet",
        [
            fill(CATALOG_SCHEMA, row=1, resource_id="a.1", state="listed"),
            fill(CATALOG_SCHEMA, row=2, resource_id="a.2", state="listed"),
            fill(CATALOG_SCHEMA, row=3, resource_id=None, state="skipped", reason="no_image"),
        ],
        CATALOG_SCHEMA,
    )
    write_manifest(
        data / "scans.parquet",
        [fill(SCANS_SCHEMA, scan_id=f"a.{n}", state="stored") for n in (1, 2)],
        SCANS_SCHEMA,
    )
    write_manifest(
        data / "groups.parquet",
        [
            fill(GROUPS_SCHEMA, scan_id="a.1", state="kept"),
            fill(GROUPS_SCHEMA, scan_id="a.2", state="duplicate"),
        ],
        GROUPS_SCHEMA,
    )
    write_manifest(
        data / "crops.parquet",
        [fill(CROPS_SCHEMA, scan_id="a.1", role="colour", state="cropped")],
        CROPS_SCHEMA,
    )
    write_manifest(data / "pairs.parquet", [], PAIRS_SCHEMA)
    sample = fill(
        SAMPLES_SCHEMA,
        key="a-1",
        scan_id="a.1",
        split="train",
        shard="train-000000.tar",
        state="written",
    )
    write_manifest(shards / "samples.parquet", [sample], SAMPLES_SCHEMA)
    return project


def write_model(project: Project, shards: dict[str, str]) -> None:
    """Write the record of a model, beside an index that says 64 zeros for the one shard."""
    layout = to_layout(SIZE, paired=False)
    members = tuple(Member(*array, "uint8") for array in layout.arrays)
    shard = Shard(
        name="train-000000.tar",
        split="train",
        samples=1,
        stride=layout.stride,
        members=members,
        json_offset=layout.json_offset,
        size_bytes=-(-(layout.stride + 1024) // 10240) * 10240,
        sha256="0" * 64,
    )
    samples = np.zeros(shard.samples, SAMPLE_DTYPE)
    write_index(project.shards(SIZE), *to_index(SIZE, [Described(shard, samples)]))
    (project.data / "model").mkdir()
    (project.data / "model" / "model.json").write_text(json.dumps({"shards": shards}))


def test_an_account_that_adds_up_has_no_fault(project: Project) -> None:
    write_model(project, {"train-000000.tar": "0" * 64})
    lines = read_account(project, size=SIZE)
    assert [line.fault for line in lines] == [""] * 8
    assert [(line.seen, line.passed) for line in lines[:7]] == [
        (3, 2),
        (2, 2),
        (2, 1),
        (1, 1),
        (0, 0),
        (1, 1),
        (1, 1),
    ]
    assert lines[0].held == {"no_image": 1}
    assert lines[2].held == {"duplicate": 1}
    assert not lines[7].run


def test_a_lost_row_is_a_fault_of_the_stage_that_lost_it(project: Project) -> None:
    write_manifest(
        project.data / "scans.parquet",
        [fill(SCANS_SCHEMA, scan_id="a.1", state="stored")],
        SCANS_SCHEMA,
    )
    faults = {line.stage: line.fault for line in read_account(project, size=SIZE) if line.fault}
    assert "lacks 1 of the 2 scans" in faults["scans"]
    assert "has 1 others" in faults["dedupe"]


def test_one_row_for_another_is_a_fault_although_the_counts_agree(project: Project) -> None:
    row = fill(CROPS_SCHEMA, scan_id="a.9", role="colour", state="cropped")
    write_manifest(project.data / "crops.parquet", [row], CROPS_SCHEMA)
    faults = {line.stage: line.fault for line in read_account(project, size=SIZE) if line.fault}
    assert "lacks 1 of the 1 scans" in faults["crop"]
    assert "has 1 others" in faults["crop"]


def test_a_missing_manifest_is_a_fault_once_a_later_stage_has_run(project: Project) -> None:
    (project.data / "pairs.parquet").unlink()
    lines = {line.stage: line for line in read_account(project, size=SIZE)}
    assert "its manifest is missing" in lines["pairs"].fault
    assert not lines["evaluate"].fault


def test_a_model_of_other_shards_is_a_fault(project: Project) -> None:
    write_model(project, {"train-000000.tar": "1"})
    lines = {line.stage: line for line in read_account(project, size=SIZE)}
    assert "not trained on these shards" in lines["train"].fault


def test_a_model_of_foreign_samples_needs_no_shards_and_says_how_many(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (project.data / "model").mkdir(parents=True)
    record = {"data": "webdataset", "samples": {"train": 70, "val": 8}, "shards": {}}
    (project.data / "model" / "model.json").write_text(json.dumps(record))
    lines = read_account(project, size=SIZE)
    (line,) = (line for line in lines if line.stage == "train")
    assert (line.seen, line.passed) == (78, 78)
    assert not any(line.fault for line in lines)


def test_an_index_that_counts_otherwise_is_a_fault(project: Project) -> None:
    write_model(project, {"train-000000.tar": "0" * 64})
    path = project.shards(SIZE) / "samples.parquet"
    (row,) = read_manifest(path, SAMPLES_SCHEMA)
    write_manifest(path, [row, row | {"key": "a-2", "index": 1}], SAMPLES_SCHEMA)
    write_manifest(
        project.data / "crops.parquet",
        [fill(CROPS_SCHEMA, scan_id="a.1", role="colour", state="cropped")] * 2,
        CROPS_SCHEMA,
    )
    lines = {line.stage: line for line in read_account(project, size=SIZE)}
    assert (
        "index.json has 1 samples in train-000000.tar, samples.parquet 2" in lines["shards"].fault
    )


def test_an_index_of_an_older_version_is_a_fault_and_stops_no_stage(project: Project) -> None:
    write_model(project, {"train-000000.tar": "0" * 64})
    path = project.shards(SIZE) / "index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"version": 1}))
    lines = {line.stage: line for line in read_account(project, size=SIZE)}
    for stage in ("shards", "train"):
        assert "expected version 2, got 1; run photochrom shards again" in lines[stage].fault


def test_an_evaluation_that_missed_a_sample_is_a_fault(project: Project) -> None:
    write_model(project, {"train-000000.tar": "0" * 64})
    (project.data / "evaluation").mkdir()
    (project.data / "evaluation" / "metrics.json").write_text('{"samples": 3}')
    lines = {line.stage: line for line in read_account(project, size=SIZE)}
    assert "3 samples measured of 0" in lines["evaluate"].fault


def test_nothing_run_is_no_fault(tmp_path: Path) -> None:
    assert not any(line.fault or line.run for line in read_account(Project(tmp_path), size=SIZE))


def test_the_table_fits_eighty_columns(project: Project) -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(to_table(read_account(project, size=SIZE)))
    text = console.export_text()
    assert max(len(line) for line in text.splitlines()) <= 80
    assert "1 no_image" in text
    assert "1 train" in text


def test_a_file_that_is_gone_is_a_fault_and_files_never_fetched_are_none(project: Project) -> None:
    rows = read_manifest(project.data / "scans.parquet", SCANS_SCHEMA)
    named = [row | {"path": f"scans/sample/{number}.jpg"} for number, row in enumerate(rows)]
    write_manifest(project.data / "scans.parquet", named, SCANS_SCHEMA)
    assert scans_line(project).fault == ""
    (project.data / "scans/sample").mkdir(parents=True)
    (project.data / "scans/sample/0.jpg").touch()
    assert "1 of 2 files are not there; run `photochrom scans`" in scans_line(project).fault


def scans_line(project: Project) -> Line:
    return next(line for line in read_account(project, size=SIZE) if line.stage == "scans")
