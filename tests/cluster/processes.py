"""The processes of one cluster: found by the folder that they name, ended by their ids."""

import os
import random
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from tests.cluster.needs import find_program

DAEMONS = ("slurmctld", "slurmd", "slurmdbd", "mariadbd", "munged")
CALL_LIMIT_S = 60.0
PORTS = range(10_000, 20_000)
"""Below those that the kernel gives to outgoing connections, so that a daemon that is started
again finds its port free; and not those that a batch script's processes meet at."""


def call(program: str, *words: str, environ: Mapping[str, str]) -> str:
    """Run one of SLURM's programs, which must succeed, and return what it printed.

    Raises:
        AssertionError: If it failed; what it said is in it.
    """
    path = find_program(program)
    assert path is not None, f"{program}: not installed"
    done = subprocess.run(
        [path, *words],
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=CALL_LIMIT_S,
        check=False,
    )
    assert done.returncode == 0, f"{program} {' '.join(words)}: {done.stdout}{done.stderr}"
    return done.stdout


def find_ports(count: int) -> tuple[int, ...]:
    """Find ports of loopback that nobody uses."""
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        if len(found) == count:
            break
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
    assert len(found) == count, f"no {count} free ports in {PORTS}"
    return tuple(found)


def find_processes(folder: Path, *, node: str | None = None) -> list[psutil.Process]:
    """Find what lives of a cluster: daemons, steps, and what jobs run; the dead are not counted.

    Args:
        folder: Of the cluster.
        node: Of this node alone.
    """
    found = {one.pid: one for one in psutil.process_iter() if _belongs(one, folder, node)}
    for process in list(found.values()):
        # What a job runs need not have kept its environment.
        with suppress(psutil.NoSuchProcess):
            children = process.children(recursive=True)
            found |= {one.pid: one for one in children if _is_alive(one)}
    return list(found.values())


def _is_alive(process: psutil.Process) -> bool:
    """Whether a process runs: of the dead some stay, where nobody takes their exit code."""
    with suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def _belongs(process: psutil.Process, folder: Path, node: str | None) -> bool:
    try:
        if not _is_alive(process):
            return False
        environ, name, words = process.environ(), process.name(), process.cmdline()
        if name == "slurmstepd" and environ.get("SLURM_CONF") == f"{folder}/slurm.conf":
            # It writes the log of its node, and nothing else names the node.
            logs = {Path(file.path).stem for file in process.open_files()}
            return node is None or node in logs
        if environ.get("SLURM_CONF") == f"{folder}/slurm.conf" and "SLURMD_NODENAME" in environ:
            return node in (None, environ["SLURMD_NODENAME"])
        ours = name in DAEMONS and _names(words, environ, folder)
        return ours and (node is None or (name == "slurmd" and words[-1] == node))
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def _names(words: Sequence[str], environ: Mapping[str, str], folder: Path) -> bool:
    """Whether a daemon was started for a folder: slurmdbd alone is told so by its environment."""
    told = (*words, environ.get("SLURM_CONF", ""))
    return any(f"{folder}/" in word for word in told)


def kill_all(folder: Path, *, node: str | None = None) -> None:
    """Kill what lives of a cluster, or of one of its nodes, until nothing does."""
    deadline = time.monotonic() + CALL_LIMIT_S
    while found := find_processes(folder, node=node):
        assert time.monotonic() < deadline, f"{found} cannot be killed"
        for process in found:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        time.sleep(0.05)


def end_politely(folder: Path, pid_file: str, *, limit_s: float = 15.0) -> None:
    """Ask the daemon of a pid file to end, if it still is one of this cluster."""
    with suppress(OSError, ValueError, psutil.NoSuchProcess):
        process = psutil.Process(int((folder / pid_file).read_text()))
        deadline = time.monotonic() + limit_s
        asked = False
        # Not psutil's own wait: it takes a dead daemon for a living one until init has reaped it.
        while _belongs(process, folder, None) and time.monotonic() < deadline:
            if not asked:
                process.terminate()
            asked = True
            time.sleep(0.05)
