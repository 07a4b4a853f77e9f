import numpy as np
import pytest
import torch
from torch import Tensor

from train.grid import NODES, look_up, slice_grid, to_fractions
from train.model import UNet
from train.model import look_up as look_up_torch
from train.model import slice_grid as slice_torch

RNG = np.random.default_rng(0)
TABLE = RNG.normal(0, 10, (16, 25, 2)).astype(np.float32)


def make_picture(height: int, width: int) -> tuple[Tensor, Tensor]:
    lightness = RNG.uniform(0, 100, (1, 1, height, width)).astype(np.float32)
    lightness[0, 0, 0, :3] = 0, 100, 50
    return torch.from_numpy(lightness), torch.from_numpy(to_fractions(height)[None])


def test_an_untrained_network_gives_exactly_the_table() -> None:
    torch.manual_seed(0)
    model = UNet(torch.from_numpy(TABLE))
    with torch.no_grad():
        grid = model(torch.rand(2, 3, 48, 32))
    assert grid.shape == (2, 12, 12, 8)
    assert not grid.any()


@pytest.mark.parametrize("size", [(64, 96), (33, 47)])
def test_the_table_is_read_as_numpy_reads_it(size: tuple[int, int]) -> None:
    lightness, yfrac = make_picture(*size)
    found = look_up_torch(torch.from_numpy(TABLE), lightness, yfrac)[0].permute(1, 2, 0)
    expected = look_up(TABLE, lightness[0, 0].numpy(), yfrac=yfrac[0].numpy())
    assert np.abs(found.numpy() - expected).max() < 1e-3


@pytest.mark.parametrize("size", [(64, 96), (33, 47)])
def test_a_grid_is_sliced_as_numpy_slices_it(size: tuple[int, int]) -> None:
    lightness, yfrac = make_picture(*size)
    grid = RNG.normal(0, 10, (1, 2 * len(NODES), 16, 24)).astype(np.float32)
    found = slice_torch(
        torch.from_numpy(grid), lightness, yfrac_BH=yfrac, table_RK2=torch.zeros(16, 25, 2)
    )
    expected = slice_grid(
        grid[0],
        lightness[0, 0].numpy(),
        yfrac=yfrac[0].numpy(),
        nodes=np.array(NODES, np.float32),
    )
    assert np.abs(found[0].permute(1, 2, 0).numpy() - expected).max() < 1e-3


def test_every_weight_takes_part() -> None:
    torch.manual_seed(0)
    model = UNet(torch.from_numpy(TABLE))
    lightness, yfrac = make_picture(32, 32)
    ab = slice_torch(
        model(torch.rand(1, 3, 32, 32)), lightness, yfrac_BH=yfrac, table_RK2=model.table_RK2
    )
    ab.sum().backward()  # type: ignore[no-untyped-call]
    assert all(weight.grad is not None for weight in model.parameters())
    assert 3e6 < sum(weight.numel() for weight in model.parameters()) < 5e6
