from pathlib import Path

from flows.deploying.address import remove_address, write_address
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
