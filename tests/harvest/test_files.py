from pathlib import Path

import pytest

from harvest.errors import HarvestError
from harvest.files import check_inside, put_in_place, whole_file, write_bytes


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a"
    write_bytes(path, b"old")
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_bytes(path, b"old")
    with pytest.raises(RuntimeError), whole_file(path) as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_complete_file_takes_the_place_of_the_old(tmp_path: Path) -> None:
    source, target = tmp_path / ".a", tmp_path / "deep" / "a"
    write_bytes(target, b"old")
    source.write_bytes(b"new")
    put_in_place(source, target)
    assert target.read_bytes() == b"new"
    assert not source.exists()


def test_a_file_that_is_not_there_takes_no_place(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"old")
    with pytest.raises(FileNotFoundError):
        put_in_place(tmp_path / "none", tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"old"


def test_a_path_is_inside_of_its_folder_unless_a_link_leads_out(tmp_path: Path) -> None:
    folder = tmp_path / "link"
    (tmp_path / "data").mkdir()
    folder.symlink_to("data")
    (folder / "circle").symlink_to("circle")
    (folder / "out").symlink_to(tmp_path / "data-too")
    for name in ("", "none/such", "circle/a"):
        check_inside(folder / name, folder=folder)
    for name in ("out", "out/a", "../a"):
        with pytest.raises(HarvestError, match="replace the link"):
            check_inside(folder / name, folder=folder)
