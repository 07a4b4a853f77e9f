"""A shard that changes while it is read is an error before the next batch is handed on."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.train.conftest import MakeShards
from tests.train.faults import LONG_AGO, READS, STRIDE, change, opened, read_all, settle
from train.data import open_split
from train.errors import DataError
from train.streaming.shard import MappedShard, Read, ReadShard


def replace(path: Path) -> None:
    other = path.with_suffix(".other")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(LONG_AGO, LONG_AGO))
    other.rename(path)


def replace_linked(path: Path) -> None:
    path.with_suffix(".kept").hardlink_to(path)
    replace(path)


def write_into(path: Path) -> None:
    change(path, 9000)


def write_whole(path: Path) -> None:
    path.write_bytes(path.read_bytes())


def swap_in(path: Path) -> None:
    path.write_bytes((path.parent / "train-000000.tar").read_bytes())


def grow(path: Path) -> None:
    os.truncate(path, path.stat().st_size + 512)


WAYS = [replace, replace_linked, write_into, write_whole, swap_in, grow]


@READS
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_a_shard_replaced_while_it_is_read_is_an_error_at_the_next_batch(
    make_shards: MakeShards, read: Read, times: int, way: Callable[[Path], None]
) -> None:
    folder = make_shards(train=[2, 2])
    with opened(folder, read, times=times) as split:
        way(folder / "train-000001.tar")
        split.read(np.array([0, 1]))
        with pytest.raises(DataError, match=r"train-000001\.tar: was replaced while it was read"):
            read_all(split)


@READS
def test_a_shard_changed_between_the_copy_and_the_check_is_not_handed_on(
    make_shards: MakeShards, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_shards(train=[2])
    with opened(folder, read, times=2) as split:
        shard = MappedShard if read == "map" else ReadShard
        check = shard.check

        def change_first(self: ReadShard) -> None:
            change(folder / "train-000000.tar", 9000)
            check(self)

        monkeypatch.setattr(shard, "check", change_first)
        with pytest.raises(DataError, match="was replaced while it was read"):
            read_all(split)


@READS
@pytest.mark.parametrize("times", [1, 2])
def test_a_shard_removed_while_it_is_read_is_an_error(
    make_shards: MakeShards, read: Read, times: int
) -> None:
    folder = make_shards(train=[2])
    with opened(folder, read, times=times) as split:
        (folder / "train-000000.tar").unlink()
        with pytest.raises(DataError, match=r"train-000000\.tar: was removed while it was read"):
            read_all(split)


@READS
def test_a_folder_of_shards_moved_away_is_noticed_within_a_second(
    make_shards: MakeShards, read: Read, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.streaming.shard._LOOK_S", 0.0)
    folder = make_shards(train=[2])
    with opened(folder, read, times=1) as split:
        folder.rename(folder.with_name("elsewhere"))
        with pytest.raises(DataError, match=r"train-000000\.tar: was removed while it was read"):
            read_all(split)


@READS
def test_another_name_or_mode_for_a_shard_is_no_harm(make_shards: MakeShards, read: Read) -> None:
    folder = make_shards(train=[2])
    with opened(folder, read, times=1) as split:
        (folder / "copy").hardlink_to(folder / "train-000000.tar")
        (folder / "train-000000.tar").chmod(0o444)
        read_all(split)


@READS
def test_a_shard_replaced_while_it_was_closed_for_another_is_checked_anew(
    make_shards: MakeShards, read: Read
) -> None:
    folder = make_shards(train=[2, 2])
    settle(folder)
    with open_split(folder, "train", read=read, most_open=1) as split:
        read_all(split)
        split.read(np.array([0]))
        swap_in(folder / "train-000001.tar")
        settle(folder)
        with pytest.raises(DataError, match=r"train-000001\.tar: sample 0, bytes 0 to 14848: exp"):
            split.read(np.array([2]))


CUT = """
import os, sys
import numpy as np
from pathlib import Path
from train.data import open_split
from train.errors import DataError
for times, folder in enumerate(sys.argv[1:], 1):
    split = open_split(Path(folder), "train", read="map")
    for _ in range(times):
        split.read(np.arange(len(split)))
    os.truncate(Path(folder) / "train-000000.tar", 4096)
    try:
        split.read(np.arange(len(split)))
    except DataError as exc:
        print(exc)
"""


def test_a_mapped_shard_cut_short_between_two_batches_is_an_error(make_shards: MakeShards) -> None:
    # In a process of its own: a map that is not looked after would end it with SIGBUS.
    folders = [make_shards("once", train=[50]), make_shards("twice", train=[50])]
    done = subprocess.run(
        [sys.executable, "-c", CUT, *folders], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{done.returncode} {done.stderr}"
    said = (
        r"train-000000\.tar: was replaced while .* bytes that were opened, found 4096 bytes; start"
    )
    assert len(re.findall(said, done.stdout)) == 2


def test_a_shard_cut_short_while_it_is_read_by_pread_is_an_error(make_shards: MakeShards) -> None:
    folder = make_shards(train=[50])
    with opened(folder, "pread", times=1) as split:
        os.truncate(folder / "train-000000.tar", STRIDE + 9)
        with pytest.raises(DataError, match=rf"was replaced .* found no byte at {STRIDE + 9}; st"):
            read_all(split)
