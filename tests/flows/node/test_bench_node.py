"""The command: what it takes, what it refuses, and that it leaves nothing behind."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from flows.cli import app
from flows.errors import NodeError
from flows.node import measuring
from flows.node.measuring import Place, find_place, find_size, measure
from flows.node.verdict import Kind, Wish
from tests.train.conftest import write_shards
from train.errors import DataError
from train.streaming import node, node_disk

SIZE = 32


@pytest.fixture(autouse=True)
def brief(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Measure each thing once, and write little."""
    monkeypatch.setattr(measuring, "SPELL_S", 0.0)
    monkeypatch.setattr(node_disk, "OWN_BYTES", 1 << 20)
    monkeypatch.setattr(node, "WARM_BYTES", 1 << 18)
    yield


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    import io

    header = tarfile.TarInfo(name)
    header.size = len(content)
    tar.addfile(header, io.BytesIO(content))


def write_foreign(folder: Path) -> Path:
    import io

    folder.mkdir()
    with tarfile.open(folder / "train-000.tar", "w") as tar:
        for number in range(5):
            stream = io.BytesIO()
            Image.new("RGB", (40, 30), (number, 90, 200)).save(stream, "JPEG")
            add(tar, f"{number:04d}.jpg", stream.getvalue())
    return folder


def test_shards_are_measured_through_the_reader(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "shards", size=SIZE, train=[70])
    place = find_place(folder, default=tmp_path, own_file=False)
    seen = measure(place, Wish(gpus=2, rate=1.0, size=SIZE), spell_s=0.0)
    assert (seen.kind, seen.samples) == (Kind.SHARDS, 70)
    assert seen.row_bytes == 3 * SIZE**2
    assert seen.stored_bytes > seen.row_bytes
    assert seen.gather_cpu is not None
    assert min(seen.copy_all, seen.disk_all, seen.disk_ordered, seen.gather_cpu) > 0
    assert seen.decode_cpu is None


def test_a_foreign_set_is_decoded(tmp_path: Path) -> None:
    folder = write_foreign(tmp_path / "theirs")
    before = sorted(folder.iterdir())
    place = find_place(folder, default=tmp_path, own_file=False)
    seen = measure(place, Wish(gpus=1, rate=1.0, size=SIZE), spell_s=0.0)
    assert seen.kind is Kind.FOREIGN
    assert seen.decode_cpu is not None
    assert seen.samples == 5
    assert seen.data_bytes == sum(path.stat().st_size for path in before)
    assert sorted(folder.iterdir()) == before


def test_the_file_of_its_own_is_removed(tmp_path: Path) -> None:
    place = find_place(None, default=tmp_path / "data" / "shards" / "32", own_file=False)
    assert place == Place(Kind.OWN, tmp_path)
    measure(place, Wish(gpus=1, rate=1.0, size=SIZE), spell_s=0.0)
    assert not list(tmp_path.iterdir())


def test_the_checkout_s_shards_are_the_default(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "32", size=SIZE, train=[70])
    assert find_place(None, default=folder, own_file=False) == Place(Kind.SHARDS, folder)
    assert find_place(folder, default=folder, own_file=True) == Place(Kind.OWN, folder)


@pytest.mark.parametrize(
    ("name", "own_file", "said"),
    [
        ("none", False, "none: expected a folder of shards or a tar, found none"),
        ("empty", False, "index.json of our shards, or tars, found neither"),
        ("file", True, "expected a folder to put a file into"),
    ],
)
def test_what_is_no_data_is_refused(tmp_path: Path, name: str, own_file: bool, said: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(NodeError, match=said):
        find_place(tmp_path / name, default=tmp_path, own_file=own_file)


def test_a_shard_that_is_not_there_is_named(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "shards", size=SIZE, train=[70])
    (folder / "train-000000.tar").unlink()
    with pytest.raises(DataError, match=r"train-000000\.tar"):
        measure(Place(Kind.SHARDS, folder), Wish(gpus=1, rate=1.0, size=SIZE), spell_s=0.0)


def test_a_foreign_tar_without_pictures_is_named(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "theirs.tar", "w") as tar:
        add(tar, "a.txt", b"no picture")
    place = find_place(tmp_path / "theirs.tar", default=tmp_path, own_file=False)
    with pytest.raises(DataError, match=r"theirs\.tar"):
        measure(place, Wish(gpus=1, rate=1.0, size=SIZE), spell_s=0.0)


def test_shards_that_are_compressed_are_refused(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "shards", size=SIZE, train=[70])
    index = json.loads((folder / "index.json").read_bytes())
    (folder / "index.json").write_text(json.dumps(index | {"compression": "zstd"}))
    with pytest.raises(DataError, match="zstd"):
        measure(Place(Kind.SHARDS, folder), Wish(gpus=1, rate=1.0, size=SIZE), spell_s=0.0)


def test_the_size_is_that_of_the_shards(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "shards", size=SIZE, train=[70])
    assert find_size(Place(Kind.SHARDS, folder), otherwise=256) == SIZE
    assert find_size(Place(Kind.OWN, folder), otherwise=256) == 256


def test_the_exit_code_is_the_verdict(tmp_path: Path) -> None:
    folder = str(write_shards(tmp_path / "shards", size=SIZE, train=[70]))
    words = ["bench-node", folder, "--gpus", "1", "--json"]
    possible = CliRunner().invoke(app, [*words, "--rate", "1"])
    assert possible.exit_code == 0
    assert json.loads(possible.output)["verdict"]["feasible"] is True
    # No memory moves 64 times 10 million samples a second.
    words[3] = "64"
    impossible = CliRunner().invoke(app, [*words, "--rate", "1e7"])
    found = json.loads(impossible.output)["verdict"]
    assert impossible.exit_code == (0 if found["residence"] == "device" else 1)


@pytest.mark.parametrize(
    "words", [("--gpus", "0"), ("--rate", "0"), ("--size", "1"), ("--gpus", "many")]
)
def test_an_option_out_of_range_is_refused(words: tuple[str, str]) -> None:
    assert CliRunner().invoke(app, ["bench-node", *words]).exit_code == 2


def test_help_fits_a_screen() -> None:
    result = CliRunner().invoke(app, ["bench-node", "--help"], terminal_width=80)
    lines = result.output.splitlines()
    assert result.exit_code == 0
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
