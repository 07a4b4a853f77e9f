"""What stages cost: time as it was written down, bytes as they lie there."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.costs import Cost
from flows.page.spending import OUTS, gather_costs, say_bytes, say_seconds
from flows.project import Project

ROOT = Path(__file__).resolve().parents[3]


def spend(project: Project, stage: str, *, wall_s: float) -> None:
    path = project.state / "costs" / f"{stage}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(Cost(stage, wall_s, wall_s - 2, 3 * wall_s, 10**9))))


def gather(project: Project) -> tuple[str, dict[str, Any]]:
    shown = gather_costs(project, source="sample", size=64)
    text = shown["costs_text"].replace("\u00a0", " ")
    return text, {
        row["stage"]: {name: plain(value) for name, value in row.items()} for row in shown["costs"]
    }


def plain(value: object) -> object:
    return value.replace("\u00a0", " ") if isinstance(value, str) else value


def test_the_outs_are_those_of_the_pipeline() -> None:
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    for stage, outs in OUTS.items():
        named = {out if isinstance(out, str) else next(iter(out)) for out in stages[stage]["outs"]}
        told = {"source": "${harvest.source}", "size": "${preprocess.size}"}
        assert {f"data/{out.format(**told)}" for out in outs} == named
    assert set(OUTS) == set(stages) - {"sizes"}


def test_a_stage_that_has_not_run_here_has_bytes_and_no_time(tmp_path: Path) -> None:
    project = Project(tmp_path)
    spend(project, "train", wall_s=150)
    spend(project, "shards", wall_s=15)
    spend(project, "sizes@128", wall_s=900)  # a further size is no part of the pipeline's own
    (project.data / "shards" / "64").mkdir(parents=True)
    (project.data / "shards" / "64" / "train-000000.tar").write_bytes(b"x" * 3_000_000)
    (project.data / "pairs.parquet").write_bytes(b"x" * 1_500_000)
    text, rows = gather(project)
    assert rows["pairs"] == {
        "stage": "pairs", "wall": "", "wall_share": 0.0, "own": "", "cpu": "", "peak": "",
        "bytes": "1.5 MB", "bytes_share": 0.5,
    }  # fmt: skip
    assert (rows["shards"]["wall_share"], rows["train"]["wall_share"]) == (0.1, 1.0)
    assert rows["train"]["wall"] == "2 min 30 s"
    assert rows["train"]["peak"] == "1.0 GB"
    assert "2 of 9 stages have run here" in text
    assert "4.5 MB" in text


def test_data_that_came_from_elsewhere_is_said_to(tmp_path: Path) -> None:
    text, rows = gather(Project(tmp_path))
    assert "came from elsewhere" in text
    assert rows["report"]["bytes"] == "this page"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.04, "0.0 s"), (9.96, "10 s"), (59.6, "1 min 0 s"), (72, "1 min 12 s"), (7260, "2 h 1 min")],
)
def test_durations_are_said(seconds: float, said: str) -> None:
    assert say_seconds(seconds).replace("\u00a0", " ") == said


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (999, "999 B"), (999_600, "1.0 MB"), (152_300_000, "152 MB"), (10**9, "1.0 GB")],
)
def test_sizes_are_said(count: int, said: str) -> None:
    assert say_bytes(count).replace("\u00a0", " ") == said
