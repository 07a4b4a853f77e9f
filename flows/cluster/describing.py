"""From settings to the description of a job; nothing is written."""

import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import train
from flows.cluster.job import Job
from flows.cluster.place import find_home, find_place, to_code, to_shards
from flows.errors import ClusterError
from train.params import SlurmParams, TrainParams
from train.run import Inputs, run_key


def describe_job(params: TrainParams, *, inputs: Inputs, state: Path) -> Job:
    """Describe the job of a run.

    Args:
        params: Settings of the run.
        inputs: What the run reads, as it lies here.
        state: The checkout's .photochrom, used where no scratch is set.

    Raises:
        ClusterError: If a path is one that a batch script cannot hold, or settings that belong
            together are not all there.
        DataError: If the index is missing or malformed.
    """
    return _describe(run_key(params, inputs=inputs), (), params, inputs=inputs, state=state)


def describe_array(params: Sequence[TrainParams], *, inputs: Inputs, state: Path) -> Job:
    """Describe an array of runs, such as of several seeds.

    Args:
        params: Settings of each run; what is asked of the cluster is that of the first.
        inputs: What they all read.
        state: As in `describe_job`.

    Raises:
        ClusterError: As `describe_job` does.
        DataError: Likewise.
    """
    keys = tuple(run_key(one, inputs=inputs) for one in params)
    key = hashlib.sha256("\n".join(keys).encode()).hexdigest()[:16]
    return _describe(key, keys, params[0], inputs=inputs, state=state)


def _describe(
    key: str, runs: tuple[str, ...], params: TrainParams, *, inputs: Inputs, state: Path
) -> Job:
    slurm = params.slurm
    find_place(slurm, state=state)  # it says what is missing
    _check_together(params, inputs=inputs)
    home = find_home(slurm, state=state)
    try:
        job = Job(key=key, home=home, python=PurePosixPath("python"), runs=runs)
    except ValueError as exc:
        raise ClusterError(f"{exc}; move the checkout, or set train.slurm.scratch") from exc
    try:
        return Job(
            key=key,
            home=home,
            python=_find_python(slurm),
            code=_find_code(job, slurm),
            mounts=_find_mounts(job, params, inputs=inputs) if slurm.container else (),
            runs=runs,
        )
    except ValueError as exc:
        remedy = "make the environment elsewhere, and set train.slurm.venv"
        if "to mount" in str(exc):
            remedy = "see train.slurm.container_mounts, and train.slurm.scratch"
        raise ClusterError(f"{exc}; {remedy}") from exc


def _check_together(params: TrainParams, *, inputs: Inputs) -> None:
    slurm = params.slurm
    if slurm.ssh is None:
        return
    if inputs.start is not None:
        raise ClusterError(
            "train.slurm.ssh: a checkpoint to start from is not copied to the cluster; leave "
            "--resume, or submit there"
        )
    if inputs.data is not None:
        raise ClusterError(
            f"train.slurm.ssh: only shards of the pipeline are copied to the cluster, got "
            f"train.data {inputs.data}; `photochrom pack` makes shards of it, or submit there"
        )


def _find_python(slurm: SlurmParams) -> PurePosixPath:
    if slurm.venv is not None:
        return PurePosixPath(slurm.venv) / "bin" / "python"
    return PurePosixPath("python" if slurm.container else sys.executable)


def _find_code(job: Job, slurm: SlurmParams) -> Path | None:
    """Say where a job finds `train`: an environment of this machine holds it already."""
    if slurm.ssh is not None:
        return to_code(job.run)
    return Path(train.__file__).parents[1] if slurm.container or slurm.venv else None


def _find_mounts(job: Job, params: TrainParams, *, inputs: Inputs) -> tuple[Path, ...]:
    """List what the processes read and write; a folder within another is mounted by it."""
    slurm, given = params.slurm, inputs.resolve()
    paths = [job.home, *map(Path, slurm.container_mounts)]
    if slurm.venv is not None:
        paths.append(Path(slurm.venv))
    if slurm.ssh is not None:
        paths.append(to_shards(job.home, inputs))
    else:
        paths += [given.shards, given.indexes, Path(train.__file__).parents[1]]
        if given.data is not None and "://" not in given.data:
            paths.append(Path(given.data).parent)
        if given.start is not None:
            paths.append(given.start.checkpoint.parent)
    if params.remote.folder is not None:
        paths.append(Path(params.remote.folder))
    return tuple(
        path for path in dict.fromkeys(paths) if not any(other in path.parents for other in paths)
    )
