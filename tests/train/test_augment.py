from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from train.augment import SMALLEST_CROP, Augmentation, Batch, make_batch
from train.partition import make_partition

HOW = Augmentation(seed=5, input=32, degrade=0.0, dropout=0.0, channels=8)
BOX = (8, 0, 56, 64)


def make_ramps(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures whose L rises with x and whose a rises with y; the padding's b is foreign."""
    top, left, bottom, right = BOX
    lab = np.zeros((count, 64, 64, 3), np.uint8)
    lab[..., 2] = 255
    y, x = np.mgrid[: bottom - top, : right - left]
    lab[:, top:bottom, left:right, 0] = x * 4
    lab[:, top:bottom, left:right, 1] = y * 4
    lab[:, top:bottom, left:right, 2] = 128
    return torch.from_numpy(lab), torch.tensor([BOX] * count)


def make(count: int = 64, *, how: Augmentation = HOW, epoch: int = 0) -> Batch:
    lab, valid = make_ramps(count)
    return make_batch(lab, valid, samples_B=torch.arange(count), epoch=epoch, how=how)


def test_crops_never_reach_the_padding() -> None:
    assert make().ab_B2HW[:, 1].abs().max().item() < 1e-3


def test_planes_say_where_in_the_whole_picture_a_pixel_lies() -> None:
    batch = make()
    assert (batch.picture_B3HW[:, 1].diff(dim=2) > 0).all()
    # L is 4/255 * 100 a pixel, with the pixel's centre at i + 0.5; a flip mirrors the picture.
    column = batch.l_B1HW[:, 0] * 2.55 / 4 + 0.5
    rising = (column[:, 0, -1] > column[:, 0, 0])[:, None, None]
    xfrac = torch.where(rising, column / 64, 1 - column / 64)
    assert rising.any() and not rising.all()
    assert torch.allclose(batch.picture_B3HW[:, 1], 2 * xfrac - 1, atol=0.02)
    row = (batch.ab_B2HW[:, 0] + 128) / 4 + 0.5
    assert torch.allclose(batch.picture_B3HW[:, 2], 2 * row / 48 - 1, atol=0.025)
    assert torch.allclose(batch.yfrac_BH, row[:, :, 0] / 48, atol=0.0125)


@pytest.mark.parametrize("side", [64, 128, 256])
def test_grain_is_as_strong_as_in_a_picture_to_be_coloured(side: int) -> None:
    grey = torch.randint(60, 196, (16, side, side, 1), dtype=torch.uint8)
    lab = torch.cat((grey, torch.full((16, side, side, 2), 128, dtype=torch.uint8)), dim=3)
    valid = torch.tensor([[0, 0, side, side]] * 16)
    cut = make_batch(lab, valid, samples_B=torch.arange(16), epoch=0, how=HOW).l_B1HW
    whole = interpolate(grey.permute(0, 3, 1, 2) / 2.55, size=32, mode="bilinear", antialias=True)
    # A crop shows SMALLEST_CROP to 1 of the picture, so it shrinks less by up to that much.
    assert 0.9 <= cut.std() / whole.std() <= 1.1 / SMALLEST_CROP


def test_sizes_of_crops_fill_their_range() -> None:
    batch = make(256)
    side = (batch.yfrac_BH[:, -1] - batch.yfrac_BH[:, 0]) * 32 / 31
    assert side.min().item() == pytest.approx(SMALLEST_CROP, abs=0.02)
    assert side.max().item() == pytest.approx(1, abs=0.02)


def test_a_sample_is_cut_alike_whatever_batch_it_falls_into() -> None:
    lab, valid = make_ramps(4)
    how = replace(HOW, degrade=0.7, dropout=0.3)
    samples = torch.tensor([9, 4, 300, 7])
    whole = make_batch(lab, valid, samples_B=samples, epoch=2, how=how)
    part = make_batch(lab[2:3], valid[2:3], samples_B=samples[2:3], epoch=2, how=how)
    for field in fields(Batch):
        assert torch.allclose(
            getattr(whole, field.name)[2:3], getattr(part, field.name), atol=1e-4
        ), field.name


@pytest.mark.parametrize("world_size", [1, 2, 5])
def test_a_sample_is_cut_alike_whatever_rank_it_falls_to(world_size: int) -> None:
    lab, valid = make_ramps(12)
    lab[::2, :, :, 0] += 9
    valid[1::2] = torch.tensor((16, 8, 40, 56))
    how = replace(HOW, degrade=0.7, dropout=0.3)
    partition = make_partition(12, batch=10, seed=3)
    whole = make_batch(lab, valid, samples_B=torch.arange(12), epoch=1, how=how)
    for rank in range(world_size):
        mine = torch.from_numpy(partition.rank_batch(1, rank=rank, world_size=world_size))
        part = make_batch(lab[mine], valid[mine], samples_B=mine, epoch=1, how=how)
        # What is drawn is the same to the bit; what convolutions make of it, to their rounding.
        assert torch.equal(part.keep_BC, whole.keep_BC[mine])
        assert torch.equal(part.yfrac_BH, whole.yfrac_BH[mine])
        assert torch.equal(part.picture_B3HW[:, 1:], whole.picture_B3HW[mine, 1:])
        assert torch.allclose(part.l_B1HW, whole.l_B1HW[mine], atol=1e-4)
        assert torch.allclose(part.ab_B2HW, whole.ab_B2HW[mine], atol=1e-4)


def test_epochs_cut_differently() -> None:
    assert not torch.equal(make(4, epoch=0).ab_B2HW, make(4, epoch=1).ab_B2HW)


def test_wear_changes_the_lightness_and_not_the_colour() -> None:
    clean, worn = make(), make(how=replace(HOW, degrade=1.0))
    assert torch.equal(clean.ab_B2HW, worn.ab_B2HW)
    assert not torch.allclose(clean.l_B1HW, worn.l_B1HW, atol=1)
    assert worn.l_B1HW.min() >= 0 and worn.l_B1HW.max() <= 100
    assert torch.allclose(worn.picture_B3HW[:, :1], worn.l_B1HW / 50 - 1)


def test_dropout_keeps_the_mean() -> None:
    keep = make(256, how=replace(HOW, dropout=0.25, channels=64)).keep_BC
    assert sorted(set(keep.flatten().tolist())) == pytest.approx([0, 4 / 3])
    assert keep.mean().item() == pytest.approx(1, abs=0.02)


def test_samples_of_another_kind_are_an_error() -> None:
    with pytest.raises(ValueError, match="expected uint8 samples"):
        make_batch(
            torch.zeros(1, 8, 8, 3),
            torch.tensor([[0, 0, 8, 8]]),
            samples_B=torch.tensor([0]),
            epoch=0,
            how=HOW,
        )
