from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from preprocess.border import decide, find_border
from preprocess.images import read_rgb
from preprocess.joint import Choice
from preprocess.lab import to_lightness
from preprocess.records import Mount

BOARDS = {
    Mount.BLACK: (22, 18, 15),
    Mount.WHITE: (250, 250, 249),
    Mount.GREY: (150, 148, 143),
    Mount.PAPER: (224, 211, 183),
}

Rgb = np.ndarray[Any, np.dtype[np.uint8]]


def lay(
    picture: Rgb,
    *,
    board: tuple[int, int, int],
    margins: tuple[float, float, float, float] = (0.03, 0.03, 0.03, 0.03),
    degrees: float = 0.5,
    seed: int = 0,
) -> tuple[Rgb, np.ndarray]:
    """Lay a print on a board with fibres, each corner pushed a little; return also the corners."""
    rng = np.random.default_rng(seed)
    height, width = picture.shape[:2]
    top, right, bottom, left = (round(share * width) for share in margins)
    size = (left + width + right, top + height + bottom)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]]) + np.array([left, top])
    turn = np.deg2rad(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = corners.mean(axis=0)
    corners = (corners - middle) @ matrix.T + middle + rng.uniform(-2, 2, (4, 2))
    frame = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    warp = cv2.getPerspectiveTransform(frame - 0.5, (corners - 0.5).astype(np.float32))
    laid = cv2.warpPerspective(picture, warp, size, borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpPerspective(np.full((height, width), 255, np.uint8), warp, size)
    fibres = np.asarray(cv2.GaussianBlur(rng.normal(0, 6, size[::-1]), (0, 0), 1.2))
    share = np.asarray(mask)[..., None] / 255
    scan = (np.array(board) + fibres[..., None]) * (1 - share) + laid * share
    return np.clip(scan, 0, 255).astype(np.uint8), corners


def furthest(found: np.ndarray, truth: np.ndarray) -> float:
    return float(np.linalg.norm(found - truth, axis=1).max())


@pytest.fixture
def view(scene: Callable[..., Rgb]) -> Rgb:
    return scene(5, width=760, height=540)


@pytest.mark.parametrize("degrees", [-1.5, -0.4, 0.0, 0.8, 2.0])
@pytest.mark.parametrize("mount", BOARDS)
def test_a_tilted_uneven_sheet_is_found_on_every_mount(
    view: Rgb, mount: Mount, degrees: float
) -> None:
    scan, corners = lay(view, board=BOARDS[mount], degrees=degrees, seed=round(10 * degrees) + 20)
    border = find_border(scan, min_confidence=0.8)
    assert furthest(border.corners, corners) < 2
    assert border.mount == mount
    assert border.confidence > 0.8


@pytest.mark.parametrize(
    "margins",
    [(0.008, 0.008, 0.008, 0.008), (0.14, 0.1, 0.15, 0.12), (0.02, 0.1, 0.01, 0.05), (0.25,) * 4],
)
def test_thin_wide_and_uneven_margins_are_found(
    view: Rgb, margins: tuple[float, float, float, float]
) -> None:
    scan, corners = lay(view, board=BOARDS[Mount.GREY], margins=margins, degrees=0.2)
    assert furthest(find_border(scan, min_confidence=0.8).corners, corners) < 2


def test_a_dark_print_is_found_on_a_dark_board(view: Rgb) -> None:
    dark = (view * 0.22).astype(np.uint8)
    scan, corners = lay(dark, board=BOARDS[Mount.BLACK])
    border = find_border(scan, min_confidence=0.8)
    assert border.mount == Mount.BLACK
    assert furthest(border.corners, corners) < 3


def test_a_pencilled_number_and_a_shadow_do_not_move_the_edge(view: Rgb) -> None:
    scan, corners = lay(view, board=BOARDS[Mount.WHITE], margins=(0.05, 0.05, 0.05, 0.05))
    cv2.putText(scan, "19 5046", (300, 26), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (70, 70, 70), 2)
    outside = np.full(scan.shape[:2], 255, np.uint8)
    cv2.fillConvexPoly(outside, np.rint(corners).astype(np.int32), 0)
    near = cv2.GaussianBlur(255 - outside, (0, 0), 4)
    scan = np.where(outside[..., None] > 0, scan * (1 - 0.2 * near[..., None] / 255), scan)
    border = find_border(scan.astype(np.uint8), min_confidence=0.8)
    assert furthest(border.corners, corners) < 3


@pytest.mark.parametrize("below", [True, False])
def test_a_colour_target_beside_the_print_is_cut_away(view: Rgb, below: bool) -> None:
    scan, corners = lay(view, board=BOARDS[Mount.BLACK], margins=(0.12, 0.03, 0.12, 0.03))
    rows = slice(-70, -22) if below else slice(22, 70)
    for place, left in enumerate(range(60, 700, 80)):
        scan[rows, left : left + 76] = np.random.default_rng(place).integers(0, 255, 3)
    border = find_border(scan, min_confidence=0.8)
    assert furthest(border.corners, corners) < 3


def test_the_scanners_bed_beyond_the_board_is_cut_away_with_the_board(view: Rgb) -> None:
    scan, corners = lay(view, board=BOARDS[Mount.GREY], margins=(0.08,) * 4)
    scan[:20] = scan[:, -25:] = 252
    border = find_border(scan, min_confidence=0.8)
    assert furthest(border.corners, corners) < 2
    assert border.mount == Mount.GREY


@pytest.mark.parametrize(("board", "rim"), [((250, 250, 249), 18), ((24, 20, 17), 245)])
def test_a_frame_around_the_board_is_not_taken_for_the_prints_edge(
    view: Rgb, board: tuple[int, int, int], rim: int
) -> None:
    scan, corners = lay(view, board=board, margins=(0.09, 0.08, 0.1, 0.09))
    framed = np.full_like(scan, rim)
    framed[22:-22, 22:-22] = scan[22:-22, 22:-22]
    border = find_border(framed, min_confidence=0.8)
    assert furthest(border.corners, corners) < 2
    assert border.mount == (Mount.WHITE if rim < 128 else Mount.BLACK)


def test_rounded_corners_do_not_move_the_sides(view: Rgb) -> None:
    height, width = view.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    cv2.rectangle(mask, (20, 0), (width - 21, height), 1, -1)
    cv2.rectangle(mask, (0, 20), (width, height - 21), 1, -1)
    for x in (20, width - 21):
        for y in (20, height - 21):
            cv2.circle(mask, (x, y), 20, 1, -1)
    rounded = np.where(mask[..., None] > 0, view, np.uint8(20)).astype(np.uint8)
    scan, corners = lay(rounded, board=(20, 20, 20))
    assert furthest(find_border(scan, min_confidence=0.8).corners, corners) < 3


def test_a_print_without_a_mount_comes_back_whole(scene: Callable[..., Rgb]) -> None:
    for seed in range(12):
        picture = scene(seed, width=600, height=430)
        border = find_border(picture, min_confidence=0.8)
        whole = [[0, 0], [600, 0], [600, 430], [0, 430]]
        np.testing.assert_array_equal(border.corners, whole)
        assert border.mount == Mount.NONE


def test_where_the_scan_cuts_the_print_nothing_is_cut(view: Rgb) -> None:
    scan, corners = lay(view, board=BOARDS[Mount.WHITE], degrees=0.0)
    trimmed = np.ascontiguousarray(scan[: int(corners[2:, 1].min()) - 4])
    border = find_border(trimmed, min_confidence=0.8)
    assert furthest(border.corners[:2], corners[:2]) < 2.5
    np.testing.assert_array_equal(border.corners[2:, 1], len(trimmed))


def choice_of(offsets: list[float], sides: tuple[float, ...], probability: float) -> Choice:
    lines = np.array([[offset, 0.0] for offset in offsets])
    return Choice(
        lines=lines,
        bare=(False,) * 4,
        colour=np.array([95, 0, 0], np.float32),
        probability=probability,
        sides=sides,
        outermost=np.array([[4.0, 0.0], [0.0, 0.0], [9.0, 0.0], [20.0, 0.0]]),
    )


def test_an_unsure_side_moves_out_to_where_it_is_safe() -> None:
    flat = np.full((300, 400, 3), 128, np.uint8)
    choice = choice_of([10, 12, 9, 20], (0.3, 0.3, 0.3, 0.3), 0.2)
    border = decide(flat, choice, min_confidence=0.8)
    expected = [[20, 4], [400, 4], [400, 291], [20, 291]]
    np.testing.assert_allclose(border.corners, expected, atol=1e-3)
    bold = decide(flat, choice, min_confidence=0.0)
    np.testing.assert_allclose(bold.corners[:, 1], [10, 10, 291, 291], atol=1e-3)


def test_a_sure_side_stays_where_another_is_unsure() -> None:
    flat = np.full((300, 400, 3), 128, np.uint8)
    choice = choice_of([10, 12, 9, 20], (0.3, 1.0, 1.0, 1.0), 0.3)
    border = decide(flat, choice, min_confidence=0.8)
    np.testing.assert_allclose(border.corners[1], [388, 4], atol=1e-3)


def test_lines_that_cross_make_no_print() -> None:
    flat = np.full((300, 400, 3), 128, np.uint8)
    border = decide(flat, choice_of([170, 0, 170, 0], (1,) * 4, 1.0), min_confidence=0.8)
    np.testing.assert_array_equal(border.corners, [[0, 0], [400, 0], [400, 300], [0, 300]])
    assert border.confidence == 0


def test_lightness_alone_finds_the_same_print(view: Rgb) -> None:
    scan, corners = lay(view, board=BOARDS[Mount.BLACK])
    border = find_border(to_lightness(scan), min_confidence=0.8)
    assert furthest(border.corners, corners) < 2.5


@pytest.mark.parametrize("times", [0.5, 4.0])
def test_another_size_is_found_as_exactly(view: Rgb, times: float) -> None:
    scan, corners = lay(view, board=BOARDS[Mount.GREY])
    scaled = cv2.resize(scan, None, fx=times, fy=times, interpolation=cv2.INTER_AREA)
    corners = corners * np.divide(scaled.shape[1::-1], scan.shape[1::-1])
    border = find_border(np.asarray(scaled, np.uint8), min_confidence=0.8)
    assert furthest(border.corners, corners) < 1.5 * max(1, times)


def test_the_same_picture_has_the_same_border(view: Rgb) -> None:
    scan, _ = lay(view, board=BOARDS[Mount.PAPER])
    first, second = (find_border(scan, min_confidence=0.8) for _ in range(2))
    np.testing.assert_array_equal(first.corners, second.corners)
    assert (first.confidence, first.sides) == (second.confidence, second.sides)


@pytest.mark.parametrize("level", [0, 90, 255])
def test_a_flat_picture_has_no_border(level: int) -> None:
    flat = np.full((200, 300, 3), level, np.uint8)
    border = find_border(flat, min_confidence=0.8)
    np.testing.assert_array_equal(border.corners, [[0, 0], [300, 0], [300, 200], [0, 200]])


@pytest.mark.parametrize("shape", [(64, 64, 3), (64, 900, 3), (1500, 70, 3)])
def test_small_and_narrow_pictures_are_searched(shape: tuple[int, ...]) -> None:
    picture = np.random.default_rng(0).integers(0, 255, shape).astype(np.uint8)
    border = find_border(picture, min_confidence=0.8)
    assert (border.corners >= 0).all()
    assert (border.corners <= [shape[1], shape[0]]).all()


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((200, 300), np.uint8),
        np.zeros((200, 300, 3), np.float32),
        np.zeros((63, 300, 3), np.uint8),
        np.zeros((200, 300, 4), np.uint8),
    ],
)
def test_other_arrays_are_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        find_border(wrong, min_confidence=0.8)


