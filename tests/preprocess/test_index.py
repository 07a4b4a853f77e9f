import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset
import xxhash
from numpy.typing import NDArray

from preprocess.errors import ShardError
from preprocess.index import (
    SAMPLE_DTYPE,
    Described,
    Index,
    describe_shard,
    read_index,
    read_samples,
    to_index,
    write_index,
)
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
    found = describe_shard(folder / name, name=name, split="train", samples=samples, size=SIZE)
    index, rows = to_index(SIZE, [found])
    write_index(folder, index, rows)
    return index


def vouch(folder: Path, content: bytes) -> None:
    """Give a folder's only shard other content, and let the index say that it is right."""
    index = read_index(folder)
    (shard,), samples = index.shards, read_samples(folder, index).copy()
    (folder / shard.name).write_bytes(content)
    for place in range(shard.samples):
        start = place * shard.stride
        samples[place]["xxh3"] = xxhash.xxh3_64_intdigest(content[start : start + shard.stride])
    sha256 = hashlib.sha256(content).hexdigest()
    changed = replace(shard, sha256=sha256, size_bytes=len(content))
    write_index(folder, *to_index(SIZE, [Described(changed, samples)]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    members = list_members(make_sample("one"), make_sample("three"))
    write_tar(tmp_path / "train-000000.tar", members)
    describe(tmp_path)
    return tmp_path


def test_whole_shards_are_proved(folder: Path) -> None:
    assert verify_shards(folder) == read_index(folder)
    assert read_index(folder).shards[0].stride == to_layout(SIZE, paired=False).stride


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (5632 + 3000, r"sample 1, byte 5632: expected xxh3 [0-9a-f]{16} by index\.npy, got "),
        (5632 + 100, r"sample 1, byte 5632: not a tar"),
        (2 * 5632 + 10, r"expected zeros alone behind 2 samples, .* damaged"),
    ],
)
def test_a_changed_byte_is_found(folder: Path, at: int, said: str) -> None:
    path = folder / "train-000000.tar"
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(ShardError, match=said):
        verify_shards(folder)


def test_a_shorter_shard_is_found(folder: Path) -> None:
    path = folder / "train-000000.tar"
    content = path.read_bytes()
    path.write_bytes(content[:-1024])
    with pytest.raises(ShardError, match=r"expected \d+ bytes with 2 samples of 5632, got"):
        verify_shards(folder)
    path.write_bytes(content[: 5632 + 100])
    with pytest.raises(ShardError, match=r"sample 1, byte 5632: expected 5632 bytes, got 100"):
        verify_shards(folder)


def test_an_index_that_counts_one_sample_less_than_fit_into_as_many_bytes_is_not_believed(
    folder: Path,
) -> None:
    members = list_members(make_sample("one"), make_sample("three"), make_sample("eight"))
    write_tar(folder / "train-000000.tar", members)
    describe(folder, samples=3)
    assert verify_shards(folder).shards[0].size_bytes == 20480
    describe(folder, samples=2)
    with pytest.raises(ShardError, match="zeros alone behind 2 samples, from byte 11264 on"):
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
    folder: Path, spoil: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]]
) -> None:
    members = list_members(make_sample("one"), make_sample("three"))
    write_tar(folder / "spoilt", spoil(members))
    vouch(folder, (folder / "spoilt").read_bytes())
    with pytest.raises(ShardError, match=r"train-000000\.tar'?: .*run photochrom shards again"):
        verify_shards(folder)


