"""Drills: a job that SLURM has forgotten, where accounts are kept and where none are."""

import time
from pathlib import Path

import pytest

from flows.cluster.client import JobState, Slurm
from flows.cluster.login import Login
from tests.cluster import Cluster, Layout, borrow_cluster, need_slurm

pytestmark = [pytest.mark.drill, pytest.mark.slurm]

LIMIT_S = 60.0


@pytest.mark.parametrize("accounting", [True, False])
def test_how_a_job_ended_is_known_where_it_is_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, accounting: bool
) -> None:
    need_slurm(accounting=accounting)
    script = tmp_path / "job.sh"
    script.write_text("#!/bin/bash\n#SBATCH --output=/dev/null\nexit 3\n")
    with borrow_cluster(Layout(min_job_age_s=2, accounting=accounting)) as cluster:
        for name, value in cluster.environ.items():
            monkeypatch.setenv(name, value)
        slurm = Slurm(Login(None))
        job = slurm.submit(script)
        deadline = time.monotonic() + LIMIT_S
        # It leaves `scontrol` after MinJobAge, and comes to the account some seconds after its end.
        while not (found := slurm.read_state(job)).ended or is_known(cluster, job):
            assert time.monotonic() < deadline, found
            time.sleep(0.5)
        found = slurm.read_state(job)
    if accounting:
        assert (found.state, found.exit_code) == ("FAILED", 3)
    else:
        assert found == JobState("UNKNOWN", "SLURM does not know the job any more")


def is_known(cluster: Cluster, job: str) -> bool:
    """Whether `scontrol` knows a job still."""
    try:
        return bool(cluster.call("scontrol", "show", "job", job))
    except AssertionError:
        return False
