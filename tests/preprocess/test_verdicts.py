from collections.abc import Callable

import numpy as np
import pytest

from preprocess.geometry import quad_homography, shape_corners
from preprocess.lab import to_lab
from preprocess.records import Outcome
from preprocess.verdicts import (
    SAME_CUT,
    SAME_INKS,
    SAME_REST,
    SAME_SKEW,
    Framed,
    Measures,
    decide,
    measure,
    measure_shown,
    measure_skew,
    turn_framed,
)

Scene = Callable[..., np.ndarray]
NO_NUMBERS = ("", "")


def frame(rgb: np.ndarray, corners: tuple[float, ...] | None = None) -> Framed:
    height, width = rgb.shape[:2]
    lab = to_lab(np.ascontiguousarray(rgb))
    whole = (0.0, 0.0, width, 0.0, width, height, 0.0, height)
    return Framed(lab, np.ascontiguousarray(lab[..., 0]), corners or whole)


def agree(**changed: float) -> Measures:
    figures = {"score": 0.99, "inks": 0.1, "shown": 0.9, "skew": 4.0, "rest": 0.5}
    return Measures(**(figures | changed))


@pytest.mark.parametrize(
    ("measures", "outcome", "differs"),
    [
        (agree(), Outcome.SAME_PRINT, ()),
        (agree(inks=SAME_INKS + 0.01), Outcome.SAME_VIEW, ("inks",)),
        (agree(shown=SAME_CUT - 0.01), Outcome.SAME_VIEW, ("crop",)),
        (agree(inks=1.0, shown=0.5), Outcome.SAME_VIEW, ("inks", "crop")),
        (agree(skew=0.0), Outcome.SAME_SCAN, ()),
        (agree(skew=0.0, shown=0.5), Outcome.SAME_SCAN, ()),
        (agree(skew=SAME_SKEW, shown=0.5), Outcome.SAME_VIEW, ("crop",)),
        (agree(skew=0.0, inks=1.0), Outcome.SAME_VIEW, ("inks",)),
        (agree(skew=SAME_SKEW + 0.1), Outcome.SAME_PRINT, ()),
        (agree(skew=0.0, rest=SAME_REST + 0.1), Outcome.SAME_PRINT, ()),
        (Measures(0.7), Outcome.DIFFERENT, ()),
    ],
)
def test_the_measures_decide(
    measures: Measures, outcome: Outcome, differs: tuple[str, ...]
) -> None:
    assert decide(measures, turned=False, numbers=NO_NUMBERS) == (outcome, differs)


def test_known_numbers_that_differ_make_two_prints_but_not_two_scans_of_one_file() -> None:
    numbers = ("8335", "8336")
    assert decide(agree(), turned=False, numbers=numbers) == (Outcome.SAME_VIEW, ("number",))
    one_scan = decide(agree(skew=0.0), turned=False, numbers=numbers)
    assert one_scan == (Outcome.SAME_SCAN, ("number",))
    assert decide(agree(), turned=False, numbers=("8335", ""))[0] is Outcome.SAME_PRINT


def test_what_lies_turned_over_is_mirrored_whatever_else() -> None:
    said = decide(agree(skew=0.0, inks=1.0), turned=True, numbers=NO_NUMBERS)
    assert said == (Outcome.MIRRORED, ("inks",))
    assert decide(Measures(0.2), turned=True, numbers=NO_NUMBERS)[0] is Outcome.DIFFERENT


def test_two_views_have_a_score_and_nothing_else(scene: Scene) -> None:
    measures = measure(frame(scene(1)), frame(scene(2)), np.eye(3), same_view=0.75)
    assert measures == Measures(measures.score)
    assert measures.score < 0.5


def test_a_stored_copy_lies_straight_and_leaves_nothing(scene: Scene) -> None:
    rgb = scene(1)
    part = frame(rgb[20:320, 30:450])
    shift = np.array([[1.0, 0, 30], [0, 1, 20], [0, 0, 1]])
    measures = measure(part, frame(rgb), shift, same_view=0.75)
    assert measures.score > 0.99
    assert measures.inks == pytest.approx(0, abs=0.03)
    assert measures.shown == pytest.approx(300 * 420 / (350 * 480), abs=0.01)
    assert measures.skew < 0.2
    assert measures.rest < 0.3


def test_the_larger_print_shows_less_of_itself(scene: Scene) -> None:
    small, large = frame(scene(1)[:175, :240]), frame(scene(1))
    assert measure_shown(small, large, np.eye(3)) == pytest.approx(0.25)
    assert measure_shown(large, small, np.eye(3)) == pytest.approx(0.25)


def test_skew_is_measured_between_scans_and_not_between_frames(scene: Scene) -> None:
    """Two scans of which one lies turned have frames that agree, and still are two scans."""
    upright = (50.0, 40.0, 1010.0, 40.0, 1010.0, 740.0, 50.0, 740.0)
    one = frame(scene(1), upright)
    turn = np.deg2rad(0.5)
    spin = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    turned = shape_corners(upright) @ spin.T
    other = frame(scene(1), tuple(turned.ravel().tolist()))
    assert measure_skew(one, one, np.eye(3)) < 1e-6
    half_diagonal = np.hypot(480, 350) / 2
    assert measure_skew(one, other, np.eye(3)) == pytest.approx(turn * half_diagonal, rel=0.05)


def test_another_size_and_place_on_the_glass_is_no_skew(scene: Scene) -> None:
    one = frame(scene(1), (0.0, 0.0, 960.0, 0.0, 960.0, 700.0, 0.0, 700.0))
    place = [100.0, 50.0, 340.0, 50.0, 340.0, 225.0, 100.0, 225.0]
    assert measure_skew(one, frame(scene(1), tuple(place)), np.eye(3)) < 1e-3


def test_a_print_turned_twice_is_itself(scene: Scene) -> None:
    one = frame(scene(1))
    turned = turn_framed(one)
    assert np.array_equal(turned.lab[:, ::-1], one.lab)
    assert turned.lightness.flags.c_contiguous
    assert np.array_equal(turn_framed(turned).lightness, one.lightness)
    assert quad_homography(shape_corners(turned.corners), width=480, height=350)[0, 0] > 0
