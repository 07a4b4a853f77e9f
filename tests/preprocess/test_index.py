import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset

from preprocess.errors import ShardError
from preprocess.index import Index, describe_shard, read_index, write_index
from preprocess.samples import Sample, SampleInfo, to_layout, to_members
from preprocess.verify import verify_shards

SIZE = 32


def make_sample(key: str, *, size: int = SIZE, split: str = "train") -> Sample:
    info = SampleInfo(
        key=key,
        scan_id=key,
        item_id=key,
        view_id=key,
        group_id=key,
        split=split,
        view_split="train",
        source_width=10,
        source_height=10,
        valid=(0, 0, size, size),
        size=size,
        scan_sha256="0" * 64,
    )
    rng = np.random.default_rng(len(key))
    return Sample(info, rng.integers(0, 256, (size, size, 3), np.uint8))


def write_tar(path: Path, members: list[tuple[str, bytes]]) -> None:
    with (
        path.open("wb") as stream,
        webdataset.TarWriter(stream, encoder=False, mtime=0) as tar,
    ):
        for name, content in members:
            key, suffix = name.split(".", 1)
            tar.write({"__key__": key, suffix: content})


def list_members(*samples: Sample) -> list[tuple[str, bytes]]:
    return [
        (f"{sample.info.key}.{suffix}", content)
        for sample in samples
        for suffix, content in to_members(sample)
    ]


def describe(folder: Path, *, samples: int = 2) -> Index:
    """Write the index that a folder's only shard seems to have."""
    name = "train-000000.tar"
    shard = describe_shard(folder / name, name=name, split="train", samples=samples, size=SIZE)
    index = Index(SIZE, (shard,))
    write_index(folder, index)
    return index


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    members = list_members(make_sample("one"), make_sample("three"))
    write_tar(tmp_path / "train-000000.tar", members)
    describe(tmp_path)
    return tmp_path


def test_whole_shards_are_proved(folder: Path) -> None:
    assert verify_shards(folder) == read_index(folder)
    assert read_index(folder).shards[0].stride == to_layout(SIZE, paired=False).stride


def test_a_changed_byte_is_found(folder: Path) -> None:
    path = folder / "train-000000.tar"
    content = bytearray(path.read_bytes())
    content[3000] ^= 1
    path.write_bytes(content)
    with pytest.raises(ShardError, match=r"expected sha256 .* was changed or damaged"):
        verify_shards(folder)


def test_a_shorter_shard_is_found(folder: Path) -> None:
    path = folder / "train-000000.tar"
    path.write_bytes(path.read_bytes()[:-1024])
    with pytest.raises(ShardError, match=r"expected \d+ bytes with 2 samples of 5632, got"):
        verify_shards(folder)


def test_missing_and_foreign_shards_are_found(folder: Path) -> None:
    (folder / "val-000000.tar").write_bytes(b"")
    with pytest.raises(ShardError, match=r"'val-000000\.tar'\] are not in the index"):
        verify_shards(folder)
    (folder / "val-000000.tar").unlink()
    (folder / "train-000000.tar").unlink()
    with pytest.raises(ShardError, match="in the index, but not there"):
        verify_shards(folder)


def reverse(members: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [members[1], members[0], *members[2:]]


def rename(members: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [*members[:3], ("other.lab.npy", members[3][1])]


def drop(members: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return members[:3]


def relabel(members: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [*members[:2], *list_members(make_sample("three", split="val"))]


def garble(members: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [(members[0][0], b"{}".ljust(1024)), *members[1:]]


@pytest.mark.parametrize("spoil", [reverse, rename, drop, relabel, garble])
def test_an_index_that_vouches_for_a_bad_shard_is_not_believed(
    tmp_path: Path, spoil: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]
) -> None:
    members = list_members(make_sample("one"), make_sample("three"))
    write_tar(tmp_path / "train-000000.tar", spoil(members))
    describe(tmp_path)
    with pytest.raises(ShardError, match=r"train-000000\.tar'?: .*run photochrom shards again"):
        verify_shards(tmp_path)


def test_a_shard_that_is_no_tar_is_not_believed(tmp_path: Path) -> None:
    length = 20480
    (tmp_path / "train-000000.tar").write_bytes(hashlib.sha256(b"").digest() * (length // 32))
    describe(tmp_path)
    with pytest.raises(ShardError, match="not a tar"):
        verify_shards(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"size": 64},
        {"size": "32"},
        {"size": None},
        {"size": 10**4000},
        {"shards": None},
        {"shards": [{}]},
    ],
)
def test_an_index_of_another_form_is_refused(folder: Path, change: dict[str, Any]) -> None:
    path = folder / "index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ShardError, match=r"index\.json: .*expected .*; run photochrom shards"):
        read_index(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"stride": 5120},
        {"stride": 5632.0},
        {"json_offset": 0},
        {"split": "train2"},
        {"split": [1]},
        {"name": 5},
        {"name": "train-x/../../../evil.tar"},
        {"name": "train-1.tar"},
        {"samples": "2"},
        {"samples": 1},
        {"samples": 0},
        {"samples": -1},
        {"size_bytes": 20481},
        {"sha256": None},
        {"sha256": ""},
        {"members": 1},
    ],
)
def test_a_shard_entry_that_cannot_be_is_refused(folder: Path, change: dict[str, Any]) -> None:
    path = folder / "index.json"
    record = json.loads(path.read_text())
    record["shards"][0] |= change
    path.write_text(json.dumps(record))
    with pytest.raises(ShardError, match="expected"):
        read_index(folder)


def test_no_index_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match=r"found none; run photochrom shards"):
        read_index(tmp_path)
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(ShardError, match="not JSON"):
        read_index(tmp_path)
    (tmp_path / "index.json").write_text("[" * 100_000)
    with pytest.raises(ShardError, match="not JSON"):
        read_index(tmp_path)
