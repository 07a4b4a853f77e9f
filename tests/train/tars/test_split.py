import os
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from preprocess.split import find_split
from tests.train.conftest import make_sample, write_shards, write_tar
from tests.train.tars.webdatasets import (
    draw,
    encode,
    gather,
    read_by_webdataset,
    to_jpeg,
    write_members,
    write_pictures,
)
from train.errors import DataError
from train.partition import make_partition
from train.streaming.source import Source
from train.tars.colour import to_lab_bytes
from train.tars.decoding import Kind, decode
from train.tars.members import KINDS
from train.tars.split import TarSplit, open_tars

SIDE = 32

Open = Callable[..., TarSplit]


@pytest.fixture
def open_split(tmp_path: Path) -> Iterator[Open]:
    """Open a split with an index of this test's own."""
    opened: list[TarSplit] = []

    def open_one(spec: Path | str, split: str = "train", **changed: Any) -> TarSplit:
        options: dict[str, Any] = {
            "size": SIDE,
            "cache": tmp_path / "indexes",
            "threads": 2,
        } | changed
        opened.append(open_tars(str(spec), split=split, **options))
        return opened[-1]

    yield open_one
    for split in opened:
        split.close()


def test_a_split_is_a_source(tmp_path: Path, open_split: Open) -> None:
    source: Source = open_split(write_pictures(tmp_path / "set", [3], prefix="train"))
    assert (source.name, source.size, source.row_bytes, len(source)) == ("train", 32, 3072, 3)
    source.expect(np.array([0]))


def test_samples_come_in_the_order_asked_for(tmp_path: Path, open_split: Open) -> None:
    folder = write_pictures(tmp_path / "set", [7, 5, 6], prefix="train")
    split = open_split(folder)
    assert split.starts.tolist() == [0, 7, 12, 18]
    whole, valid = gather(split)
    assert (valid == (0, 0, SIDE, SIDE)).all()
    for number, picture in enumerate(whole):
        wanted = np.empty_like(picture)
        decode(Kind.PICTURE, to_jpeg(draw(number)), wanted)
        assert np.array_equal(picture, wanted)
    order = [17, 3, 3, 11, 0, 8, 16, 7]
    assert np.array_equal(gather(split, order)[0], whole[order])
    assert gather(split, [])[0].shape == (0, SIDE, SIDE, 3)


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_threads_change_nothing(threads: int, tmp_path: Path, open_split: Open) -> None:
    folder = write_pictures(tmp_path / "set", [9, 8], prefix="train")
    one = gather(open_split(folder, threads=1))
    many = gather(open_split(folder, threads=threads))
    assert np.array_equal(one[0], many[0])
    assert np.array_equal(one[1], many[1])


def test_tars_that_name_their_split_keep_it(tmp_path: Path, open_split: Open) -> None:
    for split, count in (("train", 5), ("val", 3), ("test", 2), ("pairs", 1)):
        write_pictures(tmp_path / "set", [count], prefix=split)
    for split, count in (("train", 5), ("val", 3), ("test", 2), ("pairs", 1)):
        assert len(open_split(tmp_path / "set", split)) == count


def test_tars_that_do_not_are_split_by_the_hash_of_the_key(
    tmp_path: Path, open_split: Open
) -> None:
    folder = write_pictures(tmp_path / "set", [40, 30])
    seen: list[str] = []
    for name in ("train", "val", "test"):
        split = open_split(folder, name)
        keys = [key for number in range(len(split.tars)) for key in split.keys(number)]
        assert all(find_split(key) == name for key in keys)
        assert len(keys) == len(split) > 0
        seen += keys
    assert sorted(seen) == [f"{number:06d}" for number in range(70)]
    assert len(open_split(folder, "pairs")) == 0


def test_a_split_without_samples_is_empty(tmp_path: Path, open_split: Open) -> None:
    split = open_split(write_pictures(tmp_path / "set", [3], prefix="train"), "val")
    assert len(split) == 0
    assert split.starts.tolist() == [0]
    assert split.tars == ()


def test_one_line_says_what_it_costs_and_what_was_left_out(
    tmp_path: Path, open_split: Open
) -> None:
    folder = write_pictures(tmp_path / "set", [3], prefix="train")
    said = open_split(folder).notice
    assert "2.6 cores for 10,000 JPEGs" in said
    assert "photochrom pack SPEC OUT --size 32" in said
    assert "\n" not in said
    assert open_split(folder).left_out == ""
    for name in ("train-000001.tar", "train-000002.tar"):
        write_members(folder / name, [("a.txt", b"1"), ("b.txt", b"2"), ("c.jpg", b"3")])
    write_members(folder / "train-000003.tar", [(f"a.b.{one}.jpg", b"1") for one in range(8)])
    said = open_split(folder).left_out
    assert "left out, without a picture: 2 of train-000001.tar ('a') and of 1 tar more" in said
    assert "; 7 more pictures share a key with another (a key ends at the first dot)" in said
    assert "\n" not in said


