"""Drills: staging among processes that are killed, disks that fill, and a training from S3."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from preprocess.index import Shard, read_index
from tests.remotes import BUCKET, KEYS, HttpStore, serve_ranges, serve_s3
from tests.train.conftest import MakeParams, MakeShards, to_inputs
from train.afar import line, ranged
from train.data import open_split
from train.errors import DataError
from train.job import train_run
from train.remote import RemoteShards
from train.run import prepare_run, read_run
from train.streaming.shard import MappedShard
from train.world import World

pytestmark = pytest.mark.drill

STAGE = """
import sys
from pathlib import Path
from preprocess.index import read_index
from train.remote import RemoteShards
url, shards, folder = sys.argv[1:]
with RemoteShards(
    url, folder=Path(folder), limit_bytes=10**9, wait_s=60, tell=lambda said: None
) as remote:
    for entry in read_index(Path(shards)).shards:
        remote.open(entry).close()
"""


@pytest.fixture
def shards(make_shards: MakeShards) -> Path:
    return make_shards(train=[40, 30, 20], val=[4])


@pytest.fixture
def entries(shards: Path) -> tuple[Shard, ...]:
    return read_index(shards).shards


@pytest.fixture
def store(shards: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HttpStore]:
    monkeypatch.setattr(ranged, "RANGE", 16_384)
    monkeypatch.setattr(line, "_FIRST_S", 0.01)
    with serve_ranges(shards) as store:
        yield store


def start(store: HttpStore, shards: Path, folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", STAGE, store.url, str(shards), str(folder)]
    return subprocess.Popen(command)


def open_here(url: str, folder: Path, **given: Any) -> RemoteShards:
    settings: dict[str, Any] = {"limit_bytes": 10**9, "wait_s": 60, "tell": print} | given
    return RemoteShards(url, folder=folder, **settings)


def test_processes_of_a_node_download_each_shard_once(
    shards: Path, entries: tuple[Shard, ...], store: HttpStore, tmp_path: Path
) -> None:
    ranks = [start(store, shards, tmp_path / "staged") for _ in range(4)]
    assert [rank.wait() for rank in ranks] == [0, 0, 0, 0]
    assert [store.count(entry.name) for entry in entries] == [1] * len(entries)
    left = {path.name for path in (tmp_path / "staged").iterdir()}
    assert left == {".room.lock", *(f"{entry.sha256}.tar" for entry in entries)}


def test_who_waits_for_a_killed_process_fetches_what_it_did_not(
    shards: Path, entries: tuple[Shard, ...], store: HttpStore, tmp_path: Path
) -> None:
    store.released = threading.Event()
    killed = start(store, shards, tmp_path / "staged")
    assert store.stalled.wait(60)
    (coming,) = (tmp_path / "staged").glob("*.partial")
    with open_here(store.url, tmp_path / "staged") as waiting:
        assert coming.exists()  # not swept: it is under way
        readers = []
        waiter = threading.Thread(target=lambda: readers.append(waiting.open(entries[0])))
        waiter.start()
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        store.released.set()
        waiter.join()
        readers[0].close()
    assert sorted(path.name for path in (tmp_path / "staged").iterdir()) == [
        ".room.lock",
        f"{entries[0].sha256}.tar",
    ]


@contextmanager
def tiny_disk(folder: Path, *, size_bytes: int) -> Iterator[Path]:
    """Mount a tmpfs; skips where that is not allowed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size_bytes}", "tmpfs", str(folder)]
    if os.getuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a tmpfs takes root and CAP_SYS_ADMIN")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_disk_that_fills_is_gone_round_and_the_samples_are_the_same(
    shards: Path, store: HttpStore, tmp_path: Path
) -> None:
    told: list[str] = []
    everything = np.random.default_rng(5).permutation(90)
    with open_split(shards, "train") as home:
        expected = home.read(everything)
    with (
        tiny_disk(tmp_path / "disk", size_bytes=700_000) as disk,
        open_here(store.url, disk, tell=told.append) as remote,
        open_split(shards, "train", opener=remote.open, expect=remote.expect) as split,
    ):
        split.expect(np.arange(3))
        assert np.array_equal(split.read(everything), expected)
        assert len(list(disk.glob("*.tar"))) == 1
        assert not list(disk.glob("*.partial"))
    (said,) = told
    assert "No space left on device" in said


