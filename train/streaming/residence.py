"""Edge: where the samples of a run are held, by arithmetic: on the device, in memory, or nowhere.

Held on the device, a batch is one indexed copy there. Held in memory, it is gathered from there
and sent over; streamed, it is gathered from the shards. The batches are the same bit for bit.
On the CPU the device's memory is the machine's, and its processes share it.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import psutil
import torch

from train.errors import DataError
from train.streaming.source import Source

Residence = Literal["device", "host", "stream"]

SHARE: Final = 0.5
"""Share of the memory at hand that `auto` lets samples take; the network needs some as well."""

_GB: Final = 1e9
_CGROUPS: Final = Path("/sys/fs/cgroup")
_OWN_CGROUP: Final = Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True)
class Room:
    """Memory at hand, before anything is held."""

    device_bytes: int
    """Free on the device; on the CPU, what is available in memory."""
    host_bytes: int
    """Available in memory, by the system and by the limit of the job."""
    processes: int
    """Of this run on this machine: each holds samples of its own."""
    shared: bool
    """Whether they share one device, as on the CPU."""


def measure_room(device: torch.device, *, processes: int) -> Room:
    """Measure the memory at hand; to be called on all ranks before one of them takes any."""
    host = min(psutil.virtual_memory().available, _find_limit(os.environ))
    cuda = device.type == "cuda"
    free = torch.cuda.mem_get_info(device)[0] if cuda else host
    return Room(device_bytes=free, host_bytes=host, processes=processes, shared=not cuda)


def choose(
    wanted: Literal["auto", "device", "host", "stream"], splits: Sequence[Source], *, room: Room
) -> tuple[Residence, str]:
    """Choose where the samples of all splits are held.

    Args:
        wanted: Setting `train.residence`. `auto` takes the device where the samples of this
            machine's processes fit in `SHARE` of what is free there, else memory where they fit
            in `SHARE` of that, else it streams.
        splits: What the run reads.
        room: Memory at hand.

    Returns:
        The place, and a line that says it with its arithmetic.

    Raises:
        DataError: If the samples do not fit in the place that is wanted.
    """
    lab = sum(len(split) * 3 * split.size**2 for split in splits)
    rows = sum(len(split) * split.row_bytes for split in splits)
    needs = {
        "device": lab * (room.processes if room.shared else 1),
        "host": rows * room.processes,
    }
    said = _say_size(splits, lab, processes=room.processes)
    if wanted != "auto":
        _check_room(wanted, needs, room, said=said)
        return wanted, f"samples: {said}, {_SAID[wanted]}, as train.residence says"
    on_device = f"half of {room.device_bytes / _GB:.1f} GB free"
    if needs["device"] <= SHARE * room.device_bytes:
        return "device", f"samples: {said}, held on the device: within {on_device}"
    if room.shared:
        return "stream", f"samples: {said}, streamed: more than {on_device}"
    in_memory = f"half of {room.host_bytes / _GB:.1f} GB available in memory"
    if needs["host"] <= SHARE * room.host_bytes:
        return "host", (
            f"samples: {said}, held in memory: more than {on_device} on the device, within "
            f"{in_memory}"
        )
    return "stream", (
        f"samples: {said}, streamed: more than {on_device} on the device, and than {in_memory}"
    )


_SAID: Final = {
    "device": "held on the device",
    "host": "held in memory",
    "stream": "streamed",
}


def _check_room(wanted: Residence, needs: Mapping[str, int], room: Room, *, said: str) -> None:
    there = {"device": room.device_bytes, "host": room.host_bytes}
    if wanted != "stream" and needs[wanted] > there[wanted]:
        raise DataError(
            f"train.residence is {wanted}, and the samples do not fit: {said}, "
            f"{needs[wanted] / _GB:.2f} GB are needed there, {there[wanted] / _GB:.2f} GB are "
            f"free; set train.residence to auto or stream, or start fewer processes"
        )


def _say_size(splits: Sequence[Source], lab_bytes: int, *, processes: int) -> str:
    count, size = sum(len(split) for split in splits), splits[0].size
    each = f" for each of {processes} processes" if processes > 1 else ""
    return f"{count:,} of {size} px are {lab_bytes / _GB:.2f} GB{each}"


def _find_limit(environ: Mapping[str, str]) -> int:
    """Find how much memory the job may take, in bytes: psutil knows the machine alone."""
    limits = [1 << 62]
    if (asked := environ.get("SLURM_MEM_PER_NODE", "")).isdecimal() and int(asked):
        limits.append(int(asked) << 20)
    try:
        lines = _OWN_CGROUP.read_text().splitlines()
        place = next(line[3:] for line in lines if line.startswith("0::"))
    except (OSError, StopIteration):
        return min(limits)
    folder = _CGROUPS / place.lstrip("/")
    for group in (folder, *folder.parents):
        if (path := group / "memory.max").is_file() and (text := path.read_text().strip()) != "max":
            limits.append(int(text))
    return min(limits)
