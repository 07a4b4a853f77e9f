"""Settings of training: the `train` section of params.yaml."""

from typing import Literal

from pydantic import BaseModel, Field


class TrainParams(BaseModel, frozen=True, extra="forbid"):
    """The `train` section of params.yaml."""

    model: Literal["small"]
    """Network: `small` is the U-Net of train/model.py."""

    input: int = Field(ge=32, le=1024, multiple_of=16)
    """Side of the training crops, and short side of a picture before the network, in pixels."""

    steps: int = Field(ge=1)
    """Length of a run, in optimiser steps."""

    batch: int = Field(ge=1)
    """Samples in a step, over all processes together."""

    lr: float = Field(gt=0)
    """Highest learning rate of AdamW, reached after the warm-up."""

    weight_decay: float = Field(ge=0)
    """Weight decay of AdamW, on convolution and linear weights alone."""

    warmup: float = Field(ge=0, lt=1)
    """Share of the steps over which the rate rises from zero; it then falls as a cosine."""

    ema: float = Field(ge=0, lt=1)
    """Decay of the moving average of the weights, per step; the average is what is exported."""

    huber_beta: float = Field(gt=0)
    """Error at which the loss turns from squared to linear, in Lab units."""

    dropout: float = Field(ge=0, lt=1)
    """Share of the deepest channels set to zero in training."""

    degrade: float = Field(ge=0, le=1)
    """Strength of the contrast, blur and noise put on the input lightness; 0 is none."""

    precision: Literal["fp32", "bf16"]
    """Arithmetic of the network's forward and backward pass; weights stay fp32."""

    seed: int = Field(ge=0, lt=2**32)
    """Seed of the weights, of the order of samples and of the augmentation."""

    validate_every: int = Field(ge=1)
    """Steps between two looks at the validation split; a checkpoint is saved at each."""

    runner: Literal["local"]
    """Where the job runs."""

    processes: int = Field(ge=1, le=64)
    """Processes of a local run; one per GPU where there are any."""

    threads: int = Field(ge=1, le=256)
    """CPU threads of each process."""
