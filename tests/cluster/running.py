"""A SLURM cluster on this machine: started, broken, mended and ended."""

import os
import shutil
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.cluster.accounting import start_accounting
from tests.cluster.layout import Layout, Place, render_config, render_gres
from tests.cluster.processes import call, end_politely, find_ports, find_processes, kill_all

START_LIMIT_S, END_LIMIT_S = 60.0, 40.0
FOLDER_LIMIT = 80
"""Bytes of a folder's path: a socket's, below it, may have 107."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """A cluster, by its folder; all that is known of it lies there."""

    folder: Path

    @property
    def config(self) -> Path:
        """What `SLURM_CONF` names."""
        return self.folder / "slurm.conf"

    @property
    def environ(self) -> dict[str, str]:
        """What leads SLURM's programs to it."""
        return {"SLURM_CONF": str(self.config)}

    @property
    def names(self) -> list[str]:
        """Of its nodes."""
        lines = self.config.read_text().splitlines()
        words = [line.split()[0] for line in lines if line.startswith("NodeName=")]
        return [word.partition("=")[2] for word in words]

    def call(self, program: str, *words: str) -> str:
        """Run one of SLURM's programs, which must succeed, and return what it printed."""
        return call(program, *words, environ=self.environ)

    def is_up(self) -> bool:
        """Whether a controller runs, and can be found."""
        names = (process.name() for process in self.processes())
        return self.config.is_file() and "slurmctld" in names

    def is_whole(self) -> bool:
        """Whether every daemon runs: one that was killed is not started again by itself."""
        if not self.is_up():
            return False
        found = [process.name() for process in self.processes()]
        return "munged" in found and found.count("slurmd") == len(self.names)

    def processes(self, node: str | None = None) -> list[psutil.Process]:
        """What lives of the cluster, or of one node: daemons, steps, and what jobs run."""
        return find_processes(self.folder, node=node)

    def start(self, layout: Layout) -> None:
        """Start all of it; the folder is empty.

        Raises:
            AssertionError: If a daemon or a node does not come up; what it said is in it.
        """
        host = socket.gethostname().partition(".")[0]
        place = Place(self.folder, host, find_ports(layout.ports))
        _write_files(layout, place)
        self._start_munge()
        if layout.accounting:
            start_accounting(place)
        self.call("slurmctld", "-c", "-f", str(self.config))
        for name in layout.names:
            self.call("slurmd", "-f", str(self.config), "-N", name)
        self._wait_for(layout.names)

    def kill_node(self, name: str) -> None:
        """Kill a node as a power cut does: its daemon, its steps and what they run, unasked.

        SLURM marks it down when it has not answered for SlurmdTimeout, 36 s later as was seen, and
        then requeues or ends what ran there. A node that is started again before that is, in
        SLURM's eyes, one whose daemon was restarted: a job that it lost in its first 10 s is
        thought to run.
        """
        kill_all(self.folder, node=name)

    def start_node(self, name: str) -> None:
        """Start a node that was killed, and return when jobs may run on it."""
        self.call("slurmd", "-f", str(self.config), "-N", name)
        self._wait_for([name])

    def end(self) -> None:
        """End jobs, then daemons, politely; then kill what is left. Nothing is so fine too."""
        if self.is_up():
            # A controller that does not answer is one of those that are killed below.
            with suppress(AssertionError, subprocess.TimeoutExpired):
                self._end_jobs()
        names = self.names if self.config.is_file() else []
        files = [*(f"{name}.pid" for name in names), "slurmctld.pid", "slurmdbd.pid"]
        for pid_file in (*files, "mariadbd.pid", "munged.pid"):
            end_politely(self.folder, pid_file)
        kill_all(self.folder)

    def _end_jobs(self) -> None:
        self.call("scancel", "--user=root")
        deadline = time.monotonic() + END_LIMIT_S
        while self.call("squeue", "--noheader") and time.monotonic() < deadline:
            time.sleep(0.2)

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        options = {
            "key-file": key,
            "socket": self.folder / "munge.socket",
            "pid-file": self.folder / "munged.pid",
            "log-file": self.folder / "munged.log",
            "seed-file": self.folder / "munged.seed",
        }
        # --force: the folder of a test is not owned as a system's would be.
        self.call("munged", *(f"--{name}={path}" for name, path in options.items()), "--force")

    def _wait_for(self, names: list[str]) -> None:
        """Wait until nodes answer and may be given jobs."""
        deadline = time.monotonic() + START_LIMIT_S
        asked = ("--noheader", "--Node", f"--nodes={','.join(names)}", "--format=%N %t")
        while True:
            states = dict(line.split() for line in self.call("sinfo", *asked).splitlines())
            # A state that ends with * is one of a node that does not answer.
            if all(states.get(name) in ("idle", "mix", "alloc", "comp") for name in names):
                return
            assert time.monotonic() < deadline, f"{states}\n{self._read_logs()}"
            time.sleep(0.1)

    def _read_logs(self) -> str:
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"{log}:\n{log.read_text(errors='replace')[-2000:]}" for log in logs)


def _write_files(layout: Layout, place: Place) -> None:
    folder = place.folder
    assert len(os.fsencode(folder)) <= FOLDER_LIMIT, f"{folder}: too long for a socket below it"
    for name in ("state", *(f"spool-{node}" for node in layout.names)):
        (folder / name).mkdir(parents=True)
    for number in range(layout.gpus):
        os.mknod(folder / f"gpu{number}", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    (folder / "slurm.conf").write_text(render_config(layout, place))
    (folder / "gres.conf").write_text(render_gres(layout, place))


@contextmanager
def run_cluster(folder: Path, layout: Layout | None = None) -> Iterator[Cluster]:
    """Start a cluster below a folder, and end all of it by process id.

    Args:
        folder: Short of path: it holds sockets.
        layout: What it consists of; None is two nodes of two GPUs.
    """
    cluster = Cluster(folder)
    try:
        cluster.start(layout or Layout())
        yield cluster
    finally:
        cluster.end()


@contextmanager
def borrow_cluster(layout: Layout | None = None) -> Iterator[Cluster]:
    """Run a cluster in a temporary folder, which goes with it: pytest's have too long a path."""
    folder = Path(tempfile.mkdtemp(prefix="pc-"))
    try:
        with run_cluster(folder, layout) as cluster:
            yield cluster
    finally:
        shutil.rmtree(folder)
