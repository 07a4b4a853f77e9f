"""Flows that the Prefect server runs: each runs its stages through DVC, in the worker's folder.

So dvc.lock always describes data/, whoever made it. prefect.yaml names them.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from prefect import State, flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import deployment, flow_run
from prefect.states import Completed

from flows.artifacts import publish_account, publish_pictures
from flows.deploying.params import RunParams
from flows.deploying.steps import run_dvc
from flows.errors import DeployError
from flows.params import RUNNER, Params, read_params
from flows.predecessors import noted
from flows.project import Project, find_project


def name_run() -> str:
    """Name a run after its deployment and the time it was to start, as people read it."""
    start = flow_run.scheduled_start_time or datetime.now(UTC)
    place = deployment.name or "here"
    return f"{flow_run.flow_name}-{place} {start.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


@flow(name="harvest", flow_run_name=name_run)
def harvest(source: Literal["loc", "sample"]) -> State[str]:
    """Read the catalogue anew, and download the scans that are new or have changed."""
    project, params = _open()
    check_source(source, params)
    _run_steps(
        project,
        params.flows.harvest,
        {
            "catalog": ("repro", "--force", "--single-item", "catalog"),
            "scans": ("repro", "--single-item", "scans"),
        },
    )
    return _sum_up(project, params, "scans")


@flow(name="preprocess", flow_run_name=name_run)
def preprocess() -> State[str]:
    """Make shards of the scans, as far as anything has changed."""
    project, params = _open()
    _run_steps(project, params.flows.preprocess, {"shards": ("repro", "shards")})
    publish_pictures("crop-sheets", sorted((project.data / "crops").glob("sheet-*.jpg")))
    return _sum_up(project, params, "shards")


@flow(name="train", flow_run_name=name_run)
def train(runner: Literal["local", "slurm"]) -> State[str]:
    """Train the model on the shards, if they or the settings have changed."""
    project, params = _open()
    steps = {"train": ("repro", "--single-item", "train")}
    _run_steps(project, params.flows.train, steps, {RUNNER: runner})
    publish_pictures("curve", [project.data / "model" / "curve.png"])
    return _sum_up(project, params, "train")


@flow(name="rebuild", flow_run_name=name_run)
def rebuild() -> State[str]:
    """Run the whole pipeline, as far as anything has changed."""
    project, params = _open()
    _run_steps(project, params.flows.rebuild, {"pipeline": ("repro",)})
    publish_pictures("curve", [project.data / "model" / "curve.png"])
    return _sum_up(project, params, "evaluate")


def check_source(source: str, params: Params) -> None:
    """See that a harvest of a source is what the settings are about.

    Raises:
        DeployError: If they are about another, or lack the contact that `loc` needs.
    """
    if params.harvest.source != source:
        raise DeployError(
            f"harvest/{source}: expected harvest.source {source} in params.yaml, got "
            f"{params.harvest.source}; set it there, or run the deployment of that source"
        )
    if source == "loc" and params.harvest.contact is None:
        raise DeployError(
            "harvest/loc: expected your address at harvest.contact in params.yaml, got null; "
            "the Library is asked for nothing without one: set it, and start the run again"
        )


@task(cache_policy=NO_CACHE)
def run_step(words: Sequence[str], root: str, settings: Mapping[str, str]) -> None:
    """Run one `dvc` command."""
    log = get_run_logger()
    run_dvc(
        words,
        root=Path(root),
        run_name=str(flow_run.name),
        run_id=str(flow_run.id),
        on_line=log.info,
        settings=settings,
    )


def _open() -> tuple[Project, Params]:
    project = find_project(Path.cwd())
    return project, read_params(project.root / "params.yaml")


def _run_steps(
    project: Project,
    patience: RunParams,
    steps: Mapping[str, Sequence[str]],
    settings: Mapping[str, str] | None = None,
) -> None:
    how: dict[str, Any] = {
        "retries": patience.retries,
        "retry_delay_seconds": patience.retry_delay_s,
        "timeout_seconds": patience.timeout_s,
    }
    # Should this process be killed, the next command ends the run in the UI.
    with noted(project.state / "runs") as note:
        note(UUID(str(flow_run.id)))
        for name, words in steps.items():
            step = run_step.with_options(name=name, task_run_name=name, **how)
            step(words, str(project.root), settings or {})


def _sum_up(project: Project, params: Params, stage: str) -> State[str]:
    line = publish_account(project, stage, size=params.preprocess.size)
    said = f"{stage}: {line.seen} {line.unit} seen, {line.passed} passed on"
    return Completed(message=said, data=said)
