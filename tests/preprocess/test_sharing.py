from collections.abc import Callable

import numpy as np

from preprocess.features import Features, find_features
from preprocess.lab import to_lightness
from preprocess.sharing import find_sharing

Scene = Callable[..., np.ndarray]


def look(rgb: np.ndarray) -> Features:
    return find_features(to_lightness(np.ascontiguousarray(rgb)), most=128)


def test_prints_of_one_view_share_features_even_half_of_it(scene: Scene, rescan: Scene) -> None:
    whole = scene(1)
    prints = [look(whole), look(scene(2)), look(rescan(whole)), look(whole[60:300, 110:440])]
    assert find_sharing(prints, turned=False) == [(0, 2), (0, 3), (2, 3)]


def test_mirrored_prints_share_features_turned_over(scene: Scene, rescan: Scene) -> None:
    prints = [look(scene(2)), look(scene(1)), look(rescan(scene(1))[:, ::-1])]
    assert (1, 2) in find_sharing(prints, turned=True)


def test_what_very_many_prints_have_says_nothing() -> None:
    rng = np.random.default_rng(0)
    letters = rng.integers(0, 60, (20, 128), np.uint8)
    prints = [Features(np.zeros((20, 2), np.float32), letters) for _ in range(60)]
    assert find_sharing(prints, turned=False) == []
    assert len(find_sharing(prints[:10], turned=False)) == 45


def test_blank_prints_share_nothing() -> None:
    blank = Features(np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8))
    assert find_sharing([blank, blank], turned=False) == []
    assert find_sharing([], turned=True) == []
