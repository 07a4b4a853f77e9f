import pytest
import torch
from torch import Tensor

from tests.train.conftest import MakeShards
from train.data import open_split
from train.model import UNet
from train.streaming.samples import Samples, hold
from train.validation import validate
from train.world import World

ALONE = World(rank=0, local_rank=0, size=1)

pytestmark = pytest.mark.usefixtures("tiny_network")


def make_samples(make_shards: MakeShards, count: int) -> Samples:
    split = open_split(make_shards(train=[1], val=[count] if count else []), "val")
    return hold(split, "stream", device=torch.device("cpu"), ahead=1)


def make_model() -> UNet:
    torch.manual_seed(0)
    model = UNet(torch.randn(16, 25, 2) * 5)
    torch.nn.init.normal_(model.head.weight)
    return model


@pytest.mark.parametrize("size", [2, 3, 7])
def test_the_score_does_not_depend_on_the_world_size(
    make_shards: MakeShards, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    samples, model = make_samples(make_shards, 5), make_model()
    alone = validate(model, samples, short=32, beta=5.0, world=ALONE)
    sums: list[Tensor] = []
    monkeypatch.setattr(World, "add", lambda _, values: sums.append(values.clone()))
    for rank in range(size):
        validate(model, samples, short=32, beta=5.0, world=World(rank, rank, size))
    loss, de00 = (torch.stack(sums).sum(dim=0) / 5).tolist()
    assert alone is not None
    assert (loss, de00) == pytest.approx((alone.loss, alone.de00), rel=1e-9)


def test_no_pictures_have_no_score(make_shards: MakeShards) -> None:
    assert (
        validate(make_model(), make_samples(make_shards, 0), short=32, beta=5.0, world=ALONE)
        is None
    )
