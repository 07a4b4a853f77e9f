"""dvc.yaml against the code: stages, commands, and the source files that decide each one."""

from pathlib import Path
from typing import Any

import grimp
import pytest
import yaml

from flows.stages import STAGES, Stage

ROOT = Path(__file__).resolve().parents[1]
WHERE_IT_RUNS = {"train.launch"}
"""Modules that start a job, and decide nothing of what comes out."""
ROOMS = ("colorize", "flows", "harvest", "preprocess", "replica", "train")


@pytest.fixture(scope="module")
def pipeline() -> dict[str, Any]:
    stages: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    return {name: stage for name, stage in stages.items() if name != "sizes"}


@pytest.fixture(scope="module")
def sizes() -> dict[str, Any]:
    """The stages that write the further sizes, one for each."""
    stage: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]["sizes"]
    return stage


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    return grimp.build_graph(*ROOMS)


def to_file(module: str) -> str:
    if module.partition(".")[0] == "replica":
        return "replica"  # its stages depend on the folder: all of it decides what is drawn
    path = ROOT / module.replace(".", "/")
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return file.relative_to(ROOT).as_posix()


def closure(graph: grimp.ImportGraph, stage: Stage) -> set[str]:
    modules = {module for entry in stage.modules for module in graph.find_upstream_modules(entry)}
    return {to_file(module) for module in modules | set(stage.modules)}


def test_every_stage_is_the_command_of_its_name(pipeline: dict[str, Any]) -> None:
    assert list(pipeline) == [stage.name for stage in STAGES]
    for name, stage in pipeline.items():
        assert stage["cmd"] == f"photochrom {name}"


def test_a_further_size_is_the_stage_shards_with_another_size(
    pipeline: dict[str, Any], sizes: dict[str, Any]
) -> None:
    shards, further = pipeline["shards"], sizes["do"]
    assert sizes["foreach"] == "${preprocess.also_sizes}"
    assert further["cmd"] == "photochrom shards --set preprocess.size=${item}"
    assert further["deps"] == shards["deps"]
    assert {*further["params"], "preprocess.size"} == set(shards["params"])
    assert shards["outs"] == ["data/shards/${preprocess.size}"]
    assert further["outs"] == ["data/shards/${item}"]


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_a_stage_depends_on_the_code_that_decides_it_and_on_no_other(
    stage: Stage, pipeline: dict[str, Any], graph: grimp.ImportGraph
) -> None:
    deps = pipeline[stage.name]["deps"]
    named = {path for path in deps if path.endswith(".py") or path == "replica"}
    assert named == closure(graph, stage)


def test_the_flows_use_no_module_that_no_stage_names(graph: grimp.ImportGraph) -> None:
    for module in {stage.flow.partition(":")[0] for stage in STAGES}:
        used = {
            imported
            for imported in graph.find_modules_directly_imported_by(module)
            if not imported.startswith("flows")
        }
        named = {
            entry
            for stage in STAGES
            if stage.flow.startswith(f"{module}:")
            for entry in stage.modules
        }
        known = named | {part for entry in named for part in graph.find_upstream_modules(entry)}
        assert used - WHERE_IT_RUNS <= known


def test_no_stage_tracks_where_it_runs(pipeline: dict[str, Any]) -> None:
    where = {
        "train.runner",
        "train.slurm",
        "train.processes",
        "train.threads",
        "preprocess.workers",
    }
    where |= {"harvest.workers", "harvest.timeout_s", "harvest.retries", "harvest.contact"}
    where |= {"preprocess.workers"}
    for stage in pipeline.values():
        assert not where & set(stage.get("params", []))
