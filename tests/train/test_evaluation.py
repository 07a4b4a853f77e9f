"""Shards and a model to figures and pictures, on a small set made here."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, helper
from PIL import Image

from preprocess.index import (
    Described,
    describe_shard,
    read_index,
    read_samples,
    to_index,
    write_index,
)
from preprocess.samples import Sample, SampleInfo, to_members
from train.baselines import BASELINES
from train.evaluation import EvaluationError, evaluate, read_split
from train.metrics import METRICS
from train.scores import Row, summarise
from train.table import fit_table

SIDE = 48


def draw_sample(
    number: int, *, split: str = "train", view: str = "", paired: bool = False
) -> Sample:
    """Make a print whose colour follows height and lightness, with some of its own."""
    rng = np.random.default_rng(number)
    rows = np.mgrid[0:SIDE, 0:SIDE][0]
    levels = rng.integers(20, 235, (SIDE, SIDE))
    own = rng.integers(-6, 7)
    lab = np.stack([levels, 124 + rows // 6 + own, 140 - rows // 4 + levels // 20], axis=2)
    lab[:8], lab[40:] = (0, 128, 128), (0, 128, 128)
    info = SampleInfo(
        key=f"scan-{number:03d}",
        scan_id=f"scan.{number:03d}",
        item_id=f"item{number}",
        view_id=view or f"view{number}",
        group_id=f"group{number}",
        split="pairs" if paired else split,
        view_split=split,
        source_width=900,
        source_height=600,
        valid=(8, 0, 40, SIDE),
        size=SIDE,
        scan_sha256="0" * 64,
    )
    bw = np.clip(levels + 10, 0, 255).astype(np.uint8) if paired else None
    return Sample(info=info, lab=lab.astype(np.uint8), bw=bw)


def write_shards(folder: Path, shards: dict[str, list[Sample]]) -> None:
    folder.mkdir(exist_ok=True)
    described = []
    for name, samples in sorted(shards.items()):
        with tarfile.open(folder / name, "w") as tar:
            for sample in samples:
                for suffix, content in to_members(sample):
                    info = tarfile.TarInfo(f"{sample.info.key}.{suffix}")
                    info.size = len(content)
                    tar.addfile(info, io.BytesIO(content))
        split = name.partition("-")[0]
        described.append(
            describe_shard(folder / name, name=name, split=split, samples=len(samples), size=SIDE)
        )
    write_index(folder, *to_index(SIDE, described))


def forget(folder: Path, split: str) -> None:
    """Take a split out of the index."""
    index = read_index(folder)
    ends = np.cumsum([shard.samples for shard in index.shards])[:-1]
    parts = zip(index.shards, np.split(read_samples(folder, index), ends), strict=True)
    kept = [Described(shard, samples) for shard, samples in parts if shard.split != split]
    write_index(folder, *to_index(SIDE, kept))


def write_model(folder: Path, samples: list[Sample]) -> None:
    """Write a model that gives the table alone."""
    folder.mkdir()
    table = fit_table([s.lab for s in samples], [s.info.valid for s in samples])
    record = {
        "version": 1,
        "input": 32,
        "nodes": [0, 20, 40, 60, 80, 100],
        "table": {"rows": 16, "bins": 25, "ab": table.tolist()},
    }
    (folder / "model.json").write_text(json.dumps(record))
    graph = helper.make_graph(
        [
            helper.make_node(
                "AveragePool", ["picture"], ["m"], kernel_shape=[4, 4], strides=[4, 4]
            ),
            helper.make_node("Conv", ["m", "weights"], ["grid"]),
        ],
        "nothing",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, ["n", 3, "h", "w"])],
        [helper.make_tensor_value_info("grid", TensorProto.FLOAT, ["n", 12, "gh", "gw"])],
        [helper.make_tensor("weights", TensorProto.FLOAT, [12, 3, 1, 1], np.zeros(36, "f4"))],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    onnx.save(model, folder / "model.onnx")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder of shards (12 train, 15 test of 14 views, 2 pairs of which 1 test) and a model."""
    train = [draw_sample(number) for number in range(12)]
    test = [draw_sample(number, split="test") for number in range(20, 34)]
    test.append(draw_sample(34, split="test", view="view20"))
    pairs = [draw_sample(50, split="test", paired=True), draw_sample(51, paired=True)]
    shards = {
        "train-000000.tar": train[:5],
        "train-000001.tar": train[5:],
        "test-000000.tar": test,
        "pairs-000000.tar": pairs,
    }
    write_shards(tmp_path / "shards", shards)
    write_model(tmp_path / "model", train)
    return tmp_path


def run(place: Path, name: str = "evaluation") -> dict[str, Any]:
    shares: list[float] = []
    out = place / name
    evaluate(shards=place / "shards", model=place / "model", out=out, on_progress=shares.append)
    assert shares == sorted(shares) and shares[-1] == 1
    figures: dict[str, Any] = json.loads((out / "metrics.json").read_text())
    return figures


def test_figures_name_every_method_and_metric_with_its_interval(place: Path) -> None:
    figures = run(place)
    assert (figures["samples"], figures["views"]) == (15, 14)
    assert tuple(figures["model"]) == METRICS
    for group in ("baselines", "difference"):
        assert tuple(figures[group]) == BASELINES
        assert all(tuple(of_one) == METRICS for of_one in figures[group].values())
    for metric in METRICS:
        found = figures["model"][metric]
        assert found["low"] <= found["mean"] <= found["high"]
    assert figures["truth"]["cf"]["mean"] > 0


