"""Kills: of the server, a worker, a run's process, the database. What docs/watch.md says."""

import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from flows.deploying.processes import find_family
from tests.deploying import ENDED, House, change, make_house, receive, wait_for
from tests.postgres import serve_postgres

pytestmark = pytest.mark.drill


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = make_house(tmp_path / "house")
    yield from up(house)


def up(house: House) -> Iterator[House]:
    """Start everything; afterwards end it, and see that nothing is left."""
    house.must("photochrom", "ui")
    token = house.record("workers")["token"]
    try:
        yield house
    finally:
        house.must("photochrom", "down")
        assert find_family(token) == []


def begin(house: House) -> str:
    """Start a harvest that is held up in the middle, and return its id."""
    house.hold.touch()
    run = house.start("harvest/sample")
    house.await_stage()
    return run


def go_on(house: House) -> None:
    """See that the next harvest comes to its end."""
    house.hold.unlink(missing_ok=True)
    run = house.start("harvest/sample")
    assert house.await_state(run, *ENDED)["state_type"] == "COMPLETED"


def find(house: House, word: str) -> list[psutil.Process]:
    return [process for process in house.family() if word in process.cmdline()]


def kill(processes: list[psutil.Process]) -> None:
    assert processes
    for process in processes:
        process.kill()
    psutil.wait_procs(processes, timeout=30)


def test_a_killed_server_comes_back_and_the_run_goes_on(house: House) -> None:
    run, before = begin(house), house.record("server")
    kill([psutil.Process(before["pid"])])
    house.must("photochrom", "ui")
    after = house.record("server")
    assert (after["url"], after["token"]) == (before["url"], before["token"])
    house.hold.unlink()
    assert house.await_state(run, *ENDED)["state_type"] == "COMPLETED"
    go_on(house)


def test_a_stage_starts_the_server_that_was_killed_before_it(house: House) -> None:
    run = begin(house)
    kill([psutil.Process(house.record("server")["pid"])])
    house.hold.unlink()  # the stage `scans` finds no server
    assert house.await_state(run, *ENDED)["state_type"] == "COMPLETED"


def test_a_killed_worker_takes_no_run_with_it(house: House) -> None:
    run = begin(house)
    kill(find(house, "flows.deploying.worker_process"))
    house.hold.unlink()
    assert house.await_state(run, *ENDED)["state_type"] == "COMPLETED"
    house.must("photochrom", "ui")
    go_on(house)


def test_a_killed_run_is_crashed_by_its_worker(house: House) -> None:
    run = begin(house)
    kill(find(house, "prefect.engine"))
    assert house.await_state(run, *ENDED)["state_type"] == "CRASHED"
    wait_for(lambda: not find(house, "flows.deploying.child"))
    go_on(house)


def test_a_run_that_nobody_is_left_to_speak_for_is_crashed_by_the_next_command(
    house: House,
) -> None:
    run = begin(house)
    kill(find(house, "flows.deploying.worker_process") + find(house, "prefect.engine"))
    assert house.state(run) == "RUNNING"
    house.must("photochrom", "ui")
    assert house.state(run) == "CRASHED"
    go_on(house)


def test_a_run_that_nobody_is_left_to_speak_for_is_crashed_by_the_server(house: House) -> None:
    run = begin(house)
    kill(find(house, "flows.deploying.worker_process") + find(house, "prefect.engine"))
    wait_for(lambda: house.state(run) != "RUNNING", 300)
    assert house.state(run) == "CRASHED"


def test_a_step_that_takes_too_long_is_ended(house: House) -> None:
    patience = {"retries": 0, "retry_delay_s": 0, "timeout_s": 30}
    change(house, "flows", harvest=patience)
    house.hold.touch()
    run = house.start("harvest/sample")
    assert house.await_state(run, *ENDED)["state_type"] == "FAILED"
    assert "timed out after 30" in house.read(run)["state"]["message"]
    wait_for(lambda: not find(house, "flows.deploying.child"))
    change(house, "flows", harvest={**patience, "timeout_s": 600})
    go_on(house)


def test_down_ends_a_run_with_all_that_it_has_started(house: House) -> None:
    run, token = begin(house), house.record("workers")["token"]
    house.must("photochrom", "down")
    assert find_family(token) == []
    house.must("photochrom", "ui")
    assert house.state(run) == "CRASHED"
    go_on(house)


def test_everything_ends_with_the_records(house: House) -> None:
    begin(house)
    token = house.record("workers")["token"]
    for name in ("server", "workers"):
        (house.root / ".photochrom" / f"{name}.json").unlink()
    wait_for(lambda: not find_family(token))
    house.must("photochrom", "ui")


def test_a_database_that_goes_and_comes_takes_nothing_with_it(tmp_path: Path) -> None:
    with serve_postgres() as postgres:
        house = make_house(tmp_path / "house", PREFECT_SERVER_DATABASE_CONNECTION_URL=postgres.url)
        for _ in up(house):
            run = begin(house)
            postgres.stop()
            postgres.start()
            house.hold.unlink()
            assert house.await_state(run, *ENDED)["state_type"] == "COMPLETED"
            go_on(house)


def test_a_run_that_stands_still_is_told_of(tmp_path: Path) -> None:
    with receive() as (address, told):
        house = make_house(tmp_path / "house", PHOTOCHROM_WEBHOOK=address)
        change(house, "flows", stuck_s=10)
        for _ in up(house):
            run = begin(house)
            (engine,) = find(house, "prefect.engine")
            engine.send_signal(signal.SIGSTOP)
            wait_for(lambda: told)
            engine.send_signal(signal.SIGCONT)
            assert told[0]["run"] == house.read(run)["name"]
            assert told[0]["text"].endswith("still runs after 10 s")
            house.hold.unlink()
            house.await_state(run, *ENDED)
