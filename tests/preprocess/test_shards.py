import json
import resource
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import webdataset
from PIL import Image
from skimage.color import deltaE_ciede2000

from harvest.manifest import read_manifest
from preprocess.composition import Composition
from preprocess.errors import ShardError
from preprocess.index import read_index
from preprocess.lab import LINEAR_OF_BYTE, from_bytes, to_lab, to_lightness
from preprocess.manifest import SAMPLES_SCHEMA
from preprocess.samples import from_members, to_layout
from preprocess.shards import finish_shards, write_shard
from preprocess.verify import verify_shards
from tests.preprocess.prints import (
    HEIGHT,
    SETTINGS,
    SIZE,
    WIDTH,
    Prints,
    Scene,
    Store,
    read_bytes,
    read_sample,
)

WHOLE = replace(SETTINGS, shard_mb=256)


@pytest.fixture
def prints(scene: Scene, store: Store, tmp_path: Path) -> Prints:
    made = Prints(scene, store, tmp_path)
    for number in range(8):
        made.add(f"ppmsc.{number:05d}")
    made.add_pair("cph.3b00001", "ppmsc.00003")
    return made


def test_the_same_prints_give_the_same_bytes_with_any_number_of_processes(
    prints: Prints, tmp_path: Path
) -> None:
    prints.write(tmp_path / "one")
    prints.write(tmp_path / "two", processes=2)
    first = read_bytes(tmp_path / "one")
    described = {"croissant.json", "index.json", "index.npy", "samples.parquet", "README.md"}
    assert described < set(first)
    assert read_bytes(tmp_path / "two") == first
    prints.write(tmp_path / "one")
    assert read_bytes(tmp_path / "one") == first


def test_one_scan_more_changes_exactly_one_shard(prints: Prints, tmp_path: Path) -> None:
    prints.write(tmp_path / "out")
    before = read_bytes(tmp_path / "out")
    prints.add("ppmsc.99999")
    prints.write(tmp_path / "out")
    after = read_bytes(tmp_path / "out")
    changed = {name for name in after if after[name] != before.get(name)}
    assert len({name for name in changed if name.endswith(".tar")}) == 1
    assert set(before) <= set(after)


def test_every_sample_lies_at_a_constant_stride(prints: Prints, tmp_path: Path) -> None:
    index = prints.write(tmp_path / "out")
    assert sum(shard.samples for shard in index.shards) == 9
    for shard in index.shards:
        content = (tmp_path / "out" / shard.name).read_bytes()
        for place in range(shard.samples):
            members = read_sample(tmp_path / "out" / shard.name, place)
            start = place * shard.stride
            text = content[start + shard.json_offset :][:1024]
            assert text == members["json"]
            for member in shard.members:
                length = int(np.prod(member.shape))
                data = content[start + member.offset :][:length]
                assert members[member.suffix][128:] == data


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_webdataset_reads_a_shard(prints: Prints, tmp_path: Path) -> None:
    index = prints.write(tmp_path / "out")
    keys = []
    # WebDataset leaves the files it read to the collector, hence the filter above.
    for shard in index.shards:
        url = str(tmp_path / "out" / shard.name)
        for sample in webdataset.WebDataset(url, shardshuffle=False).decode():
            keys.append(sample["__key__"])
            assert sample["lab.npy"].shape == (SIZE, SIZE, 3)
            assert sample["json"]["key"] == sample["__key__"]
            assert ("bw.npy" in sample) is (shard.split == "pairs")
    assert sorted(keys) == sorted(crop["scan_id"].replace(".", "-") for crop in prints.crops)


def test_headers_say_nothing_of_time_and_user(prints: Prints, tmp_path: Path) -> None:
    index = prints.write(tmp_path / "out")
    with tarfile.open(tmp_path / "out" / index.shards[0].name) as tar:
        headers = {(m.mtime, m.mode, m.uid, m.gid, m.uname, m.gname) for m in tar}
    assert headers == {(0, 0o644, 0, 0, "photochrom", "photochrom")}