def test_a_disk_with_room_again_takes_shards_again(
    entries: tuple[Shard, ...], store: HttpStore, tmp_path: Path
) -> None:
    with tiny_disk(tmp_path / "disk", size_bytes=700_000) as disk:
        other = disk / "other"
        other.write_bytes(bytes(300_000))
        with open_here(store.url, disk) as remote:
            with closing(remote.open(entries[0])) as reader:
                assert not isinstance(reader, MappedShard)
            other.unlink()
            with closing(remote.open(entries[0])) as reader:
                assert isinstance(reader, MappedShard)


def train(name: str, tmp_path: Path, shards: Path, make_params: MakeParams, **changed: Any) -> Path:
    prepare_run(
        tmp_path / name,
        make_params(**changed),
        inputs=to_inputs(shards),
        checkpoints_root=tmp_path / f"checkpoints-{name}",
    )
    alone = World(rank=0, local_rank=0, size=1)
    assert train_run(read_run(tmp_path / name), alone, stop=lambda: False)
    return tmp_path / name


@pytest.mark.usefixtures("tiny_network")
@pytest.mark.parametrize("gb", [1, 620e-6, 1e-6], ids=["room for all", "for one", "for none"])
def test_a_model_trained_from_s3_is_the_model_trained_at_home(
    gb: float,
    shards: Path,
    make_params: MakeParams,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    streamed = {"residence": "stream", "window": 24, "steps": 6}
    at_home = train("home", tmp_path, shards, make_params, **streamed)
    with serve_s3() as s3:
        for key, value in (KEYS | {"AWS_ENDPOINT_URL": s3.url}).items():
            monkeypatch.setenv(key, value)
        bare = tmp_path / "bare"
        bare.mkdir()
        for name in ("index.json", "index.npy"):
            (bare / name).write_bytes((shards / name).read_bytes())
        for entry in read_index(shards).shards:
            address = f"{s3.url}/{BUCKET}/shards/{entry.name}"
            content = (shards / entry.name).read_bytes()
            requests.put(address, data=content, timeout=10).raise_for_status()
        remote = {"url": f"s3://{BUCKET}/shards", "folder": str(tmp_path / "staged"), "gb": gb}
        afar = train(
            "afar", tmp_path, bare, make_params, remote=remote | {"wait_s": 60}, **streamed
        )
    ours, theirs = (run / "result" / "model.safetensors" for run in (at_home, afar))
    assert ours.read_bytes() == theirs.read_bytes()
    used = sum(path.stat().st_size for path in (tmp_path / "staged").glob("*.tar"))
    assert used <= gb * 1e9
    assert bool(used) == (gb > 1e-4)


@pytest.mark.usefixtures("tiny_network")
def test_a_training_whose_network_goes_for_good_resumes_when_it_is_back(
    shards: Path, store: HttpStore, make_params: MakeParams, tmp_path: Path
) -> None:
    streamed = {"residence": "stream", "window": 24, "steps": 6}
    at_home = train("home", tmp_path, shards, make_params, **streamed)

    def again(wait_s: float) -> Path:
        remote = {"url": store.url, "folder": str(tmp_path / "staged"), "gb": 1e-6}
        return train(
            "afar", tmp_path, shards, make_params, remote=remote | {"wait_s": wait_s}, **streamed
        )

    store.most = 30  # of 33 or so: some steps are made, and a checkpoint
    with pytest.raises(DataError, match=r"no answer for .* run again"):
        again(0)
    store.most = None
    resumed = again(60)
    events = (resumed / "progress.jsonl").read_text().splitlines()
    (first,) = (one["step"] for one in map(json.loads, events) if one["event"] == "start")
    assert first > 0
    ours, theirs = (run / "result" / "model.safetensors" for run in (at_home, resumed))
    assert ours.read_bytes() == theirs.read_bytes()
