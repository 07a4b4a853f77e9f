import pytest

from train.errors import TrainError
from train.world import World, read_world


def test_torch_variables_name_the_place() -> None:
    environ = {"RANK": "3", "LOCAL_RANK": "1", "WORLD_SIZE": "4"}
    assert read_world(environ) == World(rank=3, local_rank=1, size=4)


def test_slurm_variables_name_the_place() -> None:
    environ = {"SLURM_PROCID": "5", "SLURM_LOCALID": "1", "SLURM_NTASKS": "8"}
    assert read_world(environ) == World(rank=5, local_rank=1, size=8)


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
