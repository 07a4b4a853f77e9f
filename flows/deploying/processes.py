"""Finds the processes of a checkout's server, and of all that it runs, and ends them."""

import os
import signal
from collections.abc import Collection, Iterable
from contextlib import suppress

import psutil

from flows.server import TOKEN

GRACE_S = 10.0
"""What a process asked to end gets, to say goodbye to the server and to shut its files."""

ROUNDS = 5
"""How often what they have started meanwhile is looked for; one that the kernel holds stays."""


def find_family(token: str) -> list[psutil.Process]:
    """Find every process that carries a token in its environment, this one excepted.

    Args:
        token: Of the checkout's server; whatever the server or a worker starts inherits it.
    """
    return [
        process
        for process in psutil.process_iter()
        if process.pid != os.getpid() and _carries(process, token)
    ]


def end_family(token: str, spare: Collection[int] = ()) -> int:
    """End every process that carries a token, this one excepted; kill those that will not.

    Args:
        token: Of the checkout's server.
        spare: Ids of processes that are let be.

    Returns:
        How many there were.
    """
    ended = 0
    for _ in range(ROUNDS):
        # What they start while they end is found the next time.
        family = [one for one in find_family(token) if one.pid not in spare]
        if not family:
            break
        end_all(family)
        ended += len(family)
    return ended


def end_all(
    processes: Iterable[psutil.Process], *, grace_s: float = GRACE_S, how: int = signal.SIGTERM
) -> None:
    """Ask processes to end, and kill those that have not after a while.

    Args:
        processes: Which; those that are gone already count as ended.
        grace_s: How long they get.
        how: The signal that asks them.
    """
    asked = list(processes)
    for process in asked:
        _send(process, how)
    _, alive = psutil.wait_procs(asked, timeout=grace_s)
    for process in alive:
        _send(process, signal.SIGKILL)
    psutil.wait_procs(alive, timeout=grace_s)


def _send(process: psutil.Process, number: int) -> None:
    with suppress(psutil.NoSuchProcess):  # it may have been quicker
        process.send_signal(number)


def _carries(process: psutil.Process, token: str) -> bool:
    try:
        return process.environ().get(TOKEN) == token and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False  # another user's, or gone
