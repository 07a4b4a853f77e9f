"""The network: a small U-Net that predicts a grid of colour over position and lightness.

It does not predict colour pixel by pixel. At a quarter of the resolution it predicts, for six
nodes of lightness, a correction to the table of colour by lightness and row; the lightness at
full resolution then reads the colour off (`slice_grid`). So edges stay where the lightness has
them, and an untrained network gives exactly the table. train/grid.py is the same arithmetic in
numpy.

Dimensions: B batch, C channels, H height, W width, R rows and K bins of the table, N nodes.
"""

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional

from train.grid import NODES

WIDTHS = (32, 64, 128, 256)
"""Channels at 1/2, 1/4, 1/8 and 1/16 of the input's resolution."""

UNIT = 20.0
"""Lab units that the head's 1 stands for. Adam moves a weight by about the rate a step whatever
its scale, so a head in plain Lab units would need hundreds of steps to reach a colour."""

GROUP = 16
"""Channels that GroupNorm normalises together."""


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(channels // GROUP, channels)


def _conv(channels_in: int, channels_out: int, *, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels_in, channels_out, 3, stride=stride, padding=1, bias=False)


class Block(nn.Module):
    """Residual block: two convolutions, each normalised; starts as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _conv(channels, channels)
        self.norm1 = _norm(channels)
        self.conv2 = _conv(channels, channels)
        self.norm2 = _norm(channels)
        nn.init.zeros_(self.norm2.weight)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return the block's output, of the input's shape."""
        inner = functional.relu(self.norm1(self.conv1(x_BCHW)))
        return functional.relu(x_BCHW + self.norm2(self.conv2(inner)))


class Down(nn.Module):
    """Halve the resolution, change the width, refine."""

    def __init__(self, channels_in: int, channels_out: int, *, blocks: int) -> None:
        super().__init__()
        self.conv = _conv(channels_in, channels_out, stride=2)
        self.norm = _norm(channels_out)
        self.blocks = nn.Sequential(*(Block(channels_out) for _ in range(blocks)))

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return features at half the resolution."""
        refined: Tensor = self.blocks(functional.relu(self.norm(self.conv(x_BCHW))))
        return refined


class Up(nn.Module):
    """Double the resolution, join the encoder's features of that resolution, refine."""

    def __init__(self, channels_in: int, channels_skip: int, channels_out: int) -> None:
        super().__init__()
        self.conv = _conv(channels_in + channels_skip, channels_out)
        self.norm = _norm(channels_out)
        self.block = Block(channels_out)

    def forward(self, x_BCHW: Tensor, skip_BCHW: Tensor) -> Tensor:
        """Return features at the resolution of `skip_BCHW`."""
        wide = functional.interpolate(x_BCHW, scale_factor=2.0, mode="nearest")
        joined = self.conv(torch.cat((wide, skip_BCHW), dim=1))
        refined: Tensor = self.block(functional.relu(self.norm(joined)))
        return refined


class UNet(nn.Module):
    """Lightness and position in, a colour grid out; see the top of this file."""

    table_RK2: Tensor
    channels: int
    """Width at the deepest level."""

    def __init__(self, table_RK2: Tensor) -> None:
        """Build the network with fresh weights from torch's generator.

        Args:
            table_RK2: Mean a and b by row of the picture and bin of lightness, float32, Lab
                units, as train/table.py fits it.
        """
        super().__init__()
        w2, w4, w8, w16 = WIDTHS
        self.channels = w16
        self.register_buffer("table_RK2", table_RK2.clone())
        self.down2 = Down(3, w2, blocks=1)
        self.down4 = Down(w2, w4, blocks=1)
        self.down8 = Down(w4, w8, blocks=1)
        self.down16 = Down(w8, w16, blocks=2)
        self.whole = nn.Linear(w16, w16)
        self.up8 = Up(w16, w8, w8)
        self.up4 = Up(w8, w4, w4)
        self.head = nn.Conv2d(w4, 2 * len(NODES), 1)
        nn.init.zeros_(self.head.weight)
        assert self.head.bias is not None
        nn.init.zeros_(self.head.bias)

    def forward(self, picture_B3HW: Tensor, keep_BC: Tensor | None = None) -> Tensor:
        """Predict the grid.

        Args:
            picture_B3HW: L/50 - 1, then x and y of each pixel's centre in the whole picture,
                -1 to 1, left to right and top to bottom; float32; H and W multiples of 16.
            keep_BC: Factors on the `channels` of the deepest level, for dropout in training.

        Returns:
            The grid, (B, 12, H/4, W/4): channel 2k is a, 2k + 1 is b, at node k of lightness,
            in Lab units, to add to the table.
        """
        at2 = self.down2(picture_B3HW)
        at4 = self.down4(at2)
        at8 = self.down8(at4)
        at16 = self.down16(at8)
        at16 = functional.relu(at16 + self.whole(at16.mean(dim=(2, 3)))[:, :, None, None])
        if keep_BC is not None:
            at16 = at16 * keep_BC[:, :, None, None].to(at16.dtype)
        grid_BCHW: Tensor = UNIT * self.head(self.up4(self.up8(at16, at8), at4))
        return grid_BCHW


def look_up(table_RK2: Tensor, l_B1HW: Tensor, yfrac_BH: Tensor) -> Tensor:
    """Read colour off the table, bilinear between the centres of its cells.

    Args:
        table_RK2: a and b by row and bin of lightness, Lab units.
        l_B1HW: Lightness, 0 to 100.
        yfrac_BH: Height in the whole picture of each row's centre: 0 top, 1 bottom.

    Returns:
        a and b, (B, 2, H, W), Lab units; beyond the outermost centres, their values.
    """
    l_BHW = l_B1HW[:, 0] / 50 - 1
    y_BHW = (yfrac_BH * 2 - 1)[:, :, None].expand_as(l_BHW)
    table_B2RK = table_RK2.permute(2, 0, 1).expand(len(l_BHW), -1, -1, -1)
    return functional.grid_sample(
        table_B2RK,
        torch.stack((l_BHW, y_BHW), dim=-1),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )


@functools.cache
def _place_nodes(device: torch.device) -> Tensor:
    """Put the nodes on a device once: each copy to it would wait for all that it does."""
    return torch.tensor(NODES, device=device)[:, None, None]


def slice_grid(grid_BCHW: Tensor, l_B1HW: Tensor, *, yfrac_BH: Tensor, table_RK2: Tensor) -> Tensor:
    """Read colour off a grid at the lightness of every pixel.

    Args:
        grid_BCHW: What `UNet` gives, at any resolution.
        l_B1HW: Lightness of the same picture, 0 to 100, at the resolution wanted.
        yfrac_BH: Height in the whole picture of each row's centre: 0 top, 1 bottom.
        table_RK2: a and b by row and bin of lightness, Lab units.

    Returns:
        a and b, (B, 2, H, W) of `l_B1HW`, float32, Lab units.
    """
    grid = grid_BCHW.float()
    size = l_B1HW.shape[-2:]
    up = functional.interpolate(grid, size=size, mode="bilinear", align_corners=False)
    up_BN2HW = up.view(-1, len(NODES), 2, *size)
    hat_BNHW = (1 - (l_B1HW - _place_nodes(grid.device)).abs() / (NODES[1] - NODES[0])).clamp(min=0)
    residual_B2HW: Tensor = (up_BN2HW * hat_BNHW[:, :, None]).sum(dim=1)
    return look_up(table_RK2, l_B1HW, yfrac_BH) + residual_B2HW
