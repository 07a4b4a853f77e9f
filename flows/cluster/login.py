"""Edge: programs of the cluster, called here or by ssh on a login node; files by rsync."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.errors import ClusterError, RefusedError

LIMIT_S = 60.0
"""Longest answer of a controller that is waited for; a busy one takes tens of seconds."""

SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=20")
"""Never asks: nobody may be there to answer."""

UNREACHED = 255
"""Exit code of ssh where there was no connection (ssh(1))."""

_DROPPED = ("PHOTOCHROM_", "PREFECT_", "SCANCEL_", "SCONTROL_", "SLURM_", "SQUEUE_")
"""What would leak into the job, hide it from the programs that look for it, or make it one of the
processes that end with the checkout's server."""


@dataclass(frozen=True, slots=True)
class Login:
    """Where SLURM's programs are."""

    host: str | None
    """As ssh takes it; None is this machine."""

    def call(self, words: Sequence[str], *, withheld: Collection[str] = ()) -> str:
        """Run a program, and return what it prints.

        Args:
            words: The program, and its arguments.
            withheld: Variables of the environment that it is not to see.

        Raises:
            RefusedError: If it ends with an error; its own words are in the message.
            ClusterError: If it is not there, or does not answer in time.
        """
        if self.host is None:
            return _run(words, environ=_environ(withheld), what=f"SLURM's {words[0]}")
        unset = [word for name in sorted(withheld) for word in ("-u", name)]
        remote = shlex.join(["env", *unset, *words])
        return _run([*SSH, self.host, remote], environ=None, what=f"{self.host}: {words[0]}")

    def find(self, *folders: Path) -> set[Path]:
        """Say which of some folders are there.

        Raises:
            ClusterError: If ssh fails.
        """
        tests = (
            f"! test -d {shlex.quote(str(one))} || echo {at}" for at, one in enumerate(folders)
        )
        said = self.call(["sh", "-c", "; ".join(tests)])
        return {folders[int(at)] for at in said.split()}

    def push(
        self, source: Path, target: Path, *, only: Sequence[str] = (), spare: Sequence[str] = ()
    ) -> None:
        """Make a folder there what it is here: more is removed, what is the same is not copied.

        Args:
            source: The folder here; links in it are followed.
            target: The folder there, absolute.
            only: Names in it that are copied, if not all.
            spare: Names, at any depth, that are not.

        Raises:
            ClusterError: If ssh or rsync fails; what was copied stays, for the next try.
        """
        self.call(["mkdir", "-p", str(target)])
        filters = [f"--exclude={name}" for name in spare]
        if only:
            filters += [*(f"--include=/{name}" for name in only), "--exclude=*"]
        self._copy(["--copy-links", "--delete", *filters, f"{source}/", self._name(target)])

    def pull(self, source: Path, target: Path, *, spare: Sequence[str] = ()) -> None:
        """Bring a folder here up to what it is there; nothing is removed here.

        Args:
            source: The folder there, absolute.
            target: The folder here; files that are open stay the same files.
            spare: Names within it that are not copied.

        Raises:
            ClusterError: If ssh or rsync fails.
        """
        target.mkdir(parents=True, exist_ok=True)
        excluded = [f"--exclude=/{name}" for name in spare]
        self._copy(["--inplace", *excluded, self._name(source), str(target)])

    def _name(self, folder: Path) -> str:
        return f"{self.host}:{folder}/"

    def _copy(self, words: Sequence[str]) -> None:
        # -s: paths are handed over as they are, and no shell at the other end reads them. Shards
        # may take hours; it is silence that rsync itself does not wait for.
        command = ["rsync", "-rlts", "--partial", "--timeout=60", "--rsh", shlex.join(SSH), *words]
        _run(command, environ=None, what=f"rsync with {self.host}", patient=True)


def _run(
    words: Sequence[str],
    *,
    environ: dict[str, str] | None,
    what: str,
    patient: bool = False,
) -> str:
    path = shutil.which(words[0])
    if path is None:
        raise ClusterError(_say_missing(words[0]))
    try:
        done = subprocess.run(
            [path, *words[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=None if patient else LIMIT_S,
            env=environ,
            check=False,
        )
    except subprocess.TimeoutExpired as exc:
        raise ClusterError(
            f"{what}: no answer within {LIMIT_S:.0f} s; see whether the cluster is up with "
            "`sinfo`, and run the stage again: it finds the job if there is one"
        ) from exc
    except OSError as exc:
        raise ClusterError(f"{path}: expected a program that runs here; {exc}") from exc
    if done.returncode:
        said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        if words[0] == SSH[0] and done.returncode == UNREACHED:
            remedy = f"try `ssh {words[len(SSH)]}`, which must not ask for anything"
            raise ClusterError(f"{what}: no connection by ssh: {said}; {remedy}")
        raise RefusedError(f"{what} refused: {said}")
    return done.stdout


def _say_missing(program: str) -> str:
    if program in ("ssh", "rsync"):
        return f"expected {program} on this machine, for train.slurm.ssh; install it"
    return (
        f"expected SLURM's {program} on this machine, and there is none; run on a login node of "
        "the cluster, name one in train.slurm.ssh, or set train.runner: local"
    )


def _environ(withheld: Collection[str]) -> dict[str, str]:
    """This environment, less what would leak into the job, or make another one of it."""
    kept = ("SLURM_CONF", "SLURM_JWT")
    return {
        name: value
        for name, value in os.environ.items()
        if name in kept or not (name in withheld or name.startswith(_DROPPED))
    }
