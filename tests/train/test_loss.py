import pytest
import torch

from train.loss import huber_sum


def test_small_errors_are_squared_and_large_ones_linear() -> None:
    zero = torch.zeros(1, 2, 4, 4)
    assert huber_sum(zero + 1, zero, beta=5.0).item() == pytest.approx(0.5 / 5)
    assert huber_sum(zero + 20, zero, beta=5.0).item() == pytest.approx(20 - 2.5)


def test_parts_of_a_batch_add_up_to_it() -> None:
    generator = torch.Generator().manual_seed(0)
    found, true = torch.randn(2, 5, 2, 6, 6, generator=generator) * 10
    whole = huber_sum(found, true, beta=5.0)
    parts = huber_sum(found[:2], true[:2], beta=5.0) + huber_sum(found[2:], true[2:], beta=5.0)
    assert whole.item() == pytest.approx(parts.item(), rel=1e-6)


def test_other_shapes_are_an_error() -> None:
    with pytest.raises(ValueError, match="one shape"):
        huber_sum(torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 8), beta=5.0)