def test_pictures_become_lab_and_arrays_of_lab_stay_what_they_are(
    tmp_path: Path, open_split: Open
) -> None:
    split = open_split(write_pictures(tmp_path / "set", [3], prefix="train"))
    rgb, _ = gather(split)
    rows = torch.from_numpy(rgb.reshape(3, -1))
    assert torch.equal(split.to_lab(rows), to_lab_bytes(torch.from_numpy(rgb)))


def test_our_own_shards_give_the_same_by_this_road(tmp_path: Path, open_split: Open) -> None:
    folder = write_shards(tmp_path / "shards", size=SIDE, train=[5, 4], pairs=[2])
    split = open_split(folder)
    rows, valid = gather(split)
    samples = [make_sample(number, split="train", size=SIDE) for number in range(2, 11)]
    assert np.array_equal(rows, np.stack([sample.lab for sample in samples]))
    assert valid.tolist() == [list(sample.info.valid) for sample in samples]
    lab = split.to_lab(torch.from_numpy(rows.reshape(9, -1)))
    assert lab.data_ptr() == torch.from_numpy(rows).data_ptr()
    assert np.array_equal(lab.numpy(), rows)


def test_lab_and_pictures_in_one_split_are_refused(tmp_path: Path, open_split: Open) -> None:
    folder = write_pictures(tmp_path / "set", [2], prefix="train")
    write_tar(folder / "train-000001.tar", [make_sample(1, split="train")])
    with pytest.raises(DataError, match=r"train-000001\.tar holds arrays of LAB.*000000\.tar pic"):
        open_split(folder)


def count_open() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def expect_picture(sample: dict[str, Any]) -> np.ndarray[Any, Any]:
    """What the library's member decodes to, by Pillow alone."""
    content = next(sample[suffix] for suffix in KINDS if suffix in sample)
    out = np.empty((SIDE, SIDE, 3), np.uint8)
    decode(Kind.RGB if "npy" in sample else Kind.PICTURE, content, out)
    return out


