"""The commands of the nine stages, and the options that most commands take."""

import functools
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from flows.stages import STAGES, Stage

STAGES_BY_NAME = {stage.name: stage for stage in STAGES}

ParamsFile = Annotated[
    Path | None,
    typer.Option("--params", metavar="FILE", help="Settings to use in place of params.yaml."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Override a setting, as in train.steps=50; repeatable."
    ),
]

Preset = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Settings over params.yaml, as those in docs/slurm."),
]


class Retry(StrEnum):
    """Which scans of an earlier run are asked for again."""

    FAILED = "failed"
    REJECTED = "rejected"
    ALL = "all"


def run_stage(
    name: str,
    params: Path | None,
    settings: list[str] | None,
    *,
    preset: Path | None = None,
    **options: object,
) -> None:
    """Run one stage's flow, and print what came of it.

    Args:
        name: Of the stage.
        params: The params file; None takes the project's own.
        settings: Overrides, `section.key=value` each.
        preset: Settings that lie between the two.
        options: What the flow takes besides, where it takes anything.

    Raises:
        FlowsError: If the settings are wrong, the server does not start, or the run was
            cancelled; and whatever the stage's room raises.
    """
    from flows.params import read_params
    from flows.project import find_project
    from flows.running import run_flow

    started = time.monotonic()
    project = find_project(Path.cwd())
    read = read_params(params or project.root / "params.yaml", settings or (), preset=preset)
    summary = run_flow(STAGES_BY_NAME[name], project, read, options)
    typer.echo(f"{name:<9} {summary} ({time.monotonic() - started:.0f} s)")


def stage_command(stage: Stage) -> Callable[..., None]:
    """Make the command of a stage that takes settings alone."""

    def command(params: ParamsFile = None, settings: Settings = None) -> None:
        run_stage(stage.name, params, settings)

    return command


def catalog(
    params: ParamsFile = None,
    settings: Settings = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="From the raw replies on disk; nobody is asked.")
    ] = False,
    crosscheck: Annotated[
        int, typer.Option(metavar="N", min=0, help="Compare N items with the other harvest.road.")
    ] = 0,
) -> None:
    """Run the stage `catalog`."""
    run_stage("catalog", params, settings, rebuild=rebuild, crosscheck=crosscheck)


def scans(
    params: ParamsFile = None,
    settings: Settings = None,
    retry: Annotated[
        Retry | None, typer.Option(help="Ask again for what did not come, or was no use.")
    ] = None,
) -> None:
    """Run the stage `scans`."""
    run_stage("scans", params, settings, retry=None if retry is None else retry.value)


def train(
    params: ParamsFile = None,
    settings: Settings = None,
    preset: Preset = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Print the batch script for SLURM; submit nothing."),
    ] = False,
    resume: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Start from a checkpoint, or the last of a folder."),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY", help="Let that run differ in KEY, as in train.lr; repeatable."),
    ] = None,
) -> None:
    """Run the stage `train`."""
    if allow and resume is None:
        raise typer.BadParameter("it goes with --resume", param_hint="--allow")
    origin = None if resume is None else str(resume.absolute())
    if not dry_run:
        options = {"resume": origin, "allow": tuple(allow or ())}
        run_stage("train", params, settings, preset=preset, **options)
        return
    from flows.cluster.describing import describe_job
    from flows.cluster.script import render_script
    from flows.inputs import find_inputs_from
    from flows.params import read_params
    from flows.project import find_project

    project = find_project(Path.cwd())
    read = read_params(params or project.root / "params.yaml", settings or (), preset=preset)
    tell = functools.partial(typer.secho, fg=typer.colors.YELLOW, err=True)
    inputs = find_inputs_from(project, read, resume=origin, allow=allow or (), tell=tell)
    job = describe_job(read.train, inputs=inputs, state=project.state)
    typer.echo(render_script(job, read.train.slurm), nl=False)


def find_command(stage: Stage) -> Callable[..., None]:
    """Find the command of a stage: one of its own where it takes more than settings."""
    own: dict[str, Callable[..., None]] = {"catalog": catalog, "scans": scans, "train": train}
    return own.get(stage.name) or stage_command(stage)
