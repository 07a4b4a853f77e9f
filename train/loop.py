"""The training loop: one step, and a run of them.

A run is a function of its settings, its shards and its world size; the step alone says where it
stands.
"""

import contextlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from train.augment import Augmentation, Batch, make_batch
from train.checkpoints.saving import Save
from train.errors import StoppedError
from train.loss import huber_sum
from train.model import slice_grid
from train.params import TrainParams
from train.partition import Partition, make_partition
from train.rows import Row, to_event
from train.state import TrainState
from train.streaming.feed import Gathered
from train.streaming.samples import Samples, Waits
from train.validation import validate
from train.verdict import Verdict, agree
from train.world import World, measure_gpu

CLIP_NORM = 1.0
"""Largest norm of a step's gradient."""

Progress = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Job:
    """What a run works with and does not change."""

    params: TrainParams
    train: Samples
    val: Samples
    world: World
    save: Save
    """Called on every rank at each validation and at a stop."""
    report: Progress
    stop: Callable[[], bool]
    """Says whether this process was asked to stop."""
    show: Callable[[TrainState], None] = lambda _: None
    """Called on every rank after each validation; it changes nothing."""


def learning_rate(step: int, params: TrainParams) -> float:
    """Return the rate of a step, counted from 0: a linear rise, then half a cosine to zero."""
    warmup = round(params.warmup * params.steps)
    if step < warmup:
        return params.lr * (step + 1) / warmup
    done = (step - warmup) / (params.steps - warmup)
    return params.lr * (1 + math.cos(math.pi * done)) / 2


def to_partition(job: Job) -> Partition:
    """Say in which order a job sees its samples."""
    return make_partition(
        len(job.train),
        batch=job.params.batch,
        seed=job.params.seed,
        window=job.params.window,
        starts=job.train.starts,
    )


def spread(state: TrainState, job: Job) -> nn.Module:
    """Return the network as the ranks train it together: under DDP, or alone as it is.

    DDP lays its buckets out anew after its first backward pass, and so adds gradients in
    another order from then on. That pass is done here, on a blank and for nothing, so that a
    resumed run adds in the same order as one that was not interrupted.
    """
    if job.world.size == 1:
        return state.model
    device, side = job.train.device, job.params.input
    network = DistributedDataParallel(
        state.model,
        device_ids=[device] if device.type == "cuda" else None,
        # The table is the one buffer, and the same on every rank.
        forward_sync_buffers=False,
    )
    picture_B3HW = torch.zeros((1, 3, side, side), device=device)
    keep_BC = torch.ones((1, state.model.channels), device=device)
    network(picture_B3HW, keep_BC).sum().backward()
    state.optimizer.zero_grad(set_to_none=True)
    return network


def describe(state: TrainState, params: TrainParams) -> Augmentation:
    """Say how a run cuts and wears its pictures."""
    return Augmentation(
        seed=params.seed,
        input=params.input,
        degrade=params.degrade,
        dropout=params.dropout,
        channels=state.model.channels,
    )


def to_batch(gathered: Gathered, *, epoch: int, how: Augmentation) -> Batch:
    """Make what a step trains on of samples as they were gathered."""
    return make_batch(
        gathered.lab_BSS3,
        gathered.valid_B4,
        samples_B=gathered.samples_B,
        epoch=epoch,
        how=how,
    )


