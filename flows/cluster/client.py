"""Edge: SLURM's own programs, each called with a time limit."""

import os
import re
import shutil
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.errors import ClusterError

LIMIT_S = 60.0
"""Longest answer of a controller that is waited for; a busy one takes tens of seconds."""

ENDED = frozenset(
    {
        *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL"),
        *("OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT"),
    }
)
"""States of a job that will not run again by itself (squeue(1), JOB STATE CODES)."""


@dataclass(frozen=True, slots=True)
class JobState:
    """What SLURM says of a job."""

    state: str
    """Such as RUNNING; UNKNOWN when SLURM has forgotten the job."""
    reason: str = ""
    """Why it waits, or why it ended."""
    exit_code: int | None = None
    """Of its script; None before it has one."""

    @property
    def ended(self) -> bool:
        """Whether it will not run again."""
        return self.state in ENDED or self.state == "UNKNOWN"


def submit(script: Path, options: Sequence[str] = ()) -> int:
    """Hand a batch script to sbatch, and return the job's number.

    Args:
        script: The batch script.
        options: Those of its `#SBATCH` lines, such as `--qos=high`. A variable of the user's that
            sbatch would put in the place of one is withheld; the others, such as SBATCH_ACCOUNT
            where the script names no account, hold.

    Raises:
        ClusterError: If there is no sbatch here, or it refuses; SLURM's own words are in it.
    """
    said = _call("sbatch", "--parsable", str(script), withheld=_to_variables(options))
    number = said.strip().split(";")[0]
    if not number.isdecimal():
        raise ClusterError(f"sbatch: expected the number of a job, got {said.strip()!r}")
    return int(number)


def find_job(name: str, folder: Path) -> tuple[int, str] | None:
    """Find the job of a name that has not ended in a folder.

    Returns:
        Its number and state, such as RUNNING, or COMPLETING while its processes are ending;
        None if there is none.

    Raises:
        ClusterError: If squeue is missing or does not answer.
    """
    said = _call("squeue", "--noheader", "--me", f"--name={name}", "--format=%A %T %Z")
    for line in said.splitlines():
        number, state, where = (*line.strip().split(" ", 2), "", "")[:3]
        if number.isdecimal() and Path(where) == folder:
            return int(number), state
    return None


def read_state(job: int) -> JobState:
    """Ask how a job is.

    Raises:
        ClusterError: If SLURM does not answer.
    """
    try:
        said = _call("scontrol", "show", "job", "--oneliner", str(job))
    except ClusterError as exc:
        if "Invalid job id" in str(exc):
            return JobState("UNKNOWN", "SLURM does not know the job any more")
        raise
    state, reason = _find(said, "JobState") or "UNKNOWN", _find(said, "Reason")
    code, _, killed = _find(said, "ExitCode").partition(":")
    if state not in ENDED or not code.isdecimal():
        return JobState(state, reason)
    # 0:9 is how a job looks that a signal ended; the shell would call it 137.
    number = int(code) or (128 + int(killed) if killed not in ("", "0") else 0)
    return JobState(state, reason, number)


def _find(said: str, name: str) -> str:
    """Find a field in scontrol's line; the paths, which could hold anything, come last in it."""
    found = re.search(rf"\b{name}=(\S+)", said)
    return found[1] if found else ""


def cancel(job: int) -> None:
    """End a job; its processes are told to save first.

    Raises:
        ClusterError: If SLURM does not answer.
    """
    _call("scancel", str(job))


def _call(program: str, *words: str, withheld: Collection[str] = ()) -> str:
    path = shutil.which(program)
    if path is None:
        raise ClusterError(
            f"expected SLURM's {program} on this machine, and there is none; run on a login node "
            "of the cluster, or set train.runner: local"
        )
    try:
        done = subprocess.run(
            [path, *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=LIMIT_S,
            env=_environ(withheld),
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise ClusterError(
            f"{program}: no answer within {LIMIT_S:.0f} s; see whether the cluster is up with "
            "`sinfo`, and run the stage again: it finds the job if there is one"
        ) from exc
    except OSError as exc:
        raise ClusterError(f"{path}: expected a program that runs here; {exc}") from exc
    if done.returncode:
        said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise ClusterError(f"SLURM's {program} refused: {said}\n{_REMEDIES[program]}")
    return done.stdout


_REMEDIES = {
    "sbatch": "mend train.slurm in params.yaml; `photochrom train --dry-run` prints the script",
    "squeue": "see whether the cluster is up with `sinfo`, and run the stage again",
    "scontrol": "see whether the cluster is up with `sinfo`, and run the stage again",
    "scancel": "end the job by hand with scancel",
}


_DROPPED = ("PREFECT_", "SCANCEL_", "SCONTROL_", "SLURM_", "SQUEUE_")
"""What would leak into the job, or hide it from the programs that look for it."""

_NEVER = {"SBATCH_ARRAY_INX", "SBATCH_CLUSTERS", "SBATCH_ERROR", "SBATCH_WAIT"}
"""What would make it several jobs, or one elsewhere, split its log, or wait for its end."""

_SPELT = {
    "cpus-per-task": ("SBATCH_CPUS_PER_GPU",),
    "gres": ("SBATCH_GPUS", "SBATCH_GPUS_PER_NODE", "SBATCH_GPUS_PER_TASK"),
    "mem": ("SBATCH_MEM_PER_NODE", "SBATCH_MEM_PER_CPU", "SBATCH_MEM_PER_GPU"),
    "time": ("SBATCH_TIMELIMIT",),
}
"""Variables that set, or contradict, an option whose name is not theirs (sbatch(1))."""


def _to_variables(options: Sequence[str]) -> set[str]:
    """Name the user's variables that sbatch would put in the place of what a script says."""
    names = [option.removeprefix("--").partition("=")[0] for option in options]
    same = {f"SBATCH_{name.upper().replace('-', '_')}" for name in names}
    return same.union(_NEVER, *(_SPELT.get(name, ()) for name in names))


def _environ(withheld: Collection[str]) -> dict[str, str]:
    """This environment, less what would leak into the job, or make another one of it."""
    kept = ("SLURM_CONF", "SLURM_JWT")
    return {
        name: value
        for name, value in os.environ.items()
        if name in kept or not (name in withheld or name.startswith(_DROPPED))
    }
