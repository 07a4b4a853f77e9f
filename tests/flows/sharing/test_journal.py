import subprocess
import sys
from pathlib import Path

import pytest

from flows.errors import ProgramError, SharingError
from flows.project import Project
from flows.sharing import release as releasing
from flows.sharing.git import check_branch, read_at, refuse_tag
from flows.sharing.journal import Journal, alone, list_paths, read_journal, take_back, write_journal
from flows.sharing.record import Record
from flows.sharing.written import Release
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


def ignore(_said: str) -> None:
    """Take no notice of what is said."""


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
    with alone(project, say=ignore) as held:
        take_back(project, journal, held=held)
    assert call(project.root, "git", "status", "--porcelain").split() == ["??", "releases/mine.txt"]
    assert (project.root / "splits/s.parquet").read_text() == "splits/s.parquet"
    assert not (project.root / "releases/s").exists()
    assert read_journal(project) is None


def test_what_git_cannot_read_is_not_taken_for_absent(project: Project) -> None:
    journal = begin(project)
    blob = call(project.root, "git", "rev-parse", "HEAD:splits/s.parquet").strip()
    (project.root / ".git/objects" / blob[:2] / blob[2:]).unlink()
    (project.root / "dvc.lock").write_text("half")
    with (
        alone(project, say=ignore) as held,
        pytest.raises(ProgramError, match=r"git show .*: expected it to succeed, got: "),
    ):
        take_back(project, journal, held=held)
    assert (project.root / "splits/s.parquet").read_text() == "splits/s.parquet"
    assert (project.root / "dvc.lock").read_text() == "half"
    assert read_journal(project) == journal


def test_a_file_of_a_revision_is_absent_only_where_git_says_so(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = project.root / "splits"
    assert read_at(project.root, "HEAD", "splits/s.parquet") == b"splits/s.parquet"
    assert read_at(folder, "HEAD", "s.parquet") == b"splits/s.parquet"
    assert read_at(project.root, "HEAD", "splits/other.parquet") is None
    with pytest.raises(ProgramError, match="git ls-tree"):
        read_at(project.root, "nosuch", "dvc.lock")
    # So Git behaves in a checkout that another user owns.
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    with pytest.raises(ProgramError, match="dubious ownership"):
        read_at(project.root, "HEAD", "dvc.lock")


def test_what_someone_else_put_into_the_index_is_not_released(project: Project) -> None:
    journal = begin(project)
    for path in list_paths("s"):
        (project.root / path).parent.mkdir(exist_ok=True)
        (project.root / path).write_text("new")
    (project.root / "mine.txt").write_text("mine")
    call(project.root, "git", "add", "mine.txt")
    record = Record("v2", "", "s", 32, "", {}, {})
    release = Release(record, [], [], card="", message="Release v2 of s\n")
    releasing._commit(project, journal, release)
    made = call(project.root, "git", "show", "--name-only", "--format=", "v2^{commit}").split()
    assert set(made) == set(list_paths("s"))
    assert call(project.root, "git", "status", "--porcelain") == "A  mine.txt\n"


@pytest.mark.parametrize(
    "note",
    [
        "{}",
        "[" * 100_000,
        '{"name": 5, "source": "s", "head": "0", "stages": [], "outs": []}',
        '{"name": "v2", "source": "s", "head": "0", "stages": [1], "outs": []}',
        '{"name": "v2", "source": "s", "head": "0", "stages": "shards", "outs": []}',
    ],
)
def test_a_torn_note_is_refused(project: Project, note: str) -> None:
    begin(project)
    (project.state / "release.json").write_text(note)
    with pytest.raises(SharingError, match="expected the note of a release"):
        read_journal(project)


def test_a_commit_whose_tag_git_refuses_is_undone(project: Project) -> None:
    call(project.root, "git", "tag", "v2/x")
    journal = begin(project)
    (project.root / "dvc.lock").write_text("new")
    call(project.root, "git", "commit", "--quiet", "-am", "Release v2 of s")
    said: list[str] = []
    with alone(project, say=ignore) as held:
        assert releasing.complete_broken(project, held=held, say=said.append) is None
    assert said[0].startswith("v2: its tag cannot be set (")
    assert said[1] == "v2: was broken off; all is as before"
    assert call(project.root, "git", "rev-parse", "HEAD").strip() == journal.head
    assert call(project.root, "git", "status", "--porcelain") == ""
    assert read_journal(project) is None


def test_what_stops_the_recovery_is_said_and_mended_by_the_next_command(project: Project) -> None:
    journal = begin(project)
    (project.root / "dvc.lock").write_text("half")
    lock = project.root / ".git/index.lock"
    lock.touch()
    said: list[str] = []
    with alone(project, say=ignore) as held:
        releasing._recover_after(project, journal, held=held, say=said.append)
    assert "could not be taken back (git reset --quiet: " in said[0]
    assert said[0].endswith("the same command takes it back")
    lock.unlink()
    with alone(project, say=ignore) as held:
        assert releasing.complete_broken(project, held=held, say=said.append) is None
    assert (project.root / "dvc.lock").read_text() == "dvc.lock"


@pytest.mark.parametrize("name", ["v1/x", "v" * 300, "a/b/c"])
def test_git_is_asked_whether_it_would_set_a_tag(project: Project, name: str) -> None:
    call(project.root, "git", "tag", "v1")
    assert (refuse_tag(project.root, name) is None) == (name == "a/b/c")
    assert call(project.root, "git", "tag", "--list").split() == ["v1"]


def test_a_head_on_no_branch_is_refused(project: Project) -> None:
    check_branch(project.root)
    call(project.root, "git", "checkout", "--quiet", "--detach")
    with pytest.raises(SharingError, match="git switch BRANCH"):
        check_branch(project.root)


def test_a_release_waits_for_whoever_holds_the_lock_of_another(project: Project) -> None:
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
