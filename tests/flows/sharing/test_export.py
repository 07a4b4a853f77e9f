import os
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import bagit
import pytest

from flows.errors import SharingError
from flows.params import Params, read_params
from flows.project import Project
from flows.sharing.export import (
    DESCRIBED,
    export_bag,
    export_hugging_face,
    to_hugging_face_card,
)
from flows.sharing.received import verify_folder
from tests.flows.sharing.tiny import SHARDS
from tests.pipeline import ROOT

READ = """
import datasets
read = datasets.load_dataset(FOLDER)
print({name: len(part) for name, part in sorted(read.items())})
"""


def show(share: float) -> None:
    assert 0 <= share <= 1


def run(code: str, *, cwd: Path, home: Path) -> str:
    """Run code offline in a process of its own; `datasets` keeps what it reads below home."""
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(home)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_bag_validates_by_bagit_and_a_changed_byte_in_it_is_found(
    project: Project, params: Params, tmp_path: Path
) -> None:
    bag = export_bag(project, params, tmp_path / "bag", scans=True, on_progress=show)
    assert bagit.Bag(str(bag)).validate()
    info = bagit.Bag(str(bag)).info
    assert info["External-Identifier"] == "photochrom-sample-32"
    assert not {"Source-Organization", "Contact-Name", "Contact-Email"} & set(info)
    payload = {path.name for path in (bag / "data").rglob("*") if path.is_file()}
    assert {*DESCRIBED, "scans.parquet"} <= payload
    assert {"s.003.png", "train-000000.tar"} <= payload
    assert verify_folder(bag, complete=False, on_progress=show).faults == []
    shard = bag / "data/shards/32/train-000000.tar"
    assert shard.stat().st_mode & 0o200
    shard.write_bytes(shard.read_bytes()[:-1])
    (bag / "data/stranger").write_text("x")
    faults = verify_folder(bag, complete=False, on_progress=show).faults
    assert shard.relative_to(bag).as_posix() in {fault.path for fault in faults}


def test_a_stranger_in_a_bag_is_found(project: Project, params: Params, tmp_path: Path) -> None:
    bag = export_bag(project, params, tmp_path / "bag", scans=False, on_progress=show)
    assert not (bag / "data/scans").exists()
    (bag / "data/stranger").write_text("x")
    (fault,) = verify_folder(bag, complete=False, on_progress=show).faults
    assert "Payload-Oxum" in fault.said or "stranger" in fault.line


@pytest.fixture
def bag(tmp_path: Path) -> Path:
    """A bag of others, with checksums of two kinds."""
    (tmp_path / "bag").mkdir()
    (tmp_path / "bag" / "file").write_text("content")
    made = bagit.make_bag(str(tmp_path / "bag"), checksums=["sha256", "sha512"])
    return Path(made.path)


def test_all_checksums_of_a_bag_are_held_against_its_files(bag: Path) -> None:
    assert verify_folder(bag, complete=False, on_progress=show).faults == []
    for name in ("tagmanifest-sha256.txt", "tagmanifest-sha512.txt"):
        (bag / name).unlink()
    (bag / "manifest-sha512.txt").write_text(f"{'0' * 128}  data/file\n")
    (fault,) = verify_folder(bag, complete=False, on_progress=show).faults
    assert fault.path == "data/file"
    assert "sha512" in fault.said


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("bagit.txt", b"BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n\xff"),
        ("manifest-sha256.txt", b"\xff\n"),
        ("bag-info.txt", b"Contact-Name: \xff\n"),
        ("bag-info.txt", b"Payload-Oxum: x\n"),
        ("fetch.txt", b"garbage\n"),
        ("fetch.txt", b"\xff a b\n"),
    ],
)
def test_a_bag_whose_own_files_are_torn_is_a_fault(bag: Path, name: str, content: bytes) -> None:
    for manifest in bag.glob("tagmanifest-*"):
        manifest.unlink()
    (bag / name).write_bytes(content)
    assert verify_folder(bag, complete=False, on_progress=show).faults


