"""A WebDataset behind URLs, opened as training opens it."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.train.tars.webdatasets import draw, encode, gather, write_members, write_pictures
from train.errors import DamagedError, DataError
from train.params import RemoteParams
from train.run import Inputs
from train.streaming.opening import Fetcher, Opened, open_inputs
from train.tars.split import TarSplit, open_tars


@pytest.fixture
def web(tmp_path: Path) -> Path:
    write_pictures(tmp_path / "web", [5] * 6, prefix="train")
    return write_pictures(tmp_path / "web", [5] * 2, prefix="val")


@pytest.fixture
def inputs(web: Path, tmp_path: Path) -> Inputs:
    spec = f"file://{web}/{{train-{{000000..000005}},val-{{000000..000001}}}}.tar"
    return Inputs(tmp_path, 32, tmp_path / "indexes", spec)


def to_params(tmp_path: Path, *, tars: float = 100, threads: int = 1) -> Any:
    """Settings with room for so many tars of 20 KB."""
    remote = RemoteParams(url=None, folder=str(tmp_path / "staged"), gb=tars * 20_480e-9, wait_s=0)
    return SimpleNamespace(remote=remote, threads=threads, read="auto")


def read(opened: Opened) -> list[NDArray[np.uint8]]:
    assert isinstance(opened.train, TarSplit)
    assert isinstance(opened.val, TarSplit)
    return [gather(split)[0] for split in (opened.train, opened.val, opened.train)]


@pytest.mark.parametrize("threads", [1, 3])
def test_a_set_larger_than_the_staging_folder_is_read(
    threads: int, web: Path, inputs: Inputs, tmp_path: Path
) -> None:
    assert {path.stat().st_size for path in web.glob("*.tar")} == {20_480}
    params = to_params(tmp_path, tars=2.5, threads=threads)
    with open_inputs(inputs, params, tell=print) as opened:
        train, val, again = read(opened)
    for split, found in [("train", train), ("val", val), ("train", again)]:
        home = open_tars(str(web), size=32, split=split, cache=tmp_path / "home", threads=1)
        assert np.array_equal(found, gather(home)[0])
        home.close()


def test_a_folder_without_room_for_one_tar_is_an_error(inputs: Inputs, tmp_path: Path) -> None:
    with (
        pytest.raises(DataError, match=r"no room for its 20480 bytes.*raise train\.remote\.gb"),
        open_inputs(inputs, to_params(tmp_path, tars=0.5), tell=print),
    ):
        pass


@pytest.mark.parametrize("same_time", [False, True])
def test_a_tar_replaced_on_the_server_ends_a_run_and_not_the_next(
    same_time: bool, web: Path, inputs: Inputs, tmp_path: Path
) -> None:
    params, tar = to_params(tmp_path), web / "train-000002.tar"

    def run() -> NDArray[np.uint8]:
        with open_inputs(inputs, params, tell=print) as opened:
            return read(opened)[0]

    before, found = run(), tar.stat()
    pictures = [(f"{n:06d}.png", encode(draw(n + 100), "PNG")) for n in range(10, 15)]
    content = write_members(tmp_path / "other.tar", pictures).read_bytes()
    tar.write_bytes(content)
    os.truncate(tar, found.st_size)
    if same_time:  # as a server says it that knows seconds; what was staged has gone
        os.utime(tar, ns=(found.st_atime_ns, found.st_mtime_ns))
        for staged in (tmp_path / "staged").glob("*.tar"):
            staged.unlink()
    with pytest.raises(DataError, match=r"train-000002\.tar") as caught:
        run()
    assert caught.type is (DamagedError if same_time else DataError)
    after = run()
    assert np.array_equal(after[:10], before[:10])
    assert not np.array_equal(after[10:15], before[10:15])


def test_a_damaged_staged_tar_is_fetched_anew_by_the_next_run(
    inputs: Inputs, tmp_path: Path
) -> None:
    params = to_params(tmp_path)
    with open_inputs(inputs, params, tell=print) as opened:
        expected = read(opened)
    for staged in (tmp_path / "staged").glob("*.tar"):
        found = staged.stat()
        content = bytearray(staged.read_bytes())
        content[700] ^= 1
        staged.write_bytes(content)
        os.utime(staged, ns=(found.st_atime_ns, found.st_mtime_ns))
        break
    with pytest.raises(DamagedError), open_inputs(inputs, params, tell=print) as opened:
        read(opened)
    with open_inputs(inputs, params, tell=print) as opened:
        assert all(map(np.array_equal, read(opened), expected))


def test_what_is_left_out_is_said_of_both_splits(web: Path, inputs: Inputs, tmp_path: Path) -> None:
    for name in ("train-000003.tar", "val-000001.tar"):
        write_members(web / name, [("a.txt", b"1"), ("b.jpg", (web / name).read_bytes()[:1])])
    with open_inputs(inputs, to_params(tmp_path), tell=print) as opened:
        assert "1 of train-000003.tar" in opened.left_out
        assert "1 of val-000001.tar" in opened.left_out
        assert opened.notice.endswith(opened.left_out)


def test_a_tar_is_named_before_the_query_of_its_url(web: Path, tmp_path: Path) -> None:
    with Fetcher(to_params(tmp_path).remote, tell=print) as fetcher:
        folder = web.as_uri()
        with pytest.raises(DataError, match="no such file"):
            fetcher.open(f"{folder}/none.tar?of=a/b.tar")
        assert list(fetcher._folders) == [f"{folder}?of=a/b.tar"]
