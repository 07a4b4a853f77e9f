import shutil
from pathlib import Path

import pytest

from flows.project import Project
from flows.sharing import verify as verifying
from flows.sharing.checking import Checked
from flows.sharing.received import verify_folder
from flows.sharing.saying import say_checked
from flows.sharing.verify import verify_checkout
from preprocess.index import Described, read_index, read_samples, to_index, write_index
from preprocess.samples import to_layout
from preprocess.verify import split_samples
from tests.flows.sharing.tiny import SHARDS, SIZE

STRIDE = to_layout(SIZE, paired=False).stride


def show(share: float) -> None:
    assert 0 <= share <= 1


def verify(project: Project, *, complete: bool = False) -> Checked:
    return verify_checkout(project, "sample", complete=complete, on_progress=show)


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.unlink()
    path.write_bytes(content)


def only_line(checked: Checked) -> str:
    (fault,) = checked.faults
    assert "\n" not in fault.line
    return fault.line


def test_whole_data_are_as_their_manifests_say(project: Project) -> None:
    checked = verify(project, complete=True)
    assert (checked.faults, checked.absent) == ([], {})
    files = [path for path in project.data.rglob("*") if path.is_file()]
    assert len(checked.digests) == len(files) - 2  # all but data/.gitignore and data/README.md


@pytest.mark.parametrize(
    ("path", "by"),
    [
        ("data/scans/sample/s.003.png", "scans.parquet"),
        (f"{SHARDS}/val-000000.tar", "index.json"),
        (f"{SHARDS}/index.npy", "index.json"),
        (f"{SHARDS}/samples.parquet", "dvc.lock"),
        ("data/groups.parquet", "dvc.lock"),
    ],
)
def test_one_flipped_bit_is_found_in_any_file(project: Project, path: str, by: str) -> None:
    flip(project.root / path, 200)
    line = only_line(verify(project))
    assert line.startswith(f"{path}: ")
    assert f" by {by}, got " in line
    assert "`dvc checkout --force " in line


@pytest.mark.parametrize(("at", "named"), [(600, 512), (3000, 0), (STRIDE - 1, 0)])
def test_a_damaged_shard_is_named_with_sample_and_byte(
    project: Project, at: int, named: int
) -> None:
    flip(project.root / SHARDS / "train-000000.tar", 2 * STRIDE + at)
    assert f"damaged at sample 2, byte {2 * STRIDE + named}: " in only_line(verify(project))


def test_an_array_of_the_index_that_is_wrong_is_one_fault_and_shards_are_looked_at_all_the_same(
    project: Project,
) -> None:
    array = project.root / SHARDS / "index.npy"
    flip(array, 200)
    line = only_line(verify(project))
    assert line.startswith(f"{SHARDS}/index.npy: expected sha256 ")
    array.unlink()
    assert only_line(verify(project)).startswith(f"{SHARDS}/index.npy: expected this file by ")
    flip(project.root / SHARDS / "train-000000.tar", 2 * STRIDE + 600)
    assert "damaged at sample 2, byte" in verify(project).faults[1].line


def test_an_index_that_lies_is_found_against_the_shards(project: Project) -> None:
    folder = project.root / SHARDS
    index = read_index(folder)
    samples = read_samples(folder, index).copy()
    samples[-1]["valid"] = (0, 0, 1, 1)
    for name in ("index.json", "index.npy"):
        (folder / name).unlink()
    parts = split_samples(index, samples)
    lies = [Described(shard, rows) for shard, rows in parts if rows is not None]
    write_index(folder, *to_index(SIZE, lies))
    faults = {fault.path: fault.said for fault in verify(project).faults}
    last = index.shards[-1].name
    assert faults.keys() == {f"{SHARDS}/{name}" for name in ("index.json", "index.npy", last)}
    assert "in index.npy, got (0, 0, 1, 1)" in faults[f"{SHARDS}/{last}"]


