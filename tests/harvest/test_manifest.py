import random
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harvest.errors import ManifestError
from harvest.manifest import read_manifest, to_schema, write_manifest


class State(StrEnum):
    GOOD = "good"


@dataclass(frozen=True, slots=True)
class Thing:
    name: str
    count: int | None
    tags: tuple[str, ...]
    state: State


SCHEMA = to_schema(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("count", pa.int32()),
        pa.field("tags", pa.list_(pa.string())),
        pa.field("state", pa.string(), nullable=False),
    ],
    sort=["count", "name"],
    stage="photochrom things",
)


def things() -> list[Thing]:
    return [
        Thing("b", 2, ("x", "y"), State.GOOD),
        Thing("a", 2, (), State.GOOD),
        Thing("d", None, ("z",), State.GOOD),
        Thing("c", 1, (), State.GOOD),
        Thing("c", 1, ("ä",), State.GOOD),
    ]


def test_rows_come_back_sorted_with_nulls_first(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "things.parquet"
    write_manifest(path, things(), SCHEMA)
    rows = read_manifest(path, SCHEMA)
    assert [row["name"] for row in rows] == ["d", "c", "c", "a", "b"]
    assert rows[-1] == {"name": "b", "count": 2, "tags": ["x", "y"], "state": "good"}


def test_bytes_depend_on_content_alone(tmp_path: Path) -> None:
    rows = things()
    first, second = tmp_path / "one.parquet", tmp_path / "two.parquet"
    write_manifest(first, rows, SCHEMA)
    for seed in range(5):
        random.Random(seed).shuffle(rows)
        write_manifest(second, rows, SCHEMA)
        assert second.read_bytes() == first.read_bytes()


def test_dicts_and_dataclasses_give_the_same_bytes(tmp_path: Path) -> None:
    write_manifest(tmp_path / "one", things(), SCHEMA)
    dicts = [
        {"state": "good", "tags": list(t.tags), "count": t.count, "name": t.name} for t in things()
    ]
    write_manifest(tmp_path / "two", dicts, SCHEMA)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_an_empty_manifest_is_a_manifest(tmp_path: Path) -> None:
    write_manifest(tmp_path / "empty.parquet", [], SCHEMA)
    assert read_manifest(tmp_path / "empty.parquet", SCHEMA) == []


def test_nothing_but_the_manifest_stays_in_the_folder(tmp_path: Path) -> None:
    write_manifest(tmp_path / "things.parquet", things(), SCHEMA)
    with pytest.raises(ManifestError):
        write_manifest(tmp_path / "things.parquet", [{"name": 1}], SCHEMA)
    assert [p.name for p in tmp_path.iterdir()] == ["things.parquet"]
    assert len(read_manifest(tmp_path / "things.parquet", SCHEMA)) == 5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": "many"}, "'count': expected int32"),
        ({"count": 2**40}, "'count': expected int32"),
        ({"name": None}, "'name': 1 of 1 rows are null"),
        ({"tags": 3}, "'tags': expected list"),
        ({"other": 3}, r"has \['other'\] besides"),
    ],
)
def test_a_row_that_does_not_fit_is_named(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    row: dict[str, object] = {"name": "a", "count": 1, "tags": [], "state": "good"}
    with pytest.raises(ManifestError, match=message):
        write_manifest(tmp_path / "bad.parquet", [row | change], SCHEMA)


def test_a_missing_manifest_names_the_stage_to_run(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="run photochrom things first"):
        read_manifest(tmp_path / "none.parquet", SCHEMA)


def test_other_columns_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.parquet"
    pq.write_table(pa.table({"name": ["a"], "colour": ["red"]}), path)
    with pytest.raises(ManifestError, match=r"'colour'\] are foreign.*run photochrom things again"):
        read_manifest(path, SCHEMA)
    pq.write_table(pa.table({"name": [1], "count": [1], "tags": [["a"]], "state": ["a"]}), path)
    with pytest.raises(ManifestError, match="name: string not null"):
        read_manifest(path, SCHEMA)


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.parquet"
    path.write_text("nothing of the kind")
    with pytest.raises(ManifestError, match="not a readable manifest"):
        read_manifest(path, SCHEMA)


def test_a_schema_must_name_its_sort_columns(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected columns among"):
        write_manifest(tmp_path / "x", [], pa.schema([pa.field("name", pa.string())]))
