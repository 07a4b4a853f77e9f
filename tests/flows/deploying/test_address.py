from pathlib import Path

import pytest

from flows.deploying.address import check_address, remove_address, write_address
from flows.errors import DeployError
from flows.project import Project
from flows.server import Server

SERVER = Server(url="http://127.0.0.1:4321", pid=1, token="t")


def test_the_address_is_written_anew_and_removed(tmp_path: Path) -> None:
    project = Project(tmp_path)
    assert write_address(project, Server(url="http://127.0.0.1:1", pid=1, token="t"))
    assert write_address(project, SERVER)
    assert 'url = "http://127.0.0.1:4321/api"' in (tmp_path / "prefect.toml").read_text()
    remove_address(project)
    remove_address(project)
    assert list(tmp_path.iterdir()) == []


def test_a_file_of_a_persons_own_is_let_be(tmp_path: Path) -> None:
    (tmp_path / "prefect.toml").write_text("debug_mode = true\n")
    assert not write_address(Project(tmp_path), SERVER)
    remove_address(Project(tmp_path))
    assert (tmp_path / "prefect.toml").read_text() == "debug_mode = true\n"


def test_a_file_that_is_no_text_is_let_be(tmp_path: Path) -> None:
    (tmp_path / "prefect.toml").write_bytes(b"\xff\xfe")
    assert not write_address(Project(tmp_path), SERVER)
    remove_address(Project(tmp_path))
    assert (tmp_path / "prefect.toml").read_bytes() == b"\xff\xfe"


@pytest.mark.parametrize("text", [b"[[[", b"\xff\xfe"])
def test_a_file_that_prefect_could_not_read_is_named(tmp_path: Path, text: bytes) -> None:
    check_address(Project(tmp_path))
    write_address(Project(tmp_path), SERVER)
    check_address(Project(tmp_path))
    (tmp_path / "prefect.toml").write_bytes(text)
    with pytest.raises(DeployError, match=r"prefect\.toml: expected TOML"):
        check_address(Project(tmp_path))
