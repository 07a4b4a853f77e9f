"""Edge: SLURM's own programs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.cluster.login import Login
from flows.errors import ClusterError, RefusedError

ENDED = frozenset(
    {
        *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL"),
        *("OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT"),
    }
)
"""States of a job that will not run again by itself (squeue(1), JOB STATE CODES)."""

UNKNOWN = "UNKNOWN"

_GONE = ("Invalid job id", "not found")
"""What SLURM says of a job that it does not know; of one in an array that never began, the last."""

_OVER = (*_GONE, "already completing or completed")
"""What it says of one that has ended, besides."""


@dataclass(frozen=True, slots=True)
class JobState:
    """What SLURM says of a job; "" where it says nothing."""

    state: str
    """Such as RUNNING; UNKNOWN when SLURM has forgotten the job."""
    reason: str = ""
    """Why it waits, or why it ended."""
    exit_code: int | None = None
    """Of its script; None before it has one."""
    nodes: str = ""
    """On which it runs, or ran last."""
    start: str = ""
    """When it started; of one that waits, when SLURM expects it to."""
    end: str = ""
    """When it ended, or must."""
    restarts: int = 0
    """How often it was queued again."""

    @property
    def ended(self) -> bool:
        """Whether it will not run again."""
        return self.state in ENDED or self.state == UNKNOWN


@dataclass(frozen=True, slots=True)
class Slurm:
    """SLURM, as a login node has it."""

    login: Login

    def submit(self, script: Path, options: Sequence[str] = ()) -> str:
        """Hand a batch script to sbatch, and return the job's number.

        Args:
            script: The batch script.
            options: Those of its `#SBATCH` lines, such as `--qos=high`. A variable of the user's
                that sbatch would put in the place of one is withheld; the others, such as
                SBATCH_ACCOUNT where the script names no account, hold.

        Raises:
            ClusterError: If there is no sbatch, or it refuses; SLURM's own words are in it.
        """
        words = ["sbatch", "--parsable", str(script)]
        said = _remedied(self.login, words, withheld=_to_variables(options))
        number = said.strip().split(";")[0]
        if not number.isdecimal():
            raise ClusterError(f"sbatch: expected the number of a job, got {said.strip()!r}")
        return number

    def find(self, name: str, folder: Path) -> tuple[str, str] | None:
        """Find the job of a name that has not ended in a folder.

        Returns:
            Its number, of an array that of all, and its state, such as RUNNING, or COMPLETING
            while its processes are ending; None if there is none.

        Raises:
            ClusterError: If squeue is missing or does not answer.
        """
        words = ["squeue", "--noheader", "--me", f"--name={name}", "--format=%F %T %Z"]
        for line in _remedied(self.login, words).splitlines():
            number, state, where = (*line.strip().split(" ", 2), "", "")[:3]
            if number.isdecimal() and Path(where) == folder:
                return number, state
        return None

    def read_state(self, job: str) -> JobState:
        """Ask how a job is.

        Args:
            job: Its number, or `number_place` of one in an array.

        Raises:
            ClusterError: If SLURM does not answer.
        """
        words = ["scontrol", "show", "job", "--oneliner", job]
        try:
            return to_state(_remedied(self.login, words))
        except RefusedError as exc:
            if any(said in str(exc) for said in _GONE):
                return self._recall(job)
            raise

    def cancel(self, job: str) -> None:
        """End a job; its processes are told to save first. One that has ended is let be.

        Raises:
            ClusterError: If SLURM does not answer.
        """
        try:
            _remedied(self.login, ["scancel", job])
        except RefusedError as exc:
            if not any(said in str(exc) for said in _OVER):
                raise

    def _recall(self, job: str) -> JobState:
        """Ask the accounting, where there is one, for a job that the controller has forgotten."""
        words = ["sacct", "--noheader", "--parsable2", "--allocations", f"--jobs={job}"]
        try:
            said = self.login.call([*words, "--format=State,ExitCode,NodeList"])
        except ClusterError:
            said = ""  # many sites keep no account, and some have no sacct
        state, code, nodes = (*said.partition("\n")[0].split("|"), "", "", "")[:3]
        # As in `CANCELLED by 1000`. An account may hold a job as running whose end it missed.
        state = state.partition(" ")[0]
        if state not in ENDED:
            return JobState(UNKNOWN, "SLURM does not know the job any more")
        return JobState(state, "", _to_code(code), nodes=nodes)


def to_state(said: str) -> JobState:
    """Read what `scontrol show job --oneliner` says."""
    # Of an array whose jobs have begun there is a line for each; they were asked for one by one.
    line = said.strip().partition("\n")[0]
    state = _find(line, "JobState") or UNKNOWN
    return JobState(
        state=state,
        reason=_find(line, "Reason"),
        exit_code=_to_code(_find(line, "ExitCode")) if state in ENDED else None,
        nodes=_find(line, "NodeList"),
        start=_find(line, "StartTime"),
        end=_find(line, "EndTime"),
        restarts=int(_find(line, "Restarts") or 0),
    )


def _find(line: str, name: str) -> str:
    """Find a field in scontrol's line; the paths, which could hold anything, come last in it."""
    found = re.search(rf"(?:^| ){name}=(\S+)", line)
    return "" if found is None or found[1] in ("(null)", "None", "Unknown") else found[1]


def _to_code(said: str) -> int | None:
    code, _, killed = said.partition(":")
    if not code.isdecimal():
        return None
    # 0:9 is how a job looks that a signal ended; the shell would call it 137.
    return int(code) or (128 + int(killed) if killed not in ("", "0") else 0)


_LOOK = "see whether the cluster is up with `sinfo`, and run the stage again"
_REMEDIES = {
    "sbatch": "mend train.slurm in params.yaml; `photochrom train --dry-run` prints the script",
    "squeue": _LOOK,
    "scontrol": _LOOK,
    "scancel": "end the job by hand with scancel",
}


def _remedied(login: Login, words: Sequence[str], *, withheld: set[str] | None = None) -> str:
    try:
        return login.call(words, withheld=withheld or ())
    except RefusedError as exc:
        raise RefusedError(f"{exc}\n{_REMEDIES[words[0]]}") from exc


_NEVER = {"SBATCH_ARRAY_INX", "SBATCH_CLUSTERS", "SBATCH_ERROR", "SBATCH_WAIT"}
"""What would make it several jobs, or one elsewhere, split its log, or wait for its end."""

_SPELT = {
    "cpus-per-task": ("SBATCH_CPUS_PER_GPU",),
    "gres": ("SBATCH_GPUS", "SBATCH_GPUS_PER_NODE", "SBATCH_GPUS_PER_TASK"),
    "mem": ("SBATCH_MEM_PER_NODE", "SBATCH_MEM_PER_CPU", "SBATCH_MEM_PER_GPU"),
    "no-requeue": ("SBATCH_REQUEUE",),
    "requeue": ("SBATCH_NO_REQUEUE",),
    "time": ("SBATCH_TIMELIMIT",),
}
"""Variables that set, or contradict, an option whose name is not theirs (sbatch(1))."""


def _to_variables(options: Sequence[str]) -> set[str]:
    """Name the user's variables that sbatch would put in the place of what a script says."""
    names = [option.removeprefix("--").partition("=")[0] for option in options]
    same = {f"SBATCH_{name.upper().replace('-', '_')}" for name in names}
    return same.union(_NEVER, *(_SPELT.get(name, ()) for name in names))
