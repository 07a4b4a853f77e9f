"""Pure: the batch script of a training run, as text."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from train.params import SlurmParams

LOG = "job-%j.log"
"""Output of the job within the run folder; sbatch puts the job's number in place of %j."""

RENDEZVOUS = """\
# Where the processes meet. A node's name need not resolve; its address, as SLURM knows it, does.
nodes=$(scontrol show hostnames "$SLURM_JOB_NODELIST")
first=${nodes%%$'\\n'*}
MASTER_ADDR=$(scontrol show node "$first" | sed -n 's/.*NodeAddr=\\([^ ]*\\).*/\\1/p')
export MASTER_ADDR="${MASTER_ADDR:-$first}"
export MASTER_PORT=$((20000 + SLURM_JOB_ID % 10000))
"""


@dataclass(frozen=True, slots=True)
class Job:
    """One run of training, as the batch script needs it."""

    key: str
    """Of the run, from `train.run.run_key`."""
    run: Path
    """The run folder, absolute, on a file system that every node sees."""
    python: Path
    """Interpreter of the environment that holds `train`, seen by every node."""

    def __post_init__(self) -> None:
        """Refuse a path that a script cannot hold.

        Raises:
            ValueError: If a path is not absolute, does not print, or has a %, which sbatch reads
                as a pattern.
        """
        for path in (self.run, self.python):
            if not path.is_absolute() or not str(path).isprintable() or "%" in str(path):
                raise ValueError(
                    f"expected an absolute path that prints and has no %, got {str(path)!r}"
                )

    @property
    def name(self) -> str:
        """What SLURM calls it; the same run has the same name again."""
        return f"photochrom-{self.key}"


def render_script(job: Job, slurm: SlurmParams) -> str:
    """Write the batch script of a job.

    Args:
        job: What to run, and where.
        slurm: What to ask the cluster for.

    Returns:
        Bash, with its `#SBATCH` lines.
    """
    lines = ["#!/bin/bash", *(f"#SBATCH {option}" for option in to_options(job, slurm)), ""]
    lines.append("set -euo pipefail")
    if slurm.modules:
        # `module` is the site's own shell code, and reads what may be unset.
        lines += ["set +u", *(f"module load {shlex.quote(one)}" for one in slurm.modules), "set -u"]
    lines += ["", RENDEZVOUS]
    lines += [
        f"export OMP_NUM_THREADS={slurm.cpus_per_gpu or 1}",
        "export PYTHONSAFEPATH=1 PYTHONUNBUFFERED=1",
        "",
        f"{_to_srun(slurm)} {shlex.quote(str(job.python))} -m train {shlex.quote(str(job.run))}",
    ]
    return "\n".join(lines) + "\n"


def to_options(job: Job, slurm: SlurmParams) -> list[str]:
    """List the options of sbatch that a job has, as they stand in its script."""
    processes = slurm.gpus_per_node or 1
    asked = [
        ("job-name", job.name),
        ("chdir", shlex.quote(str(job.run))),
        ("output", LOG),
        ("partition", slurm.partition),
        ("account", slurm.account),
        ("qos", slurm.qos),
        ("nodes", slurm.nodes),
        ("ntasks-per-node", processes),
        ("gres", _to_gres(slurm)),
        ("cpus-per-task", slurm.cpus_per_gpu),
        ("mem", _multiply(slurm.memory_per_gpu, processes)),
        ("time", slurm.time_limit_min),
        ("signal", f"TERM@{slurm.signal_lead_s}" if slurm.signal_lead_s else None),
    ]
    return [f"--{name}={value}" for name, value in asked if value is not None] + list(slurm.extra)


def _to_gres(slurm: SlurmParams) -> str | None:
    """Ask for GPUs by node: each process then sees all of its node's, and takes its own."""
    if slurm.gpus_per_node is None:
        return None
    kind = f":{slurm.gpu_type}" if slurm.gpu_type else ""
    return f"gpu{kind}:{slurm.gpus_per_node}"


def _multiply(memory: str | None, times: int) -> str | None:
    return None if memory is None else f"{int(memory[:-1]) * times}{memory[-1]}"


def _to_srun(slurm: SlurmParams) -> str:
    """One process per task; when one fails, the others are not left waiting for it."""
    # From 22.05 on srun does not take --cpus-per-task over from the job.
    cores = f" --cpus-per-task={slurm.cpus_per_gpu}" if slurm.cpus_per_gpu else ""
    return f"srun --kill-on-bad-exit=1 --label{cores}"
