from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from preprocess.index import Index, Shard, read_index, read_samples, write_index
from tests.train.conftest import SIZE, MakeShards, make_sample, write_shards
from train.data import Split, open_split
from train.errors import DataError
from train.hashes import read_hashes
from train.streaming.shard import Read, open_shard

Places = NDArray[np.int64]


def gather(split: Split, indices: Sequence[int]) -> tuple[NDArray[np.uint8], Places]:
    rows_BR = np.empty((len(indices), split.row_bytes), np.uint8)
    valid_B4 = np.empty((len(indices), 4), np.int64)
    split.gather(np.array(indices), rows_BR, valid_B4)
    return rows_BR, valid_B4


@pytest.mark.parametrize("read", ["map", "pread", "auto"])
@pytest.mark.parametrize("again", [False, True], ids=["first", "again"])
def test_a_batch_over_several_shards_comes_in_the_order_asked_for(
    make_shards: MakeShards, read: Read, again: bool
) -> None:
    with open_split(make_shards(train=[4, 1, 3]), "train", read=read) as split:
        assert len(split) == 8 and split.starts.tolist() == [0, 4, 5, 8]
        if again:
            gather(split, range(8))
        for indices in ([0, 3, 4, 5, 7], [7, 0, 4, 3, 0], [2], list(range(8))):
            rows_BR, valid_B4 = gather(split, indices)
            found = split.to_lab(torch.from_numpy(rows_BR))
            for row, index in enumerate(indices):
                sample = make_sample(index, split="train")
                assert np.array_equal(found[row].numpy(), sample.lab)
                assert valid_B4[row].tolist() == list(sample.info.valid)


def test_pixels_are_a_view_of_the_rows(make_shards: MakeShards) -> None:
    with open_split(make_shards(train=[2]), "train") as split:
        rows_BR = torch.from_numpy(gather(split, [0, 1])[0])
        lab = split.to_lab(rows_BR)
        assert lab.untyped_storage().data_ptr() == rows_BR.untyped_storage().data_ptr()
        assert lab.shape == (2, SIZE, SIZE, 3)


def test_pairs_have_their_negative(make_shards: MakeShards) -> None:
    with open_split(make_shards(pairs=[3]), "pairs") as split:
        lab, bw = split.read(np.arange(3)), split.read(np.arange(3), member="bw.npy")
        assert lab.flags.c_contiguous and bw.flags.c_contiguous
        assert np.array_equal(bw, lab[..., 0])


@settings(max_examples=40)
@given(
    shards=st.lists(st.integers(1, 5), min_size=1, max_size=6),
    most_open=st.integers(1, 7),
    picks=st.lists(st.lists(st.integers(0, 10**6), min_size=1, max_size=9), max_size=6),
)
def test_any_batches_with_any_number_of_open_shards_are_the_samples_asked_for(
    tmp_path_factory: pytest.TempPathFactory,
    shards: list[int],
    most_open: int,
    picks: list[list[int]],
) -> None:
    folder = tmp_path_factory.mktemp("any") / "shards"
    write_shards(folder, size=8, train=shards)
    opened: list[str] = []

    def opener(entry: Shard) -> CountedShard:
        opened.append(entry.name)
        counted = CountedShard(folder, entry, live)
        assert len(live) <= most_open
        return counted

    live: list[str] = []
    with open_split(folder, "train", opener=opener, most_open=most_open) as split:
        assert not opened
        for pick in picks:
            indices = np.array(pick) % len(split)
            labs = split.read(indices)
            expected = np.stack([make_sample(i, split="train", size=8).lab for i in indices])
            assert np.array_equal(labs, expected)
    assert not live


class CountedShard:
    """A shard that tells when it is open."""

    afresh = False

    def __init__(self, folder: Path, entry: Shard, live: list[str]) -> None:
        self.path = folder / entry.name
        self._shard = open_shard(self.path, entry, "map")
        self._live = live
        live.append(entry.name)

    def take(self, places: Places, out_BR: NDArray[np.uint8]) -> None:
        self._shard.take(places, out_BR)

    def check(self) -> None:
        self._shard.check()

    def close(self) -> None:
        self._live.remove(self.path.name)
        self._shard.close()


