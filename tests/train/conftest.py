"""Toy shards: pictures whose texture, and nothing else, tells their colour."""

import io
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from preprocess.index import describe_shard, to_index, write_index
from preprocess.samples import Sample, SampleInfo, to_members
from train.checkpoints.origin import find_start
from train.params import TrainParams
from train.run import Inputs, Run, prepare_run, read_run

SIZE = 64

SLURM: dict[str, object] = {
    "partition": None,
    "account": None,
    "qos": None,
    "constraint": None,
    "nodes": 1,
    "gpus_per_node": None,
    "gpu_type": None,
    "cpus_per_gpu": 1,
    "memory_per_gpu": None,
    "time_limit_min": 10,
    "signal_lead_s": None,
    "requeue_limit": 20,
    "modules": [],
    "venv": None,
    "container": None,
    "container_runtime": "apptainer",
    "container_mounts": [],
    "environment": {},
    "ssh": None,
    "scratch": None,
    "extra": [],
    "poll_s": 0.2,
}
"""One process on one machine without GPUs."""

REMOTE: dict[str, object] = {"url": None, "folder": None, "gb": 1, "wait_s": 1}
"""Nothing is staged."""

MakeShards = Callable[..., Path]
MakeParams = Callable[..., TrainParams]
Prepare = Callable[..., Run]
"""Takes a run's name, what it starts from, what it reads, and settings that change."""


def make_picture(number: int, *, height: int, width: int) -> NDArray[np.uint8]:
    """Odd pictures have columns and are orange; even ones have rows and are teal."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:height, :width]
    wave = np.sin((x if number % 2 else y) * rng.uniform(0.7, 1.0) + rng.uniform(0, 6))
    lab = np.empty((height, width, 3), np.float64)
    lab[..., 0] = 140 + 60 * wave + rng.normal(0, 4, (height, width))
    lab[..., 1:] = (143, 158) if number % 2 else (113, 118)
    return np.clip(np.rint(lab), 0, 255).astype(np.uint8)


def make_sample(number: int, *, split: str, size: int = SIZE) -> Sample:
    height, width = (size, size * 3 // 4) if number % 3 else (size * 3 // 4, size)
    top, left = (size - height) // 2, (size - width) // 2
    lab = np.full((size, size, 3), (0, 128, 128), np.uint8)
    lab[top : top + height, left : left + width] = make_picture(number, height=height, width=width)
    info = SampleInfo(
        key=f"toy-{number:05d}",
        scan_id=f"toy.{number:05d}",
        item_id=f"item{number}",
        view_id=f"view{number}",
        group_id=f"group{number}",
        split=split,
        view_split="train" if split == "pairs" else split,
        source_width=900,
        source_height=700,
        valid=(top, left, top + height, left + width),
        size=size,
        scan_sha256="0" * 64,
    )
    bw = np.ascontiguousarray(lab[..., 0]) if split == "pairs" else None
    return Sample(info=info, lab=lab, bw=bw)


def write_tar(path: Path, samples: Sequence[Sample]) -> None:
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for sample in samples:
            for suffix, content in to_members(sample):
                header = tarfile.TarInfo(f"{sample.info.key}.{suffix}")
                header.size = len(content)
                tar.addfile(header, io.BytesIO(content))


def write_shards(folder: Path, *, size: int = SIZE, **splits: Sequence[int]) -> Path:
    """Write a folder of toy shards: for each split the sizes of its shards."""
    folder.mkdir(parents=True)
    described = []
    number = 0
    for split, counts in sorted(splits.items()):
        for place, count in enumerate(counts):
            samples = [
                make_sample(number + extra, split=split, size=size) for extra in range(count)
            ]
            number += count
            path = folder / f"{split}-{place:06d}.tar"
            write_tar(path, samples)
            described.append(
                describe_shard(path, name=path.name, split=split, samples=count, size=size)
            )
    write_index(folder, *to_index(size, described))
    return folder


def to_inputs(shards: Path, *, data: str | None = None) -> Inputs:
    """Name a folder of toy shards, or foreign tars in place of it, as what a run reads."""
    return Inputs(shards, SIZE, shards.parent / "indexes", data)


@pytest.fixture
def make_shards(tmp_path: Path) -> MakeShards:
    """Write toy shards into a folder of a name."""

    def make(name: str = "shards", *, size: int = SIZE, **splits: Sequence[int]) -> Path:
        return write_shards(tmp_path / name, size=size, **splits)

    return make


@pytest.fixture
def tiny_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the network a hundredth of its size, where what it is built of does not matter."""
    monkeypatch.setattr("train.model.WIDTHS", (16, 16, 32, 32))


@pytest.fixture
def make_params() -> MakeParams:
    """Settings of a tiny run, with some changed."""

    def make(**changed: Any) -> TrainParams:
        settings = {
            "model": "small",
            "input": 32,
            "steps": 6,
            "batch": 4,
            "lr": 2e-3,
            "weight_decay": 0.05,
            "warmup": 0.2,
            "ema": 0.9,
            "huber_beta": 5.0,
            "dropout": 0.1,
            "degrade": 0.5,
            "precision": "fp32",
            "data": None,
            "window": None,
            "seed": 3,
            "validate_every": 2,
            "keep": 2,
            "runner": "local",
            "processes": 1,
            "threads": 1,
            "residence": "auto",
            "read": "auto",
            "ahead": 2,
            "wandb": None,
            "remote": REMOTE,
            "slurm": SLURM,
        }
        return TrainParams.model_validate(settings | changed)

    return make


@pytest.fixture
def inputs(make_shards: MakeShards) -> Inputs:
    """Toy shards, nine samples to train on."""
    return to_inputs(make_shards(train=[5, 4], val=[3]))


@pytest.fixture
def prepare(make_params: MakeParams, inputs: Inputs, tmp_path: Path) -> Prepare:
    """Prepare a run of a name, afresh or from a checkpoint."""

    def make(
        name: str = "run",
        *,
        resume: Path | None = None,
        allow: tuple[str, ...] = (),
        reads: Inputs = inputs,
        **changed: Any,
    ) -> Run:
        params = make_params(**changed)
        if resume is not None:
            start = find_start(resume, params, inputs=reads, allowed=allow, tell=pytest.fail)
            reads = replace(reads, start=start)
        root = tmp_path / f"checkpoints-{name}"
        prepare_run(tmp_path / name, params, inputs=reads, checkpoints_root=root)
        return read_run(tmp_path / name)

    return make
