"""How long training stands still for a checkpoint: written at once, and by the thread beside it.

The network and the settings of params.yaml, on the CPU with one thread, on crops of prints that
the replica draws. Round by round, each way takes its turn: some steps, a save, some steps while it
may still be written; `nothing` saves nothing, and shows what the machine itself does to steps.
What counts is the pause, and what the steps after it take longer than those before, both as parts
of a step. Run it from the repository: `python bench/checkpoint_pause.py`. It takes five minutes,
and writes bench/results/checkpoint_pause.json.
"""

import argparse
import itertools
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
import torch
from _record import write_record
from _stream_data import SIZE, make_data

from flows.params import read_params
from train.augment import Batch
from train.checkpoints.checkpoint import write_checkpoint
from train.checkpoints.saving import Saver
from train.data import open_split
from train.loop import Job, describe, to_batch, train_step
from train.params import TrainParams
from train.state import TrainState, make_state, pack
from train.streaming.samples import hold
from train.table import fit_table
from train.world import World

ROOT = Path(__file__).resolve().parents[1]
SAMPLES = 32
STEPS = 6
"""Before a save, and after it: so long a write takes at most here."""

Run = dict[str, float]
CPU = torch.device("cpu")


class Training:
    """A run whose batch is always the same one."""

    def __init__(self, params: TrainParams, shards: Path) -> None:
        """Do the first steps, after which memory is laid out."""
        samples = hold(open_split(shards, "train", read="map"), "device", device=CPU, ahead=1)
        with samples.read([np.arange(params.batch)], largest=params.batch) as feed:
            gathered = next(feed)
        boxes = [tuple(box) for box in gathered.valid_B4.tolist()]
        table = torch.from_numpy(fit_table(gathered.lab_BSS3.numpy(), boxes))
        self.state: TrainState = make_state(params, table, device=CPU)
        self._job = Job(
            params,
            samples,
            samples,
            World(rank=0, local_rank=0, size=1),
            save=lambda _, *, final: None,
            report=lambda _: None,
            stop=lambda: False,
        )
        how = describe(self.state, params)
        self._batch: Batch = to_batch(gathered, epoch=0, how=how)
        self.state.best = {
            name: value.detach().clone() for name, value in self.state.ema.named_parameters()
        }
        self.step(STEPS)

    def step(self, count: int) -> list[float]:
        """Do some steps, and return how long each took."""
        took = []
        for _ in range(count):
            began = time.perf_counter()
            train_step(
                self.state,
                self._batch,
                network=self.state.model,
                job=self._job,
                global_batch=self._job.params.batch,
            )
            took.append(time.perf_counter() - began)
        return took


def measure(training: Training, save: Callable[[TrainState], None]) -> Run:
    """Do steps, a save, and steps again: seconds of a step and of the pause, parts of a step."""
    step_s = median(training.step(STEPS))
    began = time.perf_counter()
    save(training.state)
    pause_s = time.perf_counter() - began
    after = training.step(STEPS)
    return {
        "step_s": step_s,
        "pause_s": pause_s,
        "pause_steps": pause_s / step_s,
        "slower_steps": sum(after) / step_s - STEPS,
    }


def main() -> None:
    """Measure, print the table and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=12)
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)
    params = read_params(ROOT / "params.yaml", ()).train
    with TemporaryDirectory() as scratch:
        make_data(Path(scratch), samples=SAMPLES)
        training, told = Training(params, Path(scratch) / "raw"), []
        at_once, beside = Path(scratch) / "at once", Path(scratch) / "beside"
        saver = Saver(beside, keep=params.keep, describe=lambda _: {}, report=told.append)
        ways: dict[str, Callable[[TrainState], None]] = {
            "nothing": lambda _: None,
            "at once": lambda state: write_checkpoint(at_once, pack(state), keep=params.keep),
            "beside": lambda state: saver.save(state, final=False),
        }
        runs: dict[str, list[Run]] = {way: [] for way in ways}
        with saver:
            saver.prepare(training.state)
            for _, way in itertools.product(range(rounds), ways):
                runs[way].append(measure(training, ways[way]))
        stored = next(beside.glob("step-*/state.safetensors")).stat().st_size
    write([event["took_s"] for event in told], runs, stored, params=params)


def write(
    took_s: list[float], runs: dict[str, list[Run]], stored: int, *, params: TrainParams
) -> None:
    """Print what was found, and write it down."""
    rows = {
        way: {name: round(median(run[name] for run in found), 4) for name in found[0]}
        for way, found in runs.items()
    }
    print(f"a checkpoint is {stored / 1e6:.1f} MB; written beside in {median(took_s):.2f} s")
    print(f"{'':8s}{'pause, s':>10s}{'of a step':>11s}{'longest':>9s}{'steps slower by':>17s}")
    for way, row in rows.items():
        longest = max(run["pause_steps"] for run in runs[way])
        print(
            f"{way:8s}{row['pause_s']:10.4f}{row['pause_steps']:11.3f}{longest:9.3f}"
            f"{row['slower_steps']:17.3f}"
        )
    settings = {"batch": params.batch, "input": params.input, "size": SIZE, "threads": 1}
    print(
        write_record(
            "checkpoint_pause",
            packages=("torch", "safetensors"),
            settings=settings | {"rounds": len(took_s), "steps_around": STEPS},
            stored_bytes=stored,
            took_s=took_s,
            runs=runs,
            longest={way: max(run["pause_steps"] for run in found) for way, found in runs.items()},
            median=rows,
        )
    )


if __name__ == "__main__":
    main()
