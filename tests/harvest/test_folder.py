import os
import socket
import threading
from pathlib import Path

import pytest

import harvest.folder
from harvest.errors import HarvestError, StoppedError
from harvest.folder import Seen, find_folder, look_at, look_at_all, open_regular, walk_folder
from harvest.found import Found
from harvest.known import Known
from tests.harvest.conftest import picture

GOING = threading.Event()


def list_folder(folder: Path) -> dict[str, tuple[str, str]]:
    """Reason and note of everything in a folder, by path."""
    seen, others = walk_folder(folder)
    found = [*others, *(look_at(one, folder=folder, stopping=GOING) for one in seen)]
    assert len({one.path for one in found}) == len(found)
    return {one.path: (str(one.reason), one.note) for one in found}


def test_content_decides_and_not_the_name(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "no suffix").write_bytes(picture())
    (tmp_path / "picture.txt").write_bytes(picture(format="PNG"))
    (tmp_path / "text.jpg").write_text("no picture at all")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "phone.jpg").write_bytes(b"\0\0\0\x18ftypheic" + bytes(20))
    assert list_folder(tmp_path) == {
        "a/b/no%20suffix": ("", ""),
        "picture.txt": ("", ""),
        "text.jpg": ("no_image", "no picture"),
        "empty.jpg": ("no_image", "an empty file"),
        "phone.jpg": ("no_image", "HEIC, which is not read here: save it as JPEG, PNG or TIFF"),
    }


def test_hidden_files_and_folders_are_one_row_each(tmp_path: Path) -> None:
    (tmp_path / ".git" / "objects").mkdir(parents=True)
    (tmp_path / ".git" / "objects" / "x.jpg").write_bytes(picture())
    (tmp_path / "._a.jpg").write_bytes(picture())
    hidden = ("not_an_item", "hidden")
    assert list_folder(tmp_path) == {".git": hidden, "._a.jpg": hidden}


def test_no_link_is_followed_and_circles_end(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    (inside / "a").mkdir(parents=True)
    outside.mkdir()
    (outside / "private.jpg").write_bytes(picture())
    (inside / "a" / "x.jpg").write_bytes(picture())
    (inside / "again.jpg").symlink_to("a/x.jpg")
    (inside / "a" / "up").symlink_to("..")
    (inside / "circle").symlink_to("circle")
    (inside / "dead").symlink_to("nowhere")
    (inside / "out.jpg").symlink_to(outside / "private.jpg")
    (inside / "out").symlink_to(outside)
    within = ("repeated", "a link to another place in the folder")
    leaving = ("foreign_address", "a link that leads out of the folder")
    assert list_folder(inside) == {
        "a/x.jpg": ("", ""),
        "again.jpg": within,
        "a/up": within,
        "circle": ("unreadable", "a link to nothing"),
        "dead": ("unreadable", "a link to nothing"),
        "out.jpg": leaving,
        "out": leaving,
    }


def test_pipes_and_sockets_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(tmp_path / "s"))  # an absolute one may be too long
        special = ("not_an_item", "a pipe, a socket or a device")
        assert list_folder(tmp_path) == {"pipe.jpg": special, "s": special}
    with pytest.raises(OSError, match="expected a plain file"):
        open_regular(tmp_path / "pipe.jpg", folder=tmp_path)


@pytest.mark.parametrize(
    "name",
    ["é.jpg".encode(), "é.jpg".encode(), b"\xff\xfe.jpg", "🎨 of 名.jpg".encode(), b"%41\n.jpg"],
)
def test_names_of_any_bytes_are_read(tmp_path: Path, name: bytes) -> None:
    with open(os.path.join(os.fsencode(tmp_path), name), "wb") as file:  # noqa: PTH118, PTH123
        file.write(picture())
    ((path, (reason, _)),) = list_folder(tmp_path).items()
    assert reason == ""
    assert path.isascii()
    assert "\n" not in path


