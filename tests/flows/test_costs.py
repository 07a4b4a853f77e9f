from pathlib import Path

import pytest

from flows.costs import measured, read_costs


def test_a_stage_that_ends_well_leaves_what_it_cost(tmp_path: Path) -> None:
    with measured(tmp_path, "crop") as watch:
        watch.start()
        watch.stop()
    cost = read_costs(tmp_path)["crop"]
    assert 0 <= cost.own_s <= cost.wall_s
    assert cost.peak_bytes > 1_000_000
    assert cost.cpu_s > 0


def test_a_stage_that_fails_leaves_the_costs_of_its_last_good_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="broken"), measured(tmp_path, "crop"):
        raise ValueError("broken")
    assert read_costs(tmp_path) == {}


def test_a_torn_file_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "crop.json").write_text('{"stage": "cr')
    (tmp_path / "pairs.json").write_text('{"stage": "pairs"}')
    assert read_costs(tmp_path) == {}
