import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harvest.manifest import read_manifest, write_manifest
from preprocess.crop import CropJob, crop_scans
from preprocess.manifest import CROPS_SCHEMA
from preprocess.records import CropReason, CropRow, CropState, Mount

Rgb = NDArray[np.uint8]


@pytest.fixture
def jobs(
    tmp_path: Path, scene: Callable[..., Rgb], store: Callable[[str, Rgb], str]
) -> list[CropJob]:
    picture = scene(3, width=480, height=340)
    mounted = np.full((380, 520, 3), 20, np.uint8)
    mounted[20:360, 20:500] = picture
    pictures = {"a.1": picture, "a.2": mounted, "a.3": picture[:40, :50]}
    found = [
        CropJob(name, "colour", name, name, store(name, rgb)) for name, rgb in pictures.items()
    ]
    (tmp_path / "scans" / "a.4.jpg").write_bytes(b"no picture")
    return [*found, CropJob("a.4", "negative", "v", "g", "scans/a.4.jpg")]


def test_each_scan_has_its_row(tmp_path: Path, jobs: list[CropJob]) -> None:
    whole, mounted, small, broken = crop_scans(jobs, data=tmp_path, min_confidence=0.8)
    assert list(whole.corners) == [0, 0, 480, 0, 480, 340, 0, 340]
    assert (whole.mount, whole.reason, whole.flagged) == ("none", "no_mount", False)
    truth = [20, 20, 500, 20, 500, 360, 20, 360]
    np.testing.assert_allclose(mounted.corners, truth, atol=1)
    assert (mounted.mount, mounted.reason) == (Mount.BLACK, CropReason.NOTHING)
    assert (mounted.width, mounted.height) == (520, 380)
    assert (small.state, small.reason) == (CropState.UNREADABLE, CropReason.TOO_SMALL)
    assert (broken.state, broken.reason) == (CropState.UNREADABLE, CropReason.UNREADABLE)
    assert (broken.corners, broken.flagged, broken.role) == ((), True, "negative")


def test_less_confidence_than_asked_is_flagged(tmp_path: Path, jobs: list[CropJob]) -> None:
    rows = crop_scans(jobs[:2], data=tmp_path, min_confidence=1.0)
    assert all(row.flagged and row.reason == CropReason.LOW_CONFIDENCE for row in rows)
    assert rows[1].corners == (0, 0, 520, 0, 520, 380, 0, 380)


def test_a_process_finds_the_same(tmp_path: Path, jobs: list[CropJob]) -> None:
    here = crop_scans(jobs, data=tmp_path, min_confidence=0.8)
    assert pickle.loads(pickle.dumps(jobs)) == jobs
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        there = pool.submit(crop_scans, jobs, data=tmp_path, min_confidence=0.8).result()
    assert there == here


def test_rows_fit_the_manifest(tmp_path: Path, jobs: list[CropJob]) -> None:
    rows = crop_scans(jobs, data=tmp_path, min_confidence=0.8)
    path = tmp_path / "crops.parquet"
    write_manifest(path, rows, CROPS_SCHEMA)
    read = read_manifest(path, CROPS_SCHEMA)
    assert [row["scan_id"] for row in read] == ["a.1", "a.2", "a.3", "a.4"]
    again = CropRow(**{**read[1], "corners": tuple(read[1]["corners"])})
    assert again.corners == rows[1].corners
    assert again.state == "cropped"
