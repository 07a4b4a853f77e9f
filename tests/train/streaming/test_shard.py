import fcntl
import gc
import mmap
import os
import tracemalloc
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray

from preprocess.index import Shard, read_index
from tests.train.conftest import MakeShards
from tests.train.faults import READS, STRIDE
from train.errors import DataError
from train.streaming.mounts import choose_read
from train.streaming.shard import (
    MappedShard,
    Read,
    ReadShard,
    ShardReader,
    map_file,
    open_shard,
    pread_file,
)


@pytest.fixture
def shard(make_shards: MakeShards) -> tuple[Path, Shard]:
    folder = make_shards(train=[6])
    return folder / "train-000000.tar", read_index(folder).shards[0]


def take(reader: ShardReader, places: list[int], stride: int) -> NDArray[np.uint8]:
    out_BR = np.zeros((len(places), stride), np.uint8)
    reader.take(np.array(places), out_BR)
    return out_BR


@READS
def test_rows_are_the_bytes_of_the_file(shard: tuple[Path, Shard], read: Read) -> None:
    path, entry = shard
    whole = np.fromfile(path, np.uint8, entry.samples * entry.stride).reshape(-1, entry.stride)
    reader = open_shard(path, entry, read)
    assert reader.path == path
    for places in ([2], [0, 1, 2], [5, 3, 4, 4, 0], [0, 1, 2, 3, 4, 5], [1, 0]):
        assert np.array_equal(take(reader, places, entry.stride), whole[places])
        reader.check()
    reader.close()


def test_auto_reads_as_the_file_system_wants(
    shard: tuple[Path, Shard], monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind, expected in [("ext4", MappedShard), ("nfs4", ReadShard)]:
        mount(monkeypatch, ("/", kind))
        reader = open_shard(*shard)
        assert type(reader) is expected
        reader.close()


def test_a_pipe_in_place_of_a_shard_is_not_waited_for(shard: tuple[Path, Shard]) -> None:
    path, entry = shard
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(DataError, match=r"expected 6 samples of \d+ bytes .* found one of 0"):
        open_shard(path, entry, "pread")


def mount(monkeypatch: pytest.MonkeyPatch, *mounts: tuple[str, str]) -> None:
    found = [SimpleNamespace(mountpoint=point, fstype=kind) for point, kind in mounts]
    monkeypatch.setattr(psutil, "disk_partitions", lambda *, all: found if all else [])


@pytest.mark.parametrize(
    ("mounts", "path", "expected"),
    [
        ([("/", "ext4")], "/data/shards", "map"),
        ([("/", "ext4"), ("/data", "nfs4")], "/data/shards", "pread"),
        ([("/", "ext4"), ("/data", "nfs4")], "/database", "map"),
        ([("/data", "nfs"), ("/", "ext4"), ("/data/fast", "xfs")], "/data/fast/shards", "map"),
        ([("/", "overlay"), ("/data", "lustre")], "/data/shards", "pread"),
        ([("/", "overlay"), ("/data", "fuse.sshfs")], "/data", "pread"),
        ([("/", "overlay"), ("/data", "fuseblk")], "/data", "map"),
        ([("/data", "autofs"), ("/data", "nfs4")], "/data/shards", "pread"),
        ([("/data", "nfs4"), ("/data", "tmpfs")], "/data/shards", "map"),
        *(
            ([("/", kind)], "/data", "pread")
            for kind in ("nfs", "cifs", "smb3", "beegfs", "gpfs", "ceph", "9p", "virtiofs")
        ),
        *(([("/", kind)], "/data", "map") for kind in ("xfs", "btrfs", "zfs", "tmpfs", "overlay")),
        ([], "/data", "map"),
    ],
)
def test_only_file_systems_of_this_machine_are_mapped(
    monkeypatch: pytest.MonkeyPatch, mounts: list[tuple[str, str]], path: str, expected: str
) -> None:
    mount(monkeypatch, *mounts)
    assert choose_read(Path(path)) == expected


def test_a_link_is_followed_to_its_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "far").mkdir()
    (tmp_path / "near").symlink_to("far")
    mount(monkeypatch, ("/", "ext4"), (str((tmp_path / "far").resolve()), "nfs4"))
    assert choose_read(tmp_path / "near" / "train-000000.tar") == "pread"


def test_the_file_system_of_this_machine_is_found(tmp_path: Path) -> None:
    assert choose_read(tmp_path) in ("map", "pread")


