"""Edge: a finished model on disk to the colours of a picture; numpy and onnxruntime, no torch."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image

from train.errors import TrainError
from train.grid import STRIDE, find_strips, to_ab, to_fractions

Floats = NDArray[np.float32]

VERSION = 1
"""Version of model.json that this code reads."""

MULTIPLE = 16
"""Sides of the network's input are multiples of this."""

LONGEST = 8
"""Longest side of the network's input, in short sides; a longer picture is squeezed to it."""

NEXT = "run `photochrom train` to make one"


class ModelError(TrainError):
    """A model on disk is missing, damaged, or not of the version that this code reads."""


@dataclass(frozen=True, slots=True)
class Record:
    """What model.json says of the network beside it."""

    input: int
    """Short side of the network's input, in pixels."""

    nodes: Floats
    """Lightness of the grid's nodes, shape (nodes,), rising, 0..100."""

    table: Floats
    """ab by height and lightness, shape (rows, bins, 2), Lab units."""


def read_record(path: Path) -> Record:
    """Read and check model.json.

    Args:
        path: The file.

    Raises:
        ModelError: If it is missing, no JSON, of another version, or a field does not fit.
    """
    try:
        content = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as exc:
        raise ModelError(f"{path}: expected the record of a model, found no file; {NEXT}") from exc
    except (OSError, ValueError) as exc:
        raise ModelError(f"{path}: expected JSON, got: {exc}; {NEXT}") from exc
    if not isinstance(content, dict) or content.get("version") != VERSION:
        came = content.get("version") if isinstance(content, dict) else type(content).__name__
        raise ModelError(f"{path}: expected version {VERSION}, got {came!r}; {NEXT}")
    try:
        return _to_record(content)
    except (KeyError, TypeError, ValueError) as exc:
        reason = f"no field {exc}" if isinstance(exc, KeyError) else str(exc)
        raise ModelError(f"{path}: not a record this version can use: {reason}; {NEXT}") from exc


def _to_record(content: dict[str, Any]) -> Record:
    side, table = content["input"], content["table"]
    if not isinstance(side, int) or side < MULTIPLE or side % MULTIPLE:
        raise ValueError(f"expected `input` to be a multiple of {MULTIPLE}, got {side!r}")
    nodes = np.asarray(content["nodes"], np.float32)
    if nodes.ndim != 1 or len(nodes) < 2 or not np.all(np.diff(nodes) > 0):
        raise ValueError(f"expected `nodes` to rise, got {content['nodes']!r}")
    ab, shape = np.asarray(table["ab"], np.float32), (table["rows"], table["bins"], 2)
    if ab.shape != shape or not np.isfinite(ab).all():
        raise ValueError(f"expected `table.ab` to be {shape} finite numbers, got {ab.shape}")
    return Record(input=side, nodes=nodes, table=ab)


def find_input_size(height: int, width: int, *, short: int) -> tuple[int, int]:
    """Choose the size at which the network sees a picture.

    The short side becomes `short`; the long side keeps the picture's shape up to `LONGEST`
    short sides, and is rounded to a multiple of 16.

    Args:
        height: Rows of the picture.
        width: Columns of the picture.
        short: Short side of the network's input, in pixels, a multiple of 16.

    Returns:
        Height and width of the network's input, in pixels.
    """

    def fit(side: int, other: int) -> int:
        wanted = min(short * max(1.0, side / other), LONGEST * short)
        return max(1, round(wanted / MULTIPLE)) * MULTIPLE

    return fit(height, width), fit(width, height)


def reduce_lightness(lightness: Floats, *, height: int, width: int) -> Floats:
    """Resize lightness with a triangle filter as wide as a pixel of the result (antialiased).

    Args:
        lightness: L, shape (H, W), float32.
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        L, shape (height, width), float32, within the range of `lightness`.
    """
    # Columns strip by strip, then rows: what Pillow does in one call, without a second
    # copy of a large picture.
    narrow = np.concatenate(
        [_resize(lightness[rows], width, rows.stop - rows.start) for rows in _strips(lightness)]
    )
    return _resize(narrow, width, height)


def _strips(lightness: Floats) -> list[slice]:
    return list(find_strips(*lightness.shape))


def _resize(lightness: Floats, width: int, height: int) -> Floats:
    image = Image.fromarray(np.ascontiguousarray(lightness, np.float32))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR), np.float32)


def to_planes(lightness: Floats) -> Floats:
    """Make the network's input of a whole picture.

    Args:
        lightness: L, shape (h, w), float32, 0..100.

    Returns:
        Shape (1, 3, h, w), float32: L/50 - 1, and x and y of the pixels' centres, -1..1.
    """
    height, width = lightness.shape
    planes = np.empty((1, 3, height, width), np.float32)
    planes[0, 0] = lightness / 50 - 1
    planes[0, 1] = to_fractions(width) * 2 - 1
    planes[0, 2] = (to_fractions(height) * 2 - 1)[:, None]
    return planes


