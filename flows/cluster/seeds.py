"""Edge: runs that differ in their seed alone, submitted together as a job array.

Each keeps its result in its run folder, where `photochrom train` with that seed finds it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from filelock import FileLock

from flows.cluster.client import Slurm
from flows.cluster.describing import describe_array
from flows.cluster.job import RUNS, Job
from flows.cluster.jobs import SCRIPT, has_result
from flows.cluster.note import Note, read_note, write_note
from flows.cluster.options import to_options
from flows.cluster.place import Place
from flows.cluster.script import render_script
from flows.errors import ClusterError
from harvest.files import write_bytes
from train.params import TrainParams
from train.run import Inputs, prepare_run, run_key

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
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ClusterError(f"expected seeds such as 0-4 or 1,2,7, got {said!r}")
        stop = int(last or first) + 1
        if stop > 2**32 or stop - int(first) > MOST:
            raise ClusterError(f"expected at most {MOST} seeds below 2**32, got {said!r}")
        seeds += range(int(first), stop)
    if not seeds or len(set(seeds)) != len(seeds) or len(seeds) > MOST:
        raise ClusterError(f"expected 1 to {MOST} seeds, each once and rising, got {said!r}")
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
    home = describe_array(list(runs.values()), inputs=inputs, state=state).home
    here = place.here(home / "runs")
    here.mkdir(parents=True, exist_ok=True)
    with FileLock(here.with_name("seeds.lock")):
        for seed, one in list(runs.items()):
            reason = _find_reason(place, home / "runs" / run_key(one, inputs=inputs))
            if reason is not None:
                say(f"seed {seed}: {reason}")
                del runs[seed]
        if not runs:
            return None
        job = describe_array(list(runs.values()), inputs=inputs, state=state)
        _submit(job, list(runs.values()), inputs=inputs, place=place, say=say)
    return job


def _find_reason(place: Place, run: Path) -> str | None:
    """Say why a run needs no job; None where it needs one."""
    folder = place.here(run)
    note = read_note(folder)
    if note is not None:
        place.fetch(run)
        now = Slurm(place.login).read_state(note.job)
        if not now.ended:
            return f"job {note.job} is {now.state}"
    return "is complete already" if has_result(folder) else None


def _submit(
    job: Job,
    runs: Sequence[TrainParams],
    *,
    inputs: Inputs,
    place: Place,
    say: Callable[[str], None],
) -> None:
    folders = [job.home / "runs" / key for key in job.runs]
    for folder, params in zip(folders, runs, strict=True):
        prepare_run(place.here(folder), params, inputs=inputs, checkpoints_root=job.checkpoints)
        place.send(folder, params, inputs=inputs)
    slurm = runs[0].slurm
    array = place.here(job.run)
    write_bytes(array / RUNS, "".join(f"{folder}\n" for folder in folders).encode())
    write_bytes(array / SCRIPT, render_script(job, slurm).encode())
    place.put(job.run)
    number = Slurm(place.login).submit(job.run / SCRIPT, to_options(job, slurm))
    for at, (folder, params) in enumerate(zip(folders, runs, strict=True)):
        log = job.run / job.log.replace("%A", number).replace("%a", str(at))
        write_note(place.here(folder), Note(f"{number}_{at}", job.name, str(log)))
        say(f"seed {params.seed}: submitted as job {number}_{at}; its output goes to {log}")
