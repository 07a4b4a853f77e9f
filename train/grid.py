"""Pure: the arithmetic of the model's head, in numpy; `train/model.py` has the same in torch.

The colour of a pixel is a table of lightness by height in the picture, plus a residual that
the network gives at low resolution for a few nodes of lightness (a bilateral grid):

    ab(x, y) = table(L(x, y), y) + sum over k of hat_k(L(x, y)) * up(grid_k)(x, y)

Table and grid are read with linear interpolation between the centres of their cells (and
between nodes), held constant beyond the outermost ones. Everything runs in strips of rows, so
that a picture of 7,000 px needs little more than its own ab.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

NODES = (0.0, 20.0, 40.0, 60.0, 80.0, 100.0)
"""Lightness of the grid's nodes."""

STRIDE = 4
"""Pixels of the network's input to one cell of the grid."""

STRIP_PIXELS = 1 << 16


def to_fractions(count: int) -> Floats:
    """Give the centres of `count` pixels as fractions of the side, shape (count,), 0..1."""
    return ((np.arange(count) + 0.5) / count).astype(np.float32)


def find_strips(height: int, width: int) -> Iterator[slice]:
    """Cut a picture into strips of rows of about `STRIP_PIXELS` pixels, top to bottom."""
    rows = max(1, STRIP_PIXELS // max(1, width))
    for top in range(0, height, rows):
        yield slice(top, min(top + rows, height))


def look_up(table: Floats, lightness: Floats, *, yfrac: Floats) -> Floats:
    """Read the table at every pixel, bilinear between the centres of its cells.

    Args:
        table: ab by height and lightness, shape (rows, bins, 2), Lab units.
        lightness: Lightness, shape (H, W), float32, 0..100.
        yfrac: Height of each row of `lightness` in the whole picture, shape (H,), 0 (top) .. 1.

    Returns:
        ab, shape (H, W, 2), float32, Lab units.

    Raises:
        ValueError: If a shape is not as said.
    """
    _check(lightness, yfrac)
    if table.ndim != 3 or table.shape[2] != 2:
        raise ValueError(f"expected a table of shape (rows, bins, 2), got {table.shape}")
    rows, bins = table.shape[:2]
    ab = np.empty((*lightness.shape, 2), np.float32)
    for strip in find_strips(*lightness.shape):
        curves = _lerp_rows(table, yfrac[strip] * np.float32(rows))
        steps = np.diff(curves, axis=1, append=curves[:, -1:])
        position = np.clip(lightness[strip] * np.float32(bins / 100) - np.float32(0.5), 0, bins - 1)
        cell = position.astype(np.int32)
        position -= cell
        cell += np.arange(len(cell), dtype=np.int32)[:, None] * bins
        ab[strip] = steps.reshape(-1, 2).take(cell, axis=0)
        ab[strip] *= position[..., None]
        ab[strip] += curves.reshape(-1, 2).take(cell, axis=0)
    return ab


def slice_grid(grid: Floats, lightness: Floats, *, yfrac: Floats, nodes: Floats) -> Floats:
    """Slice the grid of residuals with the lightness of every pixel.

    Args:
        grid: Residual ab, shape (2 * len(nodes), h, w), float32, Lab units, of the whole
            picture; channel 2k is a at node k, channel 2k + 1 is b.
        lightness: Lightness, shape (H, W), float32, 0..100; whole rows of the picture.
        yfrac: Height of each row of `lightness` in the whole picture, shape (H,), 0 (top) .. 1.
        nodes: Lightness of the nodes, shape (nodes,), rising.

    Returns:
        Residual ab, shape (H, W, 2), float32, Lab units.

    Raises:
        ValueError: If a shape is not as said.
    """
    _check(lightness, yfrac)
    if grid.ndim != 3 or len(grid) != 2 * len(nodes):
        raise ValueError(f"expected a grid of shape ({2 * len(nodes)}, h, w), got {grid.shape}")
    height, width = grid.shape[1:]
    across = to_fractions(lightness.shape[1]) * np.float32(width)
    position = np.clip(across - np.float32(0.5), 0, width - 1)
    left = position.astype(np.int32)
    part = position - left
    by_row = np.ascontiguousarray(grid.transpose(1, 0, 2))
    ab = np.empty((*lightness.shape, 2), np.float32)
    for strip in find_strips(*lightness.shape):
        rows = _lerp_rows(by_row, yfrac[strip] * np.float32(height))
        steps = np.diff(rows, axis=2, append=rows[..., -1:])
        total = np.zeros((2, *lightness[strip].shape), np.float32)
        for node, weight in enumerate(_weigh_nodes(lightness[strip], nodes)):
            for channel in (0, 1):
                up = steps[:, 2 * node + channel].take(left, axis=1)
                up *= part
                up += rows[:, 2 * node + channel].take(left, axis=1)
                up *= weight
                total[channel] += up
        ab[strip] = total.transpose(1, 2, 0)
    return ab


def to_ab(
    lightness: Floats, *, yfrac: Floats, table: Floats, grid: Floats, nodes: Floats
) -> Floats:
    """Give the colour of every pixel: the table's, plus the grid's residual.

    Args:
        lightness: Lightness, shape (H, W), float32, 0..100; whole rows of the picture.
        yfrac: Height of each row of `lightness` in the whole picture, shape (H,), 0 (top) .. 1.
        table: As in `look_up`.
        grid: As in `slice_grid`.
        nodes: As in `slice_grid`.

    Returns:
        ab, shape (H, W, 2), float32, Lab units.

    Raises:
        ValueError: If a shape is not as said.
    """
    ab = look_up(table, lightness, yfrac=yfrac)
    ab += slice_grid(grid, lightness, yfrac=yfrac, nodes=nodes)
    return ab


def _lerp_rows(cells: Floats, places: Floats) -> Floats:
    """Interpolate along the first axis; the centre of cell j lies at place j + 0.5."""
    last = len(cells) - 1
    position = np.clip(places - np.float32(0.5), 0, last)
    above = position.astype(np.int32)
    part = (position - above).reshape(-1, *[1] * (cells.ndim - 1))
    below = np.minimum(above + 1, last)
    lerped: Floats = cells[above] * (1 - part) + cells[below] * part
    return lerped


def _weigh_nodes(lightness: Floats, nodes: Floats) -> Iterator[Floats]:
    """Give each node's hat at every pixel; together they are 1 everywhere."""
    clipped = np.clip(lightness, nodes[0], nodes[-1])
    for node, here in enumerate(nodes):
        weight = np.ones_like(clipped)
        if node > 0:
            np.minimum(weight, (clipped - nodes[node - 1]) / (here - nodes[node - 1]), out=weight)
        if node + 1 < len(nodes):
            np.minimum(weight, (nodes[node + 1] - clipped) / (nodes[node + 1] - here), out=weight)
        yield np.maximum(weight, 0, out=weight)


def _check(lightness: Floats, yfrac: Floats) -> None:
    if lightness.ndim != 2 or yfrac.shape != lightness.shape[:1]:
        raise ValueError(
            f"expected lightness (H, W) and a height for each of its rows, "
            f"got {lightness.shape} and {yfrac.shape}"
        )
