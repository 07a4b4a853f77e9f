"""How a client behaves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Manners:
    """How a client behaves.

    Attributes:
        user_agent: Names the project and how to reach its operator.
        limits: For each host, limits such as "10/60" that all hold at once.
        retries: How often a request is sent again.
        timeout_s: Longest silence of the server.
        connections: Connections at a time to each host.
        backoff_s: Base of the exponential back-off, which is jittered by as much.
        guard_s: How long a request may take to the host, at the most.
        state: Folder that processes share to keep the limits, pauses and blocks together,
            and the robots.txt; None keeps them in memory.
    """

    user_agent: str
    limits: Mapping[str, Sequence[str]]
    retries: int
    timeout_s: float
    connections: int
    backoff_s: float
    guard_s: float = 0.0
    state: Path | None = None
