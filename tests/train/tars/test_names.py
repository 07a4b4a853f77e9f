from pathlib import Path

import pytest

from tests.train.tars.webdatasets import write_members
from train.errors import DataError
from train.tars.names import find_tars, has_split_names


def make(folder: Path, *names: str) -> None:
    for name in names:
        write_members(folder / name, [])


def test_a_folder_is_its_tars_by_name(tmp_path: Path) -> None:
    make(tmp_path, "b.tar", "a.tar", "deep/c.tar")
    (tmp_path / "notes.txt").touch()
    assert [tar.name for tar in find_tars(str(tmp_path))] == ["a.tar", "b.tar"]


def test_braces_are_expanded_in_their_order(tmp_path: Path) -> None:
    make(tmp_path, "set-008.tar", "set-009.tar", "set-010.tar", "more.tar")
    found = find_tars(f"{tmp_path}/{{set-{{010..008}},more}}.tar")
    assert [tar.name for tar in found] == ["set-010.tar", "set-009.tar", "set-008.tar", "more.tar"]


def test_one_tar_is_one_tar(tmp_path: Path) -> None:
    make(tmp_path, "a{b.tar")
    assert [tar.name for tar in find_tars(f"{tmp_path}/a{{b.tar")] == ["a{b.tar"]


def test_names_that_two_tars_share_are_told_apart(tmp_path: Path) -> None:
    make(tmp_path, "x/0.tar", "y/0.tar")
    found = find_tars(f"{tmp_path}/{{x,y}}/0.tar")
    assert [tar.name for tar in found] == [f"{tmp_path}/x/0.tar", f"{tmp_path}/y/0.tar"]


def test_addresses_are_not_looked_for_on_disk() -> None:
    found = find_tars("s3://bucket/{00..01}.tar")
    assert [(tar.source, tar.is_remote) for tar in found] == [
        ("s3://bucket/00.tar", True),
        ("s3://bucket/01.tar", True),
    ]


def test_splits_go_by_name_where_all_names_have_one(tmp_path: Path) -> None:
    make(tmp_path, "train-0.tar", "val-0.tar", "test-0.tar", "pairs-0.tar")
    assert has_split_names(find_tars(str(tmp_path)))
    make(tmp_path, "training.tar")
    assert not has_split_names(find_tars(str(tmp_path)))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("none", r"expected a folder that is there, or names that end in \.tar"),
        ("{a..c}.tar", r"a\.tar: expected a tar, found none \(2 of 3 are not there\)"),
        ("{b,b}.tar", "expected every tar once"),
        ("{b.tar", "Unbalanced braces"),
        ("packed", "found none, but 2 compressed; unpack them"),
        ("empty", "expected tars, found none; see"),
        ("b.tar.gz", r"a compressed tar must be unpacked"),
    ],
)
def test_what_is_not_there_is_named(spec: str, said: str, tmp_path: Path) -> None:
    make(tmp_path, "b.tar", "packed/a.tar.gz", "packed/b.tgz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=said):
        find_tars(f"{tmp_path}/{spec}")
