from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.train.conftest import MakeParams, MakeShards, to_inputs
from train.data import open_split
from train.job import train_run
from train.model import UNet
from train.pictures import GUTTER
from train.prints import Print, choose_prints, draw_sheet, read_prints
from train.run import Run, prepare_run, read_run
from train.streaming.samples import hold
from train.world import World

ALONE = World(rank=0, local_rank=0, size=1)

pytestmark = pytest.mark.usefixtures("tiny_network")


def make_model(seed: int = 0) -> UNet:
    torch.manual_seed(seed)
    model = UNet(torch.randn(16, 25, 2) * 5)
    torch.nn.init.normal_(model.head.weight)
    return model


@pytest.mark.parametrize(
    ("count", "chosen"), [(0, []), (1, [0]), (2, [0, 1]), (3, [0, 1, 2]), (90, [15, 45, 75])]
)
def test_the_prints_are_spread_evenly_over_a_split(count: int, chosen: list[int]) -> None:
    assert choose_prints(count) == chosen


@pytest.mark.parametrize("residence", ["device", "host", "stream"])
def test_the_same_prints_are_read_wherever_the_split_is_held(
    make_shards: MakeShards, residence: Any
) -> None:
    shards = make_shards(train=[5, 4], val=[1], test=[7])
    with open_split(shards, "train") as split:
        samples = hold(split, residence, device=torch.device("cpu"), ahead=2)
        prints = read_prints(samples, split="train")
    # Samples are numbered over the splits in order of their names: test, then train.
    found = [tuple(one.lab_1HW3.shape[1:3]) for one in prints]
    assert found == [(64, 48) if number % 3 else (48, 64) for number in (8, 11, 14)]
    assert len({one.lab_1HW3.float().mean().item() for one in prints}) == 3


def make_prints() -> list[Print]:
    rng = torch.Generator().manual_seed(1)
    sizes = [("train", 48, 64), ("val", 300, 200)]
    return [
        Print(split, torch.randint(0, 255, (1, *size, 3), dtype=torch.uint8, generator=rng))
        for split, *size in sizes
    ]


def test_a_sheet_has_a_row_for_each_print_with_grey_prediction_and_truth() -> None:
    sheet = draw_sheet(make_model(), make_prints(), short=32)
    # The tall one is drawn 256 px high, so 171 wide.
    assert sheet.shape == (2 * 22 + 48 + 256 + GUTTER, 3 * 171 + 4 * GUTTER, 3)
    grey = sheet[22 : 22 + 48, GUTTER : GUTTER + 64].astype(int)
    assert np.ptp(grey, axis=-1).max() <= 1
    predicted = sheet[22 : 22 + 48, 64 + 2 * GUTTER : 2 * 64 + 2 * GUTTER].astype(int)
    assert np.ptp(predicted, axis=-1).max() > 10


def test_a_sheet_is_a_function_of_the_weights() -> None:
    prints = make_prints()
    one, again, other = (draw_sheet(make_model(seed), prints, short=32) for seed in (0, 0, 1))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def train(run: Run) -> dict[str, bytes]:
    assert train_run(run, ALONE, stop=lambda: False)
    return {path.name: path.read_bytes() for path in (run.folder / "result").iterdir()}


@pytest.fixture
def make_run(make_params: MakeParams, make_shards: MakeShards, tmp_path: Path) -> Any:
    def make(name: str) -> Run:
        inputs = to_inputs(make_shards(f"shards-{name}", train=[5, 4], val=[3], test=[2]))
        root = tmp_path / f"checkpoints-{name}"
        prepare_run(tmp_path / name, make_params(), inputs=inputs, checkpoints_root=root)
        return read_run(tmp_path / name)

    return make


def read_sheets(run: Run) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run.folder / "pictures").iterdir()}


def test_every_validation_leaves_a_sheet(make_run: Any) -> None:
    run = make_run("run")
    assert not any("step" in name for name in train(run))
    sheets = read_sheets(run)
    assert sorted(sheets) == [f"step-{step:08d}.jpg" for step in (2, 4, 6)]
    assert len(set(sheets.values())) == 3
    with Image.open(run.folder / "pictures" / "step-00000006.jpg") as sheet:
        # Three rows of train and three of val, each 64 or 48 px high.
        assert 6 * (22 + 48) < sheet.height < 6 * (22 + 64)


def test_a_run_learns_the_same_bits_where_no_picture_can_be_written(make_run: Any) -> None:
    seen, unseen = make_run("seen"), make_run("unseen")
    (unseen.folder / "pictures").touch()  # a file where the folder is to be
    assert train(seen) == train(unseen)
    said = (unseen.folder / "progress.jsonl").read_text()
    assert said.count("expected to write the pictures of step") == 3
    assert '"event": "pictures"' not in said


def test_a_run_that_goes_on_behind_its_last_step_draws_its_pictures_again(make_run: Any) -> None:
    run = make_run("run")
    train(run)
    whole = read_sheets(run)
    settings = (run.folder / "run.json").read_bytes()
    for path in (run.folder / "pictures").iterdir():
        path.unlink()
    (run.folder / "progress.jsonl").unlink()
    (run.folder / "run.json").write_bytes(settings)
    train(run)
    assert read_sheets(run) == {"step-00000006.jpg": whole["step-00000006.jpg"]}
