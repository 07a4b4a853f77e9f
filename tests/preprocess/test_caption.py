from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from preprocess.caption import (
    BAND,
    LONG,
    MARGIN,
    MAX_TRIM,
    find_caption,
    to_channels,
    trim_caption,
)
from preprocess.geometry import quad_homography
from preprocess.images import read_scan
from preprocess.register import map_points

Rgb = NDArray[np.uint8]
Scene = Callable[..., Rgb]

GOLD = (206, 176, 108)
DARK = (38, 30, 26)

CAPTIONED = {
    "alpine-valley-portrait.jpg": (0.372, 0.977, 0.928, 0.9885),
    "it-florence-panorama.jpg": (0.072, 0.965, 0.211, 0.984),
    "no-fantoft-stavkirke.jpg": (0.787, 0.966, 0.976, 0.981),
}
"""The captions of the real prints, by eye; of Florence's and the Alps' only a part can be read."""

REMNANTS = ("worcester.jpg", "stratford-upon-avon.jpg", "tunbridge-wells.jpg")
"""Ends of the names of prints where the caption was cut through: what is left may be found."""


def whole(rgb: Rgb) -> NDArray[np.float32]:
    height, width = rgb.shape[:2]
    return np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)


def letter(
    rgb: Rgb, *, left: float, baseline: float, ink: tuple[int, int, int] = GOLD
) -> tuple[float, ...]:
    """Print a caption at these shares; return its box in shares, read off the changed pixels."""
    before = rgb.copy()
    height, width = rgb.shape[:2]
    unit = max(width, height) / LONG
    place = int(left * width), int(baseline * height)
    cv2.putText(
        rgb, "8028. P.Z. - LUZERN.", place, cv2.FONT_HERSHEY_COMPLEX, 0.5 * unit, ink,
        max(1, round(unit)), cv2.LINE_AA,
    )  # fmt: skip
    rows, columns = np.nonzero((rgb != before).any(axis=-1))
    x0, x1, y0, y1 = columns.min(), columns.max() + 1, rows.min(), rows.max() + 1
    return x0 / width, y0 / height, x1 / width, y1 / height


def covers(found: tuple[float, ...], truth: tuple[float, ...]) -> float:
    """Return the part of a true box that the found one covers."""
    if not found:
        return 0.0
    across = min(found[2], truth[2]) - max(found[0], truth[0])
    down = min(found[3], truth[3]) - max(found[1], truth[1])
    area = (truth[2] - truth[0]) * (truth[3] - truth[1])
    return max(0.0, across) * max(0.0, down) / area


def area(box: tuple[float, ...]) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


@pytest.mark.parametrize("left", [0.03, 0.6])
@pytest.mark.parametrize(("width", "height"), [(1024, 740), (740, 1024)])
def test_a_caption_is_found_where_it_is(scene: Scene, left: float, width: int, height: int) -> None:
    rgb = scene(5, width=width, height=height)
    truth = letter(rgb, left=left, baseline=0.975)
    found = find_caption(rgb, whole(rgb))
    assert covers(found, truth) > 0.9
    assert area(found) < 2.5 * area(truth)


def test_dark_letters_on_a_light_ground_are_found(scene: Scene) -> None:
    rgb = scene(6, width=1024, height=740)
    rgb[690:] = (222, 208, 180)
    truth = letter(rgb, left=0.05, baseline=0.97, ink=DARK)
    assert covers(find_caption(rgb, whole(rgb)), truth) > 0.9


@pytest.mark.parametrize("seed", range(12))
def test_a_print_without_letters_has_no_caption(scene: Scene, seed: int) -> None:
    rgb = scene(seed, width=1024, height=740)
    assert find_caption(rgb, whole(rgb)) == ()


def test_letters_in_the_middle_of_the_picture_are_no_caption(scene: Scene) -> None:
    rgb = scene(5, width=1024, height=740)
    letter(rgb, left=0.05, baseline=0.6)
    assert find_caption(rgb, whole(rgb)) == ()


