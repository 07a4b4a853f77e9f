"""Edge: a finished run to the files of a model: weights, ONNX graph, record, curve."""

import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from safetensors.torch import save_file

from train.curve import write_csv, write_plot
from train.errors import TrainError
from train.grid import NODES
from train.model import UNet
from train.params import TrainParams
from train.run import WHERE_IT_RUNS
from train.state import TrainState
from train.validation import Score

TOLERANCE = 1e-3
"""Largest difference allowed between the ONNX graph and torch, in Lab units."""

_OPSET = 18
_TRIED = ((1, 64, 96), (2, 160, 80))
"""Batch, height and width of the inputs on which ONNX and torch are compared."""


@dataclass(frozen=True, slots=True)
class Provenance:
    """What a model was made from, for its record."""

    params: TrainParams
    shards: dict[str, str]
    """Checksum of each shard or foreign tar, by name."""
    foreign: bool
    """Whether it was made from a WebDataset that is not the pipeline's."""
    samples: dict[str, int]
    """Samples seen, by split."""
    started_from: dict[str, Any] | None = None
    """Step, checksum and allowed differences of the checkpoint that the run started from."""


def export_model(
    folder: Path, state: TrainState, origin: Provenance, *, table_score: Score | None
) -> None:
    """Write `model.safetensors`, `model.onnx`, `model.json`, `curve.csv` and `curve.png`.

    The weights are the averaged ones at their best on the validation split, or the last where
    that split is empty.

    Args:
        folder: Empty or missing.
        state: A finished run.
        origin: What it was made from.
        table_score: How the table alone, without the network, does on the validation split.

    Raises:
        TrainError: If the ONNX graph does not give torch's numbers, or the weights are not
            finite.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = _chosen(state)
    save_file(
        {name: value.contiguous() for name, value in model.state_dict().items()},
        folder / "model.safetensors",
    )
    write_onnx(folder / "model.onnx", model)
    difference = compare_onnx(folder / "model.onnx", model)
    if not difference <= TOLERANCE:
        raise TrainError(
            f"{folder}/model.onnx: expected torch's numbers within {TOLERANCE} Lab units, "
            f"they differ by {difference}; the weights may not be finite: lower train.lr"
        )
    record = _record(state, origin, model=model, table_score=table_score)
    record["onnx_difference"] = difference
    (folder / "model.json").write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    write_csv(folder / "curve.csv", state.curve)
    write_plot(folder / "curve.png", state.curve, best_step=_kept_step(state))


def write_onnx(path: Path, model: UNet) -> None:
    """Write the network as an ONNX graph `picture` -> `grid`, any batch, height and width."""
    with warnings.catch_warnings():
        # The exporter that is not deprecated (dynamo=True) needs onnxscript, and gives the same
        # graph of this plain network; this one needs nothing beyond torch and onnx.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        # Tracing meets group_norm's check of its input's size; `compare_onnx` tries other sizes.
        warnings.filterwarnings("ignore", message="Converting a tensor to a Python boolean")
        torch.onnx.export(
            model,
            (torch.zeros(1, 3, 64, 64),),
            str(path),
            input_names=["picture"],
            output_names=["grid"],
            dynamic_axes={
                "picture": {0: "n", 2: "h", 3: "w"},
                "grid": {0: "n", 2: "h4", 3: "w4"},
            },
            opset_version=_OPSET,
            dynamo=False,
        )


def compare_onnx(path: Path, model: UNet) -> float:
    """Return the largest difference between the graph's and torch's grids, in Lab units.

    The inputs are noise of two sizes, neither the one that the graph was traced with.
    """
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    worst = 0.0
    for count, height, width in _TRIED:
        picture = torch.rand((count, 3, height, width), generator=generator) * 2 - 1
        (found,) = session.run(["grid"], {"picture": picture.numpy()})
        with torch.no_grad():
            expected = model(picture).numpy()
        worst = max(worst, float(np.abs(found - expected).max()))
    return worst


def _chosen(state: TrainState) -> UNet:
    model = UNet(state.ema.table_RK2.cpu())
    weights = state.ema.state_dict() | (state.best or {})
    model.load_state_dict(weights)
    return model.eval()


def _kept_step(state: TrainState) -> int:
    return state.best_step if state.best is not None else state.step


def _record(
    state: TrainState, origin: Provenance, *, model: UNet, table_score: Score | None
) -> dict[str, Any]:
    params = origin.params
    table = model.table_RK2
    kept = _kept_step(state)
    row = next((row for row in state.curve if row["step"] == kept), None)
    known = row is not None and row["val_dE00"] is not None
    return {
        "version": 1,
        "model": params.model,
        "input": params.input,
        "nodes": list(NODES),
        "table": {"rows": table.shape[0], "bins": table.shape[1], "ab": table.tolist()},
        "params": params.model_dump(mode="json", exclude=set(WHERE_IT_RUNS)),
        "data": "webdataset" if origin.foreign else "shards",
        "shards": origin.shards,
        "samples": origin.samples,
        "started_from": origin.started_from,
        "steps": state.step,
        "kept_step": kept,
        "kept_by": "lowest val_dE00 of the averaged weights" if known else "last step: no val",
        "parameters": sum(p.numel() for p in model.parameters()),
        "metrics": {
            "val_loss": row["val_loss"] if row else None,
            "val_dE00": row["val_dE00"] if row else None,
            "table_val_loss": table_score.loss if table_score else None,
            "table_val_dE00": table_score.de00 if table_score else None,
        },
        "torch": torch.__version__.split("+")[0],
    }
