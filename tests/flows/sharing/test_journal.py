import subprocess
import sys
from pathlib import Path

import pytest

from flows.errors import SharingError
from flows.project import Project
from flows.sharing.journal import Journal, alone, list_paths, read_journal, take_back, write_journal
from tests.flows.sharing.tiny import call


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A checkout whose last release was v1."""
    call(tmp_path, "git", "init", "--quiet")
    call(tmp_path, "git", "config", "user.name", "tester")
    call(tmp_path, "git", "config", "user.email", "tester@localhost")
    (tmp_path / ".gitignore").write_text(".photochrom/\n")
    for path in ["splits/README.md", "dvc.lock", "splits/s.parquet", "releases/README.md"]:
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(path)
    call(tmp_path, "git", "add", "-A")
    call(tmp_path, "git", "commit", "--quiet", "--message", "all")
    return Project(tmp_path)


def begin(project: Project) -> Journal:
    head = call(project.root, "git", "rev-parse", "HEAD").strip()
    journal = Journal(name="v2", source="s", head=head, stages=(), outs=())
    write_journal(project, journal)
    return journal


def test_what_a_kill_left_is_taken_back_to_the_last_byte(project: Project) -> None:
    journal = begin(project)
    assert read_journal(project) == journal
    for path in list_paths("s"):
        (project.root / path).parent.mkdir(exist_ok=True)
        (project.root / path).write_text("half")
        part = project.root / path
        part.with_name(f".{part.name}.1-2.part").write_text("half")
    mine = project.root / "releases/mine.txt"
    mine.write_text("mine")
    call(project.root, "git", "add", *list_paths("s"))
    take_back(project, journal)
    assert call(project.root, "git", "status", "--porcelain").split() == ["??", "releases/mine.txt"]
    assert (project.root / "splits/s.parquet").read_text() == "splits/s.parquet"
    assert not (project.root / "releases/s").exists()
    assert read_journal(project) is None


def test_a_torn_note_is_refused(project: Project) -> None:
    begin(project)
    (project.state / "release.json").write_text("{}")
    with pytest.raises(SharingError, match="expected the note of a release"):
        read_journal(project)


def test_a_release_waits_for_what_a_killed_one_left_running(project: Project) -> None:
    said: list[str] = []
    with alone(project, say=said.append) as held:
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"],
            stdin=subprocess.PIPE,
            pass_fds=(held,),
        )
    with child:
        assert said == []
        waiting = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from pathlib import Path; from flows.project import Project\n"
                "from flows.sharing.journal import alone\n"
                "with alone(Project(Path.cwd()), say=lambda said: print(said, flush=True)):\n"
                "    print('in', flush=True)",
            ],
            cwd=project.root,
            stdout=subprocess.PIPE,
            text=True,
        )
        with waiting:
            assert waiting.stdout is not None
            assert waiting.stdout.readline().startswith("waiting for another release")
            assert child.stdin is not None
            child.stdin.close()
            assert waiting.stdout.readline() == "in\n"
