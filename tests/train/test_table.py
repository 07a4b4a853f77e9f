"""The table of lightness by height, and the simpler means."""

import numpy as np
import pytest
from numpy.typing import NDArray

from preprocess.lab import from_bytes
from train.table import BINS, FITTED, ROWS, choose_pictures, fit_palette, fit_table

Bytes = NDArray[np.uint8]


def draw(seed: int, side: int = 64) -> Bytes:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


def whole(labs: list[Bytes]) -> list[tuple[int, int, int, int]]:
    return [(0, 0, *lab.shape[:2]) for lab in labs]


def test_one_colour_everywhere_fills_the_whole_table() -> None:
    lab = np.full((32, 32, 3), (120, 138, 108), np.uint8)
    palette = fit_palette([lab], [(0, 0, 32, 32)])
    np.testing.assert_allclose(palette.table, np.broadcast_to([10, -20], (ROWS, BINS, 2)))
    np.testing.assert_allclose(palette.by_lightness, np.broadcast_to([10, -20], (BINS, 2)))
    assert palette.mean.tolist() == palette.median.tolist() == [10, -20]
    assert palette.table.dtype == np.float32


def test_colour_that_follows_lightness_and_height_is_found_again() -> None:
    rows, levels = np.mgrid[0:256, 0:256]
    lab = np.stack([levels, 100 + rows // 16, 60 + levels // 11], axis=2).astype(np.uint8)
    table = fit_table([lab] * 50, whole([lab] * 50))
    np.testing.assert_allclose(table[:, 12, 0], np.arange(16) - 28, atol=2)
    assert np.all(np.diff(table[:, :, 0], axis=0) > 0)
    assert np.all(np.diff(table[:, :, 1], axis=1) > 0)


def test_cells_follow_the_formula_of_the_module() -> None:
    labs = [draw(1), draw(2)]
    ab = np.concatenate([from_bytes(lab)[..., 1:].reshape(-1, 2) for lab in labs]).astype(float)
    bins = np.concatenate([lab[..., 0].ravel() // 10.2 for lab in labs]).clip(0, 24)
    rows = np.concatenate([np.repeat(np.arange(64) // 4, 64)] * 2)
    weight = 8 * 64 * 64 / (ROWS * BINS)
    mean = ab.mean(axis=0)
    in_bin = bins == 7
    by_bin = (ab[in_bin].sum(0) + weight * mean) / (in_bin.sum() + weight)
    cell = in_bin & (rows == 3)
    expected = (ab[cell].sum(0) + weight * by_bin) / (cell.sum() + weight)
    palette = fit_palette(labs, whole(labs))
    np.testing.assert_allclose(palette.by_lightness[7], by_bin, atol=1e-4)
    np.testing.assert_allclose(palette.table[3, 7], expected, atol=1e-4)
    np.testing.assert_allclose(palette.median, np.median(ab, axis=0), atol=1)


def test_what_lies_outside_the_valid_box_counts_for_nothing() -> None:
    lab = draw(3)
    padded = np.zeros((100, 80, 3), np.uint8)
    padded[20:84, 8:72] = lab
    inner = fit_palette([lab], [(0, 0, 64, 64)])
    outer = fit_palette([padded], [(20, 8, 84, 72)])
    np.testing.assert_array_equal(inner.table, outer.table)
    np.testing.assert_array_equal(inner.median, outer.median)


def test_an_empty_cell_is_the_mean_of_its_lightness_and_an_empty_lightness_that_of_all() -> None:
    lab = np.full((32, 32, 3), (20, 148, 128), np.uint8)
    lab[16:, :, :] = (240, 108, 128)
    palette = fit_palette([lab], [(0, 0, 32, 32)])
    np.testing.assert_allclose(palette.table[15, 1], palette.by_lightness[1])
    np.testing.assert_allclose(palette.table[0, 12], palette.mean, atol=1e-6)


def test_no_picture_and_an_empty_box_are_refused() -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        fit_table([], [])
    with pytest.raises(ValueError, match="valid box"):
        fit_table([draw(1)], [(5, 5, 5, 9)])


@pytest.mark.parametrize("count", [1, 255, 257, FITTED])
def test_all_pictures_are_chosen_up_to_a_number(count: int) -> None:
    assert np.concatenate(choose_pictures(count)).tolist() == list(range(count))


@pytest.mark.parametrize("count", [FITTED + 1, 3 * FITTED, 10_000_000])
def test_of_more_pictures_runs_are_chosen_evenly_to_both_ends(count: int) -> None:
    runs = choose_pictures(count)
    numbers = np.concatenate(runs)
    assert len(numbers) == FITTED == len(set(numbers.tolist()))
    assert np.all(np.diff(numbers) > 0)
    assert (numbers[0], numbers[-1]) == (0, count - 1)
    gaps = np.diff([run[0] for run in runs])
    assert gaps.max() - gaps.min() <= 1
