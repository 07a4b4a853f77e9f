"""Figures of the report, drawn by matplotlib as SVG within the page."""

import base64
import io
from collections.abc import Sequence

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from preprocess.lab import to_rgb

_FOUND, _IDEAL, _LIMIT = "#2f6f73", "#8a6f4d", "#b3452c"


def draw_reliability(bins: Sequence[tuple[float, float, int]]) -> str:
    """Draw how often crops are good, by the confidence that was said.

    Args:
        bins: Confidence said, share that was good, and how many crops; empty ones are left out.

    Returns:
        A data URI.
    """
    figure, axes = _make_axes()
    filled = [one for one in bins if one[2]]
    axes.plot([0, 1], [0, 1], color=_IDEAL, linestyle=":", label="as said")
    said, seen = [one[0] for one in filled], [one[1] for one in filled]
    axes.plot(said, seen, color=_FOUND, marker="o", label="seen")
    for x, y, count in filled:
        axes.annotate(f"{count}", (x, y), xytext=(5, -11), textcoords="offset points", fontsize=8)
    axes.set_xlabel("confidence of the crop")
    axes.set_ylabel("share of good crops")
    axes.legend(frameon=False)
    return _to_uri(figure)


def draw_distances(counts: Sequence[int], *, near: int) -> str:
    """Draw how far the nearest training view of each test view is.

    Args:
        counts: Number of test views at each Hamming distance, from 0 bits on.
        near: Distance up to which a neighbour is too near to pass unseen.

    Returns:
        A data URI.
    """
    figure, axes = _make_axes()
    axes.bar(range(len(counts)), counts, color=_FOUND, width=0.8)
    axes.axvline(near + 0.5, color=_LIMIT, linestyle=":", label=f"near: up to {near} bits")
    axes.set_xlim(-0.5, 32.5)
    axes.set_xlabel("bits to the nearest training view")
    axes.set_ylabel("test views")
    axes.legend(frameon=False)
    return _to_uri(figure)


def draw_chroma(counts: NDArray[np.float64]) -> str:
    """Draw how often each a and b occurs, in its own colour.

    Args:
        counts: Pixels in cells of two units, b by a, both from -N to N, shape (N, N).

    Returns:
        A data URI.
    """
    reach = len(counts)
    middles = np.arange(1 - reach, reach, 2, dtype=np.float32)
    a, b = np.meshgrid(middles, middles)
    rgb = to_rgb(np.stack((np.full_like(a, 62), a, b), axis=-1)) / 255.0
    found = np.log1p(counts) / max(1.0, float(np.log1p(counts.max(initial=0))))
    strength = np.where(counts > 0, 0.2 + 0.8 * found, 0.0)
    filled = np.abs(np.stack((a, b))[:, counts > 0])
    limit = min(reach, 10 * (1 + int(filled.max(initial=20)) // 10))
    figure, axes = _make_axes(width=4.6, height=4.2)
    axes.imshow(
        np.dstack((rgb, strength)), origin="lower", extent=(-reach, reach, -reach, reach),
        interpolation="nearest", zorder=2,
    )  # fmt: skip
    axes.set_xlim(-limit, limit)
    axes.set_ylim(-limit, limit)
    axes.axhline(0, color=_IDEAL, linewidth=0.6)
    axes.axvline(0, color=_IDEAL, linewidth=0.6)
    axes.set_xlabel("a: green to red")
    axes.set_ylabel("b: blue to yellow")
    return _to_uri(figure)


def _make_axes(*, width: float = 5.6, height: float = 3.6) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _to_uri(figure: Figure) -> str:
    """Write a figure without date and with names that do not change from run to run."""
    sink = io.BytesIO()
    with rc_context({"svg.hashsalt": "photochrom"}):
        figure.savefig(sink, format="svg", transparent=True, metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(sink.getvalue()).decode('ascii')}"
