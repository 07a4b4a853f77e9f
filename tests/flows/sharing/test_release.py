import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from flows.errors import SharingError
from flows.params import Params
from flows.project import Project
from flows.sharing import release as releasing
from flows.sharing.journal import read_journal
from flows.sharing.outs import read_status
from flows.sharing.readiness import check_name, check_source
from flows.sharing.record import Record, find_release, read_released_entries, to_folder
from flows.sharing.release import Order, make_release
from flows.sharing.sides import read_checkout, read_side
from flows.sharing.verify import verify_checkout
from preprocess.released import read_released
from preprocess.split import find_split
from tests.flows.sharing.tiny import SHARDS, call, make_item, rebuild


def show(share: float) -> None:
    assert 0 <= share <= 1


def ignore(_said: str) -> None:
    """Take no notice of what is said."""


def make(project: Project, params: Params, name: str, message: str = "") -> Record:
    return make_release(project, params, Order(name, message), say=ignore, on_progress=show)


def git(project: Project, *words: str) -> str:
    return call(project.root, "git", *words).strip()


def look(project: Project) -> dict[str, bytes]:
    """All files of the checkout that a release may touch."""
    roots = [project.root / name for name in ("splits", "releases", "dvc.lock", "data")]
    files = [path for root in roots for path in (root, *root.rglob("*")) if path.is_file()]
    return {str(path): path.read_bytes() for path in files}


def test_a_release_is_a_tag_with_card_checksums_and_changes(
    project: Project, params: Params
) -> None:
    shards = {path.name: path.read_bytes() for path in project.shards(32).iterdir()}
    record = make(project, params, "v1", "The first.\n# not a comment")
    assert sum(record.samples.values()) == 24
    assert git(project, "status", "--porcelain") == ""
    assert read_status(project.root) == {}
    said = git(project, "for-each-ref", "refs/tags/v1", "--format=%(objecttype)%0a%(contents)")
    assert said.startswith("tag\nRelease v1 of sample\n\nThe first.\n# not a comment\n\n24 samples")
    assert {path.name: path.read_bytes() for path in project.shards(32).iterdir()} == shards
    folder = project.root / to_folder("sample")
    card = (folder / "README.md").read_text()
    assert "Release `v1` (24 added, 0 dropped, 0 moved, 0 changed; the first release)" in card
    done = subprocess.run(
        ["sha256sum", "-c", "--quiet", folder / "SHA256SUMS"], cwd=project.data, check=False
    )
    assert done.returncode == 0
    assert len(read_released(project.splits("sample"))) == 24
    assert find_release(project, "sample") == record
    checked = verify_checkout(project, "sample", complete=True, on_progress=show)
    assert (checked.faults, checked.notes) == (
        [],
        ["held against SHA256SUMS of the release v1 too"],
    )


@pytest.mark.drill
def test_a_second_release_names_what_changed_and_released_views_keep_their_split(
    project: Project, params: Params
) -> None:
    make(project, params, "v1")
    before = read_released(project.splits("sample"))
    test = next(scan for scan, (_, split) in before.items() if split == "test")
    train = next(scan for scan, (_, split) in before.items() if split == "train")
    # One is left out, one is painted anew, two come, and a view of test turns out to be one of
    # train; another gets a name that would send it elsewhere.
    val = next(scan for scan, (_, split) in before.items() if split == "val")
    other = next(f"a.{n}" for n in range(99) if find_split(f"a.{n}") != "val")
    spare = [scan for scan in before if scan not in (test, train, val)]
    items = {f"s.{n:03d}": make_item(n) for n in range(26)}
    del items[spare[0]]
    items[spare[1]]["seed"] = 999
    items[test]["view_id"] = train
    items[val]["view_id"] = other
    rebuild(project.root, list(items.values()))
    record = make(project, params, "v2")
    assert record.before == "v1"
    assert record.changes == {"added": 2, "dropped": 1, "moved": 1, "changed": 1}
    assert read_status(project.root) == {}
    after = read_released(project.splits("sample"))
    assert after[val] == (other, before[val][1])
    assert after[test][1] == "train"
    assert after[spare[0]] == before[spare[0]]
    assert "Release `v2` (2 added, 1 dropped, 1 moved, 1 changed; since v1)" in (
        card := (project.root / "releases/sample/README.md").read_text()
    )
    assert f"each found to be one with a view of another split: {test}" in card
    rows = (project.root / "releases/sample/changes.csv").read_text()
    assert f"{test.replace('.', '-')},moved,test,train," in rows
    one = read_side(project, params, "v1", on_progress=show)
    assert one.entries == read_released_entries(project.root, "v1", "sample")
    assert read_side(project, params, "v2", on_progress=show).entries == (
        read_checkout(project, params, on_progress=show).entries
    )


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda root: (root / "tiny.py").write_text("x = 1\n"), "no uncommitted changes"),
        (lambda root: (root / "splits/sample.parquet").write_text(""), "no uncommitted changes"),
        (lambda root: call(root, "git", "tag", "v1"), "there is a tag of this name"),
        (lambda root: call(root, "git", "tag", "v1/x"), "a name that Git can set a tag of"),
        (lambda root: call(root, "git", "switch", "-q", "--detach"), "found HEAD on none"),
        (lambda root: (root / SHARDS / "index.json").unlink(), "data that fits dvc.lock"),
        (lambda root: (root / ".git").rename(root / "git"), "expected a Git checkout"),
        (
            lambda root: call(root, "git", "config", "--unset", "user.email"),
            "who makes the release",
        ),
    ],
)
def test_nothing_is_changed_until_all_is_right(
    project: Project,
    params: Params,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Path], object],
    said: str,
) -> None:
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, "/dev/null")
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.delenv(f"GIT_{who}_NAME", raising=False)
        monkeypatch.delenv(f"GIT_{who}_EMAIL", raising=False)
    spoil(project.root)
    before = look(project)
    with pytest.raises(SharingError, match=said):
        make(project, params, "v1")
    assert look(project) == before


