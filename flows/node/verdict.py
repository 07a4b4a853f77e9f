"""Pure: whether a node that was measured can feed its GPUs, and if not, what holds it back."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What the samples are read from."""

    SHARDS = "shards"
    OWN = "own file"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the node is to do."""

    gpus: int
    rate: float
    """Samples a second for each GPU."""
    size: int
    """Side of a sample in pixels."""

    @property
    def samples_s(self) -> float:
        """Samples a second for all of the node's GPUs."""
        return self.gpus * self.rate


@dataclass(frozen=True, slots=True)
class Measured:
    """What the node did; rates in bytes or samples a second."""

    kind: Kind
    path: str
    cores: float
    threads: int
    """That read and copied together: a thread for each GPU, as far as there are cores."""
    row_bytes: int
    """Of a sample in a batch, as it goes to the device."""
    stored_bytes: float
    """Of a sample on the disk."""
    copy_one: float
    """Bytes, from memory to memory, one thread."""
    copy_all: float
    """The same, all threads."""
    gather_wall: float | None
    """Samples gathered from memory, all threads; None of a foreign set."""
    gather_cpu: float | None
    """The same by CPU second."""
    decode_cpu: float | None
    """Samples decoded by CPU second; None but of a foreign set."""
    disk_ordered: float
    """Bytes read in order from a disk whose pages were dropped; one thread."""
    disk_one: float
    """Bytes of samples read at random, one thread."""
    disk_all: float
    """The same, all threads."""
    sent: float | None
    """Bytes from pinned memory to the first GPU while it computes; None without CUDA."""
    data_bytes: float | None
    """Of all samples; None where that is not known."""
    samples: int | None
    memory_free: int
    device_free: int | None


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that samples go through."""

    name: str
    has: float
    """Samples a second that it lets through."""
    remedy: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the node can, and by what it is bound."""

    feasible: bool
    residence: str
    """`device`, `memory` or `disk`: what is read from after the first epoch."""
    bound: Part
    headroom: float
    """Samples that the narrowest part lets through, by samples that are wanted."""
    cores: float
    """That the feed keeps busy at that rate."""
    bytes_s: float
    """Read in every second, from memory or disk."""
    parts: tuple[Part, ...]


HELD = 0.5
"""Share of free memory that samples may take, as with train.residence: auto."""


def judge(wish: Wish, seen: Measured) -> Verdict:
    """Hold what a node did against what it is to do.

    Args:
        wish: What is wanted.
        seen: What was measured.

    Returns:
        The verdict. Samples that fit in half of the device's free memory are held there and feed
        it at no cost; those that fit in half of the node's are read from memory after the first
        epoch; others come from the disk in every epoch. A file of our own says nothing of the
        samples' number: it is taken for larger than memory.
    """
    residence = find_residence(seen)
    one = seen.decode_cpu or seen.gather_cpu or 1.0
    parts = tuple(_parts(wish, seen, residence=residence))
    bound = min(parts, key=lambda part: part.has)
    held = residence == "device"
    return Verdict(
        feasible=bound.has >= wish.samples_s,
        residence=residence,
        bound=bound,
        headroom=bound.has / wish.samples_s,
        cores=0.0 if held else wish.samples_s / one,
        bytes_s=0.0 if held else wish.samples_s * seen.stored_bytes,
        parts=parts,
    )


def find_residence(seen: Measured) -> str:
    """Say where samples are read from after the first epoch: device, memory or disk."""
    if seen.data_bytes is None or seen.samples is None:
        return "disk"
    on_device = seen.samples * seen.row_bytes
    if seen.device_free is not None and on_device <= HELD * seen.device_free:
        return "device"
    return "memory" if seen.data_bytes <= HELD * seen.memory_free else "disk"


def _parts(wish: Wish, seen: Measured, *, residence: str) -> list[Part]:
    """List what samples go through, and what each lets through in samples a second."""
    if residence == "device":
        # An indexed copy on the device reads and writes a sample once; an H100's memory does more
        # than 1e12 bytes a second, so that 1e11 is on the safe side.
        return [Part("the device's own memory", wish.gpus * 1e11 / seen.row_bytes, "")]
    parts = []
    if seen.decode_cpu is not None:
        remedy = "pack it: photochrom pack writes shards that need no decoding; or more cores"
        parts.append(Part("decoding", seen.decode_cpu * seen.cores, remedy))
    else:
        parts.append(Part("gathering", _gathering(wish, seen), "more cores for the job"))
    smaller = f"smaller samples than {wish.size} px, or fewer GPUs on this node"
    parts.append(Part("copying in memory", seen.copy_all / seen.row_bytes, smaller))
    if seen.sent is not None:
        parts.append(Part("sending to the GPUs", wish.gpus * seen.sent / seen.row_bytes, smaller))
    if residence == "disk":
        remedy = "a faster disk: stage to a local one (train.remote); more memory, so that the "
        remedy += "samples stay in it; or smaller samples"
        parts.append(Part("the disk", seen.disk_all / seen.stored_bytes, remedy))
    return parts


def _gathering(wish: Wish, seen: Measured) -> float:
    """Say how many samples a second all feeds gather: a thread for each GPU."""
    assert seen.gather_wall is not None
    return seen.gather_wall * min(wish.gpus, max(1, int(seen.cores))) / seen.threads


def explain(wish: Wish, seen: Measured, verdict: Verdict) -> str:
    """Say the verdict in a sentence or two, and what to do about it."""
    wanted = f"{wish.gpus} x {wish.rate:,.0f} = {wish.samples_s:,.0f} samples/s of {wish.size} px"
    times = f"{verdict.headroom:,.1f} times" if verdict.headroom >= 1 else f"{verdict.headroom:.2f}"
    if not verdict.feasible:
        return (
            f"no: {wanted}, and {verdict.bound.name} gives {verdict.bound.has:,.0f}, "
            f"{times} of that. Remedy: {verdict.bound.remedy}."
        )
    said = f"yes: {wanted} "
    if verdict.residence == "device":
        return f"{said}take no core: the samples fit on the device, and are held there."
    place = {"memory": "from memory after the first epoch", "disk": "from the disk"}
    said += f"take {verdict.cores:.2f} of {seen.cores:g} cores and "
    said += f"{verdict.bytes_s / 1e9:.2f} GB/s {place[verdict.residence]}. "
    said += f"Headroom: {times}, then {verdict.bound.name}."
    first = seen.disk_all / seen.stored_bytes
    if verdict.residence == "memory" and first < wish.samples_s:
        said += f" The first epoch comes from the disk, at {first:,.0f} samples/s."
    return said
