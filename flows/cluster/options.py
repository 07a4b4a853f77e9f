"""Pure: what a job asks of SLURM: options of sbatch and srun."""

import shlex

from flows.cluster.job import Job
from train.params import SlurmParams


def to_options(job: Job, slurm: SlurmParams) -> list[str]:
    """List the options of sbatch that a job has, as they stand in its script."""
    processes = slurm.gpus_per_node or 1
    asked = [
        ("job-name", job.name),
        ("chdir", shlex.quote(str(job.run))),
        ("output", job.log),
        ("open-mode", "append"),
        ("array", f"0-{len(job.runs) - 1}" if job.runs else None),
        ("partition", slurm.partition),
        ("account", slurm.account),
        ("qos", slurm.qos),
        ("constraint", slurm.constraint),
        ("nodes", slurm.nodes),
        ("ntasks-per-node", processes),
        ("gres", _to_gres(slurm)),
        ("cpus-per-task", slurm.cpus_per_gpu),
        ("mem", _multiply(slurm.memory_per_gpu, processes)),
        ("time", slurm.time_limit_min),
        ("signal", f"TERM@{slurm.signal_lead_s}" if slurm.signal_lead_s else None),
    ]
    # A node that fails, or a job of more weight, then puts it back into the queue.
    again = "--requeue" if slurm.requeue_limit else "--no-requeue"
    named = [f"--{name}={value}" for name, value in asked if value is not None]
    return [*named, again, *slurm.extra]


def to_srun(slurm: SlurmParams) -> list[str]:
    """List the words that start one process per task."""
    words = ["srun", "--kill-on-bad-exit=1", "--label", "--distribution=block:block"]
    # From 22.05 on srun does not take --cpus-per-task over from the job.
    if slurm.cpus_per_gpu:
        words.append(f"--cpus-per-task={slurm.cpus_per_gpu}")
    return words


def to_container(job: Job, slurm: SlurmParams) -> list[str]:
    """List the words, after srun's own, that open the container; none where there is none."""
    if slurm.container is None:
        return []
    mounts = [str(mount) for mount in job.mounts]
    if slurm.container_runtime == "pyxis":
        pairs = ",".join(f"{mount}:{mount}" for mount in mounts)
        return [f"--container-image={slurm.container}", f"--container-mounts={pairs}"]
    driver = ["--nv"] if slurm.gpus_per_node else []
    return ["apptainer", "exec", *driver, "--bind", ",".join(mounts), slurm.container]


def _to_gres(slurm: SlurmParams) -> str | None:
    """Ask for GPUs by node: each process then sees all of its node's, and takes its own."""
    if slurm.gpus_per_node is None:
        return None
    kind = f":{slurm.gpu_type}" if slurm.gpu_type else ""
    return f"gpu{kind}:{slurm.gpus_per_node}"


def _multiply(memory: str | None, times: int) -> str | None:
    return None if memory is None else f"{int(memory[:-1]) * times}{memory[-1]}"