def test_a_sample_is_the_print_in_lab_on_neutral_padding(prints: Prints, tmp_path: Path) -> None:
    picture = prints.add("alone")
    prints.crops, prints.pairs = prints.crops[-1:], []
    (shard,) = prints.write(tmp_path / "out", layout=replace(WHOLE, size=128)).shards
    sample = from_members(read_sample(tmp_path / "out" / shard.name, 0))
    assert sample.info.valid == (16, 0, 112, 128)
    assert (sample.lab[:16] == (0, 128, 128)).all()
    assert (sample.lab[112:] == (0, 128, 128)).all()
    shown = from_bytes(sample.lab[16:112])
    scaled = to_lab(np.array(Image.fromarray(picture).resize((128, 96), Image.Resampling.BILINEAR)))
    assert np.abs(shown - scaled).mean() < 1.5
    assert np.abs(shown.mean((0, 1)) - scaled.mean((0, 1))).max() < 0.3


def test_crop_takes_the_centre_square(prints: Prints, tmp_path: Path) -> None:
    picture = prints.add("alone")
    prints.crops, prints.pairs = prints.crops[-1:], []
    layout = replace(WHOLE, size=96, fit="crop")
    (shard,) = prints.write(tmp_path / "out", layout=layout).shards
    sample = from_members(read_sample(tmp_path / "out" / shard.name, 0))
    assert sample.info.valid == (0, 0, 96, 96)
    centre = to_lab(np.ascontiguousarray(picture[:, 15:105])).mean((0, 1))
    assert from_bytes(sample.lab).mean((0, 1)) == pytest.approx(centre, abs=0.5)


def test_a_pair_holds_the_print_and_the_negatives_lightness(prints: Prints, tmp_path: Path) -> None:
    negative = prints.add_pair("cph.3b00002", "ppmsc.00001")
    index = prints.write(tmp_path / "out", layout=WHOLE)
    shard = next(shard for shard in index.shards if shard.split == "pairs")
    samples = [
        from_members(read_sample(tmp_path / "out" / shard.name, place)) for place in range(2)
    ]
    sample = next(s for s in samples if s.info.scan_id == "cph.3b00002")
    assert sample.bw is not None
    assert sample.info.view_split in {"train", "val", "test"}
    top, left, bottom, right = sample.info.valid
    bw = sample.bw[top:bottom, left:right] / 2.55
    assert bw.mean() == pytest.approx(to_lightness(negative).mean(), abs=0.5)
    assert (sample.bw[:top] == 0).all()


def test_a_scan_that_fails_is_a_rejected_row(prints: Prints, tmp_path: Path) -> None:
    broken = prints.scans[2]
    (tmp_path / broken["path"]).write_bytes(b"\x89PNG no more")
    index = prints.write(tmp_path / "out")
    rows = read_manifest(tmp_path / "out" / "samples.parquet", SAMPLES_SCHEMA)
    assert len(rows) == 9
    (rejected,) = [row for row in rows if row["state"] == "rejected"]
    assert (rejected["scan_id"], rejected["reason"]) == (broken["scan_id"], "unreadable")
    assert (rejected["shard"], rejected["index"]) == (None, None)
    assert sum(shard.samples for shard in index.shards) == 8
    verify_shards(tmp_path / "out")


def test_rows_say_where_each_sample_lies(prints: Prints, tmp_path: Path) -> None:
    prints.write(tmp_path / "out")
    for row in read_manifest(tmp_path / "out" / "samples.parquet", SAMPLES_SCHEMA):
        members = read_sample(tmp_path / "out" / row["shard"], row["index"])
        info = from_members(members).info
        assert (info.key, info.split, info.view_split) == (
            row["key"],
            row["split"],
            row["view_split"],
        )
        assert list(info.valid) == row["valid"]
        assert (row["width"], row["height"], row["rights"]) == (WIDTH, HEIGHT, "none known")


