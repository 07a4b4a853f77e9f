"""Loss on colour.

Dimensions: B batch, H height, W width.
"""

import torch
from torch import Tensor
from torch.nn import functional


def huber_sum(ab_B2HW: Tensor, target_B2HW: Tensor, *, beta: float) -> Tensor:
    """Sum over samples of each sample's mean Huber loss.

    The sum, not the mean, is what ranks can add: divided by the samples of the global batch it
    is the same number at any world size.

    Args:
        ab_B2HW: Predicted a and b, float32, Lab units.
        target_B2HW: True a and b, of the same shape and dtype.
        beta: Error at which the loss turns from squared to linear, in Lab units.

    Returns:
        A scalar, in Lab units: for errors far above `beta`, about the mean absolute error.

    Raises:
        ValueError: If the shapes differ.
    """
    if ab_B2HW.shape != target_B2HW.shape:
        raise ValueError(
            f"prediction and target must have one shape, "
            f"got {tuple(ab_B2HW.shape)} and {tuple(target_B2HW.shape)}"
        )
    loss_B2HW = functional.smooth_l1_loss(ab_B2HW, target_B2HW, beta=beta, reduction="none")
    return torch.sum(loss_B2HW.mean(dim=(1, 2, 3)))
