"""Edge: one rank of a training job: shards in, a model's files out."""

import contextlib
import functools
import itertools
import logging
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from train.checkpoints.resuming import resume
from train.checkpoints.saving import Saver
from train.errors import DataError, StoppedError, TrainError
from train.export import Provenance, export_model
from train.loop import Job, Progress, fit, learning_rate, to_partition
from train.params import TrainParams
from train.prints import Sheets, read_prints
from train.progress import ProgressFile
from train.rows import replay
from train.run import PROGRESS, RESULT, Run, read_identity, run_key
from train.state import TrainState, make_state
from train.streaming.opening import Opened, open_inputs
from train.streaming.residence import choose, measure_room
from train.streaming.samples import Samples, Waits, hold
from train.streaming.source import Source
from train.table import FITTED, choose_pictures, fit_table
from train.validation import Score, validate
from train.world import World, connected


def train_run(run: Run, world: World, *, stop: Callable[[], bool]) -> bool:
    """Train one run on this rank, from its last checkpoint if it has one.

    How many threads it uses is the launcher's to say, by `OMP_NUM_THREADS`.

    Args:
        run: Settings and folders.
        world: This process's place.
        stop: Says whether this process was asked to stop.

    Returns:
        True if the run is complete and its result written, False if it was stopped and saved, or
        stopped when it had nothing more to save.

    Raises:
        TrainError: If data, checkpoints or the other ranks fail.
    """
    device = world.device()
    # Bit for bit is promised on the CPU; CUDA lacks such kernels for some of this.
    torch.use_deterministic_algorithms(device.type == "cpu")
    # One rank speaks for all; what only another one knows stands in its own log.
    report = ProgressFile(run.folder / PROGRESS).append if world.rank == 0 else _log
    note = functools.partial(_note, report)
    try:
        with open_inputs(run.inputs, run.params, tell=note) as opened:
            _check_size(opened.train, run.params, world=world, report=report)
            with connected(world, device, wait_s=run.params.remote.wait_s):
                return _train(run, _make_job(run, opened, world, report=report, stop=stop))
    except StoppedError as exc:
        note(str(exc))
        return False


def _make_job(
    run: Run, opened: Opened, world: World, *, report: Progress, stop: Callable[[], bool]
) -> Job:
    """Put both splits where `train.residence` says, or where there is room."""
    params, device, splits = run.params, world.device(), (opened.train, opened.val)
    room = measure_room(device, processes=world.local_size)
    # Nobody takes memory while another still measures it.
    world.wait()
    residence, said = choose(params.residence, splits, room=room)
    _note(report, said)
    if told := opened.notice if residence == "stream" else opened.left_out:
        _note(report, told)
    train, val = (
        hold(one, residence, device=device, ahead=params.ahead, stop=stop) for one in splits
    )
    job = Job(params, train, val, world, save=_leave_to_rank_0, report=report, stop=stop)
    return replace(job, show=_make_sheets(run, job).draw) if world.rank == 0 else job


def _make_sheets(run: Run, job: Job) -> Sheets:
    prints = [*read_prints(job.train, split="train"), *read_prints(job.val, split="val")]
    return Sheets(run.folder, prints, short=run.params.input, report=job.report)


def _train(run: Run, job: Job) -> bool:
    params, world, device = job.params, job.world, job.train.device
    identity = read_identity(params, inputs=run.inputs) if world.rank == 0 else None
    origin = _trace(run, job, identity)
    state = make_state(params, _fit_table(job.train, report=job.report), device=device)
    # Before the first step the network adds nothing: this is the table's own score.
    score = validate(state.model, job.val, short=params.input, beta=params.huber_beta, world=world)
    resume(state, run, world=world, identity=identity, note=functools.partial(_note, job.report))
    if world.rank == 0:
        _check_key(run)
    for row in replay(state.curve):  # the file of events may be new, and its readers too
        job.report(row)
    facts = {**origin.samples, "processes": world.size, "device": device.type}
    facts["table_val_dE00"] = score.de00 if score else None
    job.report({"event": "start", "step": state.step, "of": params.steps, **facts})
    waits = Waits(job.train, job.val)
    with contextlib.ExitStack() as stack:
        if identity is not None:
            saver = stack.enter_context(_make_saver(run, job, identity))
            saver.prepare(state)
            job = replace(job, save=saver.save)
        done = fit(state, job)
    waited = waits.take_share()
    if world.rank == 0 and done:
        _export(run.folder / RESULT, state, origin, table_score=score)
    event = "done" if done else "stopped"
    job.report({"event": event, "step": state.step, "of": params.steps, "data_wait": waited})
    world.wait()
    return done


