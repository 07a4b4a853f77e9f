import io
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import zstandard
from typer.testing import CliRunner

from flows.cli import app
from flows.errors import SharingError
from flows.params import Params
from flows.project import Project
from flows.sharing.checking import Checked
from flows.sharing.cold import export_zstd, unpack_folder
from flows.sharing.received import verify_folder
from preprocess.errors import ShardError
from preprocess.index import read_index
from tests.flows.sharing.tiny import SHARDS, SIZE

STRIDE = 5632
SHARD = "train-000000.tar.zst"


def show(share: float) -> None:
    assert 0 <= share <= 1


def verify(folder: Path) -> Checked:
    return verify_folder(folder, complete=False, on_progress=show)


def read_all(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def cold(project: Project, params: Params, tmp_path: Path) -> Path:
    return export_zstd(project, params, tmp_path / "cold", level=1, on_progress=show).folder


def repack(path: Path, tar: bytes) -> None:
    """Put another tar into a compressed shard, one that zstd unpacks without complaint."""
    path.write_bytes(zstandard.compress(tar))


def flip(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def test_a_cold_copy_is_packed_verified_and_unpacked_bit_for_bit(
    project: Project, params: Params, tmp_path: Path
) -> None:
    packed = export_zstd(project, params, tmp_path / "cold", level=3, on_progress=show)
    shards = read_index(project.shards(SIZE)).shards
    assert packed.tar_bytes == sum(shard.size_bytes for shard in shards)
    assert packed.zstd_bytes == sum(path.stat().st_size for path in packed.folder.glob("*.zst"))
    assert 0 < packed.zstd_bytes < packed.tar_bytes
    assert {path.name for path in packed.folder.iterdir()} == {
        *(f"{shard.name}.zst" for shard in shards),
        *("README.md", "SHA256SUMS", "croissant.json"),
        *("index.json", "index.npy", "samples.parquet"),
    }
    checked = verify(packed.folder)
    assert (checked.faults, checked.absent, checked.notes) == ([], {}, [])
    unpacked = unpack_folder(packed.folder, tmp_path / "again", on_progress=show)
    assert unpacked.tar_bytes == packed.tar_bytes
    assert read_all(unpacked.folder) == read_all(project.shards(SIZE))
    assert verify(unpacked.folder).faults == []


def test_the_same_shards_give_the_same_copy(
    project: Project, params: Params, tmp_path: Path, cold: Path
) -> None:
    again = export_zstd(project, params, tmp_path / "two", level=1, on_progress=show)
    assert read_all(again.folder) == read_all(cold)


def test_a_frame_names_its_length_and_has_a_checksum(project: Project, cold: Path) -> None:
    frame = (cold / SHARD).read_bytes()
    tar = (project.shards(SIZE) / "train-000000.tar").read_bytes()
    assert zstandard.frame_content_size(frame) == len(tar)
    assert zstandard.get_frame_parameters(frame).has_checksum
    assert zstandard.decompress(frame) == tar


def test_the_sums_are_those_of_sha256sum(cold: Path) -> None:
    done = subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=cold, check=False)
    assert done.returncode == 0


def test_a_reader_of_shards_says_what_to_do(cold: Path) -> None:
    with pytest.raises(
        ShardError, match=r"a copy for cold storage \(zstd\); run `photochrom unpack"
    ):
        read_index(cold)


@pytest.mark.parametrize("summed", [True, False])
@pytest.mark.parametrize(
    ("at", "said"),
    [
        (2 * STRIDE + 3000, f"damaged at sample 2, byte {2 * STRIDE}: expected xxh3 "),
        (STRIDE + 600, f"damaged at sample 1, byte {STRIDE + 512}: "),
        (-1, "expected zeros alone behind 8 samples, from byte 45056 on"),
    ],
)
def test_a_damaged_tar_in_a_whole_frame_is_named_with_sample_and_byte(
    cold: Path, tmp_path: Path, at: int, said: str, *, summed: bool
) -> None:
    tar = zstandard.decompress((cold / SHARD).read_bytes())
    repack(cold / SHARD, flip(tar, at % len(tar)))
    if not summed:
        (cold / "SHA256SUMS").unlink()
    (fault,) = verify(cold).faults
    assert fault.path == SHARD
    assert said in fault.said
    with pytest.raises(SharingError, match=said.removeprefix("damaged at ")) as caught:
        unpack_folder(cold, tmp_path / "again", on_progress=show)
    assert str(caught.value).startswith(f"{cold / SHARD}: ")
    assert "fetch it again from where it came from" in str(caught.value)
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("share", [0, 3, 50, 99])
def test_a_cut_frame_is_found(cold: Path, tmp_path: Path, share: int) -> None:
    content = (cold / SHARD).read_bytes()
    (cold / SHARD).write_bytes(content[: len(content) * share // 100])
    (cold / "SHA256SUMS").unlink()
    (fault,) = verify(cold).faults
    assert fault.path == SHARD
    assert f"expected {STRIDE} bytes, got " in fault.said or "expected 112640 bytes" in fault.said
    with pytest.raises(
        SharingError, match=r"train-000000\.tar\.zst: sample \d+, byte \d+: expected"
    ):
        unpack_folder(cold, tmp_path / "again", on_progress=show)


@pytest.mark.parametrize("share", [0, 1, 30, 60, 99])
def test_a_flipped_bit_in_a_frame_is_found(cold: Path, tmp_path: Path, share: int) -> None:
    content = (cold / SHARD).read_bytes()
    (cold / SHARD).write_bytes(flip(content, len(content) * share // 100))
    (cold / "SHA256SUMS").unlink()
    (fault,) = verify(cold).faults
    assert fault.path == SHARD
    with pytest.raises((ShardError, SharingError), match=r"train-000000\.tar\.zst: "):
        unpack_folder(cold, tmp_path / "again", on_progress=show)
    assert not (tmp_path / "again").exists()


def test_a_frame_that_unpacks_to_too_much_does_not_fill_the_disk(
    cold: Path, tmp_path: Path
) -> None:
    sink = io.BytesIO()
    with zstandard.ZstdCompressor().stream_writer(sink, closefd=False) as packer:
        for _ in range(1000):
            packer.write(bytes(1 << 20))
    (cold / SHARD).write_bytes(sink.getvalue())
    with pytest.raises(ShardError, match=r"zst: expected a tar of \d+ bytes, got more"):
        unpack_folder(cold, tmp_path / "again", on_progress=show)


def test_missing_foreign_and_changed_files_are_found(cold: Path, tmp_path: Path) -> None:
    (cold / "val-000009.tar.zst").write_bytes(b"x")
    (cold / SHARD).unlink()
    card = (cold / "README.md").read_bytes()
    (cold / "README.md").write_text("other")
    assert [fault.path for fault in verify(cold).faults] == [
        "README.md",
        SHARD,
        "val-000009.tar.zst",
    ]
    with pytest.raises(SharingError, match=r"README\.md: expected sha256 .* by SHA256SUMS"):
        unpack_folder(cold, tmp_path / "again", on_progress=show)
    (cold / "README.md").write_bytes(card)
    with pytest.raises(
        SharingError, match=r"train-000000\.tar\.zst: in index\.json, but not there"
    ):
        unpack_folder(cold, tmp_path / "again", on_progress=show)


def test_a_copy_without_a_checksum_of_all_that_describes_it_is_not_unpacked(
    cold: Path, tmp_path: Path
) -> None:
    sums = cold / "SHA256SUMS"
    lines = sums.read_text().splitlines(keepends=True)
    sums.write_text("".join(line for line in lines if "samples.parquet" not in line))
    with pytest.raises(SharingError, match=r"SHA256SUMS: expected a checksum of samples\.parquet"):
        unpack_folder(cold, tmp_path / "again", on_progress=show)
    assert not (tmp_path / "again").exists()


def test_an_array_that_lies_is_found(cold: Path, tmp_path: Path) -> None:
    content = (cold / "index.npy").read_bytes()
    (cold / "index.npy").write_bytes(flip(content, len(content) - 20))
    (cold / "SHA256SUMS").unlink()
    (fault,) = verify(cold).faults
    assert fault.path == "index.npy"
    with pytest.raises(ShardError, match=r"index\.npy: expected sha256 .* by index\.json"):
        unpack_folder(cold, tmp_path / "again", on_progress=show)


def test_only_a_cold_copy_is_unpacked(project: Project, tmp_path: Path, cold: Path) -> None:
    with pytest.raises(SharingError, match="got shards that can be used as they are"):
        unpack_folder(project.shards(SIZE), tmp_path / "again", on_progress=show)
    with pytest.raises(ShardError, match="expected an index, found none"):
        unpack_folder(tmp_path, tmp_path / "again", on_progress=show)
    with pytest.raises(SharingError, match="expected a name that is free"):
        unpack_folder(cold, project.data, on_progress=show)


def test_a_shard_that_is_wrong_is_not_packed(
    project: Project, params: Params, tmp_path: Path
) -> None:
    path = project.root / SHARDS / "train-000000.tar"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(flip(content, 3000))
    with pytest.raises(SharingError, match="files are not as they should be"):
        export_zstd(project, params, tmp_path / "cold", level=1, on_progress=show)
    assert not (tmp_path / "cold").exists()


def test_the_commands_say_what_was_won_and_what_to_do_next(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project.root)
    call = CliRunner().invoke
    done = call(app, ["export", "--to", str(tmp_path / "cold"), "--format", "zstd", "--level", "1"])
    assert done.exit_code == 0, done.output
    assert " CPU s\n" in done.output
    assert f"`photochrom unpack {tmp_path / 'cold'} FOLDER` undoes it" in done.output
    assert json.loads((tmp_path / "cold/index.json").read_text())["compression"] == "zstd"
    assert call(app, ["verify", str(tmp_path / "cold")]).exit_code == 0
    shutil.rmtree(project.shards(SIZE))
    done = call(app, ["unpack", str(tmp_path / "cold"), str(project.shards(SIZE))])
    assert done.exit_code == 0, done.output
    assert "every byte of them is as" in " ".join(done.output.split())
    assert call(app, ["verify"]).exit_code == 0


def test_a_level_is_for_zstd_alone(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    words = ["export", "--to", "../x", "--format", "bagit", "--level", "9"]
    done = CliRunner().invoke(app, words)
    assert "--level: expected --format zstd" in str(done.exception)
