"""Edge: a job that was submitted, looked at again and again until it has ended."""

import contextlib
import functools
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from flows.cluster.client import JobState, Slurm
from flows.cluster.note import Note
from flows.cluster.place import Place
from flows.cluster.script import LEFT
from flows.errors import ClusterError, JobLeftError
from train.errors import TrainError
from train.launch import Progress, last_lines
from train.params import SlurmParams
from train.progress import read_events
from train.run import PROGRESS, RESULT, STOPPED

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
    show: Callable[[Mapping[str, str]], None] = lambda _: None
    """Takes what is known of the job, by name, as it changes."""


def watch_job(note: Note, run: Path, slurm: SlurmParams, *, place: Place, watcher: Watcher) -> None:
    """Report a job until it has ended, and its result is there; when the run is cancelled, end it.

    Args:
        note: The job.
        run: Its run folder, as the nodes see it.
        slurm: How often to look.
        place: Where the cluster's files are.
        watcher: Whom to tell.

    Raises:
        ClusterError: If the job ended without a result.
        JobLeftError: If SLURM did not answer for so long that the job is left to itself.
        TrainError: If the job was asked to stop, and saved its state.
    """
    client, folder = Slurm(place.login), place.here(run)
    asked, answered, told, failed = False, time.monotonic(), "", ""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PROGRESS).touch()
    with (folder / PROGRESS).open("rb") as stream:
        report = functools.partial(_report, stream, watcher)
        while True:
            heard = watcher.stopped()
            try:
                now = client.read_state(note.job)
                if heard and not asked and not now.ended:
                    client.cancel(note.job)
                    asked = True
                place.fetch(run)
                answered = time.monotonic()
            except ClusterError as exc:
                if time.monotonic() - answered > PATIENCE_S:
                    raise to_leaving(note.name, note.job, exc) from exc
                if str(exc) != failed:
                    failed = str(exc)
                    watcher.say(f"job {note.job}: {exc}; asking again")
                now = JobState("unanswered")
            report()
            watcher.show(to_facts(note, now))
            if (words := f"{now.state} {now.reason}".strip()) != told:
                told = words
                watcher.say(f"job {note.job} is {words}")
            if now.ended:
                break
            pause(slurm.poll_s, watcher, heard=heard, meanwhile=report)
        _await_result(note, run, now, place=place)
        report()


def replay(folder: Path, watcher: Watcher) -> None:
    """Report a run that was through before anyone watched it.

    Args:
        folder: Its run folder, as it is seen from here.
        watcher: Whom to tell.
    """
    with contextlib.suppress(FileNotFoundError), (folder / PROGRESS).open("rb") as stream:
        _report(stream, watcher)


def pause(seconds: float, watcher: Watcher, *, heard: bool, meanwhile: Callable[[], None]) -> None:
    """Wait until the next look at a job, or until a Cancel that was not heard yet."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0 and (heard or not watcher.stopped()):
        time.sleep(min(left, TICK_S))
        meanwhile()


def to_facts(note: Note, now: JobState) -> dict[str, str]:
    """List what a person wants to know of a job; what is not known is ""."""
    waits = now.state == "PENDING"
    return {
        "job": f"{note.job} ({note.name})",
        "state": now.state,
        "reason": now.reason,
        "expected to start": now.start if waits else "",
        "started": "" if waits else now.start,
        "ends by": "" if waits or now.ended else now.end,
        "nodes": now.nodes,
        "queued again": "" if not now.restarts else f"{now.restarts} times",
        "exit code": "" if now.exit_code is None else str(now.exit_code),
        "log": note.log,
    }


def to_leaving(name: str, number: str | None, last: ClusterError) -> JobLeftError:
    """Say that a job may go on that nobody waits for any more, and why."""
    which = f"job {number} ({name})" if number is not None else f"a job named {name}"
    by = number if number is not None else f"--name={name}"
    return JobLeftError(
        f"{which} may go on, and could not be watched ({str(last).splitlines()[0]}): end it "
        f"with `scancel {by}`, or run the stage again, which finds it"
    )


def _report(stream: BinaryIO, watcher: Watcher) -> None:
    for event in read_events(stream):
        watcher.on_progress(event)


def _await_result(note: Note, run: Path, ended: JobState, *, place: Place) -> None:
    deadline = time.monotonic() + (SETTLE_S if ended.state in ("COMPLETED", "UNKNOWN") else 0)
    while not (place.here(run) / RESULT).is_dir():
        if time.monotonic() >= deadline:
            raise _explain(note, ended, place=place)
        time.sleep(TICK_S)
        place.fetch(run)


def _explain(note: Note, ended: JobState, *, place: Place) -> ClusterError | TrainError:
    if ended.exit_code in (STOPPED, LEFT):
        return TrainError(
            f"job {note.job} was asked to stop and saved its state; run it again to go on. "
            f"{note.log} says why it did not queue itself again"
        )
    if ended.state == "CANCELLED":
        remedy = "if it had begun, its state is saved: run the stage again to go on"
    else:
        remedy = "mend what it says and run the stage again: it goes on from the last checkpoint"
    log = place.here(Path(note.log))
    place.fetch(Path(note.log).parent)
    code = "" if ended.exit_code is None else f", exit code {ended.exit_code}"
    lines = last_lines(log) if log.is_file() else ["(there is no such file: it never started)"]
    return ClusterError(
        f"job {note.job} ({note.name}) ended as {ended.state}{code}, and left no result; {remedy}\n"
        f"{note.log} ends with:\n" + "\n".join(lines)
    )