def test_a_shard_that_is_no_tar_is_not_believed(folder: Path) -> None:
    length = 20480
    vouch(folder, hashlib.sha256(b"").digest() * (length // 32))
    with pytest.raises(ShardError, match="not a tar"):
        verify_shards(folder)


def test_a_file_of_other_things_is_not_described(folder: Path) -> None:
    path = folder / "train-000000.tar"
    content = path.read_bytes()
    path.write_bytes(content[:4000])
    with pytest.raises(ShardError, match="expected 2 samples of 5632 bytes, got 4000 bytes"):
        describe(folder)
    path.write_bytes(content[:5632] + b"x" * 20480)
    with pytest.raises(ShardError, match=r"sample 1, byte 6144: "):
        describe(folder)


def test_the_array_has_a_row_for_every_sample(folder: Path) -> None:
    index = read_index(folder)
    samples = read_samples(folder, index)
    content = (folder / "train-000000.tar").read_bytes()
    rows = [content[place * 5632 : (place + 1) * 5632] for place in (0, 1)]
    assert samples.dtype == SAMPLE_DTYPE
    assert samples["xxh3"].tolist() == [xxhash.xxh3_64_intdigest(row) for row in rows]
    assert samples["valid"].tolist() == [[0, 0, SIZE, SIZE]] * 2
    assert not samples.flags.writeable
    assert index.array_sha256 == hashlib.sha256((folder / "index.npy").read_bytes()).hexdigest()


def test_an_array_that_is_missing_is_named(folder: Path) -> None:
    (folder / "index.npy").unlink()
    with pytest.raises(
        ShardError, match=r"index\.npy: expected beside index\.json, found none; run"
    ):
        verify_shards(folder)


@pytest.mark.parametrize("name", ["index.json", "index.npy"])
def test_an_index_that_cannot_be_read_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(ShardError, match=rf"{name}: cannot be read \(Is a directory\); "):
        verify_shards(folder)


def spoil_array(folder: Path, content: bytes) -> None:
    """Write another array, and let index.json vouch for it."""
    (folder / "index.npy").write_bytes(content)
    record = json.loads((folder / "index.json").read_text())
    record["array_sha256"] = hashlib.sha256(content).hexdigest()
    (folder / "index.json").write_text(json.dumps(record))


def to_npy(array: NDArray[Any]) -> bytes:
    content = io.BytesIO()
    np.save(content, array)
    return content.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"PK\x03\x04",
        to_npy(np.zeros(1, SAMPLE_DTYPE)),
        to_npy(np.zeros(3, SAMPLE_DTYPE)),
        to_npy(np.zeros((2, 1), SAMPLE_DTYPE)),
        to_npy(np.zeros(2, np.uint64)),
        to_npy(np.zeros(2, SAMPLE_DTYPE.newbyteorder(">"))),
        to_npy(np.zeros(2, SAMPLE_DTYPE))[:-1],
        to_npy(np.array([{}, {}], object)),
        b"\x93NUMPY\x01\x00\x0e\x00{'descr': [(1]",
    ],
    ids=["empty", "zip", "shorter", "longer", "shape", "dtype", "endian", "cut", "pickle", "head"],
)
def test_an_array_of_another_form_is_refused(folder: Path, content: bytes) -> None:
    (folder / "index.npy").write_bytes(content)
    with pytest.raises(
        ShardError, match=r"index\.npy: expected sha256 .* by index\.json, got .*run"
    ):
        read_samples(folder, read_index(folder))
    spoil_array(folder, content)
    with pytest.raises(ShardError, match=r"index\.npy: expected (2 rows|an array) .*; run"):
        read_samples(folder, read_index(folder))


@pytest.mark.parametrize(
    ("field", "lie", "said"),
    [
        ("xxh3", 1, r"sample 1, byte 5632: expected xxh3 0{15}1 by index\.npy, got "),
        (
            "valid",
            (0, 0, 1, 1),
            r"sample 1, byte 5632: expected valid .* in index\.npy, got \(0, 0",
        ),
    ],
)
def test_an_array_that_lies_is_found_against_the_shards(
    folder: Path, field: str, lie: object, said: str
) -> None:
    samples = read_samples(folder, read_index(folder)).copy()
    samples[1][field] = lie
    spoil_array(folder, to_npy(samples))
    with pytest.raises(ShardError, match=said):
        verify_shards(folder)


def test_an_index_of_the_first_version_says_what_to_do(folder: Path) -> None:
    record = json.loads((folder / "index.json").read_text()) | {"version": 1}
    (folder / "index.json").write_text(json.dumps(record))
    with pytest.raises(ShardError, match=r"expected version 2, got 1; run photochrom shards again"):
        read_index(folder)


def test_a_folder_without_shards_has_an_index(tmp_path: Path) -> None:
    write_index(tmp_path, *to_index(SIZE, []))
    index = verify_shards(tmp_path)
    assert (index.shards, len(read_samples(tmp_path, index))) == ((), 0)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 3},
        {"array_sha256": None},
        {"array_sha256": "0"},
        {"compression": "gzip"},
        {"compression": ["zstd"]},
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
        {"members": [{"suffix": "lab.npy", "offset": 2176, "shape": [32, 32, 3], "dtype": "f4"}]},
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
