"""A SLURM cluster on this machine, for drills: munge, a controller, and nodes, all on loopback."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

PROGRAMS = ("munged", "sbatch", "scancel", "scontrol", "slurmctld", "slurmd", "squeue", "srun")
START_LIMIT_S, END_LIMIT_S = 60.0, 60.0

CONFIG = """\
ClusterName=drill
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
ReturnToService=2
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/%n.pid
SlurmdSpoolDir={folder}/spool-%n
StateSaveLocation={folder}/state
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/%n.log
SlurmdParameters=config_overrides
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=2,batch_sched_delay=0,sched_min_interval=0
SlurmctldTimeout=30
SlurmdTimeout=20
KillWait=10
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
{nodes}
PartitionName=drill Nodes=n[1-{count}] Default=YES MaxTime=60 State=UP
"""
NODE = (
    "NodeName=n{number} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs=2 Boards=1 "
    "SocketsPerBoard=1 CoresPerSocket=2 ThreadsPerCore=1 RealMemory=4000 State=UNKNOWN"
)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster that runs."""

    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        """What leads SLURM's programs to it."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}


def need_slurm() -> None:
    """Skip where SLURM is not installed, and fail where nothing may be skipped."""
    missing = [program for program in PROGRAMS if _find(program) is None]
    if os.geteuid() != 0:
        missing.append("the rights of root, which the drill's SLURM runs with")
    if missing and os.environ.get("PHOTOCHROM_NO_SKIP"):
        pytest.fail(f"missing: {', '.join(missing)}; CI must not skip what needs them")
    if missing:
        pytest.skip(f"missing: {', '.join(missing)}; `apt-get install slurm-wlm munge` on Debian")


@contextmanager
def run_cluster(folder: Path, *, nodes: int = 2) -> Iterator[Cluster]:
    """Start a cluster below a folder, and end all of it by process id.

    Args:
        folder: Short of path: it holds a socket.
        nodes: How many.
    """
    cluster = Cluster(folder)
    _write_config(folder, nodes)
    try:
        _start_munge(folder)
        environ = os.environ | cluster.environ
        _call("slurmctld", "-c", environ=environ)
        for number in range(1, nodes + 1):
            _call("slurmd", "-N", f"n{number}", environ=environ)
        _wait_for_idle(nodes, environ)
        yield cluster
    finally:
        _end(folder)


def _write_config(folder: Path, nodes: int) -> None:
    for name in ("state", *(f"spool-n{number}" for number in range(1, nodes + 1))):
        (folder / name).mkdir(parents=True)
    host, user = socket.gethostname().partition(".")[0], "root"
    first, *ports = _free_ports(nodes + 1)
    lines = [
        NODE.format(number=number, host=host, port=port) for number, port in enumerate(ports, 1)
    ]
    filled = CONFIG.format(
        host=host, port=first, user=user, folder=folder, nodes="\n".join(lines), count=nodes
    )
    (folder / "slurm.conf").write_text(filled)


def _free_ports(count: int) -> list[int]:
    with _open_sockets(count) as probes:
        return [probe.getsockname()[1] for probe in probes]


@contextmanager
def _open_sockets(count: int) -> Iterator[Sequence[socket.socket]]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    yield probes
    for probe in probes:
        probe.close()


def _start_munge(folder: Path) -> None:
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    options = {
        "key-file": key,
        "socket": folder / "munge.socket",
        "pid-file": folder / "munged.pid",
        "log-file": folder / "munged.log",
        "seed-file": folder / "munged.seed",
    }
    # --force: the folder of a test is not owned as a system's would be.
    words = [f"--{name}={path}" for name, path in options.items()]
    _call("munged", *words, "--force", environ=dict(os.environ))


def _call(program: str, *words: str, environ: dict[str, str]) -> str:
    path = _find(program)
    assert path is not None
    done = subprocess.run(
        [path, *words], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"
    return done.stdout


def _find(program: str) -> str | None:
    """Daemons lie in sbin, which a user's path need not hold."""
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def _wait_for_idle(nodes: int, environ: dict[str, str]) -> None:
    deadline = time.monotonic() + START_LIMIT_S
    while time.monotonic() < deadline:
        idle = _call("sinfo", "--noheader", "--states=idle", "--format=%D", environ=environ)
        if idle.split() == [str(nodes)]:
            return
        time.sleep(0.1)
    raise AssertionError(f"the nodes did not come up: {_call('sinfo', environ=environ)}")


def _end(folder: Path) -> None:
    """End the jobs, the nodes, the controller and munge."""
    environ = os.environ | Cluster(folder).environ
    with suppress(AssertionError, subprocess.TimeoutExpired):  # it may not have come up
        _call("scancel", "--me", environ=environ)
        deadline = time.monotonic() + END_LIMIT_S
        while _call("squeue", "--noheader", environ=environ) and time.monotonic() < deadline:
            time.sleep(0.2)
    pids = [*sorted(folder.glob("n*.pid")), folder / "slurmctld.pid", folder / "munged.pid"]
    for path in pids:
        with suppress(OSError, ValueError, psutil.Error):
            process = psutil.Process(int(path.read_text()))
            process.send_signal(signal.SIGTERM)
            with suppress(psutil.TimeoutExpired):
                process.wait(15)
            with suppress(psutil.NoSuchProcess):
                process.kill()
