"""A small model for every test of the room, and pictures to colorize."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from colorize.photo import colorize_photo
from train.predict import Predictor


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model: warm darks, cool lights, and a little of the place on top."""
    folder = tmp_path_factory.mktemp("model")
    levels = np.linspace(-1, 1, 25)
    table = np.stack(np.broadcast_arrays(-6 * levels, 18 - 14 * levels), axis=-1)
    record = {
        "version": 1,
        "input": 64,
        "nodes": [0, 20, 40, 60, 80, 100],
        "table": {"rows": 16, "bins": 25, "ab": np.tile(table, (16, 1, 1)).tolist()},
    }
    (folder / "model.json").write_text(json.dumps(record))
    weights = np.zeros((12, 3), np.float32)
    weights[::2, 1], weights[1::2, 2] = 6, 8
    graph = helper.make_graph(
        [
            helper.make_node(
                "AveragePool", ["picture"], ["mean"], kernel_shape=[4, 4], strides=[4, 4]
            ),
            helper.make_node("Conv", ["mean", "weights"], ["grid"]),
        ],
        "places",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("grid", TensorProto.FLOAT, ["n", 12, "gh", "gw"])],
        [helper.make_tensor("weights", TensorProto.FLOAT, [12, 3, 1, 1], weights.ravel())],
    )
    network = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    network.ir_version = 9
    onnx.save(network, folder / "model.onnx")
    return folder


@pytest.fixture(scope="session")
def predictor(model: Path) -> Predictor:
    """The small model, loaded."""
    return Predictor.load(model)


@pytest.fixture(scope="session")
def grey() -> NDArray[np.uint8]:
    """A grey picture of all levels with soft and hard edges, shape (90, 120)."""
    rows, columns = np.mgrid[0:90, 0:120]
    soft = 127 + 127 * np.sin(rows / 9) * np.cos(columns / 13)
    soft[30:50, 40:80] = np.linspace(0, 255, 40)
    levels: NDArray[np.uint8] = soft.astype(np.uint8)
    return levels


@pytest.fixture
def colorize(predictor: Predictor) -> Callable[..., Path]:
    """A function that colorizes a photograph beside it, with a strength, and gives the copy."""

    def run(photo: Path, *, strength: float = 1.0) -> Path:
        out = photo.with_name(f"{photo.stem}-colorized{photo.suffix}")
        return colorize_photo(photo, out=out, predictor=predictor, strength=strength, quality=95)

    return run
