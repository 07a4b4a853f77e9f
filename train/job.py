"""Edge: one rank of a training job: shards in, a model's files out."""

import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from train.checkpoint import read_checkpoint, write_checkpoint
from train.data import Held, Split, hold, open_split
from train.errors import DataError
from train.export import Source, export_model
from train.hashes import read_hashes
from train.loop import Job, Progress, fit
from train.params import TrainParams
from train.run import PROGRESS, RESULT, Run
from train.state import TrainState, make_state, pack, unpack
from train.table import fit_table
from train.validation import validate
from train.world import World, connected


def train_run(run: Run, world: World, *, stop: Callable[[], bool]) -> bool:
    """Train one run on this rank, from its last checkpoint if it has one.

    How many threads it uses is the launcher's to say, by `OMP_NUM_THREADS`.

    Args:
        run: Settings and folders.
        world: This process's place.
        stop: Says whether this process was asked to stop.

    Returns:
        True if the run is complete and its result written, False if it was stopped and saved.

    Raises:
        TrainError: If data, checkpoints or the other ranks fail.
    """
    device = world.device()
    # Bit for bit is promised on the CPU; CUDA lacks such kernels for some of this.
    torch.use_deterministic_algorithms(device.type == "cpu")
    report = functools.partial(_report, run.folder / PROGRESS)
    train, val = open_split(run.shards, "train"), open_split(run.shards, "val")
    _check_size(train, run.params, world=world, report=report)
    with connected(world, device):
        job = Job(
            params=run.params,
            train=hold(train, device),
            val=hold(val, device),
            world=world,
            save=functools.partial(_save, run.checkpoints, world),
            report=report,
            stop=stop,
        )
        return _train(run, job, device=device)


def _train(run: Run, job: Job, *, device: torch.device) -> bool:
    params, world = job.params, job.world
    state = make_state(params, _fit_table(job.train), device=device)
    # Before the first step the network adds nothing: this is the table's own score.
    score = validate(state.model, job.val, short=params.input, beta=params.huber_beta, world=world)
    _resume(state, run.checkpoints, job=job)
    if world.rank == 0:
        job.report(
            {
                "event": "start",
                "step": state.step,
                "of": params.steps,
                "train": len(job.train),
                "val": len(job.val),
                "processes": world.size,
                "device": device.type,
                "table_val_dE00": score.de00 if score else None,
            }
        )
    done = fit(state, job)
    if world.rank == 0 and done:
        source = Source(
            params=params,
            shards=read_hashes(run.shards),
            table_score=score,
            samples={"train": len(job.train), "val": len(job.val)},
        )
        _export(run.folder / RESULT, state, source)
    if world.rank == 0:
        job.report({"event": "done" if done else "stopped", "step": state.step, "of": params.steps})
    world.wait()
    return done


def _check_size(split: Split, params: TrainParams, *, world: World, report: Progress) -> None:
    if not len(split):
        raise DataError(
            "the train split has no samples; harvest more items, or look at why they were "
            "rejected: `photochrom status`"
        )
    batch = min(params.batch, len(split))
    if world.size > batch:
        raise DataError(
            f"a batch of {batch} samples leaves some of {world.size} processes with none; "
            f"lower train.processes or raise train.batch"
        )
    if batch < params.batch and world.rank == 0:
        report({"event": "note", "message": f"the split holds {batch} samples: one batch is all"})


def _fit_table(held: Held) -> torch.Tensor:
    pictures = (lab_SS3.cpu().numpy() for lab_SS3 in held.lab_NSS3)
    boxes = [(top, left, bottom, right) for top, left, bottom, right in held.valid_N4.tolist()]
    return torch.from_numpy(fit_table(pictures, boxes))


def _resume(state: TrainState, checkpoints: Path, *, job: Job) -> None:
    def tell(message: str) -> None:
        if job.world.rank == 0:
            job.report({"event": "note", "message": message})

    checkpoint = read_checkpoint(checkpoints, on_damage=tell)
    if checkpoint:
        unpack(checkpoint, state)
    # Nobody saves, and so removes an old checkpoint, while another still reads.
    job.world.wait()


def _save(checkpoints: Path, world: World, state: TrainState) -> None:
    if world.rank == 0:
        write_checkpoint(checkpoints, pack(state))


def _export(result: Path, state: TrainState, source: Source) -> None:
    """Write the result under another name first: what is called `result` is complete."""
    partial = result.with_name(f"{result.name}.partial")
    for old in (partial, result):
        if old.exists():
            shutil.rmtree(old)
    export_model(partial, state, source)
    partial.rename(result)


def _report(path: Path, event: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(event) + "\n")
