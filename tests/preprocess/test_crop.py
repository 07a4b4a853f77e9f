import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from harvest.manifest import read_manifest, write_manifest
from preprocess.crop import CropJob, crop_scans, plan_crops
from preprocess.errors import PreprocessError
from preprocess.images import read_rgb
from preprocess.manifest import CROPS_SCHEMA
from preprocess.overrides import CropOverride
from preprocess.records import CropReason, CropRow, CropState, Mount

Rgb = NDArray[np.uint8]

SHA = "ab" * 32


@pytest.fixture
def jobs(
    tmp_path: Path, scene: Callable[..., Rgb], store: Callable[[str, Rgb], str]
) -> list[CropJob]:
    picture = scene(3, width=480, height=340)
    mounted = np.full((380, 520, 3), 20, np.uint8)
    mounted[20:360, 20:500] = picture
    pictures = {"a.1": picture, "a.2": mounted, "a.3": picture[:40, :50]}
    found = [
        CropJob(name, "colour", name, name, store(name, rgb), SHA) for name, rgb in pictures.items()
    ]
    (tmp_path / "scans" / "a.4.jpg").write_bytes(b"no picture")
    return [*found, CropJob("a.4", "negative", "v", "g", "scans/a.4.jpg", SHA)]


def correct(
    job: CropJob, corners: tuple[float, ...] = (30, 30, 490, 32, 488, 350, 28, 352), sha: str = SHA
) -> CropJob:
    return replace(job, override=CropOverride(job.scan_id, sha, corners, "the rim is the board's"))


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


def test_corners_count_in_pixels_as_stored(
    tmp_path: Path, jobs: list[CropJob], store: Callable[[str, Rgb], str]
) -> None:
    small = crop_scans(jobs[1:2], data=tmp_path, min_confidence=0.8)[0]
    scan = read_rgb(tmp_path / jobs[1].path)
    large = cv2.resize(scan, (4680, 3420), interpolation=cv2.INTER_CUBIC)
    job = replace(jobs[1], path=store("a.9", np.asarray(large, np.uint8)))
    row = crop_scans([job], data=tmp_path, min_confidence=0.8)[0]
    assert (row.width, row.height) == (4680, 3420)
    np.testing.assert_allclose(np.array(row.corners), 9 * np.array(small.corners), atol=9)


def test_less_confidence_than_asked_is_flagged(
    tmp_path: Path, jobs: list[CropJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of so clear a print the machine is sure, and nothing would be below what is asked.
    monkeypatch.setattr("preprocess.border.to_confidence", lambda _: 0.9)
    bold = crop_scans(jobs[:2], data=tmp_path, min_confidence=0.0)
    rows = crop_scans(jobs[:2], data=tmp_path, min_confidence=1.0)
    assert all(row.flagged and row.reason == CropReason.LOW_CONFIDENCE for row in rows)
    for row, other in zip(rows, bold, strict=True):
        inwards = np.array([1, 1, -1, 1, -1, -1, 1, -1])
        cut = (np.array(row.corners) - np.array(other.corners)) * inwards
        assert cut.max() < 0.5  # never deeper into the print


def test_a_persons_corners_win(tmp_path: Path, jobs: list[CropJob]) -> None:
    row = crop_scans([correct(jobs[1])], data=tmp_path, min_confidence=0.8)[0]
    assert list(row.corners) == [30, 30, 490, 32, 488, 350, 28, 352]
    assert (str(row.reason), row.flagged, row.confidence) == ("corrected", False, 1.0)
    assert (row.mount, row.state) == ("black", "cropped")


def test_a_person_may_say_that_there_is_no_mount(tmp_path: Path, jobs: list[CropJob]) -> None:
    job = correct(jobs[1], (0, 0, 520, 0, 520, 380.4, -0.5, 380))
    row = crop_scans([job], data=tmp_path, min_confidence=0.8)[0]
    assert list(row.corners) == [0, 0, 520, 0, 520, 380, 0, 380]
    assert row.mount == "none"


def test_a_correction_of_another_file_is_stale(tmp_path: Path, jobs: list[CropJob]) -> None:
    machine = crop_scans(jobs[1:2], data=tmp_path, min_confidence=0.8)[0]
    row = crop_scans([correct(jobs[1], sha="cd" * 32)], data=tmp_path, min_confidence=0.8)[0]
    assert row == replace(machine, flagged=True, reason=CropReason.STALE_CORRECTION)


@pytest.mark.parametrize(
    "corners",
    [
        (30, 30, 530, 32, 488, 350, 28, 352),
        (30, 30, 28, 352, 488, 350, 490, 32),
        (30, 30, 488, 350, 490, 32, 28, 352),
        (30, 30, 30, 30, 30, 30, 30, 30),
    ],
    ids=["outside", "anticlockwise", "crossed", "a point"],
)
def test_corners_that_make_no_print_stop_the_stage(
    tmp_path: Path, jobs: list[CropJob], corners: tuple[float, ...]
) -> None:
    with pytest.raises(PreprocessError, match=r"crops\.csv.*row of a\.2.*520 x 380"):
        crop_scans([correct(jobs[1], corners)], data=tmp_path, min_confidence=0.8)


def test_an_unreadable_scan_is_a_row_even_when_corrected(
    tmp_path: Path, jobs: list[CropJob]
) -> None:
    row = crop_scans([correct(jobs[3])], data=tmp_path, min_confidence=0.8)[0]
    assert row.reason == CropReason.UNREADABLE


def test_a_caption_is_looked_for_in_colour_scans_alone(
    tmp_path: Path, jobs: list[CropJob], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[object, ...]] = []

    def find(rgb: Rgb, corners: NDArray[np.float32]) -> tuple[float, ...]:
        seen.append((rgb.shape, corners.shape, str(corners.dtype)))
        return (0.1, 0.9, 0.4, 0.95)

    monkeypatch.setattr("preprocess.crop.find_caption", find)
    pair = [jobs[1], replace(jobs[1], role="negative")]
    colour, negative = crop_scans(pair, data=tmp_path, min_confidence=0.8)
    assert colour.caption == (0.1, 0.9, 0.4, 0.95)
    assert negative.caption == ()
    assert seen == [((380, 520, 3), (4, 2), "float32")]


def test_kept_scans_and_negatives_are_planned_with_their_corrections() -> None:
    states = {"a": "kept", "b": "duplicate", "c": "negative", "d": "unreadable"}
    groups = [
        {"scan_id": name, "role": "colour", "view_id": "v", "group_id": "g", "state": state}
        for name, state in states.items()
    ]
    scans = [{"scan_id": name, "path": f"scans/{name}", "sha256": SHA} for name in states]
    override = CropOverride("c", SHA, (0, 0, 9, 0, 9, 9, 0, 9), "")
    jobs = plan_crops(groups, scans, {"c": override, "b": override})
    assert [(job.scan_id, job.path, job.sha256) for job in jobs] == [
        ("a", "scans/a", SHA),
        ("c", "scans/c", SHA),
    ]
    assert [job.override for job in jobs] == [None, override]


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