class Predictor:
    """A model loaded for prediction; the same picture gives the same colours every time."""

    def __init__(
        self, session: onnxruntime.InferenceSession, *, record: Record, sha256: str
    ) -> None:
        """Hold an open session; `load` is the way in."""
        self._session = session
        self._record = record
        self.sha256 = sha256
        """Digest of model.onnx, in hexadecimal: which model it was."""

    @classmethod
    def load(cls, model_dir: Path, *, threads: int = 1) -> Self:
        """Open the model in a folder.

        Args:
            model_dir: Folder with model.json and model.onnx.
            threads: Threads of the network; the rest is numpy on one.

        Raises:
            ModelError: If a file is missing or damaged, of another version, or if the two do
                not belong together; the message says which command makes a model.
        """
        if not model_dir.is_dir():
            raise ModelError(f"{model_dir}: expected the folder of a model, found none; {NEXT}")
        record = read_record(model_dir / "model.json")
        path = model_dir / "model.onnx"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
            session = onnxruntime.InferenceSession(
                path, sess_options=options, providers=["CPUExecutionProvider"]
            )
        except FileNotFoundError as exc:
            raise ModelError(f"{path}: expected the network, found no file; {NEXT}") from exc
        # onnxruntime's errors have no common base that it exports.
        except Exception as exc:
            raise ModelError(f"{path}: not a network onnxruntime can open: {exc}; {NEXT}") from exc
        _check_session(session, path=path, channels=2 * len(record.nodes))
        return cls(session, record=record, sha256=sha256)

    def predict_grid(self, lightness: Floats) -> Floats:
        """Run the network on a whole picture.

        Args:
            lightness: L, shape (H, W), float32, 0..100; any size of 1 px or more.

        Returns:
            Residual ab, shape (2 * nodes, h, w), float32, Lab units, for `slice_ab`.

        Raises:
            ValueError: If `lightness` has another shape, dtype or range.
            ModelError: If the network gives a grid of another shape.
        """
        _check_lightness(lightness)
        height, width = find_input_size(*lightness.shape, short=self._record.input)
        small = reduce_lightness(lightness, height=height, width=width)
        (grid,) = self._session.run(["grid"], {"picture": to_planes(small)})
        expected = (1, 2 * len(self._record.nodes), height // STRIDE, width // STRIDE)
        if grid.shape != expected or not np.isfinite(grid).all():
            raise ModelError(
                f"the network gave a grid of shape {grid.shape} for a picture of "
                f"{width} x {height} px, expected {expected} finite numbers; {NEXT}"
            )
        found: Floats = grid[0].astype(np.float32, copy=False)
        return found

    def slice_ab(self, lightness: Floats, *, grid: Floats, yfrac: Floats) -> Floats:
        """Colour whole rows of a picture.

        Args:
            lightness: L of the rows, shape (rows, W), float32, 0..100.
            grid: What `predict_grid` gave for the whole picture.
            yfrac: Height of each row in the whole picture, shape (rows,), 0 (top) .. 1.

        Returns:
            ab, shape (rows, W, 2), float32, Lab units.

        Raises:
            ValueError: If a shape is not as said.
        """
        record = self._record
        return to_ab(lightness, yfrac=yfrac, table=record.table, grid=grid, nodes=record.nodes)

    def predict_ab(self, lightness: Floats) -> Floats:
        """Predict the colours of a picture.

        Args:
            lightness: L, shape (H, W), float32, 0..100; any size of 1 px or more.

        Returns:
            ab, shape (H, W, 2), float32, Lab units.

        Raises:
            ValueError: If `lightness` has another shape, dtype or range.
            ModelError: If the network gives a grid of another shape.
        """
        grid = self.predict_grid(lightness)
        return self.slice_ab(lightness, grid=grid, yfrac=to_fractions(len(lightness)))


def _check_lightness(lightness: Floats) -> None:
    if lightness.ndim != 2 or lightness.dtype != np.float32 or lightness.size == 0:
        raise ValueError(
            f"expected lightness (H, W) of float32, got {lightness.shape} of {lightness.dtype}"
        )
    low, high = float(lightness.min()), float(lightness.max())
    # A little beyond, because conversions to LAB round.
    if not (low >= -0.01 and high <= 100.01):
        raise ValueError(f"expected lightness from 0 to 100, got {low:g} to {high:g}")


def _check_session(session: onnxruntime.InferenceSession, *, path: Path, channels: int) -> None:
    inputs = [node.name for node in session.get_inputs()]
    outputs = {node.name: node.shape for node in session.get_outputs()}
    if inputs != ["picture"] or "grid" not in outputs:
        raise ModelError(
            f"{path}: expected input `picture` and output `grid`, got {inputs} and "
            f"{sorted(outputs)}; {NEXT}"
        )
    shape = outputs["grid"]
    if len(shape) != 4 or (isinstance(shape[1], int) and shape[1] != channels):
        raise ModelError(
            f"{path}: expected a grid of {channels} channels, as model.json says, got the "
            f"shape {shape}; {NEXT}"
        )
