"""Deployments, run by a real server and two real workers in a small checkout."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.deploying.processes import find_family
from flows.deploying.registering import QUEUES
from flows.predecessors import crash_runs, read_notes
from tests.deploying import House, make_house, receive, wait_for
from tests.pipeline import ROOT

NAMES = {
    "harvest/loc",
    "harvest/sample",
    "preprocess/local",
    "train/local",
    "train/slurm",
    "rebuild/dvc",
}
Told = list[dict[str, Any]]


@pytest.fixture(scope="module")
def hooked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Told]]:
    with receive() as (address, told):
        house = make_house(tmp_path_factory.mktemp("house"), PHOTOCHROM_WEBHOOK=address)
        try:
            said = house.must("photochrom", "ui")
            assert said.startswith(f"Prefect UI: {house.url} ")
            assert all(f"prefect deployment run {name}\n" in said for name in NAMES)
            yield house, told
        finally:
            token = house.record("workers")["token"]
            house.must("photochrom", "down")
        assert find_family(token) == []
        assert not (house.root / "prefect.toml").exists()


@pytest.fixture
def house(hooked: tuple[House, Told]) -> Iterator[House]:
    yield hooked[0]
    for name in ("hold", "seen", "fail"):
        (hooked[0].root / name).unlink(missing_ok=True)


def test_everything_in_prefect_yaml_is_registered(house: House) -> None:
    deployments = house.ask("/deployments/filter")
    flows = {flow["id"]: flow["name"] for flow in house.ask("/flows/filter")}
    assert {f"{flows[one['flow_id']]}/{one['name']}" for one in deployments} == NAMES
    assert all(one["description"] and str(house.root) not in str(one) for one in deployments)
    (weekly,) = [each for one in deployments for each in one["schedules"]]
    assert weekly["slug"] == "weekly"
    assert not weekly["active"]
    queues = house.ask("/work_pools/photochrom/queues/filter")
    limits = {queue["name"]: queue["concurrency_limit"] for queue in queues}
    assert limits == {"default": None, **dict.fromkeys(QUEUES, 1)}


def test_the_file_holds_no_path_and_its_flows_are_there() -> None:
    text = (ROOT / "prefect.yaml").read_text("utf-8")
    assert str(ROOT) not in text
    assert yaml.safe_load(text)["pull"] == []


def test_starting_again_changes_nothing(house: House) -> None:
    before = {process.pid for process in house.family()}
    house.must("photochrom", "ui")
    assert {process.pid for process in house.family()} == before
    assert len(house.ask("/deployments/filter")) == len(NAMES)
    assert len(house.ask("/automations/filter")) == 4


def test_a_worker_that_died_is_started_again(house: House) -> None:
    def workers() -> dict[str, int]:
        found = house.family()
        lines = {process.pid: process.cmdline() for process in found}
        return {
            words[words.index("flows.deploying.worker_process") + 2]: pid
            for pid, words in lines.items()
            if "flows.deploying.worker_process" in words
        }

    before = workers()
    next(one for one in house.family() if one.pid == before["worker-2"]).kill()
    wait_for(lambda: "worker-2" not in workers())
    house.must("photochrom", "ui")
    after = workers()
    assert after["worker-1"] == before["worker-1"]
    assert after["worker-2"] != before["worker-2"]


def test_a_run_whose_process_is_gone_is_crashed_unless_it_had_ended(
    house: House, tmp_path: Path
) -> None:
    flow = house.ask("/flows/", name="noted")["id"]
    running, cancelled = (
        str(house.ask("/flow_runs/", flow_id=flow, state={"type": kind})["id"])
        for kind in ("RUNNING", "CANCELLED")
    )
    for run in (running, cancelled):
        (tmp_path / f"{run}.json").write_text(f"[{2**22 + 1}, 1.5]")
    with temporary_settings({PREFECT_API_URL: f"{house.url}/api"}):
        assert crash_runs(read_notes(tmp_path), "its process is gone") == 1
    assert (house.state(running), house.state(cancelled)) == ("CRASHED", "CANCELLED")
    assert house.read(running)["state"]["message"] == "its process is gone"


@pytest.fixture(scope="module")
def two(hooked: tuple[House, Told]) -> tuple[House, str, str]:
    """Two harvests started one after the other; the first was cancelled at work."""
    house = hooked[0]
    house.hold.touch()
    first = house.run("harvest/sample")
    house.await_stage()
    assert any(one.name() == "sleep" for one in house.family())
    second = house.start("harvest/sample")
    house.await_state(second, "SCHEDULED", "PENDING")
    assert house.state(second) in ("SCHEDULED", "PENDING")
    house.ask(f"/flow_runs/{first}/set_state", state={"type": "CANCELLING"})
    house.await_state(first, "CANCELLED")
    house.await_stage()  # the second's turn, and nothing of the first stands in its way
    house.hold.unlink()
    house.await_state(second, "COMPLETED", "FAILED", "CRASHED")
    return house, first, second


def test_two_harvests_wait_for_each_other(two: tuple[House, str, str]) -> None:
    house, first, second = two
    assert house.state(first) == "CANCELLED"
    states = requests.get(
        f"{house.url}/api/flow_run_states/", params={"flow_run_id": first}, timeout=30
    ).json()
    (told,) = [state["timestamp"] for state in states if state["type"] == "CANCELLING"]
    assert told <= house.read(second)["start_time"]


def test_a_harvest_runs_its_stages_through_dvc(two: tuple[House, str, str]) -> None:
    house, _, run = two
    read = house.read(run)
    assert read["state_type"] == "COMPLETED", read["state"]["message"]
    assert read["name"].startswith("harvest-sample 20")
    assert read["state"]["message"].startswith("scans: ")
    lines = [line["message"] for line in house.ask("/logs/filter", logs=_of(run))]
    assert "Running stage 'catalog':" in lines
    assert "Running stage 'scans':" in lines
    tasks = house.ask("/task_runs/filter", flow_runs={"id": {"any_": [run]}})
    assert {task["name"] for task in tasks} == {"catalog", "scans"}
    artifacts = house.ask("/artifacts/filter", flow_runs={"id": {"any_": [run]}})
    assert [artifact["key"] for artifact in artifacts] == ["account-scans"]
    assert "scans" in (house.root / "dvc.lock").read_text()


def test_a_stage_has_a_run_of_its_own(two: tuple[House, str, str]) -> None:
    house, _, run = two
    (stage,) = house.ask("/flow_runs/filter", flow_runs={"name": {"any_": ["scans-sample"]}})
    assert stage["parent_task_run_id"] is None
    assert stage["deployment_id"] is None
    assert house.read(run)["name"] in stage["tags"]


def test_a_run_that_fails_says_why_and_the_webhook_is_told(hooked: tuple[House, Told]) -> None:
    house, told = hooked
    (house.root / "fail").touch()
    failed, wrong = house.start("harvest/sample"), house.start("harvest/loc")
    message = house.await_state(failed, "COMPLETED", "FAILED", "CRASHED")["state"]["message"]
    (house.root / "fail").unlink()
    assert "dvc repro --force --single-item catalog ended with code 255" in message
    assert "failed to run: photochrom catalog" in message
    read = house.await_state(wrong, "COMPLETED", "FAILED", "CRASHED")
    assert "expected harvest.source loc in params.yaml, got sample" in read["state"]["message"]
    both = {read["name"], house.read(failed)["name"]}
    wait_for(lambda: {one["run"] for one in told} == both)  # each at least once
    assert all(one["text"].endswith("Failed") for one in told)
    assert all(one["url"].startswith(house.url) for one in told)


@pytest.mark.drill
def test_a_server_elsewhere_is_used_and_let_be(house: House, tmp_path: Path) -> None:
    other = make_house(tmp_path / "other", PREFECT_API_URL=f"{house.url}/api")
    try:
        assert other.must("photochrom", "ui", "--workers", "1").startswith(
            f"Prefect UI: {house.url} "
        )
        assert not (other.root / "prefect.toml").exists()
        assert not (other.root / ".photochrom" / "server.json").exists()
        workers = other.family()
        assert workers
    finally:
        other.must("photochrom", "down")
    assert not any(worker.is_running() for worker in workers)
    assert house.ask("/deployments/filter")


def _of(run: str) -> dict[str, Any]:
    return {"flow_run_id": {"any_": [run]}}
