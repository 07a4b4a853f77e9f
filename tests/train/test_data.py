from pathlib import Path

import numpy as np
import pytest
import torch

from tests.train.conftest import SIZE, MakeShards, make_sample
from train.data import hold, open_split
from train.errors import DataError
from train.hashes import read_hashes


def test_a_batch_over_several_shards_comes_in_the_order_asked_for(make_shards: MakeShards) -> None:
    split = open_split(make_shards(train=[4, 1, 3]), "train")
    indices = np.array([7, 0, 4, 3, 0])
    found = split.gather(indices)
    assert len(split) == 8
    for row, index in enumerate(indices):
        assert np.array_equal(found[row], make_sample(int(index), split="train").lab)


def test_pairs_have_their_negative(make_shards: MakeShards) -> None:
    split = open_split(make_shards(pairs=[3]), "pairs")
    lab, bw = split.gather(np.arange(3)), split.gather(np.arange(3), member="bw.npy")
    assert np.array_equal(bw, lab[..., 0])


def test_a_held_split_has_the_pictures_and_their_boxes(make_shards: MakeShards) -> None:
    held = hold(open_split(make_shards(val=[2, 3]), "val"), torch.device("cpu"))
    samples = [make_sample(number, split="val") for number in range(5)]
    assert np.array_equal(held.lab_NSS3.numpy(), np.stack([sample.lab for sample in samples]))
    assert held.valid_N4.tolist() == [list(sample.info.valid) for sample in samples]


def test_a_split_without_samples_is_empty(make_shards: MakeShards) -> None:
    held = hold(open_split(make_shards(train=[2]), "val"), torch.device("cpu"))
    assert len(held) == 0
    assert held.lab_NSS3.shape == (0, SIZE, SIZE, 3)


def test_hashes_are_those_of_the_index(make_shards: MakeShards) -> None:
    hashes = read_hashes(make_shards(train=[1, 1], val=[1]))
    assert list(hashes) == ["train-000000.tar", "train-000001.tar", "val-000000.tar"]
    assert all(len(sha256) == 64 for sha256 in hashes.values())


def test_a_missing_index_names_the_command_to_run(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="photochrom shards"):
        open_split(tmp_path, "train")


def test_a_missing_member_is_an_error(make_shards: MakeShards) -> None:
    with pytest.raises(DataError, match=r"have lab\.npy and no bw\.npy"):
        open_split(make_shards(train=[2]), "train").gather(np.array([0]), member="bw.npy")


@pytest.mark.parametrize("index", [-1, 2])
def test_an_index_outside_the_split_is_an_error(make_shards: MakeShards, index: int) -> None:
    with pytest.raises(ValueError, match="expected indices 0 to 1"):
        open_split(make_shards(train=[2]), "train").gather(np.array([index]))


def test_a_shortened_shard_is_an_error(make_shards: MakeShards) -> None:
    folder = make_shards(train=[3])
    path = folder / "train-000000.tar"
    path.write_bytes(path.read_bytes()[:-512])
    with pytest.raises(DataError, match=r"expected 3 samples of 14848 bytes .* found \d+; run"):
        open_split(folder, "train")


@pytest.mark.parametrize(
    ("at", "what"),
    [
        (14848 + 512 + 1024 + 3, "sample 1 has no lab.npy"),
        (14848 + 512 + 1024 + 512 + 10, "lab.npy is not the array of the index"),
        (14848 + 3, "members of different samples are mixed"),
    ],
)
def test_a_sample_that_is_not_in_its_place_is_an_error(
    make_shards: MakeShards, at: int, what: str
) -> None:
    folder = make_shards(train=[3])
    path = folder / "train-000000.tar"
    content = bytearray(path.read_bytes())
    if "no lab" in what:
        content[at : at + 96] = bytes(96)
    else:
        content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=what):
        open_split(folder, "train")


def test_a_changed_pixel_is_found_before_training(make_shards: MakeShards) -> None:
    folder = make_shards(train=[3])
    path = folder / "train-000000.tar"
    content = bytearray(path.read_bytes())
    content[9000] ^= 1
    path.write_bytes(content)
    split = open_split(folder, "train")
    with pytest.raises(DataError, match="expected SHA-256"):
        hold(split, torch.device("cpu"))