def test_shards_that_the_plan_does_not_hold_are_removed(prints: Prints, tmp_path: Path) -> None:
    prints.write(tmp_path / "out")
    old = tmp_path / "out" / "train-000099.tar"
    old.write_bytes(b"old")
    for scan in prints.scans:
        (tmp_path / scan["path"]).write_bytes(b"gone")
    index = prints.write(tmp_path / "out")
    assert index.shards == ()
    assert sorted(read_bytes(tmp_path / "out")) == [
        "README.md",
        "croissant.json",
        "index.json",
        "index.npy",
        "samples.parquet",
    ]
    assert verify_shards(tmp_path / "out") == index


def test_reports_must_account_for_the_plan(prints: Prints, tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="expected 9 samples accounted for, got 0"):
        finish_shards(prints.plan(), [], out=tmp_path / "out", made=Composition())


def test_a_kill_leaves_no_half_shard(
    prints: Prints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = next(shard for shard in prints.plan().shards if len(shard.jobs) > 1)

    def fail(*_: object, **__: object) -> Sequence[object]:
        raise KeyboardInterrupt

    monkeypatch.setattr("preprocess.shards.describe_shard", fail)
    with pytest.raises(KeyboardInterrupt):
        write_shard(shard, data=tmp_path, out=tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_full_disk_leaves_the_old_shard_and_no_half_of_a_new_one(
    prints: Prints, tmp_path: Path
) -> None:
    shard = next(shard for shard in prints.plan().shards if len(shard.jobs) > 2)
    out = tmp_path / "out"
    out.mkdir()
    (out / shard.name).write_bytes(b"the old shard")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # The second sample no longer fits.
    room = to_layout(SIZE, paired=False).stride * 3 // 2
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_shard(shard, data=tmp_path, out=out)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert {path.name: path.read_bytes() for path in out.iterdir()} == {
        shard.name: b"the old shard"
    }
    assert write_shard(shard, data=tmp_path, out=out).described is not None


@pytest.mark.parametrize("kind", ["jpg", "tif", "png"])
def test_a_large_scan_is_averaged_in_light(prints: Prints, tmp_path: Path, kind: str) -> None:
    y, x = np.mgrid[:1200, :1600]
    picture = np.dstack([120 + 100 * np.sin(x / 90), 128 + 90 * np.cos(y / 70), 40 + (x + y) / 16])
    rgb = picture.astype(np.uint8)
    Image.fromarray(rgb).save(tmp_path / f"scans/large.{kind}", quality=95)
    prints.crops, prints.scans, prints.pairs = [], [], []
    prints.add_stored("large", f"scans/large.{kind}")
    (shard,) = prints.write(tmp_path / "out", layout=replace(WHOLE, size=100)).shards
    sample = from_members(read_sample(tmp_path / "out" / shard.name, 0))
    top, left, bottom, right = sample.info.valid
    assert (bottom - top, right - left) == (75, 100)
    linear = LINEAR_OF_BYTE[rgb].reshape(75, 16, 100, 16, 3).mean(axis=(1, 3))
    levels = np.searchsorted(LINEAR_OF_BYTE, linear).astype(np.uint8)
    shown = from_bytes(sample.lab[top:bottom, left:right])
    difference = deltaE_ciede2000(shown, to_lab(levels))  # type: ignore[no-untyped-call]
    assert difference.mean() < 0.7


def test_the_index_is_what_the_layout_says(prints: Prints, tmp_path: Path) -> None:
    assert prints.write(tmp_path / "out") == read_index(tmp_path / "out")
    record = json.loads((tmp_path / "out" / "index.json").read_text())
    assert (record["version"], record["size"], record["compression"]) == (2, SIZE, None)
    pairs = next(shard for shard in record["shards"] if shard["split"] == "pairs")
    assert [member["suffix"] for member in pairs["members"]] == ["lab.npy", "bw.npy"]
    assert pairs["members"][0]["offset"] == 512 + 1024 + 512 + 128
    assert pairs["stride"] == to_layout(SIZE, paired=True).stride
