"""The picture of the streaming benchmark: CPU seconds for 10,000 samples, a dot for each way."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from _stream_peers import CAT, COPY, DECODE, OF_JPEG
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

_OURS, _PEER, _LIMIT, _INK = "#2f6f73", "#8a6f4d", "#b3452c", "#4a4640"
_RULE = "#e3ddd3"
"""As the curves of training are drawn."""

_LIMITS: Final = {COPY, CAT, DECODE}
_ROW: Final = 0.29
"""Height of a line, inches."""
_LEAST: Final = 0.05
"""Left end of the axis."""


def draw(record: Mapping[str, Any], path: Path) -> None:
    """Draw a record's medians, raw samples above and JPEG below.

    Args:
        record: Of the benchmark: its `medians`, `runs` and `data`.
        path: SVG to write; the same record gives the same bytes.
    """
    of_jpeg = {way.name for way in OF_JPEG}
    medians = sorted(record["medians"].items(), key=lambda pair: pair[1]["cpu_s"])
    raw = [name for name, _ in medians if name not in of_jpeg]
    jpeg = [name for name, _ in medians if name in of_jpeg]
    mpl.rcParams["svg.hashsalt"] = "photochrom"
    rows = len(raw) + len(jpeg)
    figure = Figure(figsize=(7.6, _ROW * rows + 1.5), layout="constrained")
    FigureCanvasSVG(figure)
    above, below = figure.subplots(
        2, 1, sharex=True, height_ratios=(len(raw) + 1, max(1, len(jpeg)) + 1)
    )
    _draw(above, record, raw, title="raw pixels, 197 kB a sample")
    _draw(below, record, jpeg, title="JPEG, 33 kB a sample")
    below.set_xlabel("CPU seconds for 10,000 samples, one core; logarithmic", color=_INK)
    figure.suptitle("Streaming samples of 256 px: warm, batch 64, shuffled", color=_INK)
    words = (("ours", _OURS), ("peers", _PEER), ("limits", _LIMIT))
    marks = [Line2D([], [], marker="o", linestyle="", color=c, label=w) for w, c in words]
    above.legend(handles=marks, frameon=False, loc="lower right", labelcolor=_INK)
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def _draw(axes: Axes, record: Mapping[str, Any], names: Sequence[str], *, title: str) -> None:
    """Draw a dot for each way, the fastest on top, with the span of its rounds."""
    for place, name in enumerate(names):
        middle = record["medians"][name]["cpu_s"]
        each = [run["cpu_s"] for run in record["runs"][name]]
        colour = _LIMIT if name in _LIMITS else _OURS if name.startswith("ours") else _PEER
        axes.plot([_LEAST, middle], [place, place], color=_RULE, linewidth=1, zorder=1)
        axes.plot([min(each), max(each)], [place, place], color=colour, linewidth=3, zorder=2)
        axes.plot(middle, place, "o", color=colour, markersize=8, zorder=3)
        axes.annotate(
            f"{middle:.3g}",
            (max(middle, *each), place),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            color=_INK,
            fontsize=9,
        )
    axes.set_xscale("log")
    axes.set_xlim(_LEAST, 80)
    axes.set_xticks([0.1, 1, 10], ["0.1", "1", "10"])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.set_yticks(range(len(names)), names)
    axes.set_title(title, loc="left", fontsize=10, color=_INK)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", alpha=0.35)
    axes.set_axisbelow(True)
    axes.tick_params(colors=_INK)
