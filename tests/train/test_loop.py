import itertools
import math
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.train.conftest import MakeParams, MakeShards
from tests.train.streaming.fakes import FakeSource
from train.data import open_split
from train.errors import StoppedError, TrainError
from train.loop import Job, describe, fit, learning_rate, to_batch, train_step
from train.params import TrainParams
from train.state import TrainState, make_state, pack, unpack
from train.streaming.residence import Residence
from train.streaming.samples import Samples, hold
from train.table import fit_table
from train.world import World

CPU = torch.device("cpu")
ALONE = World(rank=0, local_rank=0, size=1)

pytestmark = pytest.mark.usefixtures("tiny_network")


@pytest.fixture(autouse=True)
def _deterministic() -> None:
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)


@pytest.fixture
def splits(make_shards: MakeShards) -> tuple[Samples, Samples]:
    folder = make_shards(train=[6, 5], val=[3])
    return open_samples(folder, "train"), open_samples(folder, "val")


def open_samples(
    folder: Path,
    name: str,
    *,
    residence: Residence = "device",
    read: Literal["map", "pread"] = "map",
    ahead: int = 2,
) -> Samples:
    return hold(open_split(folder, name, read=read), residence, device=CPU, ahead=ahead)


def make_table(samples: Samples) -> Tensor:
    with samples.read([np.arange(len(samples))], largest=len(samples)) as feed:
        batch = next(feed)
        boxes = [(top, left, bottom, right) for top, left, bottom, right in batch.valid_B4.tolist()]
        return torch.from_numpy(fit_table(batch.lab_BSS3.numpy(), boxes))


WAITS = {"aten._local_scalar_dense.default", "aten.lift_fresh.default", "aten.nonzero.default"}
"""What waits for a GPU: a number read back, a constant sent there, a shape that values decide."""


class Desk:
    """What a job saves and reports, and when it is asked to stop."""

    def __init__(self, *, stop_after: int | None = None) -> None:
        self.stop_after = stop_after
        self.asked = 0
        self.saved: list[int] = []
        self.final: list[bool] = []
        self.events: list[dict[str, object]] = []

    def stop(self) -> bool:
        self.asked += 1
        return self.asked == self.stop_after

    def save(self, state: TrainState, *, final: bool) -> None:
        self.saved.append(state.step)
        self.final.append(final)

    def job(
        self, params: TrainParams, splits: tuple[Samples, Samples], world: World = ALONE
    ) -> Job:
        return Job(
            params=params,
            train=splits[0],
            val=splits[1],
            world=world,
            save=self.save,
            report=self.events.append,
            stop=self.stop,
        )


def assert_same(one: TrainState, other: TrainState) -> None:
    left, right = pack(one), pack(other)
    assert (left.step, left.facts) == (right.step, right.facts)
    assert left.tensors.keys() == right.tensors.keys()
    for name, tensor in left.tensors.items():
        assert torch.equal(tensor, right.tensors[name]), name


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_resumed_run_is_bit_for_bit_the_uninterrupted_one(
    make_params: MakeParams, splits: tuple[Samples, Samples], precision: str
) -> None:
    params = make_params(precision=precision, steps=7, validate_every=2)
    table = make_table(splits[0])
    whole = make_state(params, table, device=CPU)
    assert fit(whole, Desk().job(params, splits))

    first = make_state(params, table, device=CPU)
    desk = Desk(stop_after=3)
    assert not fit(first, desk.job(params, splits))
    # What is asked in step 3 is heard when step 4 is queued.
    assert (first.step, desk.saved, desk.final) == (4, [2, 4], [False, True])
    second = make_state(params, table, device=CPU)
    unpack(pack(first), second)
    assert fit(second, Desk().job(params, splits))
    assert_same(second, whole)


