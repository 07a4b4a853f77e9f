import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.train.conftest import make_sample, write_tar
from tests.train.tars.webdatasets import read_by_webdataset, write_members
from train.errors import DataError
from train.tars.decoding import Kind
from train.tars.members import KINDS, LeftOut, Picture, read_pictures


def read(path: Path, left: LeftOut | None = None) -> list[Picture | str]:
    with path.open("rb") as stream:
        return list(read_pictures(stream, str(path), left or LeftOut()))


def read_contents(path: Path) -> list[tuple[str, bytes | None]]:
    """Keys, and the bytes that lie where the picture is said to lie."""
    whole = path.read_bytes()
    found: list[tuple[str, bytes | None]] = []
    for one in read(path):
        if isinstance(one, Picture):
            start = one.member.offset
            found.append((one.key, whole[start : start + one.member.length]))
        else:
            found.append((one, None))
    return found


def expect_contents(path: Path) -> list[tuple[str, bytes | None]]:
    """The same, by the library's own samples and the rule for what is a picture."""
    found: list[tuple[str, bytes | None]] = []
    for sample in read_by_webdataset(path):
        suffix = next((one for one in KINDS if one in sample), None)
        if suffix is None:
            tails = (".jpg", ".jpeg", ".png", ".webp")
            suffix = next((one for one in sample if one.endswith(tails)), None)
        found.append((sample["__key__"], None if suffix is None else sample[suffix]))
    return found


ODD = {
    "folders in names": [("a/b/one.jpg", b"1"), ("a/b/one.txt", b"x"), ("c/one.jpg", b"2")],
    "a dot before the folder": [("./v1.0/one.jpg", b"1"), ("v1.0/one.json", b"2")],
    "several dots": [("one.left.jpg", b"1"), ("one.right.jpg", b"2"), ("two.seg.png", b"3")],
    "no extension": [("README", b"1"), ("one.jpg", b"2"), ("folder.d/file", b"3")],
    "only an extension": [(".jpg", b"1"), ("one.jpg", b"2"), ("a/.png", b"3")],
    "members about the set": [
        ("__meta__", b"1"),
        ("__index__/one.jpg", b"2"),
        ("__a__b.jpg", b"3"),
        ("x/__meta__/one.jpg", b"4"),
        ("one.jpg", b"5"),
    ],
    "folders as members": [("a/", b""), ("a/one.jpg", b"1"), ("a/two.jpg", b"2")],
    "empty files": [("one.jpg", b""), ("two.jpg", b"2"), ("two.txt", b"")],
    "long names": [(f"{'d' * 120}/{'n' * 140}.jpg", b"1"), ("short.jpg", b"2")],
    "names of other scripts": [("Zürich-東京.jpg", b"1"), ("Zürich-東京.txt", b"2")],
    "the picture last": [("one.txt", b"a"), ("one.png", b"p"), ("one.jpg", b"j")],
    "a key that comes back": [("one.jpg", b"1"), ("two.jpg", b"2"), ("one.jpg", b"3")],
    "extensions in capitals": [("one.JPG", b"1"), ("two.Jpeg", b"2")],
    "no picture": [("one.txt", b"1"), ("two.jpg", b"2"), ("three.cls", b"3")],
    "blocks that are just full": [("one.jpg", b"x" * 512), ("two.jpg", b"y" * 1024)],
    "nothing": [],
}


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT], ids=["gnu", "pax"])
@pytest.mark.parametrize("what", ODD)
def test_keys_and_pictures_are_those_of_the_webdataset_library(
    what: str, form: int, tmp_path: Path
) -> None:
    path = write_members(tmp_path / "odd.tar", ODD[what], form=form)
    assert read_contents(path) == expect_contents(path)


NAMES = st.text("ab./_", min_size=1, max_size=8).map(
    lambda text: text.replace("//", "/").strip("/") or "a"
)
TAILS = st.sampled_from(["", ".jpg", ".png", ".JPEG", ".lab.npy", ".npy", ".webp", ".txt", ".json"])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(
    members=st.lists(st.tuples(st.builds(str.__add__, NAMES, TAILS), st.binary(max_size=700))),
    form=st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT]),
)
def test_any_tar_reads_as_by_the_webdataset_library(
    tmp_path: Path, members: list[tuple[str, bytes]], form: int
) -> None:
    path = write_members(tmp_path / "any.tar", members, form=form)
    try:
        wanted = expect_contents(path)
    except ValueError as refused:
        assert "duplicate file name" in str(refused)
        with pytest.raises(DataError, match="expected every suffix once in a sample"):
            read(path)
    else:
        assert read_contents(path) == wanted


def test_a_suffix_twice_in_one_sample_is_refused(tmp_path: Path) -> None:
    path = write_members(tmp_path / "twice.tar", [("one.jpg", b"1"), ("one.JPG", b"2")])
    with pytest.raises(
        DataError, match=r"twice\.tar, byte 1024: one\.JPG: expected every suffix once"
    ):
        read(path)


