import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from harvest.manifest import read_manifest
from preprocess.card import COLUMNS
from preprocess.composition import Composition
from preprocess.croissant import to_croissant
from preprocess.index import Index
from preprocess.manifest import SAMPLES_SCHEMA
from tests.preprocess.folders import Folder, make_folder

# What mlcroissant stands on calls some of what mlcroissant asks of it obsolete, and mlcroissant
# leaves the files it read to the collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def mlcroissant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """Import the reader so that it keeps here what it unpacks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CROISSANT_CACHE", str(tmp_path_factory.mktemp("croissant")))
        import mlcroissant

        yield mlcroissant


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    return make_folder(tmp_path_factory.mktemp("data"), size=32, source="loc")


def load(mlcroissant: ModuleType, path: Path, caplog: pytest.LogCaptureFixture) -> Any:
    """Load the metadata, and let neither error nor warning pass."""
    with caplog.at_level(logging.WARNING):
        dataset = mlcroissant.Dataset(str(path / "croissant.json"))
    issues = dataset.metadata.ctx.issues
    assert (set(issues.errors), set(issues.warnings), caplog.messages) == (set(), set(), [])
    return dataset


@pytest.mark.parametrize("source", ["sample", "loc"])
def test_the_metadata_validates_without_a_warning(
    mlcroissant: ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture, source: str
) -> None:
    made = make_folder(tmp_path, size=32, source=source)
    metadata = load(mlcroissant, made.path, caplog).metadata
    assert str(metadata.date_published.date()) == "2016-04-21"
    assert [one.name for one in metadata.file_objects] == [
        "samples.parquet",
        "index.npy",
        *(shard.name for shard in made.index.shards),
    ]


def test_without_a_dated_record_the_date_alone_is_missed(
    mlcroissant: ModuleType, tmp_path: Path
) -> None:
    text = write(Composition(source="folder"))
    (tmp_path / "croissant.json").write_text(text)
    issues = mlcroissant.Dataset(str(tmp_path / "croissant.json")).metadata.ctx.issues
    assert set(issues.errors) == set()
    assert len(issues.warnings) == 1
    assert "datePublished" in next(iter(issues.warnings))


def test_mlcroissant_reads_the_table(
    mlcroissant: ModuleType, folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    records = list(load(mlcroissant, folder.path, caplog).records("samples"))
    rows = read_manifest(folder.path / "samples.parquet", SAMPLES_SCHEMA)
    assert len(records) == len(rows) == len(folder.samples)
    for record, row in zip(records, rows, strict=True):
        for name, value in row.items():
            found = record[f"samples/{name}"]
            assert (found.decode() if isinstance(found, bytes) else found) == value


def test_mlcroissant_reads_the_arrays_and_joins_them_to_the_table(
    mlcroissant: ModuleType, folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    dataset = load(mlcroissant, folder.path, caplog)
    for name in ("lab", "bw"):
        found = {}
        for record in dataset.records(name):
            key = record[f"{name}/key"].decode()
            assert record[f"{name}/split"].decode() == folder.samples[key].info.split
            found[key] = np.load(io.BytesIO(record[f"{name}/content"]))
        expected = {
            key: getattr(sample, name)
            for key, sample in folder.samples.items()
            if getattr(sample, name) is not None
        }
        assert set(found) == set(expected)
        assert all((found[key] == expected[key]).all() for key in expected)
    assert caplog.messages == []


def test_a_damaged_shard_is_refused_by_its_checksum(
    mlcroissant: ModuleType, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    made = make_folder(tmp_path, size=32)
    dataset = load(mlcroissant, made.path, caplog)
    with (made.path / made.index.shards[0].name).open("ab") as stream:
        stream.write(b"more")
    with pytest.raises(Exception, match=made.index.shards[0].name) as caught:
        list(dataset.records("lab"))
    assert "is not identical with the reference" in str(caught.value.__cause__)


def write(made: Composition, *, index: Index | None = None) -> str:
    return to_croissant(
        index or Index(32, (), array_sha256="0" * 64),
        made=made,
        samples_name="samples.parquet",
        samples_sha256="0" * 64,
    )


def test_the_same_data_set_gives_the_same_bytes(folder: Folder) -> None:
    made = Composition(source="loc", newest="2020-10-05")
    assert write(made, index=folder.index) == write(made, index=folder.index)
    record = json.loads(write(made, index=folder.index))
    assert record["datePublished"] == "2020-10-05"
    assert str(folder.path.parent) not in json.dumps(record)


def test_every_file_has_its_checksum_and_every_column_its_meaning(folder: Folder) -> None:
    record = json.loads((folder.path / "croissant.json").read_text())
    sums = {node["name"]: node["sha256"] for node in record["distribution"] if "sha256" in node}
    shards = {shard.name for shard in folder.index.shards}
    assert sums.keys() == {"samples.parquet", "index.npy", *shards}
    assert sums["index.npy"] == folder.index.array_sha256
    assert all(sums[shard.name] == shard.sha256 for shard in folder.index.shards)
    table = next(node for node in record["recordSet"] if node["@id"] == "samples")
    assert [field["name"] for field in table["field"]] == list(COLUMNS)
    assert all(field["description"] for field in table["field"])


def test_no_rights_are_claimed_but_the_librarys_advisory() -> None:
    names = {
        source: json.loads(write(Composition(source=source)))["license"]["name"]
        for source in ("loc", "sample", "folder", "")
    }
    advisory = "No known restrictions on publication"
    unknown = dict.fromkeys(("sample", "folder", ""), "unknown")
    assert names == {"loc": advisory} | unknown


def test_no_shards_are_described_too(mlcroissant: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "croissant.json").write_text(write(Composition(source="loc", newest="2020-10-05")))
    issues = mlcroissant.Dataset(str(tmp_path / "croissant.json")).metadata.ctx.issues
    assert (set(issues.errors), set(issues.warnings)) == (set(), set())
