"""Edge: a training run as a SLURM job: submitted once, watched, and waited for."""

import contextlib
import time
from pathlib import Path

from filelock import FileLock

from flows.cluster.client import Slurm
from flows.cluster.job import Job
from flows.cluster.login import Login
from flows.cluster.note import Note, find_family, read_note, write_note
from flows.cluster.options import to_options
from flows.cluster.place import Place
from flows.cluster.script import render_script
from flows.cluster.watching import PATIENCE_S, Watcher, pause, replay, to_leaving, watch_job
from flows.errors import ClusterError
from harvest.files import write_bytes
from train.errors import TrainError
from train.params import TrainParams
from train.run import RESULT, Inputs, prepare_run, read_run

SCRIPT = "job.sh"


def train_on_cluster(
    job: Job, params: TrainParams, *, inputs: Inputs, place: Place, watcher: Watcher
) -> Path:
    """Wait until a run's job is through: it is submitted unless it is there already.

    Args:
        job: From `describe_job`.
        params: Settings of the run.
        inputs: What the run reads, as it lies here.
        place: Where the cluster's files are.
        watcher: Whom to tell.

    Returns:
        The run's folder, as it is seen from here, with its result.

    Raises:
        ClusterError: If SLURM refuses, does not answer, or the job ended without a result;
            the message ends with the last lines of its log.
        JobLeftError: If SLURM did not answer for so long that the job is left to itself.
        TrainError: If the job was asked to stop, and saved its state.
    """
    note: Note | None = None
    try:
        note = _find_or_submit(job, params, inputs=inputs, place=place, watcher=watcher)
        if note is None:
            watcher.say(f"{job.name} is complete already, in {job.run}")
            replay(place.here(job.run), watcher)
        else:
            watch_job(note, job.run, params.slurm, place=place, watcher=watcher)
    except KeyboardInterrupt:
        _call_off(job, note, place)
        raise
    return place.here(job.run)


def _call_off(job: Job, note: Note | None, place: Place) -> None:
    """End the run's job, whose number may not have come through from sbatch yet."""
    slurm = Slurm(place.login)
    number = None if note is None else note.job
    try:
        if number is None and (found := slurm.find(job.name, job.run)) is not None:
            number = found[0]
        if number is not None:
            slurm.cancel(number)
    except ClusterError as exc:
        raise to_leaving(job.name, number, exc) from exc


def check_alone(run: Path) -> None:
    """See that no job on the cluster writes the checkpoints of a run that is to go on here.

    Args:
        run: Where the run's folder would be, had it been submitted from here.

    Raises:
        ClusterError: If one does, or SLURM cannot be asked.
    """
    note = read_note(run)
    if note is None:
        return
    try:
        now = Slurm(Login(None)).read_state(note.job)
    except ClusterError as exc:
        raise ClusterError(
            f"{run}: job {note.job} was submitted for this same run, and SLURM cannot be asked "
            f"whether it goes on ({exc}); if it does not, remove that folder"
        ) from exc
    if not now.ended:
        raise ClusterError(
            f"job {note.job} ({note.name}) is {now.state} and writes the same checkpoints; wait "
            f"for it with train.runner: slurm, or end it with `scancel {note.job}`"
        )


def has_result(run: Path) -> bool:
    """Say whether a job of this run ended while nobody waited for it.

    Args:
        run: The run folder, as it is seen from here.
    """
    with contextlib.suppress(TrainError):
        return read_run(run).checkpoints.name == run.name and (run / RESULT).is_dir()
    return False


def _find_or_submit(
    job: Job, params: TrainParams, *, inputs: Inputs, place: Place, watcher: Watcher
) -> Note | None:
    """Return the run's job; None if the run needs none any more."""
    folder, say = place.here(job.run), watcher.say
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock_of(folder)):
        note = _find(job, params, inputs=inputs, place=place, watcher=watcher)
        if note is not None or folder.is_dir():
            place.fetch(job.run)
        if has_result(folder):
            return None
        if note is not None:
            # A kill may have come between its submission and the note.
            write_note(folder, note)
            say(f"job {note.job} ({note.name}) was submitted before; its output goes to {job.run}")
            return note
        prepare_run(folder, params, inputs=inputs, checkpoints_root=job.checkpoints)
        write_bytes(folder / SCRIPT, render_script(job, params.slurm).encode())
        place.send(job.run, inputs=inputs)
        place.supply(job, params, inputs=inputs)
        if watcher.stopped():
            raise ClusterError(f"called off before {job.name} was submitted")
        number = Slurm(place.login).submit(job.run / SCRIPT, to_options(job, params.slurm))
        note = _to_note(job, number, params, inputs=inputs)
        write_note(folder, note)
    say(f"submitted job {number} ({job.name}); its output goes to {note.log}")
    return note


def lock_of(folder: Path) -> Path:
    """Name the lock that whoever submits a run holds meanwhile.

    Args:
        folder: The run folder, as it is seen from here.
    """
    return folder.with_name(f"{folder.name}.lock")


def _to_note(job: Job, number: str, params: TrainParams, *, inputs: Inputs) -> Note:
    log = job.run / job.log.replace("%j", number)
    return Note(number, job.name, str(log), find_family(params, inputs=inputs))


def _find(
    job: Job, params: TrainParams, *, inputs: Inputs, place: Place, watcher: Watcher
) -> Note | None:
    """Find the run's job, and let one that is ending end: it may still save its state."""
    deadline = time.monotonic() + PATIENCE_S
    while (found := look_for(job, params, inputs=inputs, place=place)) is not None:
        note, state = found
        if state != "COMPLETING":
            return note
        if watcher.stopped():
            # It may be on its way into the queue again.
            Slurm(place.login).cancel(note.job)
            raise ClusterError(f"called off while job {note.job} ({note.name}) was ending")
        if time.monotonic() > deadline:
            raise ClusterError(
                f"job {note.job} ({note.name}) has been ending for {PATIENCE_S:.0f} s, and another "
                "must not write beside it; ask who runs the cluster to end it"
            )
        pause(params.slurm.poll_s, watcher, heard=False, meanwhile=lambda: None)
    return None


def look_for(
    job: Job, params: TrainParams, *, inputs: Inputs, place: Place
) -> tuple[Note, str] | None:
    """Find a job of the run that has not ended: one of its own, or of an array.

    Args:
        job: The run, from `describe_job`.
        params: Settings of the run.
        inputs: What the run reads, as it lies here.
        place: Where the cluster's files are.

    Returns:
        The job, and its state, such as RUNNING; None if there is none.

    Raises:
        ClusterError: If SLURM does not answer.
    """
    slurm = Slurm(place.login)
    found = slurm.find(job.name, job.run)
    if found is not None:
        number, state = found
        return _to_note(job, number, params, inputs=inputs), state
    note = read_note(place.here(job.run))
    if note is None or note.name == job.name:
        return None
    now = slurm.read_state(note.job)
    return None if now.ended else (note, now.state)