def test_a_model_that_is_the_table_scores_as_the_table_and_better_than_grey(place: Path) -> None:
    figures = run(place)
    same = figures["difference"]["lightness_by_row"]["de00"]
    assert abs(same["mean"]) < 1e-3
    assert figures["difference"]["grey"]["de00"]["high"] < 0
    assert figures["model"]["cf_gap_abs"]["mean"] >= abs(figures["model"]["cf_gap"]["mean"])


def test_the_summary_is_flat_and_says_what_the_figures_say(place: Path) -> None:
    figures = run(place)
    summary = json.loads((place / "evaluation" / "summary.json").read_text())
    gain = figures["difference"]["lightness_by_row"]["de00"]
    assert summary == {
        "dE00": round(figures["model"]["de00"]["mean"], 3),
        "gain": round(gain["mean"], 3),
        "gain_high": round(gain["high"], 3),
        "psnr": round(figures["model"]["psnr"]["mean"], 3),
        "views": 14,
    }


def test_real_negatives_are_measured_apart_and_only_those_of_test_views(place: Path) -> None:
    figures = run(place)
    assert (figures["pairs"]["samples"], figures["pairs"]["views"]) == (1, 1)
    assert tuple(figures["pairs"]["model"]) == METRICS
    forget(place / "shards", "pairs")
    assert run(place)["pairs"] == {"samples": 0, "views": 0}


def test_there_is_a_row_for_each_sample_and_method(place: Path) -> None:
    figures = run(place)
    rows = pq.read_table(place / "evaluation" / "samples.parquet").to_pylist()
    assert len(rows) == (15 + 1) * (1 + len(BASELINES))
    own = [row for row in rows if row["track"] == "test" and row["method"] == "model"]
    by_view: dict[str, list[float]] = {}
    for row in own:
        by_view.setdefault(row["view_id"], []).append(row["de00"])
    mean = np.mean([np.mean(values) for values in by_view.values()])
    assert figures["model"]["de00"]["mean"] == pytest.approx(mean, abs=1e-4)


def test_pictures_are_the_first_by_hash_and_the_worst(place: Path) -> None:
    run(place)
    names = sorted(path.name for path in (place / "evaluation" / "pictures").iterdir())
    assert len(names) == 12 + 3
    assert [name[:3] for name in names[:12]] == [f"{number:02d}-" for number in range(1, 13)]
    assert all(name.startswith("worst-0") for name in names[12:])
    with Image.open(place / "evaluation" / "pictures" / names[0]) as picture:
        assert picture.size == (3 * SIDE + 12, 32)
    rows = pq.read_table(place / "evaluation" / "samples.parquet").to_pylist()
    own = [row for row in rows if row["track"] == "test" and row["method"] == "model"]
    worst = max(own, key=lambda row: row["de00"])
    assert f"worst-01-{worst['key']}.jpg" in names


def test_two_runs_write_the_same_bytes_and_leave_nothing_else(place: Path) -> None:
    run(place, "one")
    run(place, "two")
    files = sorted(path.relative_to(place / "one") for path in (place / "one").rglob("*.*"))
    for name in files:
        assert (place / "one" / name).read_bytes() == (place / "two" / name).read_bytes()
    assert sorted(path.name for path in place.iterdir()) == ["model", "one", "shards", "two"]


def test_an_older_evaluation_is_replaced_whole(place: Path) -> None:
    (place / "evaluation").mkdir()
    (place / "evaluation" / "old.txt").write_text("old")
    run(place)
    assert not (place / "evaluation" / "old.txt").exists()


@pytest.mark.parametrize(("split", "said"), [("test", "test split"), ("train", "train split")])
def test_a_split_without_samples_is_said_with_what_to_change(
    place: Path, split: str, said: str
) -> None:
    forget(place / "shards", split)
    with pytest.raises(EvaluationError, match=rf"{said}.*replica\.items"):
        run(place)
    assert not (place / "evaluation").exists()


def test_a_damaged_or_missing_shard_and_a_missing_index_are_said(place: Path) -> None:
    shard = place / "shards" / "test-000000.tar"
    content = bytearray(shard.read_bytes())
    content[5000] ^= 1
    shard.write_bytes(content)
    with pytest.raises(EvaluationError, match=r"test-000000\.tar: sample 0, .* expected XXH3"):
        run(place)
    shard.unlink()
    with pytest.raises(EvaluationError, match=r"test-000000\.tar: .* found none"):
        run(place)
    with pytest.raises(EvaluationError, match="run photochrom shards"):
        list(read_split(place / "nowhere", "test"))


def test_samples_are_read_as_they_were_written(place: Path) -> None:
    (first, second) = read_split(place / "shards", "pairs")
    expected = draw_sample(50, split="test", paired=True)
    assert first.info == expected.info and second.info.key == "scan-051"
    np.testing.assert_array_equal(first.lab, expected.lab)
    assert first.bw is not None and expected.bw is not None
    np.testing.assert_array_equal(first.bw, expected.bw)


def test_a_view_counts_once_however_many_samples_it_has() -> None:
    def row(key: str, view: str, method: str, de00: float) -> Row:
        return Row("test", key, view, method, 0, de00, 0, 0, 0, 0, 0)

    rows = [
        row(key, view, method, de00)
        for method in ("model", *BASELINES)
        for key, view, de00 in (("a", "one", 2.0), ("b", "one", 4.0), ("c", "two", 9.0))
    ]
    assert summarise(rows)["model"]["de00"]["mean"] == 6
