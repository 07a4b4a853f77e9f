import time
from pathlib import Path

import pytest

from flows.batches import worker_processes
from flows.costs import measure, measured, read_costs


def test_a_stage_that_ends_well_leaves_what_it_cost(tmp_path: Path) -> None:
    with measured(tmp_path, "crop") as watch:
        watch.start()
        watch.stop()
    cost = read_costs(tmp_path)["crop"]
    assert 0 <= cost.own_s <= cost.wall_s
    assert cost.peak_bytes > 1_000_000
    assert cost.cpu_s > 0


def test_the_work_of_pool_workers_is_counted(tmp_path: Path) -> None:
    with (
        measured(tmp_path, "crop"),
        worker_processes(1, preload="flows.costs") as pool,
    ):
        pool.submit(sum, range(30_000_000)).result()
        of_worker = pool.submit(time.process_time).result()
        of_ours = time.process_time()
    assert read_costs(tmp_path)["crop"].cpu_s >= of_worker + of_ours - 0.1


def test_a_stage_that_fails_leaves_the_costs_of_its_last_good_run(tmp_path: Path) -> None:
    with measured(tmp_path, "crop"):
        pass
    before = read_costs(tmp_path)
    with pytest.raises(ValueError, match="broken"), measured(tmp_path, "crop"):
        raise ValueError("broken")
    assert read_costs(tmp_path) == before != {}


def test_a_torn_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "crop.json").write_text('{"stage": "cr')
    (tmp_path / "pairs.json").write_text('{"stage": "pairs"}')
    assert read_costs(tmp_path) == {}


def test_a_folder_is_measured_whole_and_links_as_links(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one").write_bytes(b"1" * 10)
    (tmp_path / "a" / "b" / "two").write_bytes(b"2" * 5)
    assert measure(tmp_path / "a") == 15
    assert measure(tmp_path / "a" / "one") == 10
    assert measure(tmp_path / "none") == 0
