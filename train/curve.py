"""Edge: the curve of a run, as a table and as a picture."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from train.rows import COLUMNS, Row

_TRAIN, _VAL, _BEST = "#8a6f4d", "#2f6f73", "#b3452c"


def write_csv(path: Path, curve: Sequence[Row]) -> None:
    """Write the curve's rows, one for each validation; a value that is not known is empty."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in curve:
        values = [row[column] for column in COLUMNS]
        writer.writerow(["" if value is None else f"{value:.6g}" for value in values])
    path.write_text(stream.getvalue(), encoding="utf-8")


def write_plot(path: Path, curve: Sequence[Row], *, best_step: int) -> None:
    """Write the curve as a PNG, drawn as `draw_plot` says."""
    path.write_bytes(draw_plot(curve, best_step=best_step))


def draw_plot(curve: Sequence[Row], *, best_step: int) -> bytes:
    """Draw the losses above and the colour difference on the validation split below.

    Args:
        curve: Rows of the run.
        best_step: Step whose weights were kept, marked by a line.

    Returns:
        A PNG; the same rows give the same bytes.
    """
    figure = Figure(figsize=(7.0, 6.0), layout="constrained")
    FigureCanvasAgg(figure)
    above, below = figure.subplots(2, 1, sharex=True)
    _draw(above, curve, column="train_loss", label="training crops", colour=_TRAIN)
    _draw(above, curve, column="val_loss", label="validation, whole pictures", colour=_VAL)
    above.set_ylabel("Huber loss (Lab units)")
    _draw(below, curve, column="val_dE00", label="validation, averaged weights", colour=_VAL)
    below.set_ylabel("colour difference (CIEDE2000)")
    below.set_xlabel("step")
    for axes in (above, below):
        axes.axvline(best_step, color=_BEST, linewidth=1, linestyle=":", label=f"kept: {best_step}")
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    # Without metadata: the file then depends on the curve and matplotlib's drawing alone.
    packed = io.BytesIO()
    figure.savefig(packed, format="png", dpi=120, metadata={"Software": None})
    return packed.getvalue()


def _draw(axes: Axes, curve: Sequence[Row], *, column: str, label: str, colour: str) -> None:
    known = [(row["step"], row[column]) for row in curve if row[column] is not None]
    if not known:
        return
    steps, values = zip(*known, strict=True)
    axes.plot(steps, values, color=colour, marker="o", markersize=3, label=label)
