"""Edge: runs that differ in their seed alone, submitted together as a job array.

Each keeps its result in its run folder, where `photochrom train` with that seed finds it.
"""

import contextlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock

from flows.cluster.client import Slurm
from flows.cluster.describing import describe_array, describe_job
from flows.cluster.job import RUNS, Job
from flows.cluster.jobs import SCRIPT, has_result, lock_of, look_for
from flows.cluster.note import Note, find_family, write_note
from flows.cluster.options import to_options
from flows.cluster.place import Place
from flows.cluster.script import render_script
from flows.errors import ClusterError
from harvest.files import write_bytes
from train.params import TrainParams
from train.run import Inputs, prepare_run

_NUMBER = re.compile(r"[0-9]{1,10}")

MOST = 1000
"""Seeds in an array; a site's MaxArraySize is 1,001 unless it says otherwise (slurm.conf(5))."""


def read_seeds(said: str) -> list[int]:
    """Read seeds such as `0-4` or `1,2,7`.

    Raises:
        ClusterError: If they are none, more than `MOST`, twice the same, or no seeds.
    """
    seeds: list[int] = []
    for part in said.split(","):
        first, dash, last = part.strip().partition("-")
        if not _NUMBER.fullmatch(first) or (dash and not _NUMBER.fullmatch(last)):
            raise ClusterError(f"expected seeds such as 0-4 or 1,2,7, got {said[:80]!r}")
        stop = int(last or first) + 1
        if not 0 < stop - int(first) <= MOST or stop > 2**32:
            raise ClusterError(f"expected rising seeds, {MOST} at most, below 2**32; got {said!r}")
        seeds += range(int(first), stop)
    if not seeds or len(set(seeds)) != len(seeds) or len(seeds) > MOST:
        raise ClusterError(f"expected 1 to {MOST} seeds, each once, got {said!r}")
    return seeds


def submit_seeds(
    params: TrainParams,
    seeds: Sequence[int],
    *,
    inputs: Inputs,
    place: Place,
    state: Path,
    say: Callable[[str], None],
) -> Job | None:
    """Submit the runs of some seeds as one array, less those that are through or go on already.

    Args:
        params: Settings of all runs; their own seed does not count.
        seeds: At least one.
        inputs: What the runs read, as it lies here.
        place: Where the cluster's files are.
        state: The checkout's .photochrom.
        say: Takes a line about what is done.

    Returns:
        The array; None where no seed needs a run.

    Raises:
        ClusterError: If SLURM refuses or does not answer.
        DataError: If the index of the shards is missing or malformed.
    """
    runs = {seed: params.model_copy(update={"seed": seed}) for seed in seeds}
    jobs = {seed: describe_job(one, inputs=inputs, state=state) for seed, one in runs.items()}
    with contextlib.ExitStack() as stack:
        # In one order, so that two who want the same wait for each other in turn.
        for folder in sorted(place.here(job.run) for job in jobs.values()):
            folder.parent.mkdir(parents=True, exist_ok=True)
            stack.enter_context(FileLock(lock_of(folder)))
        for seed, one in list(runs.items()):
            reason = _find_reason(jobs[seed], one, inputs=inputs, place=place)
            if reason is not None:
                say(f"seed {seed}: {reason}")
                del runs[seed]
        if not runs:
            return None
        array = describe_array(list(runs.values()), inputs=inputs, state=state)
        number = _find_or_submit(array, list(runs.values()), inputs=inputs, place=place)
        for at, (key, one) in enumerate(zip(array.runs, runs.values(), strict=True)):
            log = str(array.run / array.log.replace("%A", number).replace("%a", str(at)))
            note = Note(f"{number}_{at}", array.name, log, find_family(one, inputs=inputs))
            write_note(place.here(array.home / "runs" / key), note)
            say(f"seed {one.seed}: submitted as job {note.job}; its output goes to {log}")
    return array


def _find_reason(job: Job, params: TrainParams, *, inputs: Inputs, place: Place) -> str | None:
    """Say why a run needs no job; None where it needs one."""
    found = look_for(job, params, inputs=inputs, place=place)
    if found is not None:
        note, state = found
        return f"job {note.job} is {state}"
    folder = place.here(job.run)
    if folder.is_dir():
        place.fetch(job.run)
    return "is complete already" if has_result(folder) else None


def _find_or_submit(
    array: Job, runs: Sequence[TrainParams], *, inputs: Inputs, place: Place
) -> str:
    """Return the number of an array, which a lost answer may have left without a note."""
    slurm = Slurm(place.login)
    if (found := slurm.find(array.name, array.run)) is not None:
        return found[0]
    folders = [array.home / "runs" / key for key in array.runs]
    for folder, params in zip(folders, runs, strict=True):
        prepare_run(place.here(folder), params, inputs=inputs, checkpoints_root=array.checkpoints)
        place.send(folder, inputs=inputs)
    here, first = place.here(array.run), runs[0]
    write_bytes(here / RUNS, "".join(f"{folder}\n" for folder in folders).encode())
    write_bytes(here / SCRIPT, render_script(array, first.slurm).encode())
    place.supply(array, first, inputs=inputs)
    return slurm.submit(array.run / SCRIPT, to_options(array, first.slurm))