def train_step(
    state: TrainState, batch: Batch, *, network: nn.Module, job: Job, global_batch: int
) -> Verdict:
    """Do one step; on CUDA, queue it.

    Args:
        state: Weights, average and optimiser, changed in place.
        batch: This rank's part of the step's samples.
        network: The same weights, from `spread`.
        job: Settings and world.
        global_batch: Samples of the step over all ranks.

    Returns:
        The step's loss, and whether to stop, for when they are wanted.
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
    verdict = agree(state.step, loss.detach(), job.stop(), world=world)
    nn.utils.clip_grad_norm_(model.parameters(), CLIP_NORM)
    optimizer.step()
    state.step += 1
    decay = min(params.ema, state.step / (state.step + 9))
    for average, weight in zip(state.ema.parameters(), model.parameters(), strict=True):
        average.lerp_(weight.detach(), 1 - decay)
    return verdict


def fit(state: TrainState, job: Job) -> bool:
    """Train from where the state stands to the last step.

    Validation comes every `validate_every` steps and after the last one; the averaged weights
    with the lowest dE00 are kept. Where the validation split is empty, the last ones are.

    Args:
        state: Fresh, or restored from a checkpoint; changed in place.
        job: Data, settings and world.

    Returns:
        True if the run is complete, False if it was stopped; it is saved either way.

    Raises:
        StoppedError: If this rank was asked to stop and waits for samples; where it waits for
            those of a step, the step before is saved.
    """
    params, world = job.params, job.world
    partition = to_partition(job)
    how, network = describe(state, params), spread(state, job)
    desk = _Desk(state, job, batch=partition.batch)
    steps = range(state.step, params.steps)
    with job.train.read_steps(partition, steps, rank=world.rank, world_size=world.size) as feed:
        for step in steps:
            with _ending_alone(state, desk, job=job, worth=step > steps.start):
                batch = to_batch(next(feed), epoch=partition.epoch(step), how=how)
                verdict = train_step(
                    state, batch, network=network, job=job, global_batch=partition.batch
                )
            desk.take(verdict)
            due = state.step % params.validate_every == 0 or state.step == params.steps
            if due or desk.stopping:
                desk.read_all()
            if due:
                _take_stock(state, job)
            if due or desk.stopping:
                job.save(state, final=desk.stopping or state.step == params.steps)
            if desk.stopping and state.step < params.steps:
                return False
    if not steps:  # it goes on behind its last validation, maybe in a folder without its pictures
        job.show(state)
    return True


@contextlib.contextmanager
def _ending_alone(state: TrainState, desk: "_Desk", *, job: Job, worth: bool) -> Iterator[None]:
    """Save the step before, if it is worth it, when one rank has no part in this one.

    A rank that waits for samples when it is told to stop ends by itself, for the ranks cannot agree
    then; the others, told too, see it go.
    """
    try:
        yield
    except StoppedError:
        desk.read_all()
        if worth:
            job.save(state, final=True)
        raise
    except RuntimeError as exc:  # of a collective; the weights are those of the step before
        if not job.stop():
            raise
        desk.read_all()
        if worth:
            job.save(state, final=True)
        raise StoppedError(f"told to stop, as another process was, which has ended: {exc}") from exc


class _Desk:
    """Reads of each step when the next is queued, so that a GPU is never left without work."""

    def __init__(self, state: TrainState, job: Job, *, batch: int) -> None:
        self.stopping = False
        self._state, self._job, self._batch = state, job, batch
        self._unread: Verdict | None = None
        self._waits = Waits(job.train, job.val)
        self._reported, self._reported_step = time.monotonic(), state.step

    def take(self, verdict: Verdict) -> None:
        """Read the verdict on the step before, and keep this one."""
        self.read_all()
        self._unread = verdict

    def read_all(self) -> None:
        """Read what is unread: all ranks learn at the same step that they are to stop."""
        if self._unread is None:
            return
        loss, stopping = self._unread.read()
        self._state.loss_sum += loss
        self._state.loss_steps += 1
        self.stopping |= stopping
        self._report(self._unread.step + 1, loss)
        self._unread = None

    def _report(self, step: int, loss: float) -> None:
        now = time.monotonic()
        passed_s = now - self._reported
        if self._job.world.rank == 0 and passed_s > 1:
            images = self._batch * (step - self._reported_step)
            self._reported, self._reported_step = now, step
            told = {"event": "step", "step": step, "of": self._job.params.steps, "loss": loss}
            told |= {"data_wait": self._waits.take_share()}
            told |= {"images_per_s": round(images / passed_s, 2)}
            self._job.report(told | {"gpu_gb": measure_gpu(self._job.train.device)})


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
        job.report(to_event(row, best_step=state.best_step))
    job.show(state)
