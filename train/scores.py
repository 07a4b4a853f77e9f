"""Pure: what every method scores on a sample, and what that says of all samples together."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from preprocess.lab import from_bytes, to_rgb
from preprocess.samples import Sample
from train import metrics
from train.baselines import BASELINES, predict_baselines
from train.table import Palette

Floats = NDArray[np.float32]

MODEL: Final = "model"
"""Name of the model among the methods."""

DIGITS: Final = 4
"""Decimals of every figure written: below what differs from one machine to the next."""


class Colours(Protocol):
    """What predicts colours; `train.predict.Predictor` is one."""

    def predict_ab(self, lightness: Floats) -> Floats:
        """Give ab, shape (H, W, 2), for lightness (H, W)."""
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """What one method scored on one sample: a row of samples.parquet."""

    track: str
    """`test`, or `pairs` for a real negative."""
    key: str
    view_id: str
    method: str
    """`model`, or the name of a baseline."""
    ab_l1: float
    de00: float
    psnr: float
    cf: float
    cf_gap: float
    cf_gap_abs: float
    true_cf: float


def to_input(sample: Sample) -> tuple[Floats, Floats]:
    """Give the print within its valid box, and what the model may see of it.

    Args:
        sample: From the split `test` or `pairs`.

    Returns:
        The print's LAB, shape (h, w, 3), and the lightness to colour, shape (h, w), of the
        registered negative where the sample has one; float32.
    """
    top, left, bottom, right = sample.info.valid
    lab = from_bytes(sample.lab[top:bottom, left:right])
    if sample.bw is None:
        return lab, np.ascontiguousarray(lab[..., 0])
    negative = sample.bw[top:bottom, left:right].astype(np.float32)
    negative /= 2.55
    return lab, negative


def to_rows(sample: Sample, *, track: str, colours: Colours, palette: Palette) -> list[Row]:
    """Score the model and every baseline on one sample.

    Of a real negative the methods see the negative's lightness; their colours are laid on the
    print's lightness for the comparison, so that the figures are of colour alone.

    Args:
        sample: From the split `test` or `pairs`.
        track: `test` or `pairs`; only named in the rows.
        colours: The model.
        palette: Colours of the train split, for the baselines.

    Returns:
        One row for each method, the model first.
    """
    lab, seen = to_input(sample)
    true_ab, true_rgb = lab[..., 1:], to_rgb(lab)
    true_cf = metrics.to_colourfulness(true_rgb)
    methods = {
        MODEL: colours.predict_ab(seen),
        **predict_baselines(seen, true_ab=true_ab, palette=palette),
    }
    rows = []
    for method, ab in methods.items():
        coloured = np.concatenate((lab[..., :1], ab), axis=2)
        rgb = to_rgb(coloured)
        cf = metrics.to_colourfulness(rgb)
        rows.append(
            Row(
                track=track,
                key=sample.info.key,
                view_id=sample.info.view_id,
                method=method,
                ab_l1=metrics.to_ab_l1(ab, true_ab),
                de00=metrics.to_de00(coloured, lab),
                psnr=metrics.to_psnr(rgb, true_rgb),
                cf=cf,
                cf_gap=cf - true_cf,
                cf_gap_abs=abs(cf - true_cf),
                true_cf=true_cf,
            )
        )
    return rows


def summarise(rows: Sequence[Row]) -> dict[str, Any]:
    """Turn the rows of one track into nested figures.

    Args:
        rows: All methods' rows of the track; may be empty.

    Returns:
        `samples` and `views`; and, where there are any, mean, low and high under
        `model.<metric>`, `baselines.<name>.<metric>`, `difference.<name>.<metric>` (model minus
        baseline, paired by view) and `truth.cf`. A view counts once: the mean of its samples.
    """
    views = sorted({row.view_id for row in rows})
    counts = {"samples": len({row.key for row in rows}), "views": len(views)}
    if not rows:
        return counts
    own = _to_values(rows, MODEL, views)
    others = [_to_values(rows, name, views) for name in BASELINES]
    columns = [own[:, :-1], *(other[:, :-1] for other in others)]
    columns += [own[:, :-1] - other[:, :-1] for other in others]
    intervals = iter(metrics.bootstrap(np.hstack([*columns, own[:, -1:]])))

    def take() -> dict[str, dict[str, float]]:
        return {name: _to_figures(next(intervals)) for name in metrics.METRICS}

    return {
        **counts,
        MODEL: take(),
        "baselines": {name: take() for name in BASELINES},
        "difference": {name: take() for name in BASELINES},
        "truth": {"cf": _to_figures(next(intervals))},
    }


def _to_values(rows: Sequence[Row], method: str, views: Sequence[str]) -> NDArray[np.float64]:
    """Average over the samples of each view: its metrics, and the print's colourfulness last."""
    by_view: dict[str, list[list[float]]] = {view: [] for view in views}
    for row in rows:
        if row.method == method:
            values = [getattr(row, name) for name in metrics.METRICS]
            by_view[row.view_id].append([*values, row.true_cf])
    return np.array([np.mean(by_view[view], axis=0) for view in views])


def _to_figures(interval: metrics.Interval) -> dict[str, float]:
    return {name: round(value, DIGITS) for name, value in asdict(interval).items()}
