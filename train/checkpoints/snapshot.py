"""Copies of a run's tensors, so that it may go on while they are written."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

_ALIGNED = 64
"""Bytes: each copy begins at a multiple of it, a line of a processor's cache."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Copies of tensors on the CPU, maybe still on their way from a GPU."""

    tensors: dict[str, Tensor]
    copied: torch.cuda.Event | None
    """Says when they are there; they are where there is none."""

    def wait(self) -> dict[str, Tensor]:
        """Return the copies when they are there; any thread may ask."""
        if self.copied is not None:
            self.copied.synchronize()
        return self.tensors


class Block:
    """Memory for one snapshot at a time, kept from one to the next: new memory is slow at first."""

    def __init__(self) -> None:
        self._bytes = torch.empty(0, dtype=torch.uint8)

    def prepare(self, size_bytes: int, *, pinned: bool) -> None:
        """Get memory, and touch it, before it is needed; what it held is lost.

        Args:
            size_bytes: How much; more is got when that turns out too little.
            pinned: Whether the copies will come from a GPU.
        """
        # Only into pinned memory does a GPU copy while the processor goes on.
        self._bytes = torch.zeros(size_bytes, dtype=torch.uint8, pin_memory=pinned)

    def take(self, tensors: Mapping[str, Tensor]) -> Snapshot:
        """Copy tensors into the block, over what it held.

        Copies from a GPU are queued on its stream, before the steps that come after them and
        change the tensors, and do not hold up the caller.

        Args:
            tensors: By name, on the CPU or on one GPU.

        Returns:
            The copies, laid out in memory as the tensors are.
        """
        sizes = [math.ceil(tensor.nbytes / _ALIGNED) * _ALIGNED for tensor in tensors.values()]
        device = next((tensor.device for tensor in tensors.values() if tensor.is_cuda), None)
        if sum(sizes) > len(self._bytes):
            self.prepare(sum(sizes), pinned=device is not None)
        copies, start = {}, 0
        for (name, tensor), size in zip(tensors.items(), sizes, strict=True):
            copies[name] = _lay(self._bytes[start : start + tensor.nbytes], tensor)
            copies[name].copy_(tensor, non_blocking=True)
            start += size
        if device is None:
            return Snapshot(copies, None)
        copied = torch.cuda.Event()  # type: ignore[no-untyped-call]
        copied.record(torch.cuda.current_stream(device))
        return Snapshot(copies, copied)


def _lay(place: Tensor, tensor: Tensor) -> Tensor:
    """View some bytes as a tensor like another one; in its layout, they are copied in a row."""
    like = torch.empty_like(tensor, device="meta")
    return place.view(tensor.dtype).as_strided(like.shape, like.stride())
