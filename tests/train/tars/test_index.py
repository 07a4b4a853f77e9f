import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preprocess.split import find_split
from tests.train.tars.webdatasets import read_by_webdataset, write_members, write_pictures
from train.errors import DataError
from train.tars import index as tar_index
from train.tars.index import SPLITS, TarIndex, hash_tars, open_index, read_keys
from train.tars.members import LeftOut, read_pictures
from train.tars.names import Tar


def index(path: Path, cache: Path) -> TarIndex:
    return open_index(Tar(path.name, str(path)), cache=cache, open_file=None)


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The tars that an index was made of, in order."""
    tars: list[str] = []
    real = tar_index._make_index

    def watched(path: Path, tar: Tar, open_file: Any) -> None:
        tars.append(tar.name)
        real(path, tar, open_file)

    monkeypatch.setattr(tar_index, "_make_index", watched)
    return tars


def test_an_index_says_where_every_picture_is_and_what_it_sums_up_to(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "set", [20]) / "set-000000.tar"
    found = index(path, tmp_path / "cache")
    samples = read_by_webdataset(path)
    content = path.read_bytes()
    assert len(found.entries) == len(samples) == 20
    for entry, sample in zip(found.entries, samples, strict=True):
        start = int(entry["block"]) * 512
        assert content[start : start + int(entry["length"])] == sample["jpg"]
        assert entry["xxh3"] == xxhash.xxh3_64_intdigest(sample["jpg"])
        assert SPLITS[entry["split"]] == find_split(sample["__key__"])
    assert list(read_keys(found.path).values()) == [sample["__key__"] for sample in samples]


def test_an_index_is_made_once(tmp_path: Path, made: list[str]) -> None:
    path = write_pictures(tmp_path / "set", [3]) / "set-000000.tar"
    first = index(path, tmp_path / "cache")
    again = index(path, tmp_path / "cache")
    assert made == ["set-000000.tar"]
    assert np.array_equal(first.entries, again.entries)


def test_a_tar_that_changed_gets_a_new_index_in_the_old_ones_place(
    tmp_path: Path, made: list[str]
) -> None:
    path = write_pictures(tmp_path / "set", [3]) / "set-000000.tar"
    first = index(path, tmp_path / "cache")
    later = path.stat().st_mtime_ns + 1
    os.utime(path, ns=(later, later))
    assert index(path, tmp_path / "cache").digest == first.digest
    write_pictures(tmp_path / "set", [4])
    assert len(index(path, tmp_path / "cache").entries) == 4
    assert len(made) == 3
    assert len(list((tmp_path / "cache").glob("*.npz"))) == 1


def test_the_index_of_the_same_tar_by_another_road_is_the_same(
    tmp_path: Path, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_pictures(tmp_path / "set", [3]) / "set-000000.tar"
    index(path, tmp_path / "cache")
    (tmp_path / "link").symlink_to(tmp_path / "set")
    index(tmp_path / "link" / path.name, tmp_path / "cache")
    monkeypatch.chdir(tmp_path / "set")
    index(Path(path.name), tmp_path / "cache")
    assert len(made) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(place=st.integers(0, 1 << 20), flip=st.integers(1, 255), cut=st.integers(0, 3))
def test_a_damaged_index_is_made_again(tmp_path: Path, place: int, flip: int, cut: int) -> None:
    path = tmp_path / "set" / "set-000000.tar"
    if not path.exists():
        write_pictures(tmp_path / "set", [3])
    whole = index(path, tmp_path / "cache")
    content = bytearray(whole.path.read_bytes())
    content[place % len(content)] ^= flip
    whole.path.write_bytes(content[: len(content) - cut * 100])
    found = index(path, tmp_path / "cache")
    assert np.array_equal(found.entries, whole.entries)
    assert found.digest == whole.digest


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04"])
def test_an_index_that_is_none_is_made_again(content: bytes, tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "set", [3]) / "set-000000.tar"
    found = index(path, tmp_path / "cache")
    found.path.write_bytes(content)
    assert len(index(path, tmp_path / "cache").entries) == 3


def test_an_index_of_another_version_is_made_again(
    tmp_path: Path, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_pictures(tmp_path / "set", [3]) / "set-000000.tar"
    index(path, tmp_path / "cache")
    monkeypatch.setattr(tar_index, "VERSION", tar_index.VERSION + 1)
    index(path, tmp_path / "cache")
    assert len(made) == 2


def test_ranks_that_open_at_once_make_each_index_once(tmp_path: Path, made: list[str]) -> None:
    folder = write_pictures(tmp_path / "set", [5, 5, 5])

    def open_all(_: int) -> dict[str, str]:
        return hash_tars(str(folder), cache=tmp_path / "cache", threads=2)

    with ThreadPoolExecutor(4) as ranks:
        found = list(ranks.map(open_all, range(4)))
    assert sorted(made) == [f"set-{number:06d}.tar" for number in range(3)]
    assert all(one == found[0] for one in found)


def test_hashes_are_those_of_the_content_wherever_it_lies(tmp_path: Path) -> None:
    here = write_pictures(tmp_path / "here", [3, 4])
    there = tmp_path / "there"
    shutil.copytree(here, there, copy_function=shutil.copyfile)
    hashes = hash_tars(str(here), cache=tmp_path / "cache")
    assert hash_tars(str(there), cache=tmp_path / "cache") == hashes
    assert list(hashes) == ["set-000000.tar", "set-000001.tar"]
    write_pictures(there, [3, 5])
    changed = hash_tars(str(there), cache=tmp_path / "cache")
    assert changed["set-000000.tar"] == hashes["set-000000.tar"]
    assert changed["set-000001.tar"] != hashes["set-000001.tar"]


def test_samples_without_a_picture_are_counted_and_one_is_named(tmp_path: Path) -> None:
    members = [("a.txt", b"1"), ("b.jpg", b"2"), ("c.cls", b"3")]
    found = index(write_members(tmp_path / "set.tar", members), tmp_path / "cache")
    assert (len(found.entries), found.left.without, found.left.example) == (1, 2, "a")


def test_a_broken_tar_leaves_no_index(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "set", [3]) / "set-000000.tar"
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"set-000000\.tar"):
        index(path, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.npz*"))


def test_a_tar_that_grows_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_pictures(tmp_path / "set", [3]) / "set-000000.tar"
    real = read_pictures

    def grown(stream: BinaryIO, name: str, left: LeftOut) -> Any:
        yield from real(stream, name, left)
        with path.open("ab") as more:
            more.write(bytes(512))

    monkeypatch.setattr(tar_index, "read_pictures", grown)
    with pytest.raises(DataError, match="changed while it was read"):
        index(path, tmp_path / "cache")


def test_a_tar_behind_an_address_is_fetched_once_for_its_index(tmp_path: Path) -> None:
    path = write_pictures(tmp_path / "set", [3]) / "set-000000.tar"
    tar = Tar("set.tar", "s3://bucket/set.tar")
    asked: list[str] = []

    def fetch(name: str) -> BinaryIO:
        asked.append(name)
        return path.open("rb")

    for _ in range(2):
        found = open_index(tar, cache=tmp_path / "cache", open_file=fetch)
    assert asked == ["s3://bucket/set.tar"]
    assert (found.mtime_ns, len(found.entries)) == (0, 3)
    with pytest.raises(DataError, match="nothing here fetches tars"):
        open_index(Tar("a.tar", "s3://a.tar"), cache=tmp_path / "cache", open_file=None)


def test_a_key_that_no_text_encodes_is_kept(tmp_path: Path) -> None:
    path = write_members(tmp_path / "set.tar", [("a\udcff.jpg", b"1"), ("b.jpg", b"2")])
    found = index(path, tmp_path / "cache")
    assert list(read_keys(found.path).values()) == ["a\udcff", "b"]
