import hashlib
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from preprocess.index import read_index, read_samples
from preprocess.samples import from_members
from preprocess.split import find_split
from tests.train.conftest import make_sample, write_shards
from tests.train.tars.webdatasets import (
    draw,
    encode,
    gather,
    read_by_webdataset,
    to_jpeg,
    write_members,
    write_pictures,
)
from train.data import open_split
from train.errors import DataError
from train.tars.pack import Packed, pack_tars
from train.tars.split import open_tars

SIDE = 32


def pack(spec: Path | str, out: Path, **changed: Any) -> Packed:
    usual: dict[str, Any] = {
        "size": SIDE,
        "threads": 2,
        "shard_bytes": 1e9,
        "on_progress": lambda _: None,
    }
    return pack_tars(
        str(spec),
        out,
        cache=out.parent / "indexes",
        **(usual | changed),
    )


def write_odd(folder: Path) -> Path:
    """Tars of several kinds and shapes, one sample without a picture, one key twice."""
    for tar in range(2):
        members = []
        for number in range(30):
            picture = draw(number, height=16 + number, width=40 - number // 2)
            name = f"deep/{'é' if tar else 'e'}-{number % 29}"
            kind = ("jpg", "png", "webp")[number % 3]
            content = to_jpeg(picture) if kind == "jpg" else encode(picture, kind.upper())
            members += [(f"{name}.{kind}", content), (f"{name}.txt", b"a caption")]
        members.append(("none.txt", b"no picture"))
        write_members(folder / f"set-{tar}.tar", members)
    return folder


@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_packed_shards_give_what_the_tars_give(split: str, tmp_path: Path) -> None:
    folder = write_odd(tmp_path / "set")
    pack(folder, tmp_path / "out")
    tars = open_tars(str(folder), size=SIDE, split=split, cache=tmp_path / "indexes", threads=1)
    rows, valid = gather(tars)
    wanted = tars.to_lab(torch.from_numpy(rows.reshape(len(tars), -1)))
    shards = open_split(tmp_path / "out", split)
    rows_BR = np.empty((len(shards), shards.row_bytes), np.uint8)
    valid_B4 = np.empty((len(shards), 4), np.int64)
    shards.gather(np.arange(len(shards)), rows_BR, valid_B4)
    assert len(shards) == len(tars) > 0
    assert torch.equal(shards.to_lab(torch.from_numpy(rows_BR)), wanted)
    assert np.array_equal(valid_B4, valid)
    padding = wanted.numpy().copy()
    for one, (top, left, bottom, right) in zip(padding, valid.tolist(), strict=True):
        one[top:bottom, left:right] = (0, 128, 128)
    assert (padding == (0, 128, 128)).all()
    tars.close()
    shards.close()


def test_what_was_packed_is_said(tmp_path: Path) -> None:
    shares: list[float] = []
    packed = pack_tars(
        str(write_odd(tmp_path / "set")),
        tmp_path / "out",
        size=SIDE,
        cache=tmp_path / "indexes",
        shard_bytes=1e9,
        threads=2,
        on_progress=shares.append,
    )
    assert sum(packed.samples.values()) == 60
    assert packed.shards == 3
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert "1 of set-0.tar ('none')" in packed.notices[0]


def test_the_shards_are_ours_and_webdatasets(tmp_path: Path) -> None:
    pack(write_odd(tmp_path / "set"), tmp_path / "out")
    index = read_index(tmp_path / "out")
    assert len(read_samples(tmp_path / "out", index)) == 60
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        ["index.json", "index.npy", *(shard.name for shard in index.shards)]
    )
    keys = []
    for shard in index.shards:
        for members in read_by_webdataset(tmp_path / "out" / shard.name):
            own = {name: content for name, content in members.items() if name[:2] != "__"}
            sample = from_members(own)
            assert sample.info.key == members["__key__"]
            assert (sample.info.split, sample.info.size) == (shard.split, SIDE)
            assert find_split(sample.info.view_id) == shard.split
            keys.append(sample.info.key)
    assert len(set(keys)) == 60


