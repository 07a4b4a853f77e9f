import numpy as np
import pytest
from numpy.typing import NDArray

from replica.catalogue import parts_of, print_of
from replica.inks import Paint
from replica.press import draw_print, print_size
from replica.records import Print, View
from replica.scene import KINDS, draw_scene

PIXELS = 320


def _chroma(rgb: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Give red less blue and green less the mean of both: enough to tell colours apart."""
    red, green, blue = (rgb[..., k].astype(float) for k in range(3))
    return np.stack([red - blue, green - (red + blue) / 2], -1)


def _prints(count: int, seed: int) -> list[Print]:
    news = [i for i in range(4 * count) if parts_of(seed, i) == "new"]
    return [print_of(seed, i) for i in news[:count]]


@pytest.fixture(scope="module")
def means() -> dict[Paint, list[NDArray[np.float64]]]:
    """Each paint's mean colour in each of 40 prints."""
    return _means(_prints(40, 6))


def _means(sheets: list[Print]) -> dict[Paint, list[NDArray[np.float64]]]:
    """Give each paint's mean colour in each print, at middle lightness alone."""
    means: dict[Paint, list[NDArray[np.float64]]] = {paint: [] for paint in Paint}
    for sheet in sheets:
        width, height = print_size(sheet, PIXELS)
        _, paint = draw_scene(sheet.view, width=width, height=height)
        rgb = draw_print(sheet, PIXELS, caption=False)
        middle = np.abs(rgb.astype(float).mean(-1) - 130) < 60
        for kind in Paint:
            where = (paint == kind) & middle
            if np.count_nonzero(where) > 60:
                means[kind].append(_chroma(rgb)[where].mean(0))
    return means


def test_colour_follows_from_what_is_drawn_and_not_from_lightness_alone(
    means: dict[Paint, list[NDArray[np.float64]]],
) -> None:
    typical = {k: np.mean(v, axis=0) for k, v in means.items() if len(v) >= 4}
    assert typical[Paint.WATER][0] < typical[Paint.GRASS][0] - 15  # water is bluer
    assert typical[Paint.GRASS][1] > typical[Paint.STONE][1] + 4  # grass is greener
    assert typical[Paint.ROOF][0] > typical[Paint.SLATE][0] + 15  # tiles are redder


def test_the_inks_of_one_class_differ_from_print_to_print(
    means: dict[Paint, list[NDArray[np.float64]]],
) -> None:
    assert np.std(np.array(means[Paint.WATER]), axis=0).max() > 4


def test_the_same_view_in_other_inks_keeps_what_lies_where() -> None:
    index = next(i for i in range(60) if parts_of(3, i) == "variant")
    variant = print_of(3, index)
    first = next(p for i in range(index) if (p := print_of(3, i)).view == variant.view)
    one, two = (draw_print(p, PIXELS, caption=False).astype(float) for p in (first, variant))
    assert np.corrcoef(one.mean(-1).ravel(), two.mean(-1).ravel())[0, 1] > 0.97
    assert np.abs(_chroma(one.astype(np.uint8)) - _chroma(two.astype(np.uint8))).mean() > 2


def test_every_kind_of_scene_draws_dark_and_light() -> None:
    drawn: dict[str, View] = {}
    for i in range(60):
        view = print_of(8, i).view
        drawn.setdefault(view.kind, view)
    assert set(drawn) == set(KINDS)
    for view in drawn.values():
        tone, paint = draw_scene(view, width=240, height=180)
        assert tone.shape == paint.shape == (180, 240)
        assert tone.min() >= 0
        assert tone.max() <= 100
        assert np.percentile(tone, 95) - np.percentile(tone, 5) > 45, view.kind
        assert len(np.unique(paint)) >= 3, view.kind


def test_the_caption_stands_low_in_the_picture() -> None:
    sheet = print_of(2, 0)
    plain = draw_print(sheet, 640, caption=False)
    lettered = draw_print(sheet, 640, caption=True)
    changed = np.flatnonzero((plain != lettered).any((1, 2)))
    assert changed.size
    assert changed.min() > 0.9 * plain.shape[0]
