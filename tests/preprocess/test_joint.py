from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from preprocess.edges import measure_steps
from preprocess.evidence import CHOICES, FEATURES, measure_guess
from preprocess.joint import choose_sides, score_choices
from preprocess.mounts import guess_colours
from preprocess.strips import cut_strips

Rgb = np.ndarray[Any, np.dtype[np.uint8]]


@pytest.fixture
def mounted(scene: Callable[..., Rgb]) -> Rgb:
    """A print of 400 x 280 px, 20 px from the left, 30 from the top, on grey fibres."""
    rng = np.random.default_rng(0)
    scan = np.repeat(150 + rng.normal(0, 3, (350, 450, 1)), 3, axis=2).clip(0, 255).astype(np.uint8)
    scan[30:310, 20:420] = scene(5, width=400, height=280)
    return scan


def test_the_four_sides_are_chosen_together(mounted: Rgb) -> None:
    choice = choose_sides(cut_strips(mounted))
    np.testing.assert_allclose(choice.lines[:, 0], [30, 30, 40, 20], atol=1)
    assert choice.bare == (False,) * 4
    assert choice.probability > 0.9
    assert min(choice.sides) >= choice.probability
    assert choice.colour[0] == pytest.approx(62, abs=2)


def test_a_side_that_the_scan_cuts_is_bare(mounted: Rgb) -> None:
    choice = choose_sides(cut_strips(np.ascontiguousarray(mounted[:, :400])))
    assert choice.bare == (False, True, False, False)
    np.testing.assert_array_equal(choice.lines[1], [0, 0])


def test_a_print_without_a_mount_has_four_bare_sides(scene: Callable[..., Rgb]) -> None:
    choice = choose_sides(cut_strips(scene(7)))
    assert choice.bare == (True,) * 4


def test_no_line_lies_outside_of_the_outermost(mounted: Rgb) -> None:
    choice = choose_sides(cut_strips(mounted))
    assert (choice.outermost[:, 0] <= choice.lines[:, 0]).all()


def test_scores_turn_with_the_picture(mounted: Rgb) -> None:
    upright = choose_sides(cut_strips(mounted))
    turned = choose_sides(cut_strips(np.ascontiguousarray(np.rot90(mounted))))
    np.testing.assert_allclose(np.roll(upright.lines, -1, axis=0), turned.lines, atol=0.01)
    assert turned.probability == pytest.approx(upright.probability, abs=1e-3)


def test_lines_that_do_not_exist_cannot_be_chosen(mounted: Rgb) -> None:
    strips = cut_strips(mounted)
    steps = [measure_steps(strip) for strip in strips]
    guess = measure_guess(strips, steps, guess_colours(strips)[0])
    assert guess.features.shape == (4, CHOICES, CHOICES, CHOICES, len(FEATURES))
    scores = score_choices(guess)
    for side in range(4):
        missing = np.moveaxis(scores, side, 0)[~guess.valid[side]]
        assert np.isneginf(missing).all()
    assert np.isfinite(scores[0, 0, 0, 0])


def test_an_edge_ends_at_the_corners_of_its_print(mounted: Rgb) -> None:
    strips = cut_strips(mounted)
    steps = [measure_steps(strip) for strip in strips]
    guess = measure_guess(strips, steps, guess_colours(strips)[0])
    place = [int(np.abs(guess.lines[side, :, 0] - at).argmin()) for side, at in enumerate(
        (30, 30, 40, 20)
    )]  # fmt: skip
    seen, beyond = FEATURES.index("seen"), FEATURES.index("beyond: seen")
    between = guess.features[0, place[0], place[3], place[1]]
    assert between[seen] > 0.95
    assert between[beyond] < 0.1
    assert guess.features[0, place[0], 0, 0][seen] < between[seen]
