"""Shards from S3, as moto answers for it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import requests

from preprocess.index import Shard, read_index
from tests.remotes import BUCKET, KEYS, S3Store, serve_s3
from tests.train.conftest import write_shards
from train.afar import line
from train.data import open_split
from train.errors import DataError
from train.remote import RemoteShards


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Store]:
    with serve_s3() as store:
        yield store


@pytest.fixture(scope="module")
def home(s3: S3Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards at home, and the same in the bucket."""
    folder = write_shards(
        tmp_path_factory.mktemp("home") / "shards", size=32, train=[5, 4], val=[3]
    )
    for entry in read_index(folder).shards:
        address = f"{s3.url}/{BUCKET}/shards/{entry.name}"
        content = (folder / entry.name).read_bytes()
        requests.put(address, data=content, timeout=10).raise_for_status()
    return folder


@pytest.fixture
def shards(home: Path, s3: S3Store, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Shards at home; the environment leads to the bucket."""
    for name, value in (KEYS | {"AWS_ENDPOINT_URL": s3.url}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(line, "_FIRST_S", 0.01)
    return home


def stage(folder: Path, url: str = f"s3://{BUCKET}/shards", **given: float) -> RemoteShards:
    limit_bytes = int(given.get("limit_bytes", 10**9))
    wait_s = given.get("wait_s", 3600)
    return RemoteShards(url, folder=folder, limit_bytes=limit_bytes, wait_s=wait_s, tell=print)


def first(folder: Path) -> Shard:
    return read_index(folder).shards[0]


@pytest.mark.parametrize("limit_bytes", [10**9, 10], ids=["staged", "from afar"])
def test_a_split_from_s3_is_the_split_at_home(
    limit_bytes: int, shards: Path, tmp_path: Path
) -> None:
    everything = np.arange(9)
    with open_split(shards, "train") as home:
        expected = home.read(everything)
    with (
        stage(tmp_path / "staged", limit_bytes=limit_bytes) as remote,
        open_split(shards, "train", opener=remote.open, expect=remote.expect) as split,
    ):
        split.expect(np.arange(2))
        assert np.array_equal(split.read(everything), expected)


@pytest.mark.parametrize(
    ("url", "said"),
    [(f"s3://{BUCKET}/elsewhere", "no such file"), ("s3://no-such-bucket/shards", "no such file")],
)
def test_what_is_not_there_fails_at_once(url: str, said: str, shards: Path, tmp_path: Path) -> None:
    with (
        stage(tmp_path / "staged", url) as remote,
        pytest.raises(DataError, match=rf"{url}/.*{said}.*train\.remote\.url"),
    ):
        remote.open(first(shards))


def test_no_credentials_fail_at_once(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with (
        stage(tmp_path / "staged") as remote,
        pytest.raises(DataError, match=r"credentials.*AWS_PROFILE"),
    ):
        remote.open(first(shards))


def test_a_store_out_of_reach_says_so(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with (
        stage(tmp_path / "staged", wait_s=0) as remote,
        pytest.raises(DataError, match=r"no answer for .* run again"),
    ):
        remote.open(first(shards))


def test_a_file_is_fetched_from_s3_once(shards: Path, tmp_path: Path) -> None:
    name = first(shards).name
    with stage(tmp_path / "staged") as remote:
        for _ in range(2):
            with closing(remote.fetch(name)) as stream:
                assert stream.read() == (shards / name).read_bytes()
    assert len(list((tmp_path / "staged").glob("*.tar"))) == 1
