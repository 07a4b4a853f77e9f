from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from skimage.color import rgb2lab
from torch import Tensor

from preprocess.lab import to_bytes, to_lab
from train.tars.colour import compute_lab_bytes, to_lab_bytes


def dense_grid() -> NDArray[np.uint8]:
    """Every 5th red, every 3rd green, every blue: 52 x 86 x 256 colours."""
    axes = [np.arange(0, 256, step, dtype=np.uint8) for step in (5, 3, 1)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


@pytest.fixture(scope="module")
def wanted() -> NDArray[np.uint8]:
    """The grid's bytes by preprocessing."""
    rgb = dense_grid()
    return to_bytes(to_lab(rgb.reshape(len(rgb), -1, 3))).reshape(rgb.shape)


def test_bytes_on_the_cpu_are_those_of_preprocessing(wanted: NDArray[np.uint8]) -> None:
    assert np.array_equal(to_lab_bytes(torch.from_numpy(dense_grid())).numpy(), wanted)


def test_computed_bytes_are_those_of_preprocessing_but_for_one_in_ten_thousand(
    wanted: NDArray[np.uint8],
) -> None:
    ours, theirs = compute_lab_bytes(torch.from_numpy(dense_grid())).numpy(), wanted
    apart = np.abs(ours.astype(np.int16) - theirs)
    assert apart.max() <= 1
    assert (apart > 0).mean() < 1e-4


@pytest.mark.parametrize("convert", [to_lab_bytes, compute_lab_bytes])
def test_bytes_are_the_nearest_to_what_scikit_image_says(
    convert: Callable[[Tensor], Tensor],
) -> None:
    rgb = dense_grid()[::7]
    ours = convert(torch.from_numpy(rgb)).numpy().astype(np.float64)
    exact = rgb2lab(rgb) * [2.55, 1, 1] + [0, 128, 128]
    assert np.abs(ours - exact).max() < 0.501


@pytest.mark.parametrize("convert", [to_lab_bytes, compute_lab_bytes])
def test_padding_and_greys_have_no_colour(convert: Callable[[Tensor], Tensor]) -> None:
    grey = torch.arange(256, dtype=torch.uint8)[:, None].expand(-1, 3)
    lab = convert(grey)
    assert lab[0].tolist() == [0, 128, 128]
    assert lab[255].tolist() == [255, 128, 128]
    assert (lab[:, 1:] == 128).all()


@pytest.mark.parametrize("precision", ["highest", "medium"])
def test_the_precision_of_products_changes_nothing(precision: str) -> None:
    rgb = torch.from_numpy(dense_grid()[::13])
    wanted = compute_lab_bytes(rgb)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    try:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(compute_lab_bytes(rgb), wanted)
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("convert", [to_lab_bytes, compute_lab_bytes])
def test_batches_keep_their_shape_whatever_is_worked_at_once(
    convert: Callable[[Tensor], Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    rgb = torch.arange(315).mul(37).remainder(256).to(torch.uint8).view(3, 7, 5, 3)
    wanted = convert(rgb)
    monkeypatch.setattr("train.tars.colour._COMPUTED", 4)
    monkeypatch.setattr("train.tars.colour._LOOKED_UP", 4)
    found = convert(rgb)
    assert found.shape == rgb.shape
    assert torch.equal(found, wanted)
    turned = rgb.transpose(1, 2)
    assert torch.equal(convert(turned), wanted.transpose(1, 2))


@pytest.mark.parametrize("convert", [to_lab_bytes, compute_lab_bytes])
def test_other_numbers_are_refused(convert: Callable[[Tensor], Tensor]) -> None:
    with pytest.raises(ValueError, match="expected uint8"):
        convert(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="expected uint8"):
        convert(torch.zeros(2, 4, dtype=torch.uint8))
