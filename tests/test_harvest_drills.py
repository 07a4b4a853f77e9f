"""Drills of the harvest, by its commands: a bad day at the Library, kills, blocks, a Cancel."""

import json
import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import requests

from flows.project import Project
from flows.server import find_server
from harvest.manifest import CATALOG_SCHEMA, SCANS_SCHEMA, read_manifest
from replica.entries import Entry, read_log
from replica.judge import judge, to_table
from replica.tally import tally_files
from tests.pipeline import (
    ROOT,
    WORKERS,
    Checkout,
    aim,
    environment,
    lay_plan,
    read_lines,
    serve,
)

pytestmark = pytest.mark.drill

KILLS = 20
WWW, TILE = "www.loc.gov", "tile.loc.gov"


def start(project: Checkout, stage: str) -> subprocess.Popen[str]:
    words = [word for setting in project.settings for word in ("--set", setting)]
    return subprocess.Popen(
        ["photochrom", stage, *words],
        cwd=project.root,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_lines(log: Path, count: int, process: subprocess.Popen[str]) -> bool:
    """Wait until the replica has answered so often; False when the process ended before."""
    while len(read_lines(log)) < count:
        if process.poll() is not None:
            return False
        time.sleep(0.02)
    return True


def finish(project: Checkout, stage: str) -> None:
    """Run a stage until it is through, as one does on a bad day."""
    words = [word for setting in project.settings for word in ("--set", setting)]
    said = ""
    for _ in range(4):
        done = project.call("photochrom", stage, *words)
        if done.returncode == 0:
            return
        assert "Traceback" not in done.stderr
        said = done.stderr
    raise AssertionError(said)


def files_of(lines: Sequence[Entry]) -> list[Entry]:
    return [line for line in lines if line.route == "file"]


def test_a_harvest_killed_twenty_times_on_a_bad_day_loses_nothing(tmp_path: Path) -> None:
    log, rng = tmp_path / "log.jsonl", random.Random(3)
    with serve(1000, "--faults", str(ROOT / "docs/faults.yaml"), "--log", str(log)) as url:
        project = aim(tmp_path / "project", url, 1000, "harvest.timeout_s=3")
        try:
            kills = 0
            for stage, most, step in (("catalog", 3, 2), ("scans", KILLS, 50)):
                for _ in range(2 * KILLS):  # some runs are through before their moment comes
                    process = start(project, stage)
                    if wait_for_lines(log, len(read_lines(log)) + rng.randrange(1, step), process):
                        time.sleep(rng.random() / 5)
                        process.send_signal(signal.SIGKILL)
                    process.communicate()
                    kills += process.returncode == -signal.SIGKILL
                    if kills == most:
                        break
                finish(project, stage)
            assert kills == KILLS
            assert running(project) == []
            check_account(project, read_lines(log), kills=kills)
        finally:
            project.call("photochrom", "down")


def check_account(project: Checkout, lines: Sequence[Entry], *, kills: int) -> None:
    faulty = Counter(line.fault for line in lines if line.fault)
    assert faulty.total() >= 0.15 * len(lines)
    assert len(faulty) >= 10

    catalogued = read_manifest(project.data / "catalog.parquet", CATALOG_SCHEMA)
    listed = [row["resource_id"] for row in catalogued if row["state"] == "listed"]
    scans = read_manifest(project.data / "scans.parquet", SCANS_SCHEMA)
    assert [scan["scan_id"] for scan in scans] == sorted(listed)
    assert len(set(listed)) == len(listed)
    assert project.run("status").count(" ok") == 2

    honest = {line.path: line.sha256 for line in files_of(lines) if line.sha256}
    stored = [scan for scan in scans if scan["state"] == "stored"]
    assert len(stored) > 0.9 * len(scans)
    for scan in stored:
        path = scan["url"].removeprefix(f"https://{TILE}")
        met = [
            (line.fault, line.range, line.whole) for line in files_of(lines) if line.path == path
        ]
        assert scan["sha256"] == honest[path], f"{scan}\n{met}"
        assert (project.data / scan["path"]).stat().st_size == scan["size_bytes"]
    on_disk = [path for path in (project.data / "scans").rglob("*") if path.is_file()]
    assert sorted(on_disk) == sorted(project.data / scan["path"] for scan in stored)

    tallies = tally_files(lines)
    assert sum(tally.unexplained for tally in tallies.values()) <= kills * WORKERS


def test_three_harvests_at_once_exceed_no_window_and_share_the_work(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    limits = {WWW: ["10/6", "60/60"], TILE: ["40/3", "300/60"]}
    with serve(300, "--log", str(log)) as url:
        project = aim(tmp_path / "project", url, 300)
        project = Checkout(
            project.root,
            (*project.settings, f"harvest.limits={json.dumps({'sample': limits, 'loc': {}})}"),
        )
        try:
            project.run("catalog")
            running = [start(project, "scans") for _ in range(3)]
            for process in running:
                _, said = process.communicate()
                assert process.returncode == 0, said
            lines = read_log(log)
            verdict = judge(lines, limits)
            assert verdict.ok, to_table(verdict)
            asked = Counter(line.path for line in files_of(read_lines(log)))
            assert set(asked.values()) == {1}
            before = {path.name: path.read_bytes() for path in project.data.glob("*.parquet")}
            count = len(files_of(read_lines(log)))
            project.run("catalog")
            project.run("scans")
            assert len(files_of(read_lines(log))) == count
            after = {path.name: path.read_bytes() for path in project.data.glob("*.parquet")}
            assert after == before
        finally:
            project.call("photochrom", "down")


def test_a_changed_record_is_asked_for_and_nothing_else(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    with serve(60) as url:
        project = aim(tmp_path / "project", url, 60)
        project.run("catalog")
        project.run("scans")
    plan = lay_plan(tmp_path / "plan.yaml", revise={"rate": 0.2, "new_bytes": True})
    before = {row["scan_id"]: row for row in read_rows(project)}
    with serve(60, "--faults", str(plan), "--log", str(log)) as url:
        project = aim(tmp_path / "project", url, 60)
        try:
            project.run("catalog")
            project.run("scans")
        finally:
            project.call("photochrom", "down")
    after = {row["scan_id"]: row for row in read_rows(project)}
    changed = {scan_id for scan_id in after if after[scan_id] != before[scan_id]}
    asked = {re.split("[vru]", Path(line.path).name)[0] for line in files_of(read_lines(log))}
    assert 0 < len(changed) < 0.5 * len(after)
    assert len(asked) <= 0.5 * len(after)
    assert {scan_id.partition(".")[2] for scan_id in changed} <= asked


def read_rows(project: Checkout) -> list[dict[str, Any]]:
    return read_manifest(project.data / "scans.parquet", SCANS_SCHEMA)


def test_a_long_block_ends_the_run_and_holds_for_the_next_one(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    rule = {"kind": "too_many_seconds", "route": "file", "rate": 0.2, "seconds": 3600, "times": 1}
    plan = lay_plan(tmp_path / "plan.yaml", faults=[rule])
    with serve(60, "--faults", str(plan), "--log", str(log)) as url:
        project = aim(tmp_path / "project", url, 60)
        try:
            project.run("catalog")
            first = project.call("photochrom", "scans", *laid(project))
            count = len(read_lines(log))
            second = project.call("photochrom", "scans", *laid(project))
        finally:
            project.call("photochrom", "down")
    assert first.returncode == second.returncode == 1
    for said in (first.stderr, second.stderr):
        assert "after 20" in said  # the time when it may go on
        assert "Traceback" not in said
    assert len(read_lines(log)) == count
    assert list((project.data / "scans").rglob("*.jpg"))


def test_a_challenge_is_not_asked_again_and_the_next_run_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    rule = {"kind": "challenge", "route": "file", "rate": 0.05, "times": 1}
    plan = lay_plan(tmp_path / "plan.yaml", faults=[rule])
    with serve(60, "--faults", str(plan), "--log", str(log)) as url:
        project = aim(tmp_path / "project", url, 60)
        try:
            project.run("catalog")
            first = project.call("photochrom", "scans", *laid(project))
            assert first.returncode == 1
            assert "LC-Labs@loc.gov" in first.stderr
            lines = files_of(read_lines(log))
            met = next(line for line in lines if line.fault == "challenge")
            later = [line for line in lines if line.t > met.t + met.seconds + 0.5]
            assert later == []
            for _ in range(20):
                if project.call("photochrom", "scans", *laid(project)).returncode == 0:
                    break
            assert project.run("status").count(" ok") == 2
        finally:
            project.call("photochrom", "down")


def laid(project: Checkout) -> list[str]:
    return [word for setting in project.settings for word in ("--set", setting)]


@pytest.mark.parametrize("how", ["cancel", "interrupt"])
def test_a_run_that_is_told_to_stop_does_so_and_keeps_what_came(tmp_path: Path, how: str) -> None:
    log = tmp_path / "log.jsonl"
    limits = json.dumps({"sample": {TILE: ["1/1"]}, "loc": {}})
    with serve(60, "--log", str(log)) as url:
        project = aim(tmp_path / "project", url, 60)
        try:
            project.run("catalog")
            slow = Checkout(project.root, (*project.settings, f"harvest.limits={limits}"))
            process = start(slow, "scans")
            assert wait_for_lines(log, len(read_lines(log)) + 4, process)
            if how == "cancel":
                cancel_run(project)
            else:
                os.kill(process.pid, signal.SIGINT)
            _, said = process.communicate(timeout=30)
            assert process.returncode not in (0, None)
            if how == "cancel":
                assert "cancelled in the Prefect UI" in said
                assert "Traceback" not in said
            came = {line.path for line in files_of(read_lines(log)) if line.whole}
            assert 0 < len(came) < 60
            project.run("scans")
            twice = Counter(line.path for line in files_of(read_lines(log)))
            assert sum(count - 1 for count in twice.values()) <= WORKERS
        finally:
            project.call("photochrom", "down")


def ask_server(project: Checkout, path: str, question: object) -> Any:
    server = find_server(Project(project.root))
    assert server is not None
    return requests.post(f"{server.url}/api/flow_runs/{path}", json=question, timeout=10).json()


def running(project: Checkout) -> list[str]:
    """The runs that the UI shows as going on."""
    query = {"flow_runs": {"state": {"type": {"any_": ["RUNNING"]}}}}
    return [run["id"] for run in ask_server(project, "filter", query)]


def cancel_run(project: Checkout) -> None:
    """Do what the UI's Cancel does to the run that is going on."""
    (run_id,) = running(project)
    state = {"state": {"type": "CANCELLING", "name": "Cancelling"}, "force": False}
    assert ask_server(project, f"{run_id}/set_state", state)["status"] == "ACCEPT"