KINDS_WRITTEN = st.sampled_from(["jpg", "png", "webp", "npy", "JPG"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(
    tars=st.lists(
        st.lists(
            st.tuples(
                st.sampled_from(["", "deep/", "a.b/"]),
                KINDS_WRITTEN,
                st.integers(1, 40),
                st.integers(1, 40),
                st.booleans(),
            ),
            max_size=5,
        ),
        min_size=1,
        max_size=3,
    ),
    seed=st.randoms(use_true_random=False),
)
def test_any_webdataset_gives_the_pictures_that_the_library_gives(
    tmp_path: Path, open_split: Open, tars: list[list[Any]], seed: Any
) -> None:
    folder = tmp_path / "set"
    shutil.rmtree(folder, ignore_errors=True)
    number = 0
    for place, samples in enumerate(tars):
        members = []
        for where, kind, height, width, first in samples:
            picture = draw(number, height=height, width=width)
            name = {"jpg": "JPEG", "JPG": "JPEG"}.get(kind, kind.upper())
            own = [
                (f"{where}{number}.{kind}", encode(picture, name)),
                (f"{where}{number}.txt", b""),
            ]
            members += own if first else own[::-1]
            number += 1
        write_members(folder / f"train-{place}.tar", members)
    theirs = read_by_webdataset(*sorted(folder.glob("*.tar")))
    split = open_split(folder)
    assert len(split) == len(theirs) == number
    assert [key for tar in range(len(split.tars)) for key in split.keys(tar)] == [
        sample["__key__"] for sample in theirs
    ]
    order = list(range(number))
    seed.shuffle(order)
    found, _ = gather(split, order)
    for picture, place in zip(found, order, strict=True):
        assert np.array_equal(picture, expect_picture(theirs[place]))


def test_a_picture_without_loss_is_the_one_that_pillow_reads(
    tmp_path: Path, open_split: Open
) -> None:
    pictures = [draw(number) for number in range(6)]
    members = [(f"{n}.png", encode(picture, "PNG")) for n, picture in enumerate(pictures)]
    write_members(tmp_path / "set" / "train-0.tar", members)
    assert np.array_equal(gather(open_split(tmp_path / "set"))[0], np.stack(pictures))


def test_wrong_buffers_and_indices_are_refused(tmp_path: Path, open_split: Open) -> None:
    split = open_split(write_pictures(tmp_path / "set", [3], prefix="train"))
    valid = np.zeros((1, 4), np.int64)
    for index in (-1, 3):
        with pytest.raises(ValueError, match="expected indices 0 to 2"):
            gather(split, [index])
    with pytest.raises(ValueError, match="expected contiguous buffers"):
        split.gather(np.array([1]), np.zeros((1, 99), np.uint8), valid)
    with pytest.raises(ValueError, match="expected contiguous buffers"):
        split.gather(np.array([1]), np.zeros((1, 2 * 3072), np.uint8)[:, ::2], valid)


@pytest.mark.parametrize("window", [None, 9])
def test_batches_are_the_same_at_any_world_size_and_after_resuming(
    window: int | None, tmp_path: Path, open_split: Open
) -> None:
    folder = write_pictures(tmp_path / "set", [9, 2, 8, 7], prefix="train")
    split = open_split(folder)
    order = make_partition(len(split), batch=6, seed=3, window=window, starts=split.starts)
    for step in range(2 * order.steps_per_epoch):
        wanted = gather(split, order.global_batch(step).tolist())
        world_size = step % 4 + 1
        resumed = open_split(folder, threads=world_size)
        parts = [
            order.rank_batch(step, rank=rank, world_size=world_size) for rank in range(world_size)
        ]
        together = np.concatenate(parts)
        rows = np.concatenate([gather(resumed, part.tolist())[0] for part in parts])
        assert np.array_equal(rows[np.argsort(together)], wanted[0])


# Faults.


def flip(path: Path, at: int) -> None:
    """Flip a bit and keep the time of change, as a failing disk does."""
    found = path.stat()
    content = bytearray(path.read_bytes())
    content[at] ^= 16
    path.write_bytes(content)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


@pytest.fixture
def tar(tmp_path: Path) -> Path:
    """The second of two tars of five pictures; its first, sample 5, starts at byte 512."""
    return write_pictures(tmp_path / "set", [5, 5], prefix="train") / "train-000001.tar"


@pytest.mark.parametrize("threads", [1, 2])
def test_a_flipped_bit_is_found_when_the_sample_is_first_used(
    threads: int, tar: Path, open_split: Open
) -> None:
    open_split(tar.parent)
    flip(tar, 512 + 300)
    split = open_split(tar.parent, threads=threads)
    gather(split, [0, 1, 2, 3, 4, 6, 7])
    with pytest.raises(DataError, match=r"train-000001\.tar: 000005, byte 512: expected XXH3"):
        gather(split)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(place=st.integers(0, 1 << 20))
def test_no_flipped_bit_reaches_training(tmp_path: Path, open_split: Open, place: int) -> None:
    folder = tmp_path / "set"
    if not folder.exists():
        write_pictures(folder, [6], prefix="train")
    tar = folder / "train-000000.tar"
    wanted, _ = gather(open_split(folder))
    split = open_split(folder)
    at = place % tar.stat().st_size
    flip(tar, at)
    try:
        found, _ = gather(split)
    except DataError as exc:
        assert "expected XXH3" in str(exc)
    else:
        assert np.array_equal(found, wanted)
    flip(tar, at)


def test_bytes_are_summed_up_once(
    tar: Path, open_split: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = open_split(tar.parent)
    gather(split, [5, 6])
    monkeypatch.setattr("xxhash.xxh3_64_intdigest", lambda _: 0)
    gather(split, [5, 6])
    with pytest.raises(DataError, match=r"000007.*expected XXH3"):
        gather(split, [7])


def test_a_picture_that_does_not_decode_is_named(tmp_path: Path, open_split: Open) -> None:
    members = [("good.jpg", to_jpeg(draw(1))), ("deep/bad.jpg", to_jpeg(draw(2))[:-200])]
    write_members(tmp_path / "set" / "train-0.tar", members)
    split = open_split(tmp_path / "set")
    gather(split, [0])
    with pytest.raises(
        DataError,
        match=r"train-0\.tar: deep/bad, byte \d+: .*; repair the tar, or leave the sample",
    ):
        gather(split)


def test_a_tar_that_was_cut_or_has_gone_is_named(tar: Path, open_split: Open) -> None:
    split = open_split(tar.parent)
    gather(split, [0])
    content = tar.read_bytes()
    tar.write_bytes(content[:2000])
    with pytest.raises(DataError, match=r"train-000001\.tar: replaced or changed.*indexed"):
        gather(split, [6])
    tar.unlink()
    with pytest.raises(DataError, match=r"train-000001\.tar: cannot be opened"):
        gather(split, [6])


@pytest.mark.parametrize("how", ["rewritten", "cut", "replaced", "gone", "touched"])
def test_what_happens_to_an_open_tar_is_noticed(how: str, tar: Path, open_split: Open) -> None:
    split = open_split(tar.parent)
    gather(split, [6])
    content = tar.read_bytes()
    found = tar.stat()
    if how == "rewritten":
        tar.write_bytes(content[::-1])
    elif how == "cut":
        os.truncate(tar, 1000)
    elif how == "replaced":
        other = tar.with_name("other")
        other.write_bytes(content)
        os.utime(other, ns=(found.st_atime_ns, found.st_mtime_ns))
        other.rename(tar)
    elif how == "gone":
        tar.unlink()
    else:
        os.utime(tar, ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    said = r"train-000001\.tar: (vanished|replaced or changed since it was indexed)"
    with pytest.raises(DataError, match=said):
        gather(split, [7])


def test_a_tar_replaced_between_two_runs_is_indexed_anew(tar: Path, open_split: Open) -> None:
    open_split(tar.parent)
    write_pictures(tar.parent, [5, 8], prefix="train")
    split = open_split(tar.parent)
    assert len(split) == 13
    gather(split)


def test_many_tars_are_read_with_few_files_open(
    tmp_path: Path, open_split: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_pictures(tmp_path / "set", [2] * 60, prefix="train")
    monkeypatch.setattr("train.tars.split.find_most_open", lambda _: 7)
    split = open_split(folder)
    order = np.random.default_rng(1).permutation(120)
    before = count_open()
    found, _ = gather(split, order.tolist())
    assert count_open() - before <= 7
    assert np.array_equal(found, gather(open_split(folder, threads=1))[0][order])


@pytest.mark.drill
def test_ten_thousand_tars_do_not_meet_the_limit_of_open_files(
    tmp_path: Path, open_split: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.tars.split.find_most_open", lambda _: 100)
    content = to_jpeg(draw(1))
    for number in range(10_000):
        write_members(tmp_path / "set" / f"train-{number:06d}.tar", [(f"{number}.jpg", content)])
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    try:
        split = open_split(tmp_path / "set")
        rows, _ = gather(split)
        assert (rows == rows[0]).all()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_tars_behind_addresses_are_fetched_to_be_read(tmp_path: Path, open_split: Open) -> None:
    folder = write_pictures(tmp_path / "set", [3, 2], prefix="train")

    def fetch(name: str) -> BinaryIO:
        return (folder / name.rpartition("/")[2]).open("rb")

    split = open_split("https://host.invalid/x/train-{000000..000001}.tar", open_file=fetch)
    assert np.array_equal(gather(split)[0], gather(open_split(folder))[0])
    again = open_split("https://host.invalid/x/train-{000000..000001}.tar", open_file=fetch)
    write_pictures(folder, [3, 4], prefix="train")
    with pytest.raises(DataError, match=r"https://host.invalid/x/train-000001\.tar: replaced"):
        gather(again)


def test_tars_that_are_not_expected_are_let_go(tmp_path: Path, open_split: Open) -> None:
    split = open_split(write_pictures(tmp_path / "set", [3, 3, 3], prefix="train"))
    before = count_open()
    whole, _ = gather(split)
    split.expect(np.array([2]))
    assert count_open() == before + 1
    assert np.array_equal(gather(split)[0], whole)


def test_a_closed_split_holds_no_file(tmp_path: Path, open_split: Open) -> None:
    split = open_split(write_pictures(tmp_path / "set", [3, 3], prefix="train"))
    before = count_open()
    gather(split)
    assert count_open() == before + 2
    split.close()
    assert count_open() == before


def test_an_odd_picture_is_read_as_well_as_any(tmp_path: Path, open_split: Open) -> None:
    image = Image.new("RGBA", (10, 20), (255, 0, 0, 0))
    write_members(tmp_path / "set" / "train-0.tar", [("one.png", encode(image, "PNG"))])
    rows, valid = gather(open_split(tmp_path / "set"))
    assert valid.tolist() == [[0, 8, 32, 24]]
    assert (rows[0, :, 8:24] == 255).all()
    assert not rows[0, :, :8].any()
