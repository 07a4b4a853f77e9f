"""Shards from real servers on loopback, staged on a disk that others share."""

import errno
import fcntl
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import fsspec
import numpy as np
import pytest
import zstandard
from filelock import FileLock
from numpy.typing import NDArray

from preprocess.index import Shard, read_index
from tests.disks import small_disk
from tests.remotes import HttpStore, Wire, serve_ranges
from tests.train.conftest import MakeShards
from train.afar import landing, line, ranged
from train.data import open_split
from train.errors import DamagedError, DataError
from train.remote import RemoteShards
from train.streaming.shard import MappedShard, Read, ReadShard, ShardReader

PAGE = b"<!DOCTYPE html><title>Please sign in</title>" * 40
SIGNED = "?X-Amz-Signature=0123abcd"

Stage = Callable[..., RemoteShards]


@pytest.fixture
def shards(make_shards: MakeShards) -> Path:
    return make_shards(size=32, train=[5, 4, 3, 2], val=[3])


@pytest.fixture
def entries(shards: Path) -> tuple[Shard, ...]:
    return tuple(entry for entry in read_index(shards).shards if entry.split == "train")


@pytest.fixture
def store(shards: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpStore]:
    """The shards over HTTP, in small ranges, to a line that is quick to ask again."""
    monkeypatch.setattr(ranged, "RANGE", 4096)
    monkeypatch.setattr(ranged, "LEAST_RANGE", 512)
    monkeypatch.setattr(line, "_FIRST_S", 0.001)
    with serve_ranges(shards) as store:
        yield store


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def stage(tmp_path: Path, told: list[str]) -> Iterator[Stage]:
    """Make stages of one folder; closed with the test."""
    made = []

    def make(url: str, *, limit_bytes: int = 10**9, wait_s: float = 60) -> RemoteShards:
        folder = tmp_path / "staged"
        shards = RemoteShards(
            url, folder=folder, limit_bytes=limit_bytes, wait_s=wait_s, tell=told.append
        )
        made.append(shards)
        return shards

    yield make
    for one in made:
        one.close()


def rows_of(reader: ShardReader, entry: Shard) -> NDArray[np.uint8]:
    rows = np.empty((entry.samples, entry.stride), np.uint8)
    reader.take(np.arange(entry.samples), rows)
    return rows


def check(shards: Path, entry: Shard, reader: ShardReader) -> None:
    """Hold every sample against the shard at home."""
    expected = (shards / entry.name).read_bytes()[: entry.samples * entry.stride]
    assert rows_of(reader, entry).tobytes() == expected


def staged(tmp_path: Path) -> set[str]:
    return {path.stem for path in (tmp_path / "staged").glob("*.tar")}


def test_a_shard_is_staged_whole_and_once(
    shards: Path, entries: tuple[Shard, ...], store: HttpStore, stage: Stage, tmp_path: Path
) -> None:
    with closing(stage(store.url).open(entries[0])) as reader:
        check(shards, entries[0], reader)
        assert isinstance(reader, MappedShard)
    store.asked.clear()
    with closing(stage(store.url).open(entries[0])) as reader:
        check(shards, entries[0], reader)
    assert store.asked == []
    found = sorted(path.name for path in (tmp_path / "staged").iterdir())
    assert found == [".room.lock", f"{entries[0].sha256}.tar"]