def test_hugging_face_reads_an_export_offline_and_its_card_is_true(
    project: Project, params: Params, tmp_path: Path
) -> None:
    folder = export_hugging_face(project, params, tmp_path / "hf", on_progress=show)
    home = tmp_path / "home"
    said = run(f"FOLDER = {str(folder)!r}\n{READ}", cwd=tmp_path, home=home)
    assert re.fullmatch(r"\{'test': \d+, 'train': \d+, 'validation': \d+\}\n", said)
    assert sum(map(int, re.findall(r"\d+", said))) == 24
    blocks = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        run(block, cwd=folder / "data", home=home)
    assert verify_folder(folder, complete=False, on_progress=show).faults == []
    done = subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=folder, check=False)
    assert done.returncode == 0
    (folder / "data" / "samples.parquet").write_bytes(b"")
    (fault,) = verify_folder(folder, complete=False, on_progress=show).faults
    assert fault.path == "data/samples.parquet"


def test_an_export_does_not_touch_what_is_there(
    project: Project, params: Params, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(SharingError, match="expected a name that is free"):
        export_bag(project, params, tmp_path / "mine", scans=False, on_progress=show)
    (project.root / SHARDS / "train-000001.tar").unlink()
    with pytest.raises(SharingError, match="1 files are not as they should be"):
        export_hugging_face(project, params, tmp_path / "new", on_progress=show)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "project"]


@pytest.mark.parametrize("name", ["data/x", ".git/x", ".dvc/cache/x", ".photochrom/x", "a/../data"])
def test_an_export_into_the_checkout_s_own_files_is_refused(tmp_path: Path, name: str) -> None:
    params = read_params(ROOT / "params.yaml")
    for export in (partial(export_bag, scans=False), export_hugging_face):
        with pytest.raises(SharingError, match="expected a folder outside"):
            export(Project(tmp_path), params, tmp_path / name, on_progress=show)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", DESCRIBED)
def test_what_describes_the_shards_is_checked_before_it_is_copied(
    project: Project, params: Params, tmp_path: Path, name: str
) -> None:
    path = project.root / SHARDS / name
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content + b"\n")
    with pytest.raises(SharingError, match=f"{re.escape(name)}: expected (md5|sha256)"):
        export_hugging_face(project, params, tmp_path / "new", on_progress=show)
    shutil.rmtree(project.root / ".dvc" / "cache")
    with pytest.raises(SharingError, match=r"expected (a folder of md5|sha256)"):
        export_hugging_face(project, params, tmp_path / "new", on_progress=show)


def test_a_manifest_is_checked_before_it_is_copied(
    project: Project, params: Params, tmp_path: Path
) -> None:
    path = project.data / "groups.parquet"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[:-9] + b"x" + content[-8:])
    with pytest.raises(SharingError, match=r"data/groups\.parquet: expected md5"):
        export_bag(project, params, tmp_path / "bag", scans=False, on_progress=show)


@pytest.mark.parametrize("layout", ["bag", "hf"])
def test_a_copy_that_is_not_what_was_checked_is_refused(
    project: Project,
    params: Params,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    layout: str,
) -> None:
    real = shutil.copyfile

    def copy(source: Path, target: Path) -> None:
        real(source, target)
        if target.name == "samples.parquet":
            target.write_bytes(target.read_bytes() + b"x")

    monkeypatch.setattr(shutil, "copyfile", copy)
    with pytest.raises(SharingError, match="which was checked, in its copy"):
        if layout == "bag":
            export_bag(project, params, tmp_path / "new", scans=False, on_progress=show)
        else:
            export_hugging_face(project, params, tmp_path / "new", on_progress=show)
    assert not (tmp_path / "new").exists()


def test_a_card_of_others_is_refused() -> None:
    with pytest.raises(SharingError, match="expected the card that"):
        to_hugging_face_card("# A card\n", None)


def test_a_folder_with_no_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SharingError, match=r"expected bagit\.txt, SHA256SUMS or index\.json"):
        verify_folder(tmp_path, complete=False, on_progress=show)
