from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from preprocess.geometry import shape_corners
from preprocess.lab import to_lightness
from preprocess.pairs import PairJob, Placed, align_pairs, plan_pairs
from preprocess.register import map_points

Scene = Callable[..., np.ndarray]
Store = Callable[[str, np.ndarray], str]

TRUTH = np.array([[1.3, 0.03, 25.0], [-0.02, 1.28, 30.0], [1e-5, 0, 1.0]])
"""Pixels of the colour scan to pixels of the negative's."""


def develop(rgb: np.ndarray) -> np.ndarray:
    """Photograph a print on film: grey, other tones, blur, grain, and a place of its own."""
    grey = 255 * (to_lightness(rgb) / 100) ** 1.5 * 0.8 + 20
    to_centres = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1]])
    warp = np.linalg.inv(to_centres) @ TRUTH @ to_centres
    film = cv2.warpPerspective(grey, warp, (700, 540), borderValue=235)
    film = cv2.GaussianBlur(film, (0, 0), 1.2)
    film = film + np.random.default_rng(0).normal(0, 4, film.shape)
    return np.repeat(np.clip(film, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def place(scan_id: str, path: str, picture: np.ndarray) -> Placed:
    height, width = picture.shape[:2]
    corners = (0.0, 0.0, width, 0.0, width, height, 0.0, height)
    return Placed(scan_id, path, corners, width, height)


@pytest.fixture
def pair(scene: Scene, store: Store) -> Callable[..., PairJob]:
    def make(colour: np.ndarray, negative: np.ndarray) -> PairJob:
        return PairJob(
            "c",
            negative=place("n", store("n", negative), negative),
            colour=place("c", store("c", colour), colour),
        )

    return make


def test_a_print_is_laid_over_its_negative(
    scene: Scene, pair: Callable[..., PairJob], tmp_path: Path
) -> None:
    (row,) = align_pairs([pair(scene(1), develop(scene(1)))], data=tmp_path)
    assert (row.state, row.reason, row.colour_scan_id) == ("aligned", "", "c")
    corners = shape_corners([0, 0, 480, 0, 480, 350, 0, 350])
    found = map_points(corners, np.reshape(row.homography, (3, 3)))
    assert found == pytest.approx(map_points(corners, TRUTH), abs=0.7)
    assert row.score > 0.8
    assert row.residual < 1.0


def test_aligning_repeats_to_the_bit(
    scene: Scene, pair: Callable[..., PairJob], tmp_path: Path
) -> None:
    job = pair(scene(1), develop(scene(1)))
    assert align_pairs([job], data=tmp_path) == align_pairs([job], data=tmp_path)


def test_another_view_is_rejected(
    scene: Scene, pair: Callable[..., PairJob], tmp_path: Path
) -> None:
    (row,) = align_pairs([pair(scene(1), develop(scene(2)))], data=tmp_path)
    assert (row.state, row.reason, row.homography) == ("rejected", "few_matches", ())
    assert (row.score, row.residual) == (0.0, 0.0)


def test_the_film_itself_is_rejected_as_inverted(
    scene: Scene, pair: Callable[..., PairJob], tmp_path: Path
) -> None:
    (row,) = align_pairs([pair(scene(1), 255 - develop(scene(1)))], data=tmp_path)
    assert (row.state, row.reason, row.homography) == ("rejected", "inverted", ())
    assert row.score < -0.8


def test_a_negative_turned_over_is_rejected_as_mirrored(
    scene: Scene, pair: Callable[..., PairJob], tmp_path: Path
) -> None:
    turned = np.ascontiguousarray(develop(scene(1))[:, ::-1])
    (row,) = align_pairs([pair(scene(1), turned)], data=tmp_path)
    assert (row.state, row.reason, row.homography) == ("rejected", "mirrored", ())


def test_a_print_that_agrees_in_a_part_alone_is_a_poor_fit(
    scene: Scene, pair: Callable[..., PairJob], tmp_path: Path
) -> None:
    mixed = scene(2)
    mixed[60:290, 100:250] = scene(1)[60:290, 100:250]
    (row,) = align_pairs([pair(scene(1), mixed)], data=tmp_path)
    assert (row.state, row.reason) == ("rejected", "poor_fit")
    assert row.score < 0.6


def test_a_picture_taken_a_step_aside_is_warped(
    scene: Scene, pair: Callable[..., PairJob], tmp_path: Path
) -> None:
    y, x = np.mgrid[0:350, 0:480].astype(np.float32)
    aside = x + 9 * np.clip((y - 150) / 50, 0, 1)
    moved = cv2.remap(scene(1), aside, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    (row,) = align_pairs([pair(scene(1), develop(moved))], data=tmp_path)
    assert (row.state, row.reason, row.homography) == ("rejected", "warped", ())
    assert row.residual > 4


@pytest.mark.parametrize(("share", "reason"), [(0.45, ""), (0.72, "cut_off")])
def test_a_negative_may_lack_half_of_the_print_but_not_more(
    scene: Scene, pair: Callable[..., PairJob], tmp_path: Path, share: float, reason: str
) -> None:
    negative = develop(scene(1))
    narrow = np.ascontiguousarray(negative[:, round(negative.shape[1] * share) :])
    (row,) = align_pairs([pair(scene(1), narrow)], data=tmp_path)
    assert row.reason == reason


def test_flaws_and_uneven_light_are_borne(
    scene: Scene, pair: Callable[..., PairJob], tmp_path: Path
) -> None:
    negative = develop(scene(1)).copy()
    fall = np.linspace(1.0, 0.5, negative.shape[1])[None, :, None]
    negative = np.rint(negative * fall).astype(np.uint8)
    rng = np.random.default_rng(3)
    for _ in range(12):
        ends = rng.integers(0, (700, 540), (2, 2))
        cv2.line(negative, ends[0].tolist(), ends[1].tolist(), (250, 250, 250), 1)
    (row,) = align_pairs([pair(scene(1), negative)], data=tmp_path)
    assert (row.state, row.reason) == ("aligned", "")
    corners = shape_corners([0, 0, 480, 0, 480, 350, 0, 350])
    found = map_points(corners, np.reshape(row.homography, (3, 3)))
    assert found == pytest.approx(map_points(corners, TRUTH), abs=1.0)


@pytest.mark.shared
def test_real_prints_meet_their_copies_and_not_their_lookalikes(
    shared: Path, pair: Callable[..., PairJob], tmp_path: Path
) -> None:
    kew, netley = (
        np.array(Image.open(shared / "photochroms" / f"gb-england-{name}.jpg").resize((480, 350)))
        for name in ("surrey-kew", "hampshire-netley-abbey")
    )
    (true,) = align_pairs([pair(kew, develop(kew))], data=tmp_path)
    (false,) = align_pairs([pair(kew, develop(netley))], data=tmp_path)
    assert (true.state, false.state) == ("aligned", "rejected")


def test_corners_of_no_print_are_a_row(
    scene: Scene, pair: Callable[..., PairJob], tmp_path: Path
) -> None:
    job = pair(scene(1), develop(scene(1)))
    for corners in ((5.0,) * 8, (0.0, 0, 9, 0, 0, 9, 9, 9), (0.0, 0.0, 9.0), (np.nan,) * 8):
        broken = replace(job, negative=replace(job.negative, corners=corners))
        (row,) = align_pairs([broken], data=tmp_path)
        assert (row.state, row.reason) == ("rejected", "unreadable")


def test_missing_and_broken_scans_are_rows(scene: Scene, store: Store, tmp_path: Path) -> None:
    negative = place("n", store("n", scene(1)), scene(1))
    lost = place("c", "scans/none.jpg", scene(1))
    rows = align_pairs([PairJob("n", negative, None), PairJob("c", negative, lost)], data=tmp_path)
    assert [(row.state, row.reason) for row in rows] == [
        ("rejected", "no_colour_scan"),
        ("rejected", "unreadable"),
    ]
    assert [row.colour_scan_id for row in rows] == [None, "c"]


def make_crop(scan_id: str, view_id: str, role: str, state: str = "cropped") -> dict[str, Any]:
    return {
        "scan_id": scan_id,
        "view_id": view_id,
        "role": role,
        "state": state,
        "corners": [0.0] * 8,
        "width": 10,
        "height": 10,
    }


def test_a_negative_meets_its_own_items_print_first() -> None:
    crops = [
        make_crop("c1", "c1", "colour"),
        make_crop("c2", "c1", "colour"),
        make_crop("c3", "c3", "colour", state="unreadable"),
        make_crop("n1", "c1", "negative"),
        make_crop("n2", "c1", "negative"),
        make_crop("n3", "c3", "negative"),
        make_crop("n4", "n4", "negative", state="unreadable"),
    ]
    item_of = {"c2": "one", "n1": "one"}
    scans = [
        {
            "scan_id": crop["scan_id"],
            "item_id": item_of.get(crop["scan_id"], crop["scan_id"]),
            "path": f"scans/{crop['scan_id']}.jpg",
        }
        for crop in crops
    ]
    jobs = plan_pairs(crops, scans)
    assert [
        (job.negative.scan_id, job.view_id, job.colour and job.colour.scan_id) for job in jobs
    ] == [("n1", "c1", "c2"), ("n2", "c1", "c1"), ("n3", "c3", None)]