@pytest.mark.parametrize("how", ["gz", "bz2", "xz"])
def test_a_compressed_tar_is_refused_with_what_to_do(how: str, tmp_path: Path) -> None:
    path = write_members(tmp_path / "packed.tar", [("one.jpg", b"1")], mode=f"w:{how}")
    with pytest.raises(DataError, match=r"packed\.tar: expected a plain tar.*unpack it"):
        read(path)


def test_a_tar_that_breaks_off_in_a_member_is_refused(tmp_path: Path) -> None:
    path = write_members(tmp_path / "short.tar", [("one.jpg", b"x" * 5000), ("two.jpg", b"y")])
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(
        DataError, match=r"short\.tar, byte \d+: .* breaks off; fetch the tar again"
    ):
        read(path)


def test_a_tar_that_breaks_off_in_its_last_member_is_refused(tmp_path: Path) -> None:
    path = write_members(tmp_path / "short.tar", [("one.jpg", b"x"), ("two.jpg", b"y" * 900)])
    path.write_bytes(path.read_bytes()[: 3 * 512 + 100])
    with pytest.raises(DataError, match=r"short\.tar, byte 1024: two\.jpg breaks off"):
        read(path)


def test_a_damaged_header_does_not_end_the_tar_in_silence(tmp_path: Path) -> None:
    members = [("one.jpg", b"1"), ("two.jpg", b"2"), ("three.jpg", b"3")]
    path = write_members(tmp_path / "flipped.tar", members)
    content = bytearray(path.read_bytes())
    content[1024 + 150] ^= 4
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"flipped\.tar, byte 1024: expected a member's header"):
        read(path)


def test_a_tar_without_empty_blocks_at_its_end_is_read_whole(tmp_path: Path) -> None:
    path = write_members(tmp_path / "open.tar", [("one.jpg", b"1"), ("two.jpg", b"2")])
    path.write_bytes(path.read_bytes()[:2048])
    assert read_contents(path) == [("one", b"1"), ("two", b"2")]


def test_no_tar_at_all_is_refused(tmp_path: Path) -> None:
    for content, got in (
        (b"", "an empty file"),
        (b"no tar" * 1000, "6,000 bytes that begin 6e 6f 20 74 61 72 6e 6f"),
    ):
        path = tmp_path / "text.tar"
        path.write_bytes(content)
        with pytest.raises(
            DataError, match=rf"text\.tar, byte 0: expected a tar, got {got}; fetch"
        ):
            read(path)


def test_a_sparse_member_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sparse.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("one.jpg")
        info.pax_headers = {"GNU.sparse.map": "0,5", "GNU.sparse.size": "4096"}
        info.size = 5
        tar.addfile(info, io.BytesIO(b"12345"))
    with pytest.raises(DataError, match=r"one\.jpg.*sparse"):
        read(path)


def test_a_sample_of_our_own_brings_its_valid_box(tmp_path: Path) -> None:
    samples = [make_sample(number, split="train") for number in range(3)]
    write_tar(tmp_path / "train-000000.tar", samples)
    found = read(tmp_path / "train-000000.tar")
    assert all(isinstance(one, Picture) and one.kind is Kind.LAB for one in found)
    assert [one.valid for one in found if isinstance(one, Picture)] == [
        sample.info.valid for sample in samples
    ]


@pytest.mark.parametrize(
    ("names", "beside"),
    [
        ([f"a.b.{number}.jpg" for number in range(8)], 7),
        (["0.jpg", "0.png", "1.jpg", "1.seg.png", "1.txt"], 2),
        (["0.jpg", "0.json", "1.png"], 0),
        (["0.lab.npy", "0.aged.npy", "0.json"], 0),
        (["0.txt", "0.cls"], 0),
    ],
    ids=range(5),
)
def test_pictures_beside_another_of_their_sample_are_counted(
    names: list[str], beside: int, tmp_path: Path
) -> None:
    left = LeftOut()
    read(write_members(tmp_path / "many.tar", [(name, b"1") for name in names]), left)
    assert left.beside == beside


def test_links_are_counted(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "links.tar", "w") as tar:
        info = tarfile.TarInfo("one.jpg")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"123"))
        for name, kind in (("two.jpg", tarfile.LNKTYPE), ("three.jpg", tarfile.SYMTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "one.jpg"
            tar.addfile(info)
    left = LeftOut()
    assert len(read(tmp_path / "links.tar", left)) == 1
    assert left == LeftOut(links=2)


@pytest.mark.parametrize("kept", [1024 + 100, 1024 + 511])
def test_a_tar_that_breaks_off_in_a_header_is_refused(kept: int, tmp_path: Path) -> None:
    path = write_members(tmp_path / "short.tar", [("one.jpg", b"1"), ("two.jpg", b"2")])
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"short\.tar, byte 1024: expected a member's header, got"):
        read(path)


def test_a_header_that_no_one_reads_is_named_by_where_it_starts(tmp_path: Path) -> None:
    path = tmp_path / "odd.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for name, headers in (("a.jpg", {}), ("b.jpg", {"GNU.sparse.map": "0,x"})):
            info = tarfile.TarInfo(name)
            info.size, info.pax_headers = 3, headers
            tar.addfile(info, io.BytesIO(b"123"))
    with pytest.raises(DataError, match=r"byte 1024: expected a member's header, got a broken one"):
        read(path)
