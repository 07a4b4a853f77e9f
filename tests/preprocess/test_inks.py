from collections.abc import Callable

import numpy as np
import pytest

from preprocess.inks import measure_inks
from preprocess.lab import to_lab
from preprocess.verdicts import SAME_INKS

Scene = Callable[..., np.ndarray]
SAME_PLACE = np.eye(3)


def test_a_tint_and_fading_are_not_other_inks(scene: Scene) -> None:
    lab = to_lab(scene(5))
    faded = lab.copy()
    faded[..., 1:] = 0.7 * lab[..., 1:] + np.array([4, -6]) + 0.08 * lab[..., :1]
    assert measure_inks(lab, faded.astype(np.float32), SAME_PLACE) < 0.02


def test_another_exposure_is_not_other_inks_even_where_it_clips(scene: Scene) -> None:
    rgb = scene(5)
    bright = np.clip(255 * (rgb / 255) ** 0.7 * [1.12, 1.06, 1.0], 0, 255).astype(np.uint8)
    assert (bright == 255).any(axis=2).mean() > 0.05
    assert measure_inks(to_lab(rgb), to_lab(bright), SAME_PLACE) < SAME_INKS


def test_other_hues_are_other_inks(scene: Scene) -> None:
    lab = to_lab(scene(5))
    turned = np.ascontiguousarray(lab[..., [0, 2, 1]])
    assert measure_inks(lab, turned, SAME_PLACE) > 2 * SAME_INKS


def test_one_brown_ink_is_another_than_many(scene: Scene) -> None:
    lab = to_lab(scene(5))
    brown = lab.copy()
    brown[..., 1:] = np.array([6, 15]) * np.sin(np.pi * lab[..., :1] / 100)
    assert measure_inks(lab, brown, SAME_PLACE) > SAME_INKS


def test_two_grey_prints_are_alike(scene: Scene) -> None:
    grey = to_lab(scene(5))
    grey[..., 1:] = np.random.default_rng(0).normal(0, 0.3, grey[..., 1:].shape)
    other = grey.copy()
    other[..., 1:] = grey[:, ::-1, 1:]
    assert measure_inks(grey, other, SAME_PLACE) < SAME_INKS


def test_prints_that_do_not_overlap_are_refused(scene: Scene) -> None:
    lab = to_lab(scene(5))
    aside = np.array([[1.0, 0, 9999], [0, 1, 0], [0, 0, 1]])
    with pytest.raises(ValueError, match="overlap"):
        measure_inks(lab, lab, aside)