def test_what_may_not_be_read_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shut").mkdir()
    (tmp_path / "shut" / "a.jpg").write_bytes(picture())
    (tmp_path / "b.jpg").write_bytes(picture())
    real_open, real_iterdir = os.open, Path.iterdir

    def refuse_file(path: Path, flags: int) -> int:
        if path.name == "b.jpg":
            raise PermissionError(13, "Permission denied", str(path))
        return real_open(path, flags)

    def refuse_folder(self: Path) -> object:
        if self.name == "shut":
            raise PermissionError(13, "Permission denied", str(self))
        return real_iterdir(self)

    monkeypatch.setattr(os, "open", refuse_file)
    monkeypatch.setattr(Path, "iterdir", refuse_folder)
    shut = ("unreadable", "Permission denied")
    assert list_folder(tmp_path) == {"shut": shut, "b.jpg": shut}


def test_a_file_that_goes_between_the_walk_and_the_look_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(picture())
    seen, _ = walk_folder(tmp_path)
    (tmp_path / "a.jpg").unlink()
    found = look_at(seen[0], folder=tmp_path, stopping=GOING)
    assert (found.reason, found.note) == ("unreadable", "No such file or directory")


def test_a_link_put_in_a_files_place_is_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "x.jpg").write_bytes(picture())
    seen, _ = walk_folder(folder)
    (folder / "a").rename(tmp_path / "moved")
    (folder / "a").symlink_to(tmp_path / "moved")
    assert look_at(seen[0], folder=folder, stopping=GOING).reason == "unreadable"


def test_reading_stops_when_it_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(picture())
    seen, _ = walk_folder(tmp_path)
    stopping = threading.Event()
    stopping.set()
    with pytest.raises(StoppedError):
        look_at(seen[0], folder=tmp_path, stopping=stopping)


def look(folder: Path, known: Known) -> list[Found]:
    seen, _ = walk_folder(folder)
    look_at_all(seen, folder=folder, known=known, stopping=GOING)
    return [known[one.path][1] for one in seen]


def test_only_what_was_touched_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(picture())
    known: Known = {}
    before = look(tmp_path, known)
    (tmp_path / "a.jpg").write_bytes(picture(80, 96))
    read: list[str] = []

    def note(seen: Seen, *, folder: Path, stopping: threading.Event) -> Found:
        read.append(seen.path)
        return look_at(seen, folder=folder, stopping=stopping)

    monkeypatch.setattr(harvest.folder, "look_at", note)
    after = look(tmp_path, known)
    assert read == ["a.jpg"]
    assert len({one.sha256 for one in before}) == 1
    assert len({one.sha256 for one in after}) == 2


def test_a_folder_is_found_from_the_project_from_home_and_through_a_link(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, home = tmp_path / "root", tmp_path / "home"
    (root / "own").mkdir(parents=True)
    (home / "own").mkdir(parents=True)
    (root / "link").symlink_to(home / "own")
    monkeypatch.setenv("HOME", str(home))
    apart = [root / "data"]
    assert find_folder("own", root=root, apart=apart) == root / "own"
    assert find_folder("~/own", root=root, apart=apart) == home / "own"
    assert find_folder("link", root=root, apart=apart) == home / "own"
    assert find_folder(str(home / "own"), root=root, apart=apart) == home / "own"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "expected the folder of your pictures, got None"),
        ("", "expected the folder of your pictures, got ''"),
        ("nothing", "found nothing there; see that its disk is there"),
        ("file.jpg", "got a file; name the folder that holds it"),
        ("a\0b", "cannot read it"),
        ("~no-such-user-here/x", "cannot read it"),
        ("circle", "cannot read it"),
        (".", "expected a folder that lies apart from"),
        ("data", "expected a folder that lies apart from"),
        ("data/scans", "expected a folder that lies apart from"),
        ("link", "expected a folder that lies apart from"),
    ],
)
def test_a_folder_that_will_not_do_is_refused_in_one_line(
    tmp_path: Path, given: str | None, said: str
) -> None:
    (tmp_path / "data" / "scans").mkdir(parents=True)
    (tmp_path / "file.jpg").touch()
    (tmp_path / "link").symlink_to("data/scans")
    (tmp_path / "circle").symlink_to("circle")
    with pytest.raises(HarvestError, match=r"^harvest\.folder: ") as caught:
        find_folder(given, root=tmp_path, apart=[tmp_path / "data"])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_that_may_not_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(HarvestError, match="may not read it; let yourself read it"):
        find_folder("own", root=tmp_path, apart=[])
