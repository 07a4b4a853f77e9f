from datetime import timedelta
from typing import Any

import pytest
import torch

from train.errors import TrainError
from train.world import World, connected, read_world


def test_torch_variables_name_the_place() -> None:
    environ = {"RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2"}
    assert read_world(environ) == World(rank=3, local_rank=1, size=4, local_size=2)


def test_slurm_variables_name_the_place() -> None:
    environ = {"SLURM_PROCID": "5", "SLURM_LOCALID": "1", "SLURM_NTASKS": "8"}
    environ["SLURM_TASKS_PER_NODE"] = "4(x2)"
    assert read_world(environ) == World(rank=5, local_rank=1, size=8, local_size=4)


@pytest.mark.parametrize(
    ("said", "node", "expected"),
    [("4", 1, 4), ("4(x2),3", 0, 4), ("4(x2),3", 1, 4), ("4(x2),3", 2, 3), ("2,4(x2)", 0, 2)],
)
def test_slurm_says_how_many_share_each_node(said: str, node: int, expected: int) -> None:
    environ = {"SLURM_PROCID": "5", "SLURM_LOCALID": "0", "SLURM_NTASKS": "11"}
    # What the job has counts less than what the step has.
    environ |= {"SLURM_TASKS_PER_NODE": "1", "SLURM_STEP_TASKS_PER_NODE": said}
    assert read_world(environ | {"SLURM_NODEID": str(node)}).local_size == expected


def test_where_nobody_says_who_shares_the_machine_all_do() -> None:
    assert read_world({"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "3"}).local_size == 3


@pytest.mark.parametrize("said", ["", "x", "4(2)", "9", "1"])
def test_a_number_of_neighbours_that_cannot_be_is_an_error(said: str) -> None:
    environ = {"RANK": "2", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": said}
    with pytest.raises(TrainError, match=r"LOCAL_WORLD_SIZE|processes per machine"):
        read_world(environ)


def test_ranks_wait_for_one_that_waits_for_the_network_or_stages_what_they_have(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", "1")
    monkeypatch.setattr(
        "train.world.distributed.init_process_group", lambda _, **said: asked.update(said)
    )
    monkeypatch.setattr("train.world.distributed.destroy_process_group", lambda: None)
    world = World(rank=0, local_rank=0, size=2, local_size=2)
    for wait_s in (0, 600, 86_400):
        with connected(world, torch.device("cpu"), wait_s=wait_s):
            assert asked["timeout"] == timedelta(hours=1, seconds=wait_s)


def test_alone_where_nothing_launched() -> None:
    assert read_world({}) == World(rank=0, local_rank=0, size=1)


@pytest.mark.parametrize(
    "environ",
    [
        {"RANK": "0"},
        {"RANK": "x", "LOCAL_RANK": "0", "WORLD_SIZE": "1"},
        {"RANK": "2", "LOCAL_RANK": "0", "WORLD_SIZE": "2"},
    ],
)
def test_half_a_place_is_an_error(environ: dict[str, str]) -> None:
    with pytest.raises(TrainError, match=r"WORLD_SIZE|world size"):
        read_world(environ)