def test_a_stop_while_samples_do_not_come_saves_the_last_full_step(
    make_params: MakeParams, make_shards: MakeShards, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, params = make_shards(train=[6, 5], val=[3]), make_params(steps=7, validate_every=2)
    split, free, lost = open_split(folder, "train"), threading.Event(), threading.Event()
    splits = Samples(split, device=CPU, ahead=1), open_samples(folder, "val")
    table = make_table(splits[0])
    whole = make_state(params, table, device=CPU)
    assert fit(whole, Desk().job(params, splits))

    gather, batches = split.gather, iter(range(4))

    def lose_the_fourth(*what: Any) -> None:
        if next(batches) == 3:
            lost.set()
            free.wait()
        gather(*what)

    monkeypatch.setattr("train.streaming.feed._POLL_S", 0.001)
    monkeypatch.setattr("train.streaming.feed.PATIENCE_S", 0.0)
    monkeypatch.setattr(split, "gather", lose_the_fourth)
    waiting = Samples(split, device=CPU, ahead=1, stop=lost.is_set)
    first, desk = make_state(params, table, device=CPU), Desk()
    with pytest.raises(StoppedError):
        fit(first, desk.job(params, (waiting, splits[1])))
    free.set()
    assert (desk.saved, desk.final) == ([2, 3], [False, True])
    monkeypatch.setattr(split, "gather", gather)
    second = make_state(params, table, device=CPU)
    unpack(pack(first), second)
    assert fit(second, Desk().job(params, splits))
    assert_same(second, whole)


@pytest.mark.parametrize("told", [True, False])
def test_a_rank_that_loses_another_saves_the_step_before_when_both_were_told_to_stop(
    splits: tuple[Samples, Samples],
    make_params: MakeParams,
    monkeypatch: pytest.MonkeyPatch,
    told: bool,
) -> None:
    params, table = make_params(steps=6, validate_every=100), make_table(splits[0])
    asked: list[bool] = []
    whole = make_state(params, table, device=CPU)
    assert fit(whole, Desk().job(params, splits))

    def add(world: World, values: torch.Tensor) -> None:
        if first.step == 3:
            asked.append(told)
            raise RuntimeError("Connection closed by peer")

    first, desk = make_state(params, table, device=CPU), Desk()
    job = replace(desk.job(params, splits), stop=lambda: any(asked))
    with monkeypatch.context() as patched:
        patched.setattr(World, "add", add)
        with pytest.raises(StoppedError if told else RuntimeError, match="closed by peer"):
            fit(first, job)
    assert (desk.saved, desk.final) == (([3], [True]) if told else ([], []))
    if not told:
        return
    second = make_state(params, table, device=CPU)
    unpack(pack(first), second)
    assert fit(second, Desk().job(params, splits))
    assert_same(second, whole)


@pytest.mark.parametrize("window", [None, 5])
def test_weights_do_not_depend_on_where_samples_are_held_or_how_they_are_read(
    make_params: MakeParams, make_shards: MakeShards, window: int | None
) -> None:
    folder, params = make_shards(train=[6, 5], val=[3]), make_params(steps=5, window=window)

    def run(**how: Any) -> TrainState:
        splits = open_samples(folder, "train", **how), open_samples(folder, "val", **how)
        state = make_state(params, make_table(splits[0]), device=CPU)
        assert fit(state, Desk().job(params, splits))
        return state

    whole = run()
    assert_same(run(residence="host", ahead=1), whole)
    assert_same(run(residence="stream", ahead=1), whole)
    assert_same(run(residence="stream", ahead=4, read="pread"), whole)


class Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Lists what is asked of torch."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.asked: list[str] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> object:
        self.asked.append(str(func))
        return func(*args, **(kwargs or {}))


def test_a_step_reads_nothing_back_and_copies_nothing_to_the_device(
    make_params: MakeParams, splits: tuple[Samples, Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    params = make_params(steps=100, warmup=0.0)
    state, asked = make_state(params, make_table(splits[0]), device=CPU), []
    job = Desk().job(params, splits)
    # It reads its own count of steps, which lies in memory wherever the weights do.
    monkeypatch.setattr(state.optimizer, "step", lambda: None)
    for count in (2, 2, 5):
        with splits[0].read([np.arange(count)], largest=count) as feed, Watch() as watch:
            batch = to_batch(next(feed), epoch=0, how=describe(state, params))
            train_step(state, batch, network=state.model, job=job, global_batch=count)
        asked.append(watch.asked)
    # The first step makes what lasts, such as constants.
    assert asked[1] == asked[2]
    assert not [name for name in asked[1] if name in WAITS]


def test_the_network_learns_what_the_table_cannot_know(
    make_params: MakeParams, splits: tuple[Samples, Samples]
) -> None:
    params = make_params(steps=40, batch=8, warmup=0.1, validate_every=20, lr=4e-3, degrade=0.1)
    desk = Desk()
    state = make_state(params, make_table(splits[0]), device=CPU)
    untrained = make_state(params, make_table(splits[0]), device=CPU)
    fit(state, desk.job(params, splits))
    fit(untrained, desk.job(make_params(steps=1, warmup=0.0, lr=1e-9), splits))
    assert state.best_de00 is not None and untrained.best_de00 is not None
    assert state.best_de00 < untrained.best_de00 / 2


def test_the_best_average_is_kept_and_the_curve_has_a_row_for_each_validation(
    make_params: MakeParams, splits: tuple[Samples, Samples]
) -> None:
    params = make_params(steps=5, validate_every=2)
    desk = Desk()
    state = make_state(params, make_table(splits[0]), device=CPU)
    fit(state, desk.job(params, splits))
    assert [row["step"] for row in state.curve] == [2, 4, 5]
    assert state.best is not None
    assert state.best_de00 == min(row["val_dE00"] or math.inf for row in state.curve)
    assert (desk.saved, desk.final) == ([2, 4, 5], [False, False, True])
    assert [event["event"] for event in desk.events][-1] == "validation"


def test_steps_are_reported_with_the_images_that_all_ranks_saw_in_a_second(
    make_params: MakeParams, splits: tuple[Samples, Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = itertools.count(step=0.75)  # once at the beginning, then at each step
    clock = SimpleNamespace(monotonic=lambda: next(ticks))
    monkeypatch.setattr("train.loop.time", clock)
    desk, params = Desk(), make_params(steps=6, batch=4, validate_every=100)
    fit(make_state(params, make_table(splits[0]), device=CPU), desk.job(params, splits))
    told = [event for event in desk.events if event["event"] == "step"]
    assert [event["step"] for event in told] == [2, 4, 6]
    assert all(event["images_per_s"] == round(2 * 4 / 1.5, 2) for event in told)
    assert all(event["gpu_gb"] is None for event in told)


def test_without_a_validation_split_no_weights_are_the_best(
    make_params: MakeParams, splits: tuple[Samples, Samples]
) -> None:
    none = hold(FakeSource([]), "device", device=CPU, ahead=1)
    params = make_params(steps=2, warmup=0.5)
    state = make_state(params, make_table(splits[0]), device=CPU)
    assert fit(state, Desk().job(params, (splits[0], none)))
    assert state.best is None
    assert state.curve[-1]["val_dE00"] is None


def test_a_loss_that_is_not_finite_stops_the_job(
    make_params: MakeParams, splits: tuple[Samples, Samples]
) -> None:
    params = make_params()
    state = make_state(params, torch.full((16, 25, 2), math.nan), device=CPU)
    with pytest.raises(TrainError, match=r"step 0: the loss is nan; lower train\.lr"):
        fit(state, Desk().job(params, splits))


def test_the_rate_rises_and_falls(make_params: MakeParams) -> None:
    params = make_params(lr=1.0, warmup=1 / 11, steps=110)
    rates = [learning_rate(step, params) for step in range(110)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == pytest.approx(1.0)
    assert rates[60] == pytest.approx(0.5)
    assert rates[109] < 1e-3
    assert rates[10:] == sorted(rates[10:], reverse=True)
