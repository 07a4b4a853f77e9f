"""Drills: a job that reaches its time limit again and again, on sites of either kind."""

from pathlib import Path

import pytest

from tests.cluster import Layout, borrow_cluster
from tests.pipeline import Checkout
from tests.surviving import Site, lay_project, start, wait_for

pytestmark = [pytest.mark.drill, pytest.mark.slurm]


@pytest.mark.parametrize(("times", "requeue_exit"), [(5, False), (1, True)])
def test_the_state_after_any_number_of_limits_is_that_of_a_run_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, requeue_exit: bool
) -> None:
    # SLURM looks every 30 s, and so tells a job within 16 s of its start.
    limits = ("train.slurm.time_limit_min=2", "train.slurm.signal_lead_s=110")
    # As long as it takes, on a machine of any speed; no checkpoint goes before it is compared.
    endless = ("train.steps=1000000", "train.keep=100")
    there, here = (lay_project(tmp_path / name) for name in ("there", "here"))
    with borrow_cluster(Layout(nodes=2, requeue_exit=requeue_exit)) as cluster:
        for name, value in cluster.environ.items():
            monkeypatch.setenv(name, value)
        try:
            with Site(cluster, there, {}).run(*limits, *endless) as run:
                run.await_restart(times)
                run.await_progress(starts=times + 1)
                events = run.events()
            begun = [event["step"] for event in events if event["event"] == "start"]
            stopped = [event["step"] for event in events if event["event"] == "stopped"]
            assert begun[: times + 1] == [0, *stopped[:times]]
            compared = next(step for step in find_saved(there) if step > stopped[times - 1])
            with start(here, "train.processes=2", *endless) as process:
                wait_for(lambda: compared in find_saved(here))
                process.terminate()
                process.communicate()
        finally:
            for project in (there, here):
                project.call("photochrom", "down")
    # Weights, their average, the best ones, moments and generators, to the bit.
    one, other = (find_saved(project)[compared] for project in (there, here))
    assert (one / "state.safetensors").read_bytes() == (other / "state.safetensors").read_bytes()


def find_saved(project: Checkout) -> dict[int, Path]:
    """Find the checkpoints of validations, by step, the first first."""
    found = sorted(project.root.glob(".photochrom/checkpoints/*/step-*"))
    steps = {int(path.name.removeprefix("step-")): path for path in found}
    return {step: path for step, path in steps.items() if step % 10 == 0}
