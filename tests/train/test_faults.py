"""What is wrong with a shard is an error that names it, before a wrong sample is handed on."""

import errno
import os

import numpy as np
import pytest

from tests.train.conftest import MakeShards, make_sample
from tests.train.faults import READS, STRIDE, change, read_all
from train.data import open_split
from train.errors import DataError
from train.streaming.shard import Read


@READS
@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    "at",
    [3, 156, 511, 512, 1100, 1536 + 130, 2048 + 3, 2048 + 128, 9000, STRIDE - 1],
    ids=["name", "type", "pad", "json", "spaces", "size", "npy", "first", "pixel", "end"],
)
def test_a_flipped_bit_is_found_when_the_sample_is_first_read(
    make_shards: MakeShards, read: Read, place: int, at: int
) -> None:
    folder = make_shards(train=[2, 3])
    change(folder / "train-000001.tar", place * STRIDE + at)
    first = place * STRIDE
    with open_split(folder, "train", read=read) as split:
        sound = np.setdiff1d(np.arange(5), 2 + place)
        assert np.array_equal(split.read(sound)[0], make_sample(0, split="train").lab)
        with pytest.raises(
            DataError,
            match=rf"/train-000001\.tar: sample {place}, bytes {first} to {first + STRIDE}: "
            rf"expected XXH3 [0-9a-f]{{16}} by index.npy, found [0-9a-f]{{16}}: the shard is "
            rf"damaged, or not the one of the index; run `photochrom shards` again",
        ):
            split.read(np.arange(5))


@READS
def test_two_shards_that_changed_places_are_found(make_shards: MakeShards, read: Read) -> None:
    folder = make_shards(train=[2, 2])
    one, other, aside = (folder / name for name in ("train-000000.tar", "train-000001.tar", "x"))
    one.rename(aside), other.rename(one), aside.rename(other)
    with (
        open_split(folder, "train", read=read) as split,
        pytest.raises(
            DataError,
            match=r"train-000000\.tar: sample 1, .*, that of sample 1 of train-000001\.tar: the",
        ),
    ):
        split.read(np.array([1]))


@READS
@pytest.mark.parametrize("left", [0, STRIDE, 3 * STRIDE, 3 * STRIDE + 1024])
def test_a_shard_cut_short_is_found_when_it_is_opened(
    make_shards: MakeShards, read: Read, left: int
) -> None:
    folder = make_shards(train=[1, 3])
    os.truncate(folder / "train-000001.tar", left)
    with open_split(folder, "train", read=read) as split:
        split.read(np.array([0]))
        with pytest.raises(
            DataError,
            match=rf"train-000001\.tar: expected 3 samples of {STRIDE} bytes in a file of 51200, "
            rf"found one of {left}; run `photochrom shards`",
        ):
            split.read(np.array([1]))


@READS
def test_a_shard_that_is_not_there_is_an_error(make_shards: MakeShards, read: Read) -> None:
    folder = make_shards(train=[1, 1])
    (folder / "train-000001.tar").unlink()
    with (
        open_split(folder, "train", read=read) as split,
        pytest.raises(DataError, match=r"train-000001\.tar: expected 1 samples .* found none; run"),
    ):
        read_all(split)


@READS
def test_a_folder_in_place_of_a_shard_is_an_error(make_shards: MakeShards, read: Read) -> None:
    folder = make_shards(train=[1])
    (folder / "train-000000.tar").unlink()
    (folder / "train-000000.tar").mkdir()
    with (
        open_split(folder, "train", read=read) as split,
        pytest.raises(DataError, match=r"train-000000\.tar: cannot be opened .*directory.*; run"),
    ):
        read_all(split)


def test_a_shard_that_this_user_may_not_read_is_an_error(make_shards: MakeShards) -> None:
    folder = make_shards(train=[1])
    path, user = folder / "train-000000.tar", os.geteuid()
    path.chmod(0)
    with open_split(folder, "train") as split:
        try:
            if user == 0:
                os.seteuid(65534)
            with pytest.raises(DataError, match=r"train-000000\.tar: cannot be opened .*ermission"):
                read_all(split)
        finally:
            os.seteuid(user)


@READS
def test_a_disk_that_fails_is_an_error_with_the_byte(
    make_shards: MakeShards, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    preadv = os.preadv

    def fail(fd: int, buffers: list[memoryview], at: int) -> int:
        """Read a sector at a time, up to a bad one."""
        if at == STRIDE + 1024:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return preadv(fd, [buffers[0][:512]], at)

    monkeypatch.setattr(os, "preadv", fail)
    with (
        open_split(make_shards(train=[3]), "train", read=read) as split,
        pytest.raises(
            DataError,
            match=rf"train-000000\.tar: sample 1, bytes {STRIDE} to {2 * STRIDE}: cannot be read "
            rf"at byte {STRIDE + 1024} .*Input/output error.*; copy the shards to a sound disk",
        ),
    ):
        read_all(split)
