"""Edge: a training run as a SLURM job: submitted once, watched, and waited for."""

import contextlib
import functools
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock

from flows.cluster.client import JobState, cancel, find_job, read_state, submit
from flows.cluster.script import LOG, Job, render_script, to_options
from flows.errors import ClusterError, JobLeftError
from harvest.files import write_bytes
from train.errors import TrainError
from train.launch import Progress, last_lines, read_events
from train.params import SlurmParams, TrainParams
from train.run import PROGRESS, RESULT, STOPPED, Inputs, prepare_run, read_run, run_key

SCRIPT = "job.sh"
TICK_S = 0.2
SETTLE_S = 60.0
"""So long a network file system may take to show here what a node has written."""

PATIENCE_S = 900.0
"""So long SLURM may be out of reach before waiting for its job, or for its end, is given up."""


@dataclass(frozen=True, slots=True)
class Watcher:
    """Whom a job is reported to, and who may end it."""

    on_progress: Progress
    """Takes every event of the run's progress.jsonl."""
    say: Callable[[str], None]
    """Takes a line for the run's log."""
    stopped: Callable[[], bool]
    """Says whether the run was cancelled."""


def describe_job(params: TrainParams, *, inputs: Inputs, state: Path) -> Job:
    """Describe the job of a run; nothing is written.

    Args:
        params: Settings of the run.
        inputs: What the run reads; every node sees it.
        state: The checkout's .photochrom, used where no scratch is set.

    Raises:
        ClusterError: If a path is one that a batch script cannot hold.
        DataError: If the index is missing or malformed.
    """
    key, slurm = run_key(params, inputs=inputs), params.slurm
    home = state.resolve() if slurm.scratch is None else Path(slurm.scratch)
    python = Path(sys.executable) if slurm.venv is None else Path(slurm.venv) / "bin" / "python"
    try:
        job = Job(key=key, run=home / "runs" / key, python=Path("/"))
    except ValueError as exc:
        raise ClusterError(f"{exc}; move the checkout, or set train.slurm.scratch") from exc
    try:
        return replace(job, python=python)
    except ValueError as exc:
        raise ClusterError(
            f"{exc}; make the environment elsewhere, and set train.slurm.venv"
        ) from exc


def train_on_cluster(job: Job, params: TrainParams, *, inputs: Inputs, watcher: Watcher) -> None:
    """Return when the job's result is in its run folder: submit it unless it is there already.

    Args:
        job: From `describe_job`.
        params: Settings of the run.
        inputs: What the run reads; every node sees it.
        watcher: Whom to tell.

    Raises:
        ClusterError: If SLURM refuses, does not answer, or the job ended without a result;
            the message ends with the last lines of its log.
        JobLeftError: If SLURM did not answer for so long that the job is left to itself.
        TrainError: If the job was asked to stop, and saved its state.
    """
    number: int | None = None
    try:
        number = _find_or_submit(job, params, inputs=inputs, watcher=watcher)
        if number is None:
            watcher.say(f"{job.name} is complete already, in {job.run}")
            return
        ended = _wait(number, job, params.slurm, watcher)
    except KeyboardInterrupt:
        _call_off(job, number)
        raise
    _check(number, job, ended)


def _call_off(job: Job, number: int | None) -> None:
    """End the run's job, whose number may not have come through from sbatch yet."""
    try:
        if number is None and (found := find_job(job.name, job.run)) is not None:
            number = None if found[1] == "COMPLETING" else found[0]
        if number is not None:
            cancel(number)
    except ClusterError as exc:
        raise _give_up(job, number, exc) from exc


def _give_up(job: Job, number: int | None, last: ClusterError) -> JobLeftError:
    which = f"job {number} ({job.name})" if number is not None else f"a job named {job.name}"
    by = number if number is not None else f"--name={job.name}"
    return JobLeftError(
        f"{which} may go on, for SLURM could not be asked ({str(last).splitlines()[0]}): end it "
        f"with `scancel {by}`, or run the stage again, which finds it"
    )


def _has_result(job: Job) -> bool:
    """Say whether a job of this run ended while nobody waited for it."""
    with contextlib.suppress(TrainError):
        return read_run(job.run).checkpoints.name == job.key and (job.run / RESULT).is_dir()
    return False


