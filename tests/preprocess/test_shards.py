import hashlib
import json
import tarfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import webdataset
import yaml
from PIL import Image

from harvest.manifest import read_manifest
from preprocess.errors import ShardError
from preprocess.index import Index, read_index
from preprocess.lab import from_bytes, to_lab, to_lightness
from preprocess.manifest import SAMPLES_SCHEMA
from preprocess.planning import Plan, Settings, plan_shards
from preprocess.samples import from_members, to_layout
from preprocess.shards import finish_shards, write_shard
from preprocess.verify import verify_shards

Scene = Callable[..., np.ndarray]
Store = Callable[[str, np.ndarray], str]

SIZE = 64
SETTINGS = Settings(size=SIZE, fit="pad", inset=0.0, shard_bits=1)
WIDTH, HEIGHT = 120, 90


class Prints:
    """A small set of prints as the stages before leave it: scans and rows of manifests."""

    def __init__(self, scene: Scene, store: Store, data: Path) -> None:
        self.data = data
        self._scene, self._store = scene, store
        self.crops: list[dict[str, Any]] = []
        self.scans: list[dict[str, Any]] = []
        self.pairs: list[dict[str, Any]] = []

    def add(self, scan_id: str, *, role: str = "colour", view_id: str = "") -> np.ndarray:
        picture = self._scene(len(self.crops), width=WIDTH, height=HEIGHT)
        path = self._store(scan_id, picture)
        corners = [0.0, 0.0, WIDTH, 0.0, WIDTH, HEIGHT, 0.0, HEIGHT]
        self.crops.append(
            {
                "scan_id": scan_id,
                "role": role,
                "view_id": view_id or scan_id,
                "group_id": scan_id,
                "corners": corners,
                "width": WIDTH,
                "height": HEIGHT,
                "state": "cropped",
                "reason": "",
            }
        )
        sha256 = hashlib.sha256((self.data / path).read_bytes()).hexdigest()
        scan = {"scan_id": scan_id, "item_id": f"i-{scan_id}", "path": path, "sha256": sha256}
        self.scans.append(scan | {"title": f"Title of {scan_id}"})
        return picture

    def add_pair(self, scan_id: str, colour: str) -> np.ndarray:
        picture = self.add(scan_id, role="negative", view_id=colour)
        pair = {"scan_id": scan_id, "colour_scan_id": colour, "state": "aligned", "reason": ""}
        self.pairs.append(pair | {"homography": [1.0, 0, 0, 0, 1, 0, 0, 0, 1]})
        return picture

    def plan(self, layout: Settings = SETTINGS) -> Plan:
        catalog = [
            {"resource_id": scan["scan_id"], "rights": "none known", "state": "listed"}
            for scan in self.scans
        ]
        return plan_shards(
            self.crops, self.pairs, scans=self.scans, catalog=catalog, settings=layout
        )

    def write(self, out: Path, *, layout: Settings = SETTINGS, processes: int = 0) -> Index:
        plan = self.plan(layout)
        write = partial(write_shard, data=self.data, out=out)
        if processes:
            context = get_context("forkserver")
            context.set_forkserver_preload(["preprocess.shards", "webdataset"])
            with ProcessPoolExecutor(processes, mp_context=context) as pool:
                reports = list(pool.map(write, plan.shards))
        else:
            reports = [write(shard) for shard in plan.shards]
        return finish_shards(plan, reports, out=out, size=layout.size)


@pytest.fixture
def prints(scene: Scene, store: Store, tmp_path: Path) -> Prints:
    made = Prints(scene, store, tmp_path)
    for number in range(8):
        made.add(f"ppmsc.{number:05d}")
    made.add_pair("cph.3b00001", "ppmsc.00003")
    return made


def read_bytes(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def read_sample(path: Path, place: int) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        members = [(member.name, tar.extractfile(member)) for member in tar]
    keys = list(dict.fromkeys(name.split(".")[0] for name, _ in members))
    with tarfile.open(path) as tar:
        found: dict[str, bytes] = {}
        for name in tar.getnames():
            key, suffix = name.split(".", 1)
            stream = tar.extractfile(name)
            if key == keys[place] and stream is not None:
                found[suffix] = stream.read()
    return found


def test_the_same_prints_give_the_same_bytes_with_any_number_of_processes(
    prints: Prints, tmp_path: Path
) -> None:
    prints.write(tmp_path / "one")
    prints.write(tmp_path / "two", processes=2)
    first = read_bytes(tmp_path / "one")
    assert {"index.json", "samples.parquet", "README.md"} < set(first)
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
    (shard,) = prints.write(tmp_path / "out", layout=Settings(128, "pad", 0.0, 0)).shards
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
    layout = Settings(size=96, fit="crop", inset=0.0, shard_bits=0)
    (shard,) = prints.write(tmp_path / "out", layout=layout).shards
    sample = from_members(read_sample(tmp_path / "out" / shard.name, 0))
    assert sample.info.valid == (0, 0, 96, 96)
    centre = to_lab(np.ascontiguousarray(picture[:, 15:105])).mean((0, 1))
    assert from_bytes(sample.lab).mean((0, 1)) == pytest.approx(centre, abs=0.5)


def test_a_pair_holds_the_print_and_the_negatives_lightness(prints: Prints, tmp_path: Path) -> None:
    negative = prints.add_pair("cph.3b00002", "ppmsc.00001")
    index = prints.write(tmp_path / "out", layout=Settings(SIZE, "pad", 0.0, 0))
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
    assert sorted(read_bytes(tmp_path / "out")) == ["README.md", "index.json", "samples.parquet"]
    assert verify_shards(tmp_path / "out") == index


def test_reports_must_account_for_the_plan(prints: Prints, tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="expected 9 samples accounted for, got 0"):
        finish_shards(prints.plan(), [], out=tmp_path / "out", size=SIZE)


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


def test_the_card_counts_and_its_front_matter_is_yaml(prints: Prints, tmp_path: Path) -> None:
    index = prints.write(tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text()
    _, matter, body = text.split("---\n", 2)
    front = yaml.safe_load(matter)
    assert front["size_categories"] == ["n<1K"]
    files = {f["path"] for config in front["configs"] for f in config["data_files"]}
    assert files == {f"{shard.split}-*.tar" for shard in index.shards}
    counted = sum(shard.samples for shard in index.shards if shard.split == "train")
    assert f"| train | {counted} |" in body
    assert "9 samples are written and 0 rejected" in body
    for name in json.loads(read_sample(tmp_path / "out" / index.shards[0].name, 0)["json"]):
        assert f"`{name}`" in body


def test_the_index_is_what_the_layout_says(prints: Prints, tmp_path: Path) -> None:
    assert prints.write(tmp_path / "out") == read_index(tmp_path / "out")
    record = json.loads((tmp_path / "out" / "index.json").read_text())
    assert (record["version"], record["size"]) == (1, SIZE)
    pairs = next(shard for shard in record["shards"] if shard["split"] == "pairs")
    assert [member["suffix"] for member in pairs["members"]] == ["lab.npy", "bw.npy"]
    assert pairs["members"][0]["offset"] == 512 + 1024 + 512 + 128
    assert pairs["stride"] == to_layout(SIZE, paired=True).stride