@READS
def test_a_lock_on_an_open_file_lasts_as_long_as_its_reader(
    shard: tuple[Path, Shard], read: Read
) -> None:
    path, entry = shard
    stream = path.open("rb")
    fcntl.flock(stream, fcntl.LOCK_SH)
    reader = (map_file if read == "map" else pread_file)(stream, path, entry)
    take(reader, [0, 1], entry.stride), take(reader, [0, 1], entry.stride)
    with path.open("rb") as other:
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        reader.close()
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


@READS
def test_a_reader_closes_what_it_opened(shard: tuple[Path, Shard], read: Read) -> None:
    path, entry = shard

    def count() -> int:
        found = Path("/proc/self/fd").iterdir()
        return sum(link.readlink() == path for link in found if link.is_symlink())

    reader = open_shard(path, entry, read)
    take(reader, [0], entry.stride), take(reader, [0], entry.stride)
    assert 1 <= count() <= 2
    reader.close()
    assert count() == 0 and str(path) not in Path("/proc/self/maps").read_text()


@READS
def test_a_reader_that_is_dropped_closes_its_file(shard: tuple[Path, Shard], read: Read) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        reader = open_shard(shard[0], shard[1], read)
        take(reader, [0], shard[1].stride), take(reader, [0], shard[1].stride)
        del reader
        gc.collect()
    assert str(shard[0]) not in Path("/proc/self/maps").read_text()


@READS
def test_a_batch_is_copied_once_and_no_shard_whole(shard: tuple[Path, Shard], read: Read) -> None:
    path, entry = shard
    reader = open_shard(path, entry, read)
    places, out_BR = np.array([0, 2, 4]), np.zeros((3, entry.stride), np.uint8)
    reader.take(places, out_BR)
    reader.take(places, out_BR)
    tracemalloc.start()
    reader.take(places, out_BR)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    reader.close()
    assert peak < entry.stride


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Note of each read at which sample it begins, and how many it takes."""
    calls: list[tuple[int, int]] = []
    preadv = os.preadv

    def count(fd: int, buffers: list[memoryview], at: int) -> int:
        calls.append((at // STRIDE, len(buffers[0]) // STRIDE))
        return preadv(fd, buffers, at)

    monkeypatch.setattr(os, "preadv", count)
    return calls


def test_neighbours_are_read_in_one_call(
    shard: tuple[Path, Shard], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = count_reads(monkeypatch)
    path, entry = shard
    reader = open_shard(path, entry, "pread")
    take(reader, [0, 1, 2, 4, 5, 3], entry.stride)
    reader.close()
    assert calls == [(0, 3), (4, 2), (3, 1)]


def test_rows_that_are_new_among_known_ones_are_read_alone(
    shard: tuple[Path, Shard], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = count_reads(monkeypatch)
    path, entry = shard
    whole = np.fromfile(path, np.uint8, entry.samples * entry.stride).reshape(-1, entry.stride)
    reader = open_shard(path, entry, "map")
    for places in ([0, 1], [1, 4, 0], [4, 2, 3, 5, 0], [5, 4, 3, 2, 1, 0]):
        assert np.array_equal(take(reader, places, entry.stride), whole[places])
    reader.close()
    assert calls == [(0, 2), (4, 1), (4, 1), (2, 2), (5, 1), (0, 1)]


def test_a_mapped_shard_is_read_by_pread_until_all_rows_were_read(
    shard: tuple[Path, Shard], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, entry = shard
    reader = open_shard(path, entry, "map")
    take(reader, [0, 1], entry.stride), take(reader, [2, 3, 4, 5], entry.stride)

    def refuse(*_: object) -> int:
        raise AssertionError

    monkeypatch.setattr(os, "preadv", refuse)
    assert take(reader, [5, 0], entry.stride).any()
    reader.close()


def test_a_file_system_that_maps_nothing_is_an_error(
    shard: tuple[Path, Shard], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, entry = shard
    reader = open_shard(path, entry, "map")
    take(reader, [0], entry.stride)

    def refuse(*_: object, **__: object) -> mmap.mmap:
        raise OSError(19, "No such device")

    monkeypatch.setattr(mmap, "mmap", refuse)
    with pytest.raises(DataError, match=r"cannot be mapped .*No such device.*; set train\.read to"):
        take(reader, [0], entry.stride)
    reader.close()


def test_too_many_open_files_name_the_remedy(
    shard: tuple[Path, Shard], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(DataError, match=r"Too many open files\); raise `ulimit -n`"):
        open_shard(*shard, "pread")
