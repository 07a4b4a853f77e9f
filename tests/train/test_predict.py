"""A model on disk to colours, with a small network made here."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from PIL import Image

from train.grid import look_up, slice_grid, to_fractions
from train.predict import (
    LONGEST,
    ModelError,
    Predictor,
    find_input_size,
    read_record,
    reduce_lightness,
    to_planes,
)

Floats = NDArray[np.float32]
TABLE = np.random.default_rng(0).normal(0, 8, (16, 25, 2)).astype(np.float32)
RECORD: dict[str, Any] = {
    "version": 1,
    "model": "small",
    "input": 64,
    "nodes": [0, 20, 40, 60, 80, 100],
    "table": {"rows": 16, "bins": 25, "ab": TABLE.tolist()},
}


def write_model(folder: Path, *, weights: Floats, bias: Floats, output: str = "grid") -> Path:
    """Write a network that is linear in the mean planes of each 4 x 4 block."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.json").write_text(json.dumps(RECORD))
    channels = len(bias)
    graph = helper.make_graph(
        [
            helper.make_node(
                "AveragePool", ["picture"], ["mean"], kernel_shape=[4, 4], strides=[4, 4]
            ),
            helper.make_node("Conv", ["mean", "weights", "bias"], [output]),
        ],
        "linear",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["n", channels, "gh", "gw"])],
        [
            helper.make_tensor("weights", TensorProto.FLOAT, [channels, 3, 1, 1], weights.ravel()),
            helper.make_tensor("bias", TensorProto.FLOAT, [channels], bias),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, folder / "model.onnx")
    return folder


@pytest.fixture
def constant(tmp_path: Path) -> Path:
    bias = np.tile(np.array([4, -3], np.float32), 6)
    return write_model(tmp_path / "model", weights=np.zeros((12, 3), np.float32), bias=bias)


@pytest.fixture
def linear(tmp_path: Path) -> Path:
    weights = np.random.default_rng(1).normal(0, 5, (12, 3)).astype(np.float32)
    return write_model(tmp_path / "model", weights=weights, bias=np.zeros(12, np.float32))


def draw_lightness(height: int, width: int) -> Floats:
    rng = np.random.default_rng(height * width)
    return rng.uniform(0, 100, (height, width)).astype(np.float32)


def test_a_constant_grid_moves_the_table_by_its_colour(constant: Path) -> None:
    lightness = draw_lightness(150, 211)
    ab = Predictor.load(constant).predict_ab(lightness)
    expected = look_up(TABLE, lightness, yfrac=to_fractions(150)) + np.array([4, -3])
    assert ab.shape == (150, 211, 2) and ab.dtype == np.float32
    np.testing.assert_allclose(ab, expected, atol=1e-4)


def test_the_network_sees_the_whole_picture_with_its_places(linear: Path) -> None:
    lightness = np.full((128, 256), 50, np.float32)
    grid = Predictor.load(linear).predict_grid(lightness)
    weights = np.random.default_rng(1).normal(0, 5, (12, 3)).astype(np.float32)
    assert grid.shape == (12, 16, 32)
    x = (np.arange(32) + 0.5) / 32 * 2 - 1
    y = (np.arange(16) + 0.5) / 16 * 2 - 1
    expected = weights[:, 1, None, None] * x + weights[:, 2, None, None] * y[:, None]
    np.testing.assert_allclose(grid, expected, atol=1e-4)


def test_rows_in_strips_have_the_colours_of_the_whole(linear: Path) -> None:
    predictor, lightness = Predictor.load(linear), draw_lightness(90, 70)
    grid, yfrac = predictor.predict_grid(lightness), to_fractions(90)
    parts = [
        predictor.slice_ab(lightness[rows], grid=grid, yfrac=yfrac[rows])
        for rows in (slice(0, 31), slice(31, 90))
    ]
    np.testing.assert_array_equal(np.concatenate(parts), predictor.predict_ab(lightness))
    residual = slice_grid(grid, lightness, yfrac=yfrac, nodes=np.array(RECORD["nodes"], np.float32))
    np.testing.assert_allclose(
        np.concatenate(parts), look_up(TABLE, lightness, yfrac=yfrac) + residual, atol=1e-5
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 4000), (4000, 1), (2, 3), (16, 5000), (2500, 1900)])
def test_every_size_works(linear: Path, size: tuple[int, int]) -> None:
    ab = Predictor.load(linear).predict_ab(draw_lightness(*size))
    assert ab.shape == (*size, 2)
    assert np.isfinite(ab).all()


def test_the_same_picture_gives_the_same_colours_every_time_and_with_any_threads(
    linear: Path,
) -> None:
    lightness = draw_lightness(300, 200)
    first = Predictor.load(linear).predict_ab(lightness)
    np.testing.assert_array_equal(first, Predictor.load(linear).predict_ab(lightness))
    np.testing.assert_array_equal(first, Predictor.load(linear, threads=2).predict_ab(lightness))


