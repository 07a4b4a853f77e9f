"""The training loop: one step, and a run of them.

A run is a function of its settings, its shards and its world size; the step alone says where it
stands.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from train.augment import Augmentation, Batch, make_batch
from train.data import Held
from train.errors import TrainError
from train.loss import huber_sum
from train.model import slice_grid
from train.params import TrainParams
from train.partition import Partition, make_partition
from train.state import Row, TrainState
from train.validation import validate
from train.world import World

CLIP_NORM = 1.0
"""Largest norm of a step's gradient."""

Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What a run works with and does not change."""

    params: TrainParams
    train: Held
    val: Held
    world: World
    save: Callable[[TrainState], None]
    """Called on every rank at each validation and at a stop."""
    report: Progress
    stop: Callable[[], bool]
    """Says whether this process was asked to stop."""


def learning_rate(step: int, params: TrainParams) -> float:
    """Return the rate of a step, counted from 0: a linear rise, then half a cosine to zero."""
    warmup = round(params.warmup * params.steps)
    if step < warmup:
        return params.lr * (step + 1) / warmup
    done = (step - warmup) / (params.steps - warmup)
    return params.lr * (1 + math.cos(math.pi * done)) / 2


def spread(state: TrainState, job: Job) -> nn.Module:
    """Return the network as the ranks train it together: under DDP, or alone as it is.

    DDP lays its buckets out anew after its first backward pass, and so adds gradients in
    another order from then on. That pass is done here, on a sample and for nothing, so that a
    resumed run adds in the same order as one that was not interrupted.
    """
    if job.world.size == 1:
        return state.model
    device = job.train.lab_NSS3.device
    network = DistributedDataParallel(
        state.model,
        device_ids=[device] if device.type == "cuda" else None,
        broadcast_buffers=False,
    )
    partition = make_partition(len(job.train), batch=job.params.batch, seed=job.params.seed)
    batch = _next_batch(state, partition, job)
    network(batch.picture_B3HW, batch.keep_BC).sum().backward()
    state.optimizer.zero_grad(set_to_none=True)
    return network


def train_step(
    state: TrainState, batch: Batch, *, network: nn.Module, job: Job, global_batch: int
) -> tuple[float, bool]:
    """Do one step.

    Args:
        state: Weights, average and optimiser, changed in place.
        batch: This rank's part of the step's samples.
        network: The same weights, from `spread`.
        job: Settings and world.
        global_batch: Samples of the step over all ranks.

    Returns:
        Mean loss over the global batch before the step, and whether any rank was asked to stop.

    Raises:
        TrainError: If the loss is not finite.
    """
    params, model, optimizer, world = job.params, state.model, state.optimizer, job.world
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(state.step, params)
    optimizer.zero_grad(set_to_none=True)
    kind = batch.l_B1HW.device.type
    with torch.autocast(kind, torch.bfloat16, enabled=params.precision == "bf16"):
        grid = network(batch.picture_B3HW, batch.keep_BC)
    ab_B2HW = slice_grid(grid, batch.l_B1HW, yfrac_BH=batch.yfrac_BH, table_RK2=model.table_RK2)
    loss = huber_sum(ab_B2HW, batch.ab_B2HW, beta=params.huber_beta) / global_batch
    # DDP takes the mean over ranks, and the loss is already a part of the global batch's mean.
    (loss * world.size).backward()  # type: ignore[no-untyped-call]
    mean_loss, stopping = _agree(loss.detach(), job.stop(), world=world)
    if not math.isfinite(mean_loss):
        raise TrainError(f"step {state.step}: the loss is {mean_loss}; lower train.lr")
    nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
    optimizer.step()
    state.step += 1
    decay = min(params.ema, state.step / (state.step + 9))
    for average, weight in zip(state.ema.parameters(), model.parameters(), strict=True):
        average.lerp_(weight.detach(), 1 - decay)
    return mean_loss, stopping


def fit(state: TrainState, job: Job) -> bool:
    """Train from where the state stands to the last step.

    Validation comes every `validate_every` steps and after the last one; the averaged weights
    with the lowest dE00 are kept. Where the validation split is empty, the last ones are.

    Args:
        state: Fresh, or restored from a checkpoint; changed in place.
        job: Data, settings and world.

    Returns:
        True if the run is complete, False if it was stopped; it is saved either way.
    """
    params, world = job.params, job.world
    partition = make_partition(len(job.train), batch=params.batch, seed=params.seed)
    network, reported = spread(state, job), time.monotonic()
    while state.step < params.steps:
        batch = _next_batch(state, partition, job)
        loss, stopping = train_step(
            state, batch, network=network, job=job, global_batch=partition.batch
        )
        state.loss_sum += loss
        state.loss_steps += 1
        due = state.step % params.validate_every == 0 or state.step == params.steps
        if due:
            _take_stock(state, job)
        if due or stopping:
            job.save(state)
        if stopping and state.step < params.steps:
            return False
        if world.rank == 0 and time.monotonic() - reported > 1:
            reported = time.monotonic()
            job.report({"event": "step", "step": state.step, "of": params.steps, "loss": loss})
    return True


def _next_batch(state: TrainState, partition: Partition, job: Job) -> Batch:
    params, world = job.params, job.world
    indices = partition.rank_batch(state.step, rank=world.rank, world_size=world.size)
    samples_B = torch.from_numpy(indices.copy()).to(job.train.lab_NSS3.device)
    how = Augmentation(
        seed=params.seed,
        input=params.input,
        degrade=params.degrade,
        dropout=params.dropout,
        channels=state.model.channels,
    )
    return make_batch(
        job.train.lab_NSS3[samples_B],
        job.train.valid_N4[samples_B],
        samples_B=samples_B,
        epoch=partition.epoch(state.step),
        how=how,
    )


def _agree(loss: Tensor, stop: bool, *, world: World) -> tuple[float, bool]:
    """Add the loss over ranks, and let the wish of one to stop be the wish of all."""
    both = torch.stack((loss, torch.full_like(loss, float(stop))))
    world.add(both)
    return both[0].item(), both[1].item() > 0


def _take_stock(state: TrainState, job: Job) -> None:
    """Validate the averaged weights, keep them if they are the best, add a row to the curve."""
    params = job.params
    score = validate(
        state.ema, job.val, short=params.input, beta=params.huber_beta, world=job.world
    )
    if score and (state.best_de00 is None or score.de00 < state.best_de00):
        state.best_de00, state.best_step = score.de00, state.step
        state.best = {name: p.detach().clone() for name, p in state.ema.named_parameters()}
    row: Row = {
        "step": state.step,
        "train_loss": state.loss_sum / state.loss_steps,
        "val_loss": score.loss if score else None,
        "val_dE00": score.de00 if score else None,
        "lr": learning_rate(state.step - 1, params),
    }
    state.curve.append(row)
    state.loss_sum, state.loss_steps = 0.0, 0
    if job.world.rank == 0:
        job.report({"event": "validation", **row, "best_step": state.best_step})
