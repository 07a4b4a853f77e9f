from pathlib import Path

import pyarrow.parquet as pq
import pytest

from harvest.errors import ManifestError
from harvest.manifest import write_manifest
from preprocess.errors import PreprocessError
from preprocess.released import RELEASED_SCHEMA, read_released, write_released
from preprocess.split import Split

RELEASE = {
    "ppmsc.00002": ("ppmsc.00001", Split.VAL),
    "cph.3b00007": ("ppmsc.00001", Split.VAL),
    "ppmsc.00001": ("ppmsc.00001", Split.VAL),
    "ppmsc.00009": ("ppmsc.00009", Split.TRAIN),
}


def test_a_release_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "splits" / "loc.parquet"
    write_released(path, RELEASE)
    assert read_released(path) == RELEASE
    assert pq.read_table(path).column_names == ["scan_id", "view_id", "split"]


def test_before_the_first_release_nothing_is_released(tmp_path: Path) -> None:
    assert read_released(tmp_path / "splits" / "loc.parquet") == {}


def test_the_same_release_gives_the_same_bytes_in_any_order(tmp_path: Path) -> None:
    write_released(tmp_path / "one", RELEASE)
    write_released(tmp_path / "two", dict(reversed(RELEASE.items())))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    ids = pq.read_table(tmp_path / "one")["scan_id"].to_pylist()
    assert ids == sorted(RELEASE)


def test_a_view_that_crosses_splits_is_neither_written_nor_read(tmp_path: Path) -> None:
    torn = RELEASE | {"ppmsc.00002": ("ppmsc.00001", Split.TEST)}
    with pytest.raises(PreprocessError, match=r"expected val, as its view ppmsc\.00001, got test"):
        write_released(tmp_path / "loc.parquet", torn)
    assert list(tmp_path.iterdir()) == []
    rows = [{"scan_id": s, "view_id": v, "split": str(p)} for s, (v, p) in torn.items()]
    write_manifest(tmp_path / "loc.parquet", rows, RELEASED_SCHEMA)
    with pytest.raises(PreprocessError, match=r"loc\.parquet: ppmsc\.00002: expected val"):
        read_released(tmp_path / "loc.parquet")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("s", "v", "training")], "s: expected train, val or test, got 'training'"),
        ([("s", "v", "val"), ("s", "v", "val")], "s: expected one row for each scan"),
    ],
)
def test_a_spoilt_release_is_refused(
    tmp_path: Path, rows: list[tuple[str, str, str]], said: str
) -> None:
    columns = [dict(zip(RELEASED_SCHEMA.names, row, strict=True)) for row in rows]
    write_manifest(tmp_path / "loc.parquet", columns, RELEASED_SCHEMA)
    with pytest.raises(PreprocessError, match=said):
        read_released(tmp_path / "loc.parquet")


def test_a_file_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loc.parquet").write_bytes(b"no parquet")
    with pytest.raises(ManifestError, match="not a readable manifest"):
        read_released(tmp_path / "loc.parquet")
