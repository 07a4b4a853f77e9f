from pathlib import Path

import braceexpand
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.train.tars.webdatasets import write_members
from train.errors import DataError
from train.tars import names
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
        ("empty", "expected tars, found none; name a folder that holds some"),
        ("b}.tar", "Unbalanced braces"),
        ("b.tar.gz", r"a compressed tar must be unpacked"),
    ],
)
def test_what_is_not_there_is_named(spec: str, said: str, tmp_path: Path) -> None:
    make(tmp_path, "b.tar", "packed/a.tar.gz", "packed/b.tgz")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=said):
        find_tars(f"{tmp_path}/{spec}")


@pytest.mark.parametrize("spec", ["", " "])
def test_an_empty_name_is_refused(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "a.tar")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"expected a folder of tars, a tar.* got nothing"):
        find_tars(spec)


@pytest.mark.parametrize(
    "spec",
    [
        "{0..999999999999}.tar",
        "s3://bucket/{999999999999..000000000000}.tar",
        "{a,{0..999999999999..2}}.tar",
        "{{0..999999999999}}.tar",
        "{x,{0..999}{0..999}{0..999}}.tar",
        "{0..999}{0..1000}.tar",
        "{0..1" + "0" * 40 + "}.tar",
    ],
    ids=range(7),
)
def test_a_pattern_of_too_many_names_is_refused(spec: str) -> None:
    with pytest.raises(DataError, match=r"at most 1,000,000 names, got more; write the range"):
        find_tars(spec)


PARTS = st.sampled_from(
    [
        "a",
        ",",
        "{",
        "}",
        "{}",
        "\\",
        "{0..3}",
        "{09..1..3}",
        "{c..a}",
        "{a..Z}",
        "{x,y}",
        "{-2..1..0}",
    ]
)


@given(st.lists(PARTS, max_size=9).map("".join), st.integers(1, 40))
def test_what_a_pattern_stands_for_is_counted_as_it_is_expanded(spec: str, most: int) -> None:
    try:
        count = len(list(braceexpand.braceexpand(spec)))
    except ValueError:
        count = -1
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(names, "MAX_TARS", most)
        try:
            names._check_count(spec)
        except DataError:
            assert count < 0 or count > most
        except ValueError:
            assert count < 0 or "}" in spec  # braceexpand passes some such as "}{"
        else:
            assert count <= most


def test_a_pattern_may_be_longer_than_a_name(tmp_path: Path) -> None:
    wanted = [f"{letter * 100}.tar" for letter in "abc"]
    make(tmp_path, *wanted)
    found = find_tars(f"{tmp_path}/{{{','.join(name[:-4] for name in wanted)}}}.tar")
    assert [tar.name for tar in found] == wanted