def test_colours_hardly_depend_on_the_size_of_the_file(linear: Path) -> None:
    rows, columns = np.mgrid[0:480, 0:640] / 100
    large = (50 + 40 * np.sin(rows) * np.cos(columns)).astype(np.float32)
    small = reduce_lightness(large, height=240, width=320)
    predictor = Predictor.load(linear)
    difference = predictor.predict_ab(large)[::2, ::2] - predictor.predict_ab(small)
    assert np.abs(difference).mean() < 0.3


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [
        (1000, 1000, (128, 128)),
        (700, 1000, (128, 176)),
        (1000, 700, (176, 128)),
        (3, 4, (128, 176)),
        (1, 7000, (128, LONGEST * 128)),
        (7000, 1, (LONGEST * 128, 128)),
    ],
)
def test_the_short_side_fits_the_network_and_the_long_side_follows(
    height: int, width: int, expected: tuple[int, int]
) -> None:
    assert find_input_size(height, width, short=128) == expected


def test_reducing_is_antialiased_and_keeps_the_mean() -> None:
    board = np.indices((600, 600)).sum(axis=0) % 2 * np.float32(100)
    small = reduce_lightness(board.astype(np.float32), height=64, width=64)
    assert small.shape == (64, 64)
    assert np.abs(small - 50).max() < 2


def test_reducing_in_strips_is_what_pillow_does_at_once() -> None:
    lightness = draw_lightness(777, 1234)
    whole = Image.fromarray(lightness).resize((160, 96), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(
        reduce_lightness(lightness, height=96, width=160), np.asarray(whole)
    )


def test_planes_hold_lightness_and_pixel_centres() -> None:
    planes = to_planes(np.array([[0, 50], [100, 25]], np.float32))
    assert planes.tolist() == [
        [[[-1, 0], [1, -0.5]], [[-0.5, 0.5], [-0.5, 0.5]], [[-0.5, -0.5], [0.5, 0.5]]]
    ]


@pytest.mark.parametrize(
    "lightness",
    [
        np.zeros((4, 4), np.float64),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4), np.float32),
        np.full((4, 4), 255, np.float32),
        np.full((4, 4), np.nan, np.float32),
    ],
)
def test_lightness_of_another_kind_is_refused(constant: Path, lightness: Floats) -> None:
    with pytest.raises(ValueError, match="expected lightness"):
        Predictor.load(constant).predict_ab(lightness)


def test_the_digest_is_that_of_the_network_file(constant: Path) -> None:
    expected = hashlib.sha256((constant / "model.onnx").read_bytes()).hexdigest()
    assert Predictor.load(constant).sha256 == expected


@pytest.mark.parametrize("name", ["model.json", "model.onnx"])
def test_a_missing_file_is_named_with_the_command_that_makes_it(constant: Path, name: str) -> None:
    (constant / name).unlink()
    with pytest.raises(ModelError, match=rf"{name}: expected .* run `photochrom train`"):
        Predictor.load(constant)


def test_no_folder_at_all_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="expected the folder of a model"):
        Predictor.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "expected version 1, got 2"),
        ({"input": 100}, "multiple of 16"),
        ({"input": "128"}, "multiple of 16"),
        ({"nodes": [0, 0, 1]}, "expected `nodes` to rise"),
        ({"table": {"rows": 16, "bins": 24, "ab": TABLE.tolist()}}, r"\(16, 24, 2\)"),
        ({"table": {"rows": 16, "bins": 25}}, "no field 'ab'"),
        ({"table": 7}, "not a record"),
    ],
)
def test_a_record_that_does_not_fit_is_refused(
    tmp_path: Path, change: dict[str, Any], said: str
) -> None:
    path = tmp_path / "model.json"
    path.write_text(json.dumps(RECORD | change))
    with pytest.raises(ModelError, match=said):
        read_record(path)


@pytest.mark.parametrize("text", ["", "{", "[]", "\xff"])
def test_a_damaged_record_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "model.json"
    path.write_text(text, "latin-1")
    with pytest.raises(ModelError, match="run `photochrom train`"):
        read_record(path)


def test_a_damaged_network_is_refused(constant: Path) -> None:
    path = constant / "model.onnx"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match="not a network onnxruntime can open"):
        Predictor.load(constant)


def test_a_network_of_other_channels_or_names_is_refused(tmp_path: Path) -> None:
    zeros = np.zeros((10, 3), np.float32)
    other = write_model(tmp_path / "ten", weights=zeros, bias=np.zeros(10, np.float32))
    with pytest.raises(ModelError, match="expected a grid of 12 channels"):
        Predictor.load(other)
    zeros = np.zeros((12, 3), np.float32)
    named = write_model(tmp_path / "n", weights=zeros, bias=np.zeros(12, "f4"), output="colours")
    with pytest.raises(ModelError, match="expected input `picture` and output `grid`"):
        Predictor.load(named)


def test_predicting_needs_neither_torch_nor_opencv() -> None:
    code = (
        "import sys, train.predict\n"
        "print([m for m in ('torch', 'cv2', 'skimage', 'pyarrow', 'pydantic') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
