"""What a cluster needs of this machine."""

import os
import shutil
from collections.abc import Sequence

import pytest

PACKAGES = {
    "munged": "munge",
    "sbatch": "slurm-client",
    "scancel": "slurm-client",
    "scontrol": "slurm-client",
    "sinfo": "slurm-client",
    "squeue": "slurm-client",
    "srun": "slurm-client",
    "slurmctld": "slurm-wlm",
    "slurmd": "slurm-wlm",
}
"""Programs, and Debian's packages that hold them."""

ACCOUNTING = {"mariadbd": "mariadb-server", "sacct": "slurm-client", "slurmdbd": "slurmdbd"}
"""What accounting needs besides."""


def find_program(program: str) -> str | None:
    """Find a program; daemons lie in sbin, which a user's path need not hold."""
    return shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def find_lacks(wanted: dict[str, str]) -> list[str]:
    """Say what is missing, a line for each thing to do; empty if nothing is."""
    missing = sorted(program for program in wanted if find_program(program) is None)
    lacks = []
    if missing:
        packages = " ".join(sorted({wanted[program] for program in missing}))
        lacks.append(
            f"missing: {', '.join(missing)}; on Debian: "
            f"apt-get install --no-install-recommends {packages}"
        )
    if os.geteuid() != 0:
        lacks.append("missing: the rights of root, which the daemons run with")
    return lacks


def skip_or_fail(lacks: Sequence[str]) -> None:
    """Skip a test that lacks something, and fail where nothing may be skipped."""
    if lacks and os.environ.get("PHOTOCHROM_NO_SKIP"):
        pytest.fail(f"{'; '.join(lacks)}; CI must not skip what needs it")
    if lacks:
        pytest.skip("; ".join(lacks))


def need_slurm(*, accounting: bool = False) -> None:
    """Skip where SLURM is not installed, and fail where nothing may be skipped."""
    skip_or_fail(find_lacks(PACKAGES | ACCOUNTING if accounting else PACKAGES))