@pytest.mark.shared
def test_real_prints_are_found_where_a_person_sees_them(shared: Path) -> None:
    table = (shared / "photochroms" / "crops.tsv").read_text().splitlines()[1:]
    labelled = {line.split("\t")[0]: line.split("\t")[1:] for line in table}
    bare = [p for p in sorted((shared / "photochroms").glob("*.jpg")) if p.name not in labelled]
    for path in [*bare, *(shared / "photochroms" / name for name in labelled)]:
        rgb = read_rgb(path)
        border = find_border(rgb, min_confidence=0.8)
        if path.name in labelled:
            truth = np.array(labelled[path.name], np.float64).reshape(4, 2)
            assert furthest(border.corners, truth) < 4, path.name
            assert border.confidence > 0.9, path.name
        else:
            assert border.mount == Mount.NONE, path.name


@pytest.mark.shared
def test_real_mounts_are_named_as_they_look(shared: Path) -> None:
    names = {
        "it-florence-panorama": Mount.BLACK,
        "alpine-valley-portrait": Mount.WHITE,
        "no-fantoft-stavkirke": Mount.GREY,
        "fr-marseille-vieux-port": Mount.WHITE,
    }
    for name, mount in names.items():
        rgb = read_rgb(shared / "photochroms" / f"{name}.jpg")
        assert find_border(rgb, min_confidence=0.8).mount == mount, name


@pytest.mark.shared
def test_a_real_print_turned_around_has_its_corners_turned(shared: Path) -> None:
    rgb = read_rgb(shared / "photochroms" / "it-florence-panorama.jpg")
    height, width = rgb.shape[:2]
    upright = find_border(rgb, min_confidence=0.8).corners
    turned = find_border(np.ascontiguousarray(np.rot90(rgb)), min_confidence=0.8).corners
    back = np.stack([width - turned[:, 1], turned[:, 0]], axis=1)
    np.testing.assert_allclose(np.roll(back, 1, axis=0), upright, atol=0.7)
    assert height < width