def test_shards_used_longest_ago_are_closed_first(make_shards: MakeShards) -> None:
    folder, opened = make_shards(train=[1, 1, 1]), list[str]()

    def opener(entry: Shard) -> CountedShard:
        opened.append(entry.name[-5])
        return CountedShard(folder, entry, [entry.name] * 2)

    with open_split(folder, "train", opener=opener, most_open=2) as split:
        for index in (0, 1, 0, 2, 0, 1):
            gather(split, [index])
    assert opened == ["0", "1", "2", "1"]


def test_a_split_tells_which_shards_are_read_next(make_shards: MakeShards) -> None:
    told: list[list[str]] = []
    folder = make_shards(train=[1, 1, 1], val=[1])
    with open_split(
        folder, "train", expect=lambda entries: told.append([entry.name for entry in entries])
    ) as split:
        split.expect(np.array([2, 0]))
    assert told == [["train-000002.tar", "train-000000.tar"]]
    with open_split(folder, "train") as split:
        split.expect(np.array([2, 0]))


def test_a_closed_split_gathers_nothing(make_shards: MakeShards) -> None:
    split = open_split(make_shards(train=[1]), "train")
    gather(split, [0])
    split.close()
    split.close()
    with pytest.raises(ValueError, match="the split was closed"):
        gather(split, [0])


def test_opening_a_split_opens_no_shard(make_shards: MakeShards) -> None:
    folder = make_shards(train=[1, 1])
    for path in folder.glob("*.tar"):
        path.unlink()
    with open_split(folder, "train") as split:
        assert len(split) == 2


def test_a_split_without_samples_is_empty(make_shards: MakeShards) -> None:
    with open_split(make_shards(train=[2]), "val") as split:
        assert len(split) == 0 and split.starts.tolist() == [0]
        assert split.row_bytes == 14848


def test_hashes_are_those_of_the_index(make_shards: MakeShards) -> None:
    hashes = read_hashes(make_shards(train=[1, 1], val=[1]))
    assert list(hashes) == ["train-000000.tar", "train-000001.tar", "val-000000.tar"]
    assert all(len(sha256) == 64 for sha256 in hashes.values())


def test_a_missing_index_names_the_command_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="photochrom shards"):
        open_split(tmp_path, "train")


def test_compressed_shards_are_an_error(make_shards: MakeShards) -> None:
    folder = make_shards(train=[1])
    index = read_index(folder)
    samples = np.array(read_samples(folder, index))
    write_index(folder, Index(index.size, index.shards, index.array_sha256, "zstd"), samples)
    with pytest.raises(DataError, match=r"\(zstd\); run `photochrom unpack"):
        open_split(folder, "train")


def test_a_missing_member_is_an_error(make_shards: MakeShards) -> None:
    with (
        open_split(make_shards(train=[2]), "train") as split,
        pytest.raises(DataError, match=r"have lab\.npy and no bw\.npy"),
    ):
        split.read(np.array([0]), member="bw.npy")


@pytest.mark.parametrize("indices", [[-1], [2], [0, 2], []], ids=str)
def test_an_index_outside_the_split_is_an_error(
    make_shards: MakeShards, indices: list[int]
) -> None:
    with (
        open_split(make_shards(train=[2]), "train") as split,
        pytest.raises(ValueError, match="expected indices 0 to 1"),
    ):
        split.read(np.array(indices, np.int64))


@pytest.mark.parametrize(
    ("rows", "boxes", "what"),
    [
        (lambda size: np.empty((1, size), np.uint8), (2, 4), "contiguous rows"),
        (lambda size: np.empty((2, size - 1), np.uint8), (2, 4), "contiguous rows"),
        (lambda size: np.empty((2, size), np.int8), (2, 4), "contiguous rows"),
        (lambda size: np.empty((2, 2 * size), np.uint8)[:, ::2], (2, 4), "contiguous rows"),
        (lambda size: np.empty((2, size), np.uint8), (2, 3), "expected boxes"),
    ],
    ids=["count", "length", "type", "strided", "boxes"],
)
def test_a_buffer_of_another_form_is_an_error(
    make_shards: MakeShards, rows: object, boxes: tuple[int, int], what: str
) -> None:
    assert callable(rows)
    with (
        open_split(make_shards(train=[2]), "train") as split,
        pytest.raises(ValueError, match=what),
    ):
        split.gather(np.arange(2), rows(split.row_bytes), np.empty(boxes, np.int64))


def test_no_open_shard_is_an_error(make_shards: MakeShards) -> None:
    with pytest.raises(ValueError, match="at least 1 open shard"):
        open_split(make_shards(train=[1]), "train", most_open=0)
