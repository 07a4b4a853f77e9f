"""Where this process stands among those of the run, and how they talk.

The launcher says it in environment variables: ours sets `RANK` and friends as torch.distributed
names them, and srun sets `SLURM_PROCID` and friends. How many processes share this machine they
say as well; where they do not, it is taken to be all of them.
"""

import contextlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed

from train.errors import TrainError

_LAUNCHERS = (
    ("RANK", "LOCAL_RANK", "WORLD_SIZE"),
    ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NTASKS"),
)
_LOCAL_SIZES = ("LOCAL_WORLD_SIZE", "SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE")
_APART = timedelta(hours=1)
"""So long a rank waits for another whose node reads, or stages, what its own node has already. One
that ended is noticed before: by its connection, or by the launcher, which then ends the others."""


@dataclass(frozen=True, slots=True)
class World:
    """One process's place."""

    rank: int
    local_rank: int
    """Its place on this machine."""
    size: int
    """Processes of the run, over all machines."""
    local_size: int = 1
    """Processes of the run on this machine."""

    def device(self) -> torch.device:
        """Return the device that this process trains on: a GPU of its own, else the CPU.

        Raises:
            TrainError: If there are GPUs, but fewer than processes on this machine.
        """
        if not torch.cuda.is_available():
            return torch.device("cpu")
        if self.local_rank >= torch.cuda.device_count():
            raise TrainError(
                f"process {self.local_rank} of this machine needs a GPU of its own, and there "
                f"are {torch.cuda.device_count()}; lower train.processes"
            )
        return torch.device("cuda", self.local_rank)

    def add(self, values: Tensor) -> None:
        """Replace `values`, in place, by their sum over ranks."""
        if self.size > 1:
            distributed.all_reduce(values)

    def wait(self) -> None:
        """Return when every rank has come here."""
        if self.size > 1:
            distributed.barrier()


def read_world(environ: Mapping[str, str] = os.environ) -> World:
    """Read this process's place from what the launcher set; alone where nothing did.

    Raises:
        TrainError: If the variables are incomplete, no integers, or contradict each other.
    """
    for names in _LAUNCHERS:
        if names[0] not in environ:
            continue
        found = {name: environ.get(name) for name in names}
        try:
            rank, local_rank, size = (int(environ[name]) for name in names)
        except (KeyError, ValueError) as exc:
            raise TrainError(f"expected integers in {', '.join(names)}, got {found}") from exc
        if not (0 <= rank < size and local_rank >= 0):
            raise TrainError(f"a rank must be below the world size, got {found}")
        local_size = _read_local_size(environ, size=size)
        if not local_rank < local_size <= size:
            raise TrainError(
                f"expected more than {local_rank} and at most {size} processes on this machine, "
                f"the launcher says {local_size}; see {', '.join(_LOCAL_SIZES)}"
            )
        return World(rank=rank, local_rank=local_rank, size=size, local_size=local_size)
    return World(rank=0, local_rank=0, size=1)


def _read_local_size(environ: Mapping[str, str], *, size: int) -> int:
    """Read how many processes share this machine; all of them where nothing says it."""
    said = next((environ[name] for name in _LOCAL_SIZES if name in environ), str(size))
    # SLURM writes one number per node of the step, runs of them as `4(x3)`: `4(x3),2`.
    counts: list[int] = []
    for part in said.split(","):
        found = re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", part)
        if found is None:
            raise TrainError(f"expected processes per machine such as 4 or 4(x3),2, got {said!r}")
        counts += [int(found[1])] * int(found[2] or 1)
    node = environ.get("SLURM_NODEID", "0")
    place = int(node) if len(counts) > 1 and node.isdecimal() else 0
    return counts[min(place, len(counts) - 1)]


@contextlib.contextmanager
def connected(world: World, device: torch.device, *, wait_s: float) -> Iterator[None]:
    """Join the process group for the time of a run: NCCL among GPUs, Gloo among CPUs.

    Args:
        world: This process's place.
        device: What it trains on.
        wait_s: So long a rank may wait for the network; the others wait longer for that rank.

    Raises:
        TrainError: If the launcher did not say where the processes meet.
    """
    if device.type == "cuda":
        torch.cuda.set_device(device)
    if world.size == 1:
        yield
        return
    if missing := {"MASTER_ADDR", "MASTER_PORT"} - os.environ.keys():
        raise TrainError(
            f"{world.size} processes need {', '.join(sorted(missing))} to find each other; "
            f"the launcher sets them"
        )
    distributed.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        rank=world.rank,
        world_size=world.size,
        timeout=_APART + timedelta(seconds=wait_s),
    )
    yield
    # Not after an error: the others may be in a collective, which NCCL would wait for. The process
    # ends, and so do they.
    distributed.destroy_process_group()


def measure_gpu(device: torch.device) -> float | None:
    """Say how much memory this process's tensors took at most, in 10^9 bytes; none on the CPU."""
    if device.type != "cuda":
        return None
    return round(torch.cuda.max_memory_allocated(device) / 1e9, 3)
