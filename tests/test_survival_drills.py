"""Drills: what clusters do to a job; after each the model is the undisturbed run's, to the bit.

One project, and one run on two nodes, ended as SLURM, a node, a disk or a person would end it.
"""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.cluster.script import STALLED
from tests.cluster import Layout, borrow_cluster
from tests.surviving import LIMIT_S, Site, settle, wait_for

pytestmark = [pytest.mark.drill, pytest.mark.slurm]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with borrow_cluster(Layout(nodes=3, gpus=2)) as cluster, pytest.MonkeyPatch.context() as patch:
        yield from settle(tmp_path_factory.mktemp("survival") / "project", cluster, patch)


def test_scancel_with_a_signal_is_a_warning(site: Site) -> None:
    with site.run() as run:
        run.await_progress()
        site.cluster.call("scancel", "--signal=TERM", run.job)
        run.await_restart()
        run.finish()
        saved = [event["step"] for event in run.events() if event["event"] == "stopped"]
        begun = [event["step"] for event in run.events() if event["event"] == "start"]
    assert begun == [0, *saved]


def test_scontrol_requeue(site: Site) -> None:
    with site.run() as run:
        run.await_progress()
        site.cluster.call("scontrol", "requeue", run.job)
        run.await_restart()
        run.finish()
        assert [event["event"] for event in run.events()].count("stopped") == 1


def test_a_job_of_more_weight_takes_its_nodes(site: Site) -> None:
    with site.run() as run:
        run.await_progress()
        taker = ("--partition=urgent", "--nodes=3", "--exclusive", "--output=/dev/null")
        site.cluster.call("sbatch", *taker, "--wrap=sleep 3")
        run.await_restart()
        run.finish()
        assert [event["event"] for event in run.events()].count("stopped") == 1


def test_a_rank_that_is_killed(site: Site) -> None:
    with site.run() as run:
        run.await_progress()
        run.ranks()[-1].kill()
        run.await_restart()
        log = run.folder / f"job-{run.job}.log"
        run.finish()
        assert "queued again, time 1 of at most 20" in log.read_text()
        begun = [event["step"] for event in run.events() if event["event"] == "start"]
    assert begun[0] == 0 and begun[1] >= 10


def test_a_node_that_loses_its_power(site: Site) -> None:
    with site.run() as run:
        run.await_progress()
        nodes = site.cluster.call("scontrol", "show", "hostnames", run.fact("NodeList")).split()
        site.cluster.kill_node(nodes[-1])
        try:
            run.await_restart()
            run.finish()
            assert nodes[-1] not in run.fact("NodeList")
        finally:
            site.cluster.start_node(nodes[-1])


def test_a_checkpoint_that_is_cut_short(site: Site) -> None:
    with site.run() as run:
        run.await_progress(beyond=20)
        site.cluster.call("scancel", "--signal=TERM", run.job)
        run.await_restart()
        last = sorted((run.folder.parents[1] / "checkpoints").glob("*/step-*"))[-1]
        os.truncate(last / "state.safetensors", 1000)
        run.finish()
        notes = [event["message"] for event in run.events() if event["event"] == "note"]
        begun = [event["step"] for event in run.events() if event["event"] == "start"]
    assert any(f"{last.name}: damaged checkpoint" in note for note in notes)
    assert 0 < begun[1] < int(last.name.removeprefix("step-"))


def test_a_disk_that_is_full_when_a_checkpoint_is_due(site: Site, tmp_path: Path) -> None:
    scratch, filler = tmp_path / "scratch", tmp_path / "scratch" / "filler"
    scratch.mkdir()
    # A model, its average, the best and two moments: five times its weights, and twice for two.
    weights = len(site.model["model.safetensors"])
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={40 * weights}", "none", str(scratch)], check=True
    )
    try:
        with site.run(f"train.slurm.scratch={scratch}") as run:
            run.await_progress()
            fill(filler)
            wait_for(lambda: any("cannot save" in str(event) for event in run.events()))
            assert not list(scratch.rglob("partial-*"))
            filler.unlink()
            run.finish()
            assert int(run.fact("Restarts")) == 0
    finally:
        subprocess.run(["umount", str(scratch)], check=True)


def fill(path: Path) -> None:
    """Write a file until the disk is full."""
    with path.open("wb", buffering=0) as stream, pytest.raises(OSError, match="No space left"):
        while True:
            stream.write(bytes(1 << 16))


def test_a_shard_that_is_damaged_ends_the_job_at_once(site: Site) -> None:
    shard = site.project.data / "shards" / "64" / "train-000001.tar"
    whole = shard.read_bytes()
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    shard.write_bytes(damaged)
    try:
        with site.run() as run:
            _, err = run.process.communicate(timeout=LIMIT_S)
            assert run.process.returncode == 1
            assert (run.fact("JobState"), run.fact("Restarts")) == ("FAILED", "0")
    finally:
        shard.write_bytes(whole)
    assert "train-000001.tar: sample" in err and "expected XXH3" in err
    with site.run() as run:
        run.finish()


def test_a_run_that_crashes_again_and_again_ends(site: Site) -> None:
    with site.run("train.slurm.requeue_limit=9") as run:
        for count in range(STALLED):
            wait_for(run.ranks)[0].kill()
            run.await_restart(count + 1)
        _, err = run.process.communicate(timeout=LIMIT_S)
        assert run.process.returncode == 1
        assert run.fact("JobState") == "FAILED"
    assert "starts in a row have saved nothing" in err


def test_a_job_that_is_cancelled_in_slurm_fails_the_run_with_its_last_lines(site: Site) -> None:
    with site.run() as run:
        run.await_progress()
        site.cluster.call("scancel", run.job)
        _, err = run.process.communicate(timeout=LIMIT_S)
    assert run.process.returncode == 1
    assert f"job {run.job} " in err and "ended as CANCELLED" in err
    assert f"job-{run.job}.log ends with:" in err
    with site.run() as run:
        run.finish()
        assert run.events()[1]["step"] > 0 or any(
            event["event"] == "start" and event["step"] > 0 for event in run.events()
        )