def _check_key(run: Run) -> None:
    """See that it is still the run that it was prepared as: it may have waited for long."""
    if (found := run_key(run.params, inputs=run.inputs)) != run.checkpoints.name:
        raise TrainError(
            f"{run.folder}: expected run {run.checkpoints.name}, as it was prepared, got {found}: "
            "the code of train/ or the shards have changed since; start the stage again, which "
            "makes a run of what they are now"
        )


def _check_size(split: Source, params: TrainParams, *, world: World, report: Progress) -> None:
    if not len(split):
        remedy = "harvest more items, or look at why they were rejected: `photochrom status`"
        if params.data is not None:
            remedy = (
                f"{params.data} has no picture (JPEG, PNG, WebP or npy) that falls into it; add "
                "samples, or name the tars train-*, val-* and test-*"
            )
        raise DataError(f"the train split has no samples; {remedy}")
    batch = min(params.batch, len(split))
    if world.size > batch:
        raise DataError(
            f"a batch of {batch} samples leaves some of {world.size} processes with none; "
            f"lower train.processes or raise train.batch"
        )
    if batch < params.batch:
        _note(report, f"the split holds {batch} samples: one batch is all")


def _fit_table(samples: Samples, *, report: Progress) -> torch.Tensor:
    """Fit the table to the split, or to a part of it that is the same on every rank."""
    runs = choose_pictures(len(samples))
    if len(samples) > FITTED:
        _note(report, f"the table of colours is fitted to {FITTED:,} of {len(samples):,} samples")
    with samples.read_runs(runs) as feed:
        one, other = itertools.tee(
            (lab, box)
            for batch in feed
            for lab, box in zip(batch.lab_BSS3.cpu().numpy(), batch.valid_B4.tolist(), strict=True)
        )
        return torch.from_numpy(
            fit_table((lab for lab, _ in one), (tuple(box) for _, box in other))
        )


def _trace(run: Run, job: Job, identity: Mapping[str, Any] | None) -> Provenance:
    """Say what the model is made from; rank 0, which exports it, knows the shards."""
    return Provenance(
        params=run.params,
        shards={} if identity is None else dict(identity["shards"]),
        foreign=run.inputs.data is not None,
        samples={"train": len(job.train), "val": len(job.val)},
        started_from=run.inputs.start.to_record() if run.inputs.start else None,
    )


def _make_saver(run: Run, job: Job, identity: Mapping[str, Any]) -> Saver:
    """Make what saves the run; a checkpoint says of itself all that decides what comes after it."""
    params, partition = job.params, to_partition(job)
    fixed = {
        "run": identity,
        "world": {"processes": job.world.size, "device": job.train.device.type},
        "started_from": run.inputs.start.to_record() if run.inputs.start else None,
    }

    def describe(step: int) -> dict[str, Any]:
        # All functions of the step, written down for whoever reads it.
        epoch, place = divmod(step, partition.steps_per_epoch)
        rate = learning_rate(step, params) if step < params.steps else None
        return fixed | {
            "schedule": {"step": step, "of": params.steps, "next_rate": rate},
            "sampler": {
                "epoch": epoch,
                "step_in_epoch": place,
                "seed": params.seed,
                "window": params.window,
            },
        }

    return Saver(run.checkpoints, keep=params.keep, describe=describe, report=job.report)


def _leave_to_rank_0(state: TrainState, *, final: bool) -> None:
    """Save nothing: the state is the same on every rank."""


def _export(
    result: Path, state: TrainState, origin: Provenance, *, table_score: Score | None
) -> None:
    """Write the result under another name first: what is called `result` is complete."""
    partial = result.with_name(f"{result.name}.partial")
    for old in (partial, result):
        if old.exists():
            shutil.rmtree(old)
    export_model(partial, state, origin, table_score=table_score)
    partial.rename(result)


def _note(report: Progress, message: str) -> None:
    report({"event": "note", "message": message})


def _log(event: dict[str, Any]) -> None:
    if event["event"] == "note":
        logging.getLogger(__name__).warning(event["message"])
