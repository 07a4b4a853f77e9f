"""Figures of the report, drawn by matplotlib as SVG within the page."""

import base64
import io
from collections.abc import Sequence

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

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


def _make_axes() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(5.6, 3.6), layout="constrained")
    axes = figure.subplots()
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _to_uri(figure: Figure) -> str:
    """Write a figure without date and with names that do not change from run to run."""
    sink = io.BytesIO()
    with rc_context({"svg.hashsalt": "photochrom"}):
        figure.savefig(sink, format="svg", metadata={"Date": None})
    return f"data:image/svg+xml;base64,{base64.b64encode(sink.getvalue()).decode('ascii')}"