def _find_or_submit(
    job: Job, params: TrainParams, *, inputs: Inputs, watcher: Watcher
) -> int | None:
    """Return the number of the run's job; None if the run needs none any more."""
    say = watcher.say
    job.run.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(job.run.with_suffix(".lock")):
        number = _find(job, params.slurm, watcher)
        if _has_result(job):
            return None
        if number is not None:
            say(f"job {number} ({job.name}) was submitted before; its output goes to {job.run}")
            return number
        root = job.run.parent.parent / "checkpoints"
        prepare_run(job.run, params, inputs=inputs, checkpoints_root=root)
        script = job.run / SCRIPT
        write_bytes(script, render_script(job, params.slurm).encode())
        number = submit(script, to_options(job, params.slurm))
    say(f"submitted job {number} ({job.name}); its output goes to {_log(job, number)}")
    return number


def _find(job: Job, slurm: SlurmParams, watcher: Watcher) -> int | None:
    """Find the run's job, and let one that is ending end: it may still save its state."""
    deadline = time.monotonic() + PATIENCE_S
    while (found := find_job(job.name, job.run)) is not None:
        number, state = found
        if state != "COMPLETING":
            return number
        if watcher.stopped():
            raise ClusterError(f"called off before job {number} ({job.name}) had ended by itself")
        if time.monotonic() > deadline:
            raise ClusterError(
                f"job {number} ({job.name}) has been ending for {PATIENCE_S:.0f} s, and another "
                "must not write beside it; ask who runs the cluster to end it"
            )
        _pause(slurm.poll_s, watcher, heard=False, meanwhile=lambda: None)
    return None


def _wait(number: int, job: Job, slurm: SlurmParams, watcher: Watcher) -> JobState:
    """Report the job until it has ended; when the run is cancelled, end it."""
    progress, asked, answered, told = job.run / PROGRESS, False, time.monotonic(), ""
    progress.touch()
    with progress.open("rb") as stream:
        while True:
            heard = watcher.stopped()
            try:
                now = read_state(number)
                if heard and not asked and not now.ended:
                    cancel(number)
                    asked = True
                answered = time.monotonic()
            except ClusterError as exc:
                if time.monotonic() - answered > PATIENCE_S:
                    raise _give_up(job, number, exc) from exc
                watcher.say(f"job {number}: {exc}; asking again")
                now = JobState("unanswered")
            _report(stream, watcher)
            if (words := f"{now.state} {now.reason}".removesuffix(" None")) != told:
                told = words
                watcher.say(f"job {number} is {words}")
            if now.ended:
                return now
            report = functools.partial(_report, stream, watcher)
            _pause(slurm.poll_s, watcher, heard=heard, meanwhile=report)


def _pause(seconds: float, watcher: Watcher, *, heard: bool, meanwhile: Callable[[], None]) -> None:
    """Wait until the next look at the job, or until a Cancel that was not heard yet."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0 and (heard or not watcher.stopped()):
        time.sleep(min(left, TICK_S))
        meanwhile()


def _report(stream: BinaryIO, watcher: Watcher) -> None:
    for event in read_events(stream):
        watcher.on_progress(event)


def _check(number: int, job: Job, ended: JobState) -> None:
    deadline = time.monotonic() + (SETTLE_S if ended.state in ("COMPLETED", "UNKNOWN") else 0)
    while not (job.run / RESULT).is_dir():
        if time.monotonic() >= deadline:
            raise _explain(number, job, ended)
        time.sleep(TICK_S)


def _explain(number: int, job: Job, ended: JobState) -> ClusterError | TrainError:
    if ended.exit_code == STOPPED:
        return TrainError(
            f"job {number} was asked to stop and saved its state; run it again to go on"
        )
    log = _log(job, number)
    code = "" if ended.exit_code is None else f", exit code {ended.exit_code}"
    lines = last_lines(log) if log.is_file() else ["(there is no such file: it never started)"]
    return ClusterError(
        f"job {number} ({job.name}) ended as {ended.state}{code}, and left no result; mend what "
        f"it says and run the stage again: it goes on from the last checkpoint\n"
        f"{log} ends with:\n" + "\n".join(lines)
    )


def _log(job: Job, number: int) -> Path:
    return job.run / LOG.replace("%j", str(number))