def test_a_sample_says_where_it_comes_from(tmp_path: Path) -> None:
    content = to_jpeg(draw(1, height=20, width=60))
    write_members(tmp_path / "set" / "train-0.tar", [("a/b c.left.jpg", content)])
    pack(tmp_path / "set", tmp_path / "out")
    (members,) = read_by_webdataset(tmp_path / "out" / "train-000000.tar")
    info = from_members({"json": members["json"], "lab.npy": members["lab.npy"]}).info
    assert info.key == "train-000000000-a-b-c"
    assert info.scan_id == info.item_id == info.group_id == "train-0.tar/a/b c"
    assert info.view_id == "train/a/b c"
    assert (info.source_width, info.source_height) == (60, 20)
    assert info.scan_sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    "key", ["k" * 300, "é" * 100, 'q"\\\x01' * 40, "\udcff", "日本" * 30], ids=range(5)
)
def test_any_key_fits_a_sample(key: str, tmp_path: Path) -> None:
    content = to_jpeg(draw(1))
    write_members(tmp_path / "set" / "train-0.tar", [(f"{key}.jpg", content), ("z.jpg", content)])
    pack(tmp_path / "set", tmp_path / "out")
    assert len(read_by_webdataset(tmp_path / "out" / "train-000000.tar")) == 2


def test_the_same_set_packs_to_the_same_bytes(tmp_path: Path) -> None:
    folder = write_odd(tmp_path / "set")
    pack(folder, tmp_path / "one", threads=1)
    pack(folder, tmp_path / "two", threads=3)
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_a_large_set_is_cut_into_shards_in_order(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "set", [50, 23], prefix="train")
    pack(folder, tmp_path / "out", shard_bytes=30_000.5)
    shards = read_index(tmp_path / "out").shards
    assert sum(shard.samples for shard in shards) == 73
    assert max(shard.samples for shard in shards) * shards[0].stride <= 30_000
    keys = []
    for shard in shards:
        with tarfile.open(tmp_path / "out" / shard.name) as tar:
            keys += tar.getnames()[::2]
    assert keys == [f"train-{number:09d}-{number:06d}.json" for number in range(73)]


def test_our_own_shards_pack_to_their_arrays(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "shards", size=SIDE, train=[3], val=[2])
    pack(folder, tmp_path / "out")
    for place, members in enumerate(read_by_webdataset(tmp_path / "out" / "train-000000.tar")):
        wanted = make_sample(place, split="train", size=SIDE)
        found = from_members({"json": members["json"], "lab.npy": members["lab.npy"]})
        assert np.array_equal(found.lab, wanted.lab)
        assert found.info.valid == wanted.info.valid


@pytest.mark.parametrize("exists", [False, True], ids=["new", "empty"])
def test_nothing_is_left_of_what_cannot_be_packed(exists: bool, tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "set", [3], prefix="train")
    write_members(folder / "val-000000.tar", [("a.jpg", to_jpeg(draw(1))[:-100])])
    if exists:
        (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match=r"val-000000\.tar: a, byte 512"):
        pack(folder, tmp_path / "out")
    left = {path.name for path in tmp_path.iterdir()} - {"set", "indexes"}
    assert left == ({"out"} if exists else set())
    assert not exists or not any((tmp_path / "out").iterdir())


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "set", [3], prefix="train")
    for out in (folder, folder / "train-000000.tar"):
        with pytest.raises(DataError, match="expected no folder, or an empty one"):
            pack(folder, out)
    assert len(list(folder.iterdir())) == 1


def test_a_set_without_pictures_is_refused(tmp_path: Path) -> None:
    write_members(tmp_path / "set" / "train-0.tar", [("a.txt", b"1")])
    said = (
        r"expected pictures \(JPEG, PNG.*npy\), found none \(left out, .*1 of train-0\.tar \('a'\)"
    )
    with pytest.raises(DataError, match=said):
        pack(tmp_path / "set", tmp_path / "out")
    with pytest.raises(DataError, match="expected a side"):
        pack(tmp_path / "set", tmp_path / "out", size=0)


def test_what_a_killed_pack_left_goes_when_the_next_one_starts(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "set", [3], prefix="train")
    (tmp_path / ".out.part").mkdir()
    (tmp_path / ".out.part" / "train-000000.tar").write_bytes(b"half")
    (tmp_path / ".out.part" / "train-000009.tar").write_bytes(b"half")
    pack(folder, tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"set", "indexes", "out"}
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_two_do_not_pack_to_one_folder_at_once(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "set", [3], prefix="train")
    refused: list[str] = []

    def pack_again(_: float) -> None:
        with ThreadPoolExecutor(1) as other, pytest.raises(DataError) as caught:
            other.submit(pack, folder, tmp_path / "out").result()
        refused.append(str(caught.value))

    pack(folder, tmp_path / "out", on_progress=pack_again)
    assert len(refused) == 1
    assert "found another process at it" in refused[0]
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_a_set_that_leaves_out_the_same_of_every_split_says_so_once(tmp_path: Path) -> None:
    packed = pack(write_odd(tmp_path / "set"), tmp_path / "out")
    assert len(packed.notices) == 1
