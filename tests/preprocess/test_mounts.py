from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from preprocess.lab import to_lab
from preprocess.mounts import MOST_GUESSES, compare_ground, guess_colours, name_mount
from preprocess.records import Mount
from preprocess.strips import cut_strips

Rgb = np.ndarray[Any, np.dtype[np.uint8]]


def mounted(picture: Rgb, board: tuple[int, int, int], margin: int = 24) -> Rgb:
    edges = [(margin, margin), (margin, margin)]
    return np.stack(
        [np.pad(picture[..., c], edges, constant_values=board[c]) for c in range(3)], axis=2
    )


def lab_of(colour: tuple[int, int, int]) -> np.ndarray:
    lab: np.ndarray = to_lab(np.full((1, 1, 3), colour, np.uint8))[0, 0]
    return lab


@pytest.mark.parametrize("board", [(20, 18, 15), (250, 250, 248), (140, 138, 132)])
def test_the_mount_is_the_first_guess(
    scene: Callable[..., Rgb], board: tuple[int, int, int]
) -> None:
    guesses = guess_colours(cut_strips(mounted(scene(1), board)))
    assert 1 <= len(guesses) <= MOST_GUESSES
    np.testing.assert_allclose(guesses[0], lab_of(board), atol=1.5)


def test_a_bed_beyond_the_board_does_not_hide_the_board(scene: Callable[..., Rgb]) -> None:
    scan = mounted(mounted(scene(2), (140, 138, 132)), (8, 8, 8), margin=10)
    guesses = guess_colours(cut_strips(scan))
    for colour in ((140, 138, 132), (8, 8, 8)):
        assert min(np.linalg.norm(guess - lab_of(colour)) for guess in guesses) < 2


def test_mount_is_no_stranger_and_a_print_is(scene: Callable[..., Rgb]) -> None:
    strip = cut_strips(mounted(scene(3), (250, 250, 248)))[2]
    ground = compare_ground(strip, np.asarray(lab_of((246, 247, 247)), np.float32))
    assert ground.alien[:20].max() < 0.1
    assert ground.alien[30:, 8:-8].mean() > 0.8
    np.testing.assert_allclose(ground.colour, lab_of((250, 250, 248)), atol=0.6)


def test_a_smooth_print_on_a_board_of_its_colour_shows_by_its_texture() -> None:
    rng = np.random.default_rng(0)
    scan = np.full((300, 400, 3), 150.0)
    scan += cv_like_fibres(rng, scan.shape)
    scan[30:-30, 30:-30] = 150
    strip = cut_strips(np.clip(scan, 0, 255).astype(np.uint8))[0]
    ground = compare_ground(strip, np.asarray(lab_of((150, 150, 150)), np.float32))
    assert ground.rough[5:25].mean() < 0.1
    assert ground.rough[36:, 10:-10].mean() > 0.9
    assert ground.alien.mean() < 0.1


def cv_like_fibres(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return np.repeat(rng.normal(0, 5, (*shape[:2], 1)), 3, axis=2)


@pytest.mark.parametrize(
    ("colour", "name"),
    [
        ((33, 28, 25), Mount.BLACK),
        ((252, 252, 250), Mount.WHITE),
        ((146, 143, 130), Mount.GREY),
        ((226, 213, 186), Mount.PAPER),
        ((235, 232, 224), Mount.WHITE),
    ],
)
def test_mounts_are_named_as_a_curator_would(colour: tuple[int, int, int], name: Mount) -> None:
    assert name_mount(lab_of(colour)) == name
