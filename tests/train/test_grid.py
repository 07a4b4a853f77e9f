"""The head's arithmetic against a pixel by pixel reference, and against torch."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from train.grid import NODES, find_strips, look_up, slice_grid, to_ab, to_fractions

Floats = NDArray[np.float32]
NODES_6 = np.array(NODES, np.float32)


def draw(seed: int, *shape: int) -> Floats:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def draw_lightness(seed: int, height: int, width: int) -> Floats:
    lightness = np.random.default_rng(seed).uniform(0, 100, (height, width)).astype(np.float32)
    lightness.flat[0], lightness.flat[-1] = 0, 100
    return lightness


def lerp(values: list[float], place: float) -> float:
    """Read cells whose centres lie at 0.5, 1.5, ...; constant beyond the ends."""
    position = min(max(place - 0.5, 0), len(values) - 1)
    low = min(math.floor(position), max(len(values) - 2, 0))
    high = min(low + 1, len(values) - 1)
    return values[low] + (position - low) * (values[high] - values[low])


def hat(node: int, lightness: float) -> float:
    return max(0.0, 1 - abs(lightness - 20 * node) / 20)


def reference(lightness: Floats, table: Floats, grid: Floats) -> Floats:
    height, width = lightness.shape
    ab = np.zeros((height, width, 2), np.float32)
    for y in range(height):
        for x in range(width):
            level = float(lightness[y, x])
            down, across = (y + 0.5) / height, (x + 0.5) / width
            for channel in (0, 1):
                curve = [
                    lerp([float(v) for v in table[:, b, channel]], down * len(table))
                    for b in range(table.shape[1])
                ]
                total = lerp(curve, level / 100 * table.shape[1])
                for node in range(6):
                    cells = grid[2 * node + channel]
                    row = [
                        lerp([float(v) for v in column], down * grid.shape[1]) for column in cells.T
                    ]
                    total += hat(node, level) * lerp(row, across * grid.shape[2])
                ab[y, x, channel] = total
    return ab


@pytest.mark.parametrize(
    ("size", "cells"), [((9, 13), (3, 5)), ((1, 7), (1, 1)), ((8, 1), (2, 4)), ((3, 3), (8, 8))]
)
def test_colours_are_those_of_the_pixel_by_pixel_reference(
    size: tuple[int, int], cells: tuple[int, int]
) -> None:
    lightness, table = draw_lightness(1, *size), draw(2, 16, 25, 2)
    grid = draw(3, 12, *cells)
    ab = to_ab(lightness, yfrac=to_fractions(size[0]), table=table, grid=grid, nodes=NODES_6)
    assert ab.dtype == np.float32
    np.testing.assert_allclose(ab, reference(lightness, table, grid), atol=2e-5)


def test_the_table_is_met_at_its_centres_and_held_beyond_them() -> None:
    table = draw(4, 16, 25, 2)
    centres = ((np.arange(25, dtype=np.float32) + 0.5) * 4)[None]
    for row in (0, 7, 15):
        yfrac = np.array([(row + 0.5) / 16], np.float32)
        np.testing.assert_allclose(
            look_up(table, centres, yfrac=yfrac)[0], table[row], rtol=0, atol=1e-5
        )
    ends = look_up(table, np.array([[0, 100]], np.float32), yfrac=np.zeros(1, np.float32))
    np.testing.assert_allclose(ends[0], table[0, [0, -1]], atol=1e-6)


def test_a_constant_grid_adds_the_same_everywhere() -> None:
    grid = np.tile(np.array([3, -2], np.float32), 6)[:, None, None] * np.ones((12, 5, 4), "f4")
    lightness = draw_lightness(5, 40, 30)
    ab = slice_grid(grid, lightness, yfrac=to_fractions(40), nodes=NODES_6)
    np.testing.assert_allclose(ab, np.broadcast_to([3, -2], ab.shape), atol=1e-5)


def test_nodes_need_not_lie_at_equal_distances() -> None:
    nodes = np.array([10, 50, 60], np.float32)
    grid = np.array([1, 0, 2, 0, 4, 0], np.float32)[:, None, None]
    lightness = np.array([[0, 10, 30, 50, 55, 60, 100]], np.float32)
    ab = slice_grid(grid, lightness, yfrac=to_fractions(1), nodes=nodes)
    np.testing.assert_allclose(ab[0, :, 0], [1, 1, 1.5, 2, 3, 4, 4], atol=1e-6)


def test_rows_taken_apart_have_the_colours_they_have_together() -> None:
    lightness, table, grid = draw_lightness(6, 50, 20), draw(7, 16, 25, 2), draw(8, 12, 4, 4)
    yfrac = to_fractions(50)
    whole = to_ab(lightness, yfrac=yfrac, table=table, grid=grid, nodes=NODES_6)
    parts = [
        to_ab(lightness[rows], yfrac=yfrac[rows], table=table, grid=grid, nodes=NODES_6)
        for rows in (slice(0, 13), slice(13, 50))
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7000, 3), (3, 200_000), (301, 1000)])
def test_strips_cover_every_row_once(height: int, width: int) -> None:
    rows = [row for strip in find_strips(height, width) for row in range(strip.start, strip.stop)]
    assert rows == list(range(height))


def test_wrong_shapes_are_refused() -> None:
    lightness, yfrac = draw_lightness(9, 4, 4), to_fractions(4)
    with pytest.raises(ValueError, match=r"expected a table of shape"):
        look_up(draw(1, 16, 25), lightness, yfrac=yfrac)
    with pytest.raises(ValueError, match=r"expected a grid of shape \(12, h, w\)"):
        slice_grid(draw(1, 10, 2, 2), lightness, yfrac=yfrac, nodes=NODES_6)
    with pytest.raises(ValueError, match="a height for each of its rows"):
        look_up(draw(1, 16, 25, 2), lightness, yfrac=to_fractions(5))


def test_training_has_the_same_arithmetic() -> None:
    torch = pytest.importorskip("torch")
    from train import model

    lightness, table, grid = draw_lightness(10, 48, 32), 9 * draw(11, 16, 25, 2), draw(12, 12, 6, 4)
    ab = to_ab(lightness, yfrac=to_fractions(48), table=table, grid=grid, nodes=NODES_6)
    ab_B2HW = model.slice_grid(
        torch.from_numpy(grid)[None],
        torch.from_numpy(lightness)[None, None],
        yfrac_BH=torch.from_numpy(to_fractions(48))[None],
        table_RK2=torch.from_numpy(table),
    )
    np.testing.assert_allclose(ab, ab_B2HW[0].permute(1, 2, 0).numpy(), atol=2e-4)
