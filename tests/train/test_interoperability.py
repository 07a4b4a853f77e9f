"""The loader finds in a shard what tools that know nothing of this project find, bit for bit."""

import io
import itertools
import json
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import webdataset

from preprocess.samples import from_members
from tests.train.conftest import write_shards
from train.data import open_split
from train.streaming.shard import Read

Members = tuple[str, dict[str, bytes]]
"""A sample's key, and its members by suffix, as they are stored."""

SPLITS = pytest.mark.parametrize("split", ["train", "pairs"])

# WebDataset and datasets leave files that they read to the collector.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shards(tmp_path_factory.mktemp("tars") / "shards", train=[3, 1, 2], pairs=[2, 1])


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """Import Hugging Face's library so that it asks no one, and keeps all it writes here."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
            patch.setenv(name, "1")
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("hf")))
        import datasets

        datasets.disable_progress_bars()
        yield datasets


def find_tars(folder: Path, split: str) -> list[Path]:
    return sorted(folder.glob(f"{split}-*.tar"))


def read_tar(content: bytes) -> Iterator[Members]:
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:") as tar:
        for key, infos in itertools.groupby(tar, lambda info: info.name.partition(".")[0]):
            streams = {info.name.partition(".")[2]: tar.extractfile(info) for info in infos}
            yield key, {name: stream.read() for name, stream in streams.items() if stream}


def read_ours(folder: Path, split: str, *, read: Read) -> Iterator[Members]:
    """Take the rows as they are gathered: each is a piece of a tar."""
    with open_split(folder, split, read=read) as source:
        for _ in range(2):  # the second time out of the map
            rows_BR = np.empty((len(source), source.row_bytes), np.uint8)
            valid_B4 = np.empty((len(source), 4), np.int64)
            source.gather(np.arange(len(source)), rows_BR, valid_B4)
        labs = source.to_lab(torch.from_numpy(rows_BR)).numpy()
        for row, lab, valid in zip(rows_BR, labs, valid_B4.tolist(), strict=True):
            ((key, members),) = read_tar(row.tobytes())
            assert np.array_equal(np.load(io.BytesIO(members["lab.npy"])), lab)
            assert json.loads(members["json"])["valid"] == valid
            yield key, members


@SPLITS
@pytest.mark.parametrize("read", ["map", "pread"])
def test_tarfile_finds_the_same(folder: Path, split: str, read: Read) -> None:
    tars = [path.read_bytes() for path in find_tars(folder, split)]
    found = [sample for content in tars for sample in read_tar(content)]
    assert found == list(read_ours(folder, split, read=read))
    suffixes = ["json", "lab.npy", "bw.npy"][: 3 if split == "pairs" else 2]
    assert all(list(members) == suffixes for _, members in found)
    assert [from_members(members).info.key for _, members in found] == [key for key, _ in found]


@SPLITS
def test_tar_finds_the_same(folder: Path, split: str) -> None:
    ours = list(read_ours(folder, split, read="map"))
    stored = b"".join(content for _, members in ours for content in members.values())
    found = [
        subprocess.run(["tar", "-xOf", path], capture_output=True, check=True).stdout
        for path in find_tars(folder, split)
    ]
    assert b"".join(found) == stored


@SPLITS
def test_webdataset_finds_the_same(folder: Path, split: str) -> None:
    urls = [str(path) for path in find_tars(folder, split)]
    found = [
        (sample.pop("__key__"), {name: sample[name] for name in sample if "__" not in name})
        for sample in webdataset.WebDataset(urls, shardshuffle=False)
    ]
    assert found == list(read_ours(folder, split, read="map"))


@SPLITS
def test_webdataset_decodes_the_same(folder: Path, split: str) -> None:
    urls = [str(path) for path in find_tars(folder, split)]
    found = list(webdataset.WebDataset(urls, shardshuffle=False).decode())
    with open_split(folder, split, read="map") as source:
        for member in ["lab.npy", "bw.npy"][: 2 if split == "pairs" else 1]:
            arrays = source.read(np.arange(len(source)), member=member)
            assert np.array_equal(np.stack([sample[member] for sample in found]), arrays)


@SPLITS
@pytest.mark.parametrize("streaming", [False, True], ids=["stored", "streamed"])
def test_datasets_finds_the_same(
    folder: Path, datasets: ModuleType, tmp_path: Path, split: str, streaming: bool
) -> None:
    rows = datasets.load_dataset(
        "webdataset",
        data_files={split: [str(path) for path in find_tars(folder, split)]},
        split=split,
        cache_dir=str(tmp_path),
        streaming=streaming,
    )
    ours = list(read_ours(folder, split, read="map"))
    for row, (key, members) in zip(rows.with_format("numpy"), ours, strict=True):
        assert row["__key__"] == key
        said = json.loads(members["json"])
        assert {name: np.asarray(row["json"][name]).tolist() for name in said} == said
        for name in members.keys() - {"json"}:
            assert np.array_equal(row[name], np.load(io.BytesIO(members[name])))