def test_ranks_that_need_a_shard_at_once_share_its_download(
    shards: Path, entries: tuple[Shard, ...], store: HttpStore, stage: Stage
) -> None:
    ranks = [stage(store.url) for _ in range(4)]
    together = threading.Barrier(len(ranks))
    faults = []

    def read(rank: RemoteShards) -> None:
        together.wait()
        for entry in entries:
            with closing(rank.open(entry)) as reader:
                try:
                    check(shards, entry, reader)
                except AssertionError as exc:
                    faults.append(exc)

    threads = [threading.Thread(target=read, args=(rank,)) for rank in ranks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert [store.count(entry.name) for entry in entries] == [1, 1, 1, 1]


def test_what_was_used_longest_ago_goes_and_what_is_in_use_stays(
    entries: tuple[Shard, ...], store: HttpStore, stage: Stage, tmp_path: Path
) -> None:
    held, idle, renewed, last = (entry.sha256 for entry in entries)
    limit_bytes = sum(entry.size_bytes for entry in entries[:3])
    with stage(store.url, limit_bytes=limit_bytes) as shards:
        reader = shards.open(entries[0])
        for entry in (entries[2], entries[1], entries[2]):
            shards.open(entry).close()
        shards.open(entries[3]).close()
        assert staged(tmp_path) == {held, renewed, last}
        reader.close()
        shards.open(entries[1]).close()
        assert staged(tmp_path) == {idle, renewed, last}


def test_a_folder_with_less_room_than_a_shard_is_read_from_afar(
    shards: Path, entries: tuple[Shard, ...], store: HttpStore, stage: Stage, told: list[str]
) -> None:
    with stage(store.url, limit_bytes=1000) as small:
        for entry in entries[:2]:
            with closing(small.open(entry)) as reader:
                check(shards, entry, reader)
                reader.check()
    (said,) = told
    for part in ("the limit is 1000", entries[0].name, f"straight from {store.url}"):
        assert part in said


def test_what_is_in_use_sends_others_afar_until_there_is_room_again(
    shards: Path, entries: tuple[Shard, ...], store: HttpStore, stage: Stage
) -> None:
    with stage(store.url, limit_bytes=entries[0].size_bytes) as small:
        first = small.open(entries[0])
        second = small.open(entries[1])
        check(shards, entries[1], second)
        assert not isinstance(second, MappedShard)
        first.close()
        with closing(small.open(entries[1])) as third:
            assert isinstance(third, MappedShard)


def test_a_full_disk_is_gone_round_and_used_again_when_it_has_room(
    shards: Path,
    entries: tuple[Shard, ...],
    store: HttpStore,
    stage: Stage,
    told: list[str],
    tmp_path: Path,
) -> None:
    with stage(store.url) as full:
        with small_disk():
            reader = full.open(entries[0])
            check(shards, entries[0], reader)
        assert staged(tmp_path) == set()
        assert "File too large" in told[0]
        with closing(full.open(entries[0])) as reader:
            assert isinstance(reader, MappedShard)
    assert len(told) == 1


def test_a_disk_that_fails_otherwise_is_an_error_with_what_to_do(
    entries: tuple[Shard, ...],
    store: HttpStore,
    stage: Stage,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def fail(descriptor: int, offset: int, size_bytes: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("os.posix_fallocate", fail)
    with pytest.raises(DataError, match=r"output error; set train\.remote\.folder"):
        stage(store.url).open(entries[0])
    assert {path.name for path in (tmp_path / "staged").iterdir()} == {".room.lock"}


def test_what_is_expected_is_staged_before_it_is_asked_for(
    shards: Path, entries: tuple[Shard, ...], store: HttpStore, stage: Stage, tmp_path: Path
) -> None:
    with stage(store.url) as ahead:
        ahead.expect(entries)
        while len(staged(tmp_path)) < len(entries):
            threading.Event().wait(0.01)
        store.asked.clear()
        for entry in entries:
            with closing(ahead.open(entry)) as reader:
                check(shards, entry, reader)
    assert store.asked == []


@pytest.mark.parametrize("ranges", [True, False])
def test_a_transfer_that_breaks_goes_on(
    ranges: bool,
    shards: Path,
    entries: tuple[Shard, ...],
    store: HttpStore,
    stage: Stage,
    told: list[str],
) -> None:
    store.ranges = ranges
    store.breaks = [2000, 9000, 100, 3000, 4000, 1] if ranges else [2000, 9000, 1]
    with closing(stage(store.url).open(entries[0])) as reader:
        check(shards, entries[0], reader)
    assert store.breaks == []
    if ranges:
        assert ("/train-000000.tar", "") not in store.asked


def test_a_range_that_came_is_not_asked_for_again(
    entries: tuple[Shard, ...], store: HttpStore, stage: Stage
) -> None:
    entry = entries[0]
    stage(store.url).open(entry).close()
    wanted = [one for path, one in store.asked if one != "0-0"]
    assert len(wanted) == len(set(wanted)) == -(-entry.size_bytes // 4096)


def test_a_network_that_stays_away_ends_with_what_to_do(
    entries: tuple[Shard, ...], store: HttpStore, stage: Stage, tmp_path: Path
) -> None:
    store.status = 503
    with stage(store.url + SIGNED, wait_s=0) as shards, pytest.raises(DataError) as caught:
        shards.open(entries[0])
    said = str(caught.value)
    assert said.startswith(f"{store.url}/{entries[0].name}: no answer for 0 s")
    assert "503" in said
    assert "run again" in said
    assert "Signature" not in said
    assert staged(tmp_path) == set()


def test_a_server_that_comes_back_is_waited_for(
    shards: Path, entries: tuple[Shard, ...], store: HttpStore, told: list[str], tmp_path: Path
) -> None:
    def come_back(said: str) -> None:
        told.append(said)
        store.status = None

    store.status = 503
    with (
        RemoteShards(
            store.url, folder=tmp_path / "staged", limit_bytes=10**9, wait_s=60, tell=come_back
        ) as waiting,
        closing(waiting.open(entries[0])) as reader,
    ):
        check(shards, entries[0], reader)
    assert "waiting" in told[0]
    assert "going on" in told[1]
    assert len(told) == 2


def cut_when_full(wire: Wire) -> None:
    wire.full.wait()
    wire.cut()


def test_a_line_that_is_cut_and_mended_is_waited_for(
    shards: Path, entries: tuple[Shard, ...], store: HttpStore, told: list[str], tmp_path: Path
) -> None:
    wire = Wire(store.port)

    def mend(said: str) -> None:
        told.append(said)
        if "waiting" in said:
            wire.lay(size_bytes=10**9)

    wire.lay(size_bytes=400)  # some questions' worth: then silence
    with RemoteShards(
        wire.url, folder=tmp_path / "staged", limit_bytes=10**9, wait_s=60, tell=mend
    ) as waiting:
        cutter = threading.Thread(target=cut_when_full, args=(wire,))
        cutter.start()
        with closing(waiting.open(entries[0])) as reader:
            check(shards, entries[0], reader)
        cutter.join()
    wire.cut()
    assert "waiting up to 60 s" in told[0]
    assert "going on" in told[-1]


def test_closing_calls_off_what_is_under_way(
    entries: tuple[Shard, ...], store: HttpStore, stage: Stage, tmp_path: Path
) -> None:
    store.released = threading.Event()
    shards = stage(store.url)
    shards.expect(entries)
    assert store.stalled.wait(30)
    shards.close()
    store.released.set()
    assert [path.name for path in (tmp_path / "staged").iterdir()] == [".room.lock"]
    with pytest.raises(DataError, match="called off"):
        shards.open(entries[0])


def test_a_network_lost_for_good_fails_the_one_that_needs_it_not_the_one_that_looks_ahead(
    shards: Path, entries: tuple[Shard, ...], store: HttpStore, stage: Stage
) -> None:
    ahead = stage(store.url, wait_s=0)
    store.status = 503
    ahead.expect(entries[1:])
    with pytest.raises(DataError):
        ahead.open(entries[0])
    store.status = None
    with closing(ahead.open(entries[1])) as reader:
        check(shards, entries[1], reader)


@pytest.mark.parametrize(("status", "said"), [(403, "credentials"), (404, "no such file")])
def test_a_refusal_fails_at_once(
    status: int, said: str, entries: tuple[Shard, ...], store: HttpStore, stage: Stage
) -> None:
    store.status = status
    with pytest.raises(DataError, match=said):
        stage(store.url, wait_s=3600).open(entries[0])
    assert [path for path, _ in store.asked] == ["/train-000000.tar", "/train-000000.tar.zst"]


@pytest.mark.parametrize("ranges", [True, False])
@pytest.mark.parametrize("level", [1, 3])
def test_a_compressed_copy_is_unpacked_on_its_way(
    level: int,
    ranges: bool,
    shards: Path,
    entries: tuple[Shard, ...],
    store: HttpStore,
    stage: Stage,
) -> None:
    store.ranges = ranges
    for entry in entries:
        path = shards / entry.name
        packed = zstandard.ZstdCompressor(level=level, threads=2).compress(path.read_bytes())
        (shards / f"{entry.name}.zst").write_bytes(packed)
        path.rename(shards / f"{entry.name}.home")
    cold = stage(store.url)
    for entry in entries[:2]:
        with closing(cold.open(entry)) as reader:
            content = (shards / f"{entry.name}.home").read_bytes()
            assert rows_of(reader, entry).tobytes() == content[: entry.samples * entry.stride]
    assert [path for path, _ in store.asked].count(f"/{entries[1].name}") == 0


def test_a_compressed_copy_without_room_to_unpack_is_an_error(
    shards: Path, entries: tuple[Shard, ...], store: HttpStore, stage: Stage
) -> None:
    path = shards / entries[0].name
    path.rename(f"{path}.zst")
    with pytest.raises(DataError, match=r"ranges.*raise train\.remote\.gb"):
        stage(store.url, limit_bytes=10).open(entries[0])


@pytest.mark.parametrize(
    "packed",
    [b"no zstd at all", zstandard.compress(bytes(10_000_000)), zstandard.compress(b"x" * 99)[:-3]],
    ids=["text", "more than the shard", "cut short"],
)
def test_a_compressed_copy_of_something_else_is_an_error(
    packed: bytes, shards: Path, entries: tuple[Shard, ...], store: HttpStore, stage: Stage
) -> None:
    path = shards / entries[0].name
    path.unlink()
    Path(f"{path}.zst").write_bytes(packed)
    with pytest.raises(DataError, match=f"{entries[0].sha256}, got .* fetched twice"):
        stage(store.url).open(entries[0])


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("ranges", [True, False])
def test_servers_without_ranges_or_lengths_do(
    ranges: bool,
    length: bool,
    shards: Path,
    entries: tuple[Shard, ...],
    store: HttpStore,
    stage: Stage,
) -> None:
    store.ranges, store.length = ranges, length
    with closing(stage(store.url).open(entries[0])) as reader:
        check(shards, entries[0], reader)


def test_a_server_without_ranges_and_a_disk_without_room_are_an_error(
    entries: tuple[Shard, ...], store: HttpStore, stage: Stage
) -> None:
    store.ranges = False
    with pytest.raises(DataError, match=r"in one stream; raise train\.remote\.gb"):
        stage(store.url, limit_bytes=10).open(entries[0])


def test_a_redirect_is_followed_and_a_signature_sent(
    shards: Path, entries: tuple[Shard, ...], store: HttpStore, stage: Stage
) -> None:
    with closing(stage(f"{store.url}/moved{SIGNED}").open(entries[0])) as reader:
        check(shards, entries[0], reader)
    moved = [path for path, _ in store.asked if path.startswith("/moved/")]
    assert set(moved) == {f"/moved/{entries[0].name}{SIGNED}"}


@pytest.mark.parametrize("ranges", [True, False])
def test_a_page_in_place_of_a_shard_is_shown(
    ranges: bool, entries: tuple[Shard, ...], store: HttpStore, stage: Stage, tmp_path: Path
) -> None:
    store.page, store.ranges = PAGE, ranges
    with pytest.raises(DataError) as caught:
        stage(store.url).open(entries[0])
    said = str(caught.value)
    for part in (
        f"{store.url}/{entries[0].name}",
        f"expected {entries[0].size_bytes} bytes of SHA-256 {entries[0].sha256}",
        f"got {len(PAGE)} of SHA-256 {hashlib.sha256(PAGE).hexdigest()}",
        "<!DOCTYPE html>",
        "text/html",
    ):
        assert part in said
    assert staged(tmp_path) == set()


@pytest.mark.parametrize("fault", ["cut short", "too long", "one bit"])
def test_a_spoilt_shard_is_fetched_twice_and_then_an_error(
    fault: str, shards: Path, entries: tuple[Shard, ...], store: HttpStore, stage: Stage
) -> None:
    path = shards / entries[0].name
    content = bytearray(path.read_bytes())
    if fault == "one bit":
        content[700] ^= 1
    path.write_bytes({"cut short": content[:-512], "too long": content + b"x"}.get(fault, content))
    with pytest.raises(DataError, match=f"expected .*{entries[0].sha256}, got .* fetched twice"):
        stage(store.url).open(entries[0])
    assert [one for _, one in store.asked].count("0-4095") == 2


def test_a_shard_that_comes_right_the_second_time_is_taken(
    shards: Path, entries: tuple[Shard, ...], store: HttpStore, stage: Stage
) -> None:
    store.ranges = store.length = False
    store.breaks = [3000]  # nothing tells a cut from an end
    with closing(stage(store.url).open(entries[0])) as reader:
        check(shards, entries[0], reader)


def test_a_damaged_staged_file_is_replaced_where_its_length_shows_it(
    shards: Path, entries: tuple[Shard, ...], store: HttpStore, stage: Stage, tmp_path: Path
) -> None:
    with stage(store.url) as first:
        first.open(entries[0]).close()
    with (tmp_path / "staged" / f"{entries[0].sha256}.tar").open("r+b") as stream:
        stream.truncate(5)
    with closing(stage(store.url).open(entries[0])) as reader:
        check(shards, entries[0], reader)


def test_a_damaged_staged_file_is_found_by_its_samples_and_fetched_anew(
    shards: Path, entries: tuple[Shard, ...], store: HttpStore, stage: Stage, tmp_path: Path
) -> None:
    with stage(store.url) as first:
        first.open(entries[0]).close()
    path = tmp_path / "staged" / f"{entries[0].sha256}.tar"
    content = bytearray(path.read_bytes())
    content[entries[0].stride + 2000] ^= 1
    path.write_bytes(content)

    def read_all() -> NDArray[np.uint8]:
        with (
            stage(store.url) as remote,
            open_split(shards, "train", opener=remote.open, expect=remote.expect) as split,
        ):
            return split.read(np.arange(len(split)))

    with pytest.raises(DataError, match=f"{entries[0].sha256}.tar: sample 1, "):
        read_all()
    assert np.array_equal(
        read_all(), open_split(shards, "train").read(np.arange(sum(e.samples for e in entries)))
    )


def test_a_sample_read_from_afar_is_held_against_the_index(
    shards: Path, entries: tuple[Shard, ...], store: HttpStore, stage: Stage
) -> None:
    path = shards / entries[0].name
    content = bytearray(path.read_bytes())
    content[entries[0].stride + 2000] ^= 1
    path.write_bytes(content)
    small = stage(store.url, limit_bytes=10)
    with (
        open_split(shards, "train", opener=small.open) as split,
        pytest.raises(DataError, match=rf"{entries[0].name}: sample 1, "),
    ):
        split.read(np.arange(5))


def test_a_sample_from_afar_is_checked_every_time_that_it_comes(
    shards: Path, entries: tuple[Shard, ...], store: HttpStore, stage: Stage
) -> None:
    small = stage(store.url, limit_bytes=10)
    with open_split(shards, "train", opener=small.open) as split:
        split.read(np.arange(5))
        path = shards / entries[0].name
        content = bytearray(path.read_bytes())
        content[entries[0].stride + 2000] ^= 1
        path.write_bytes(content)
        with pytest.raises(DataError, match=rf"{entries[0].name}: sample 1, "):
            split.read(np.arange(5))


def test_windows_go_through_a_folder_that_holds_two_shards_of_four(
    shards: Path,
    entries: tuple[Shard, ...],
    store: HttpStore,
    stage: Stage,
    told: list[str],
    tmp_path: Path,
) -> None:
    limit_bytes = sum(entry.size_bytes for entry in entries[:2])
    with open_split(shards, "train") as home:
        expected = home.read(np.arange(14))
    with (
        stage(store.url, limit_bytes=limit_bytes) as remote,
        open_split(shards, "train", opener=remote.open, expect=remote.expect) as split,
    ):
        for first in [0, 1, 2, 0, 1, 2]:
            split.expect(np.arange(first, first + 2))
            window = np.arange(split.starts[first], split.starts[first + 2])
            assert np.array_equal(split.read(window), expected[window])
            used = sum(path.stat().st_size for path in (tmp_path / "staged").glob("*.tar"))
            assert used <= limit_bytes
    assert told == []


def test_what_was_read_from_afar_is_staged_when_it_is_expected_and_finds_room(
    shards: Path, entries: tuple[Shard, ...], store: HttpStore, stage: Stage, tmp_path: Path
) -> None:
    limit_bytes = sum(entry.size_bytes for entry in entries[:2])
    with (
        stage(store.url, limit_bytes=limit_bytes) as remote,
        open_split(shards, "train", opener=remote.open, expect=remote.expect) as split,
    ):
        expected = split.read(np.arange(14))
        assert staged(tmp_path) == {entry.sha256 for entry in entries[:2]}
        split.expect(np.array([2, 3]))
        wanted = {entry.sha256 for entry in entries[2:]}
        for _ in range(3000):
            if wanted <= staged(tmp_path):
                break
            threading.Event().wait(0.01)
        assert wanted <= staged(tmp_path)
        store.asked.clear()
        assert np.array_equal(split.read(np.arange(9, 14)), expected[9:])
    assert store.asked == []


class CrowdedLock(FileLock):
    """The lock of a shard on a disk that takes no more files."""

    def acquire(self, *given: Any, **named: Any) -> Any:
        if not self.lock_file.endswith(".room.lock"):
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().acquire(*given, **named)


def test_a_disk_without_room_for_a_lock_is_gone_round(
    shards: Path,
    entries: tuple[Shard, ...],
    store: HttpStore,
    stage: Stage,
    told: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with stage(store.url) as full:
        monkeypatch.setattr("train.afar.staging.FileLock", CrowdedLock)
        with closing(full.open(entries[0])) as reader:
            check(shards, entries[0], reader)
    assert "No space left on device; reading samples" in told[0]


def test_closing_does_not_wait_for_another_that_fetches(
    entries: tuple[Shard, ...], store: HttpStore, stage: Stage, tmp_path: Path
) -> None:
    shards = stage(store.url)
    faults: list[DataError] = []

    def open_one() -> None:
        try:
            shards.open(entries[0])
        except DataError as exc:
            faults.append(exc)

    opening = threading.Thread(target=open_one, daemon=True)
    with (tmp_path / "staged" / f"{entries[0].sha256}.lock").open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        opening.start()
        shards.expect(entries[:1])
        closer = threading.Thread(target=shards.close, daemon=True)
        closer.start()
        for thread in (closer, opening):
            thread.join(30)
            assert not thread.is_alive()
    assert "called off" in str(faults[0])


def test_a_staged_file_that_lost_its_name_is_read_on_and_one_that_was_cut_is_not(
    shards: Path, entries: tuple[Shard, ...], store: HttpStore, stage: Stage, tmp_path: Path
) -> None:
    with closing(stage(store.url).open(entries[0])) as reader:
        check(shards, entries[0], reader)
        path = tmp_path / "staged" / f"{entries[0].sha256}.tar"
        kept = path.rename(tmp_path / "kept")
        reader.check()
        path.write_bytes(b"another")
        reader.check()
        with kept.open("r+b") as stream:
            stream.truncate(5)
        with pytest.raises(DataError, match="was replaced while it was read"):
            reader.check()


@pytest.mark.parametrize("damaged", [False, True])
def test_only_damage_throws_away_what_others_share(
    damaged: bool, entries: tuple[Shard, ...], store: HttpStore, stage: Stage, tmp_path: Path
) -> None:
    kind = DamagedError if damaged else DataError
    with pytest.raises(kind), stage(store.url) as remote:
        reader = remote.open(entries[0])
        raise kind(f"{reader.path}: cannot be mapped")
    assert staged(tmp_path) == (set() if damaged else {entries[0].sha256})


@pytest.mark.parametrize(
    ("read", "kind", "expected"),
    [("auto", "nfs4", ReadShard), ("auto", "ext4", MappedShard), ("pread", "ext4", ReadShard)],
)
def test_staged_shards_are_read_as_the_folder_or_the_setting_wants(
    read: Read,
    kind: str,
    expected: type,
    entries: tuple[Shard, ...],
    store: HttpStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mount = SimpleNamespace(mountpoint="/", fstype=kind)
    monkeypatch.setattr("psutil.disk_partitions", lambda all: [mount])
    with (
        RemoteShards(
            store.url, folder=tmp_path, limit_bytes=10**9, wait_s=60, tell=print, read=read
        ) as remote,
        closing(remote.open(entries[0])) as reader,
    ):
        assert type(reader) is expected


def test_a_file_that_is_replaced_while_it_is_fetched_is_an_error(
    shards: Path, store: HttpStore, stage: Stage, tmp_path: Path
) -> None:
    (shards / "theirs.tar").write_bytes(b"one" * 5000)
    remote = stage(store.url)
    store.released = threading.Event()

    def replace() -> None:
        store.stalled.wait()
        # At once: a request that meets the file while it is written would be another case.
        (shards / "new").write_bytes(b"another" * 5000)
        (shards / "new").replace(shards / "theirs.tar")
        cast(threading.Event, store.released).set()

    replacing = threading.Thread(target=replace)
    replacing.start()
    with pytest.raises(DataError, match="replaced on the server while it was fetched"):
        remote.fetch("theirs.tar")
    replacing.join()
    assert staged(tmp_path) == set()


def test_compressed_shards_of_a_compressed_index_are_read_from_afar(
    shards: Path, entries: tuple[Shard, ...], store: HttpStore, stage: Stage
) -> None:
    with open_split(shards, "train") as home:
        expected = home.read(np.arange(14))
    index = shards / "index.json"
    index.write_text(index.read_text().replace('"compression": null', '"compression": "zstd"'))
    for entry in read_index(shards, compressed=True).shards:
        path = shards / entry.name
        Path(f"{path}.zst").write_bytes(zstandard.compress(path.read_bytes()))
        path.unlink()
    with (
        stage(store.url) as remote,
        open_split(shards, "train", opener=remote.open) as split,
    ):
        assert np.array_equal(split.read(np.arange(14)), expected)
    with pytest.raises(DataError, match="photochrom unpack"):
        open_split(shards, "train")


def test_what_a_killed_process_left_is_swept_and_what_lives_is_not(
    entries: tuple[Shard, ...], store: HttpStore, stage: Stage, tmp_path: Path
) -> None:
    folder = tmp_path / "staged"
    folder.mkdir()
    dead, live, foreign = "a" * 64, "b" * 64, "notes.partial"
    for name in (f"{dead}.partial", f"{dead}.lock", f"{live}.partial", f"{live}.lock", foreign):
        (folder / name).write_bytes(b"half")
    with (folder / f"{live}.lock").open("r+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with stage(store.url) as shards:
            shards.open(entries[0]).close()
        left = {path.name for path in folder.iterdir()}
    assert left == {
        *(".room.lock", f"{live}.partial", f"{live}.lock", foreign, f"{entries[0].sha256}.tar")
    }


def test_a_folder_of_another_user_is_refused(
    store: HttpStore, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.getuid", lambda: 4242)
    with pytest.raises(DataError, match=r"expected a folder of user 4242 alone"):
        stage(store.url)


def test_the_folder_in_the_temporary_folder_is_of_one_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with RemoteShards("memory://x", folder=None, limit_bytes=1, wait_s=0, tell=print):
        (made,) = tmp_path.iterdir()
        assert made.name.startswith("photochrom-shards-")
        assert made.stat().st_mode & 0o777 == 0o700
    made.chmod(0o777)
    with pytest.raises(DataError, match="mode 777"):
        RemoteShards("memory://x", folder=None, limit_bytes=1, wait_s=0, tell=print)
    made.rename(tmp_path / "other")
    made.symlink_to(tmp_path / "other")
    with pytest.raises(DataError, match=r"set train\.remote\.folder"):
        RemoteShards("memory://x", folder=None, limit_bytes=1, wait_s=0, tell=print)


def test_any_file_can_be_fetched_and_comes_again_when_it_changes(
    shards: Path, store: HttpStore, stage: Stage
) -> None:
    (shards / "theirs.tar").write_bytes(b"one" * 5000)
    remote = stage(store.url)
    for content in (b"one" * 5000, b"three" * 6000):
        (shards / "theirs.tar").write_bytes(content)
        for _ in range(2):
            with remote.fetch("theirs.tar") as stream:
                assert stream.read() == content
    assert [one for _, one in store.asked].count("0-4095") == 2


@pytest.mark.parametrize("length", [True, False])
def test_a_fetched_file_of_unknown_length_is_whole(
    length: bool, shards: Path, store: HttpStore, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "_STEP", 1000)
    store.ranges, store.length = False, length
    for name in ("theirs.tar", "others.tar"):
        (shards / name).write_bytes(b"one" * 5000)
    with stage(store.url, limit_bytes=16_000).fetch("theirs.tar") as stream:
        assert stream.read() == b"one" * 5000
    with pytest.raises(DataError, match=r"no room for its .*train\.remote\.gb"):
        stage(store.url, limit_bytes=14_000).fetch("others.tar")


@pytest.mark.parametrize("protocol", ["file", "memory"])
def test_folders_and_memory_are_servers_too(
    protocol: str, shards: Path, entries: tuple[Shard, ...], stage: Stage
) -> None:
    url = f"file://{shards}"
    if protocol == "memory":
        url = f"memory://{shards.name}"
        memory = fsspec.filesystem("memory")
        for entry in entries:
            memory.pipe(f"{url}/{entry.name}", (shards / entry.name).read_bytes())
    with closing(stage(url).open(entries[0])) as reader:
        check(shards, entries[0], reader)
    with closing(stage(url, limit_bytes=10).open(entries[1])) as reader:
        check(shards, entries[1], reader)
