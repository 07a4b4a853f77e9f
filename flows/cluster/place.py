"""Edge: the files of a run on the cluster: the same as here, or copied to and fro by ssh.

A run's folder, its checkpoints, the code and the shards lie below one folder of the cluster. Where
that is another machine's, it has a mirror here: what the job writes is brought there at each look.
"""

import contextlib
import hashlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from filelock import FileLock

import train
from flows.cluster.job import Job
from flows.cluster.login import Login
from flows.errors import ClusterError
from train.hashes import read_hashes
from train.params import SlurmParams, TrainParams
from train.run import RESULT, Inputs, relocate_run

CODE = ("harvest", "preprocess", "train")
"""Packages that a job imports."""


class Place(Protocol):
    """Where the files of a cluster's runs are."""

    @property
    def login(self) -> Login:
        """Where SLURM's programs are."""

    def here(self, path: Path) -> Path:
        """Name a path of the cluster as it is seen from here."""

    def send(self, run: Path, *, inputs: Inputs) -> None:
        """Bring a run folder that was prepared here to the nodes, with the paths that they see."""

    def supply(self, job: Job, params: TrainParams, *, inputs: Inputs) -> None:
        """Bring the job's script, its code and the shards to the nodes, when its runs are there."""

    def fetch(self, run: Path) -> None:
        """Bring what the job wrote into its run folder here."""

    def forget(self, job: Job) -> None:
        """Remove the checkpoints of a run whose result was taken."""


@dataclass(frozen=True, slots=True)
class Shared:
    """Files that this machine and the nodes share."""

    login: Login

    def here(self, path: Path) -> Path:
        """Return it: there is one name for both."""
        return path

    def send(self, run: Path, *, inputs: Inputs) -> None:
        """Do nothing: the nodes see what was written."""

    def supply(self, job: Job, params: TrainParams, *, inputs: Inputs) -> None:
        """Do nothing, likewise."""

    def fetch(self, run: Path) -> None:
        """Do nothing: what the job writes is seen here."""

    def forget(self, job: Job) -> None:
        """Remove the checkpoints of a run whose result was taken."""
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(job.checkpoints / job.key)


@dataclass(frozen=True, slots=True)
class Afar:
    """Files of a cluster that is reached by ssh alone."""

    login: Login
    home: Path
    """Folder there, `train.slurm.scratch`."""
    mirror: Path
    """Folder here."""

    def here(self, path: Path) -> Path:
        """Name its mirror."""
        return self.mirror / path.relative_to(self.home)

    def send(self, run: Path, *, inputs: Inputs) -> None:
        """Copy a run folder, whose paths become the cluster's.

        Raises:
            ClusterError: If ssh or rsync fails.
        """
        relocate_run(self.here(run), shards=to_shards(self.home, inputs), home=self.home)
        self.login.push(self.here(run), run)

    def supply(self, job: Job, params: TrainParams, *, inputs: Inputs) -> None:
        """Copy the job's folder, its code into it, and the shards.

        Raises:
            ClusterError: If ssh or rsync fails.
        """
        # With shards from afar, a node needs no more than what says which there are.
        only = ("index.json", "index.npy") if params.remote.url is not None else ()
        self.login.push(inputs.shards, to_shards(self.home, inputs), only=only)
        self.login.push(self.here(job.run), job.run)
        for package in CODE:
            source = Path(train.__file__).parents[1] / package
            self.login.push(source, to_code(job.run) / package, spare=("__pycache__",))

    def fetch(self, run: Path) -> None:
        """Copy what the job has written; its result appears here when it is whole.

        Raises:
            ClusterError: If ssh or rsync fails.
        """
        folder, there = self.here(run), self.login.find(run, run / RESULT)
        if run not in there:
            return  # its result was taken
        # One at a time: `photochrom jobs` may look while the stage does.
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_name(f"{folder.name}.fetch")):
            self.login.pull(run, folder, spare=(RESULT, f"{RESULT}.partial", to_code(run).name))
            if (folder / RESULT).is_dir() or run / RESULT not in there:
                return
            partial = folder / f"{RESULT}.partial"
            self.login.pull(run / RESULT, partial)
            partial.rename(folder / RESULT)

    def forget(self, job: Job) -> None:
        """Remove the checkpoints of a run whose result was taken, and its folder there.

        Raises:
            ClusterError: If ssh fails.
        """
        folders = [job.checkpoints / job.key, job.run]
        self.login.call(["rm", "-r", "-f", *map(str, folders)])


def to_code(run: Path) -> Path:
    """Name the folder of the code in a job's folder: another job may be of other code."""
    return run / "code"


def to_shards(home: Path, inputs: Inputs) -> Path:
    """Name the folder of the shards below that of a cluster, by what its index says.

    Raises:
        DataError: If there is no index.
    """
    digests = json.dumps(read_hashes(inputs.shards)).encode()
    return home / "shards" / f"{inputs.size}-{hashlib.sha256(digests).hexdigest()[:16]}"


def find_place(slurm: SlurmParams, *, state: Path) -> Place:
    """Say where a cluster's files are.

    Args:
        slurm: What is asked of it.
        state: The checkout's .photochrom.

    Raises:
        ClusterError: If it is to be reached by ssh, and a setting is not there that this wants.
    """
    login = Login(slurm.ssh)
    if slurm.ssh is None:
        return Shared(login)
    if slurm.scratch is None or (slurm.venv is None and slurm.container is None):
        raise ClusterError(
            "train.slurm.ssh: expected train.slurm.scratch with it, a folder of the cluster that "
            "its nodes see, and train.slurm.venv or train.slurm.container, an environment there; "
            f"got scratch {slurm.scratch}, venv {slurm.venv}, container {slurm.container}"
        )
    # Another cluster's numbers of jobs are others.
    which = hashlib.sha256(f"{slurm.ssh}:{slurm.scratch}".encode()).hexdigest()[:8]
    mirror = state.resolve() / "cluster-runs" / which
    return Afar(login, home=Path(slurm.scratch), mirror=mirror)


def find_home(slurm: SlurmParams, *, state: Path) -> Path:
    """Name the folder of a cluster's runs and checkpoints, as the nodes see it.

    Args:
        slurm: What is asked of it.
        state: The checkout's .photochrom, used where no scratch is set.
    """
    return state.resolve() if slurm.scratch is None else Path(slurm.scratch)
