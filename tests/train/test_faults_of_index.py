"""An index that says what is not so is found before any of its samples is handed on."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from preprocess.index import Described, Index, read_index, read_samples, to_index, write_index
from tests.train.conftest import MakeShards
from tests.train.faults import READS, STRIDE, change
from train.data import open_split
from train.errors import DataError
from train.streaming.shard import Read

Rows = NDArray[np.void]
Tell = Callable[[Index, Rows], tuple[Index, Rows]]


def lie(folder: Path, tell: Tell) -> None:
    """Write an index that is sound in itself and says something else."""
    index = read_index(folder)
    told, rows = tell(index, np.array(read_samples(folder, index)))
    counts = np.cumsum([shard.samples for shard in told.shards])[:-1]
    described = [
        Described(shard, part)
        for shard, part in zip(told.shards, np.split(rows, counts), strict=True)
    ]
    written, samples = to_index(told.size, described)
    write_index(folder, written, samples)


def tell_order(index: Index, rows: Rows) -> tuple[Index, Rows]:
    return index, rows[[1, 0, 2, 3]]


def tell_xxh3(index: Index, rows: Rows) -> tuple[Index, Rows]:
    rows["xxh3"][0] ^= np.uint64(1)
    return index, rows


def tell_swapped(index: Index, rows: Rows) -> tuple[Index, Rows]:
    return index, rows[[2, 3, 0, 1]]


def tell_fewer(index: Index, rows: Rows) -> tuple[Index, Rows]:
    first = dataclasses.replace(index.shards[0], samples=1, size_bytes=20480)
    return dataclasses.replace(index, shards=(first, index.shards[1])), rows[1:]


@READS
@pytest.mark.parametrize(
    ("tell", "what"),
    [
        (tell_order, r"sample 0, .* that of sample 1 of train-000000\.tar"),
        (tell_xxh3, r"train-000000\.tar: sample 0, bytes 0 to 14848: expected XXH3"),
        (tell_swapped, r"sample 0, .* that of sample 0 of train-000001\.tar"),
        (tell_fewer, r"expected 1 samples of 14848 bytes in a file of 20480, found one of 30720"),
    ],
    ids=["order", "xxh3", "swapped", "count"],
)
def test_an_index_that_lies_is_found_at_the_first_sample(
    make_shards: MakeShards,
    read: Read,
    tell: Tell,
    what: str,
) -> None:
    folder = make_shards(train=[2, 2])
    lie(folder, tell)
    with open_split(folder, "train", read=read) as split, pytest.raises(DataError, match=what):
        split.read(np.array([0]))


def tell_count(index: Index, rows: Rows) -> tuple[Index, Rows]:
    first = dataclasses.replace(index.shards[0], samples=1)
    return dataclasses.replace(index, shards=(first, index.shards[1])), rows[1:]


def tell_stride(index: Index, rows: Rows) -> tuple[Index, Rows]:
    first = dataclasses.replace(index.shards[0], stride=STRIDE + 512)
    return dataclasses.replace(index, shards=(first, index.shards[1])), rows


@pytest.mark.parametrize("tell", [tell_count, tell_stride], ids=["count", "stride"])
def test_an_index_that_cannot_be_is_found_before_any_shard(
    make_shards: MakeShards, tell: Tell
) -> None:
    folder = make_shards(train=[2, 2])
    lie(folder, tell)
    with pytest.raises(DataError, match=r"index\.json: 'train-000000\.tar': expected"):
        open_split(folder, "train")


@pytest.mark.parametrize("at", [90, 140], ids=["header", "row"])
def test_an_index_whose_rows_changed_is_found_before_any_shard(
    make_shards: MakeShards, at: int
) -> None:
    folder = make_shards(train=[2])
    change(folder / "index.npy", at)
    with pytest.raises(DataError, match=r"index\.npy: expected sha256 .*; run photochrom shards"):
        open_split(folder, "train")


def test_an_index_without_its_rows_is_an_error(make_shards: MakeShards) -> None:
    folder = make_shards(train=[2])
    (folder / "index.npy").unlink()
    with pytest.raises(DataError, match=r"index\.npy: expected beside index\.json, found none"):
        open_split(folder, "train")