def test_the_caption_is_found_in_a_tilted_print_on_its_mount(scene: Scene) -> None:
    rgb = scene(5, width=1024, height=740)
    truth = letter(rgb, left=0.04, baseline=0.97)
    corners = np.array([[40, 52], [1061, 38], [1070, 775], [46, 790]], np.float32)
    warp = quad_homography(corners, width=1024, height=740)
    scan = np.asarray(cv2.warpPerspective(rgb, warp, (1110, 830), flags=cv2.INTER_AREA), np.uint8)
    assert covers(find_caption(scan, corners), truth) > 0.9


@pytest.mark.parametrize("scale", [0.75, 2.0, 3.0])
def test_any_resolution_gives_the_same_shares(scene: Scene, scale: float) -> None:
    rgb = scene(5, width=1024, height=740)
    truth = letter(rgb, left=0.04, baseline=0.97)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    other = np.asarray(cv2.resize(rgb, None, fx=scale, fy=scale, interpolation=way), np.uint8)
    assert covers(find_caption(other, whole(other)), truth) > 0.9


def test_too_small_and_too_long_prints_are_not_searched() -> None:
    for height, width in ((300, 400), (100, 1200)):
        rgb = np.zeros((height, width, 3), np.uint8)
        assert find_caption(rgb, whole(rgb)) == ()


def test_what_is_no_scan_is_refused() -> None:
    rgb = np.zeros((600, 800, 3), np.uint8)
    with pytest.raises(ValueError, match=r"uint8 of shape \(H, W, 3\)"):
        find_caption(rgb[..., 0], whole(rgb))
    with pytest.raises(ValueError, match="convex"):
        find_caption(rgb, whole(rgb)[::-1])


def test_an_even_band_gives_the_net_nothing() -> None:
    channels = to_channels(np.full((BAND, LONG, 3), 130, np.uint8))
    assert channels.shape == (1, 3, BAND, LONG)
    np.testing.assert_allclose(channels, 0, atol=1e-4)


def test_trimming_moves_the_lower_edge_above_the_caption() -> None:
    corners = np.array([[40, 52], [1061, 38], [1070, 775], [46, 790]], np.float32)
    trimmed = trim_caption(corners, (0.04, 0.95, 0.3, 0.97))
    np.testing.assert_allclose(trimmed[:2], corners[:2], atol=1e-3)
    back = np.linalg.inv(quad_homography(corners, width=1, height=1))
    lower = map_points(trimmed[2:], np.asarray(back, np.float64))
    np.testing.assert_allclose(lower, [[1, 0.95 - MARGIN], [0, 0.95 - MARGIN]], atol=1e-5)
    assert trimmed.dtype == np.float32


def test_nothing_is_trimmed_without_a_caption_or_of_one_too_high() -> None:
    corners = np.array([[0, 0], [800, 0], [800, 600], [0, 600]], np.float32)
    np.testing.assert_array_equal(trim_caption(corners, ()), corners)
    high = 1 - MAX_TRIM
    np.testing.assert_array_equal(trim_caption(corners, (0.1, high, 0.5, high + 0.02)), corners)


@pytest.mark.parametrize("caption", [(0.1, 0.95), (0.5, 0.9, 0.1, 0.97), (0.1, 0.9, 0.5, 1.2)])
def test_a_caption_that_is_no_box_is_refused(caption: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="left, top, right, bottom"):
        trim_caption(np.eye(4, 2, dtype=np.float32), caption)


@pytest.mark.shared
def test_the_captions_of_the_real_prints_are_found_and_no_others(shared: Path) -> None:
    folder = shared / "photochroms"
    lines = (folder / "crops.tsv").read_text().splitlines()[1:]
    labelled = {name: corners for name, *corners in (line.split("\t") for line in lines)}
    found = {}
    for path in sorted(folder.glob("*.jpg")):
        rgb = read_scan(path, least=1024).rgb
        corners = whole(rgb)
        if path.name in labelled:
            corners = np.array(labelled[path.name], np.float32).reshape(4, 2)
        box = find_caption(rgb, corners)
        if box and not path.name.endswith(REMNANTS):
            found[path.name] = box
    assert set(found) == set(CAPTIONED)
    for name, box in found.items():
        assert covers(box, CAPTIONED[name]) > 0.3