@pytest.mark.parametrize("name", ["", "a b", "-v1", "a..b", "v1.lock", "v\n1", "refs~1"])
def test_a_name_that_git_would_not_take_is_refused(tmp_path: Path, name: str) -> None:
    call(tmp_path, "git", "init", "--quiet")
    check_name(Project(tmp_path), "2026.11")
    with pytest.raises(SharingError, match="expected a name that Git takes for a tag"):
        check_name(Project(tmp_path), name)


@pytest.mark.parametrize("name", ["HEAD", "FETCH_HEAD", "main", "origin/main", "heads/main"])
def test_a_name_that_means_something_to_git_is_refused(project: Project, name: str) -> None:
    git(project, "update-ref", "refs/remotes/origin/main", "HEAD")
    with pytest.raises(SharingError, match="expected a name that means nothing to Git yet"):
        check_name(project, name)


def test_data_are_released_as_what_they_are_alone(project: Project) -> None:
    check_source(project, "sample", size=32)
    with pytest.raises(SharingError, match=r"expected data/scans/loc, .* got data/scans/sample;"):
        check_source(project, "loc", size=32)
    with pytest.raises(SharingError, match=r"expected data/shards/64, .* got data/shards/32;"):
        check_source(project, "sample", size=64)


def test_damage_that_dvc_does_not_see_stops_a_release(project: Project, params: Params) -> None:
    path = project.root / SHARDS / "train-000000.tar"
    read_status(project.root)
    facts = path.stat()
    content = bytearray(path.read_bytes())
    content[3000] ^= 1
    with path.open("r+b") as stream:
        stream.write(content)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    with pytest.raises(SharingError, match=r"expected data that is whole, got\s+data/shards/32"):
        make(project, params, "v1")


@pytest.mark.parametrize(
    "step",
    [
        "write_release",
        *(
            pytest.param(step, marks=pytest.mark.drill)
            for step in ("write_released", "must_dvc", "_commit")
        ),
    ],
)
def test_a_step_that_fails_leaves_all_as_before(
    project: Project, params: Params, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    real = getattr(releasing, step)

    def fail_after(*words: object, **named: object) -> None:
        real(*words, **named)
        raise OSError(28, "No space left on device")

    def fail_before(*_words: object, **_named: object) -> None:
        raise OSError(28, "No space left on device")

    before = look(project)
    fail = fail_before if step == "_commit" else fail_after
    monkeypatch.setattr(releasing, step, fail)
    with pytest.raises(OSError, match="No space left"):
        make(project, params, "v1")
    assert look(project) == before
    assert git(project, "status", "--porcelain") == ""
    assert git(project, "tag", "--list") == ""
    assert read_journal(project) is None


def test_a_release_that_lacks_its_tag_alone_is_completed_by_the_next_run(
    project: Project, params: Params, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_words: object) -> None:
        raise OSError(4, "Interrupted system call")

    with monkeypatch.context() as patch:
        patch.setattr(releasing, "_tag", fail)
        with pytest.raises(OSError, match="Interrupted"):
            make(project, params, "v1")
    assert git(project, "tag", "--list") == ""
    head = git(project, "rev-parse", "HEAD")
    assert make(project, params, "v1").name == "v1"
    assert git(project, "rev-parse", "v1^{commit}") == head
    assert read_journal(project) is None


@pytest.mark.drill
def test_two_stages_that_disagree_about_the_bytes_are_refused(
    project: Project, params: Params
) -> None:
    root = project.root
    text = (root / "tiny.py").read_text()
    # From now on the shards stage gives other bytes, which DVC cannot know: its code is no dep.
    (root / "tiny.py").write_text(text.replace("inset=0.0", "inset=0.1"))
    call(root, "dvc", "commit", "--force", "--quiet", "data")
    git(project, "commit", "--quiet", "-am", "another inset")
    before = look(project)
    with pytest.raises(SharingError, match="expected the same bytes from the same input"):
        make(project, params, "v1")
    assert look(project) == before


def test_a_revision_that_is_no_release_is_read_from_its_shards(
    project: Project, params: Params, tmp_path: Path
) -> None:
    before = read_side(project, params, "HEAD", on_progress=show).entries
    rebuild(project.root, [make_item(number) for number in range(25)])
    assert read_side(project, params, "HEAD~1", on_progress=show).entries == before
    (project.root / ".dvc" / "cache").rename(tmp_path / "gone")
    with pytest.raises(SharingError, match="expected its shards in DVC's cache or remote"):
        read_side(project, params, "HEAD~1", on_progress=show)
    with pytest.raises(SharingError, match="expected a tag, a branch or a commit"):
        read_side(project, params, "v9", on_progress=show)