def test_a_cut_shard_is_found_by_its_length(project: Project) -> None:
    path = project.root / SHARDS / "val-000000.tar"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:STRIDE])
    line = only_line(verify(project))
    assert line.startswith(f"{SHARDS}/val-000000.tar: ")
    assert f"by index.json, got {STRIDE}" in line


def test_a_split_that_was_not_pulled_is_no_fault_unless_all_is_asked_for(
    project: Project,
) -> None:
    for path in (project.root / SHARDS).glob("train-*.tar"):
        path.unlink()
    checked = verify(project)
    assert checked.faults == []
    assert checked.absent == {f"{SHARDS}/train-*": 2}
    assert len(verify(project, complete=True).faults) == 2


def test_a_shard_that_is_missing_beside_others_of_its_split_is_a_fault(project: Project) -> None:
    (project.root / SHARDS / "train-000001.tar").unlink()
    assert "expected this file" in only_line(verify(project))


def test_a_missing_scan_and_a_stranger_are_faults(project: Project) -> None:
    (project.root / "data/scans/sample/s.003.png").unlink()
    (project.root / "data/scans/sample/stranger.png").write_bytes(b"x")
    first, second = verify(project).faults
    assert first.line.startswith("data/scans/sample/s.003.png: expected this file")
    assert second.line.startswith("data/scans/sample/stranger.png: expected no such file")


def test_a_folder_is_judged_as_a_whole_where_the_cache_has_no_list_of_it(
    project: Project,
) -> None:
    shutil.rmtree(project.root / ".dvc" / "cache")
    assert verify(project).faults == []
    (project.root / SHARDS / "croissant.json").write_text("{}")
    assert "expected a folder of md5" in only_line(verify(project))


@pytest.mark.parametrize("emptied", [False, True])
def test_a_folder_that_was_never_pulled_is_not_called_right(
    project: Project, *, emptied: bool
) -> None:
    shutil.rmtree(project.root / ".dvc" / "cache")
    shutil.rmtree(project.root / SHARDS)
    if emptied:
        (project.root / SHARDS).mkdir()
    checked = verify(project)
    assert (checked.faults, checked.absent) == ([], {SHARDS: 0})
    said = say_checked(checked, name="data", seconds=1.0)
    assert ": what is here is as its manifests say\n" in said
    assert f"not here: files of {SHARDS} (`dvc pull {SHARDS}` brings" in said
    line = only_line(verify(project, complete=True))
    assert line.startswith(f"{SHARDS}/: expected this folder by dvc.lock, found none; ")


def test_a_name_that_is_not_printable_is_escaped(project: Project) -> None:
    (project.root / SHARDS / "\x1b[2J\n.txt").write_bytes(b"x")
    assert only_line(verify(project)).startswith(f"{SHARDS}/\\x1b[2J\\n.txt: ")


def test_a_file_that_comes_while_a_folder_is_read_is_named(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(project.root / ".dvc" / "cache")
    late = project.root / SHARDS / "late.txt"

    def look_into(*_words: object, **_named: object) -> None:
        late.write_text("late")

    monkeypatch.setattr(verifying, "look_into", look_into)
    line = only_line(verify(project))
    assert line.startswith(f"{SHARDS}/late.txt: ")
    assert "changed while it was read; run the command again" in line


def test_a_folder_of_shards_is_proved_without_any_project(project: Project, tmp_path: Path) -> None:
    folder = shutil.copytree(project.shards(SIZE), tmp_path / "got")
    whole = verify_folder(folder, complete=False, on_progress=show)
    assert whole.faults == []
    assert whole.notes == [
        "without a checksum here: README.md, croissant.json, index.json, samples.parquet"
    ]
    for path in folder.glob("val-*.tar"):
        path.unlink()
    flip(folder / "test-000000.tar", 100)
    (folder / "train-000009.tar").write_bytes(b"x")
    partial = verify_folder(folder, complete=False, on_progress=show)
    assert partial.absent == {"val-*": 2}
    assert [fault.path for fault in partial.faults] == ["test-000000.tar", "train-000009.tar"]
    assert "damaged at sample 0, byte 0" in partial.faults[0].said
