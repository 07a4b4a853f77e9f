"""Every scan, however hostile, becomes a sample or a row with a reason; a full disk stops clearly.

The files are those of hostile.py and bombs.py; each goes through the functions of the stages that
read scans. What could hang or fill the memory runs in a process of its own, with a limit on both.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from harvest.manifest import write_manifest
from preprocess.composition import Composition
from preprocess.crop import CropJob, crop_scans
from preprocess.crop_page import write_crop_page
from preprocess.images import read_scan
from preprocess.manifest import CROPS_SCHEMA
from preprocess.pages import Card
from preprocess.records import CropRow
from preprocess.shards import finish_shards, write_shard
from tests.disks import small_disk
from tests.preprocess import bombs, hostile
from tests.preprocess.through import GOOD, Fate, Row, go_through, plan_one, write_good

REPOSITORY = Path(__file__).resolve().parents[2]
TIMEOUT_S = 100

VALID = hostile.valid_files() | hostile.profiled_files()
TURNED = hostile.turned_files()
ODD = hostile.odd_files()
BROKEN = hostile.broken_files()
BOMBS = bombs.bombs()
PLACES = ("a-folder.jpg", "a-pipe.jpg", "a-device.jpg", "nowhere.jpg", "in-a-circle.jpg")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    write_good(folder)
    for name, content in (VALID | TURNED | ODD | BROKEN | BOMBS).items():
        (folder / "scans" / name).write_bytes(content)
    (folder / "scans" / "a-folder.jpg").mkdir()
    os.mkfifo(folder / "scans" / "a-pipe.jpg")
    (folder / "scans" / "a-device.jpg").symlink_to("/dev/zero")
    (folder / "scans" / "in-a-circle.jpg").symlink_to("in-a-circle.jpg")
    return folder


@pytest.fixture(scope="module")
def fates(data: Path) -> dict[str, Fate]:
    """What became of the files that could hang or take all memory; run in one process."""
    names = [*ODD, *BROKEN, *BOMBS, *PLACES]
    command = [sys.executable, "-W", "ignore", "-m", "tests.preprocess.through", str(data)]
    run = subprocess.run(
        [*command, *(f"scans/{name}" for name in names)],
        cwd=REPOSITORY,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    lines = [json.loads(line) for line in run.stdout.splitlines()]
    assert run.returncode == 0, f"{lines[-1:]}: ended with {run.returncode}: {run.stderr[-2000:]}"
    named = zip(lines[::2], lines[1::2], strict=True)
    return {line["path"].removeprefix("scans/"): Fate(**fate) for line, fate in named}


def check_fate(fate: Fate) -> None:
    """No stage raises, and each says why where it has no picture."""
    assert not fate.error
    assert fate.crop == "cropped" or fate.crop_reason in {"unreadable", "too_small"}
    assert fate.pair == "aligned" or fate.pair_reason
    assert fate.sample == "written" or fate.sample_reason == "unreadable"


@pytest.mark.parametrize("name", VALID)
def test_a_valid_scan_becomes_a_sample_of_its_picture(data: Path, name: str) -> None:
    fate = go_through(data, f"scans/{name}", paired=False)
    assert (fate.hashed, fate.crop, fate.sample) == (True, "cropped", "written")
    assert likeness(read_scan(data / "scans" / name, least=1024).rgb) > 0.9


@pytest.mark.parametrize("name", TURNED)
def test_a_turned_scan_is_read_upright(data: Path, name: str) -> None:
    assert likeness(read_scan(data / "scans" / name, least=1024).rgb) > 0.99


def likeness(rgb: np.ndarray) -> float:
    """Correlate a picture with the one that hostile.py packs; 1 for the same."""
    drawn = hostile.draw()
    assert rgb.shape == drawn.shape
    one, other = (cv2.GaussianBlur(x.mean(axis=-1), (0, 0), 2).ravel() for x in (rgb, drawn))
    return float(np.corrcoef(one, other)[0, 1])


@pytest.mark.parametrize("name", ODD)
def test_an_odd_scan_becomes_a_sample_or_a_reason(fates: dict[str, Fate], name: str) -> None:
    check_fate(fates[name])


@pytest.mark.parametrize("name", [*BROKEN, *BOMBS, *PLACES])
def test_what_is_no_scan_becomes_a_reason(fates: dict[str, Fate], name: str) -> None:
    fate = fates[name]
    check_fate(fate)
    assert not fate.hashed
    assert (fate.crop, fate.crop_reason) == ("unreadable", "unreadable")
    assert (fate.pair, fate.pair_reason) == ("rejected", "unreadable")
    assert (fate.sample, fate.sample_reason) == ("rejected", "unreadable")


def test_a_scan_that_may_not_be_read_becomes_a_reason(data: Path) -> None:
    path = data / "scans" / "forbidden.png"
    path.write_bytes(VALID["plain.png"])
    path.chmod(0)
    job = CropJob("hostile", "colour", "view", "group", "scans/forbidden.png", "0" * 64)
    with without_rights():
        (crop,) = crop_scans([job], data=data, min_confidence=0.8)
    assert (crop.state, crop.reason) == ("unreadable", "unreadable")


@contextmanager
def without_rights() -> Iterator[None]:
    """Run the block as nobody where the tests run as root, whom no permission stops."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


GOOD_CROP: Row = {
    "scan_id": "good",
    "role": "colour",
    "view_id": "view",
    "group_id": "group",
    "corners": [0.0, 0.0, 480.0, 0.0, 480.0, 350.0, 0.0, 350.0],
    "width": 480,
    "height": 350,
    "mount": "none",
    "confidence": 1.0,
    "flagged": False,
    "caption": [],
    "state": "cropped",
    "reason": "",
}


def write_tar(data: Path, out: Path) -> None:
    write_shard(plan_one(GOOD_CROP, GOOD).shards[0], data=data, out=out)


def write_rest(data: Path, out: Path) -> None:
    plan = plan_one(
        GOOD_CROP | {"corners": [], "state": "unreadable", "reason": "unreadable"}, GOOD
    )
    finish_shards(plan, [], out=out, made=Composition())


def write_crops(data: Path, out: Path) -> None:
    write_manifest(out / "crops.parquet", [GOOD_CROP], CROPS_SCHEMA)


@pytest.mark.parametrize("write", [write_tar, write_rest, write_crops])
def test_a_full_disk_stops_clearly_and_loses_nothing(
    data: Path, tmp_path: Path, write: Callable[[Path, Path], None]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    old = {"train-000000.tar", "val-000099.tar", "samples.parquet", "index.json", "crops.parquet"}
    for name in old:
        (out / name).write_text(f"the old {name}")
    with pytest.raises(OSError, match="File too large"), small_disk():
        write(data, out)
    assert {path.name: path.read_text() for path in out.iterdir()} == {
        name: f"the old {name}" for name in old
    }


def test_a_full_disk_leaves_no_half_picture_beside_the_page(data: Path, tmp_path: Path) -> None:
    crop = CropRow(**GOOD_CROP | {"corners": (0.0, 0.0, 480.0, 0.0, 480.0, 350.0, 0.0, 350.0)})
    cards = {"good": Card("A title", GOOD, "0" * 64)}
    out = tmp_path / "crops"
    out.mkdir()
    (out / "crops.html").write_text("the old page")
    with pytest.raises(OSError, match=r"."), small_disk():
        write_crop_page([crop], cards=cards, overrides={}, source="sample", data=data, out=out)
    assert not list(out.glob(".*"))
    for picture in out.glob("*.jpg"):
        with Image.open(picture) as image:
            image.load()
    assert (out / "crops.html").read_text() == "the old page"
