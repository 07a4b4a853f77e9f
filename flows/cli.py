"""The `photochrom` command. Nothing heavy is imported before a command needs it."""

import sys
import time
from collections.abc import Callable
from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from flows.stages import STAGES, Stage

STAGES_BY_NAME = {stage.name: stage for stage in STAGES}

app = typer.Typer(
    help="The Library's photochrom prints as a data set, and a model that colorizes.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

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


class Retry(StrEnum):
    """Which scans of an earlier run are asked for again."""

    FAILED = "failed"
    REJECTED = "rejected"
    ALL = "all"


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"photochrom {version('photochrom')}")
        raise typer.Exit


@app.callback()
def _options(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_say_version, is_eager=True, help="Say which it is."),
    ] = False,
) -> None:
    """Options of the command itself."""


def main() -> None:
    """Run the command; a fault that we know is one message and exit code 1, not a traceback."""
    try:
        app()
    except known_errors() as exc:
        typer.secho(f"photochrom: {exc}", fg=typer.colors.RED, err=True)
        sys.exit(1)
    except OSError as exc:
        said = f"photochrom: {exc}; see that the disk has room and that you may write there"
        typer.secho(f"{said}, and run the command again", fg=typer.colors.RED, err=True)
        sys.exit(1)


def known_errors() -> tuple[type[Exception], ...]:
    """The rooms' own errors, whose messages say what to do; loaded only when one was raised."""
    from colorize.errors import ColorizeError
    from flows.errors import FlowsError
    from harvest.errors import HarvestError
    from preprocess.errors import PreprocessError
    from replica.errors import ReplicaError
    from train.errors import TrainError

    return (ColorizeError, FlowsError, HarvestError, PreprocessError, ReplicaError, TrainError)


def run_stage(
    name: str, params: Path | None, settings: list[str] | None, **options: object
) -> None:
    """Run one stage's flow, and print what came of it.

    Args:
        name: Of the stage.
        params: The params file; None takes the project's own.
        settings: Overrides, `section.key=value` each.
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
    read = read_params(params or project.root / "params.yaml", settings or ())
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


for _stage in STAGES:
    _commands: dict[str, Callable[..., None]] = {"catalog": catalog, "scans": scans}
    app.command(_stage.name, help=_stage.help)(_commands.get(_stage.name) or stage_command(_stage))


@app.command()
def status(params: ParamsFile = None, settings: Settings = None) -> None:
    """Print the account of every stage; fail if it does not add up."""
    from rich.console import Console

    from flows.account import read_account, to_table
    from flows.params import read_params
    from flows.project import find_project
    from flows.unfinished import say_unfinished

    project = find_project(Path.cwd())
    read = read_params(params or project.root / "params.yaml", settings or ())
    lines = read_account(project, size=read.preprocess.size)
    Console().print(to_table(lines))
    if unfinished := say_unfinished(project, read, lines=lines):
        typer.echo(unfinished)
    faults = [line.fault for line in lines if line.fault]
    for fault in faults:
        typer.secho(fault, fg=typer.colors.RED, err=True)
    if faults:
        raise typer.Exit(1)


@app.command()
def colorize(
    photos: Annotated[list[Path], typer.Argument(metavar="PHOTO...", help="Photographs.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the colorized copies.")],
    model: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of a model, if not data/model.")
    ] = None,
    params: ParamsFile = None,
    settings: Settings = None,
) -> None:
    """Colorize photographs: same size, same lightness, metadata kept."""
    from colorize.photo import colorize_photos
    from flows.params import read_params
    from flows.project import find_project
    from flows.terminal import bar

    project = find_project(Path.cwd())
    read = read_params(params or project.root / "params.yaml", settings or ())
    with bar("colorize") as show:
        results = colorize_photos(
            photos,
            out=out,
            model=model or project.data / "model",
            params=read.colorize,
            on_progress=show,
        )
    for result in results.done:
        typer.echo(str(result.out))
    for failure in results.failed:
        typer.secho(failure.error, fg=typer.colors.RED, err=True)
    if results.failed:
        raise typer.Exit(1)


@app.command(hidden=True)
def summary(params: ParamsFile = None, settings: Settings = None) -> None:
    """Say what was made, where to look and what to run next."""
    from flows.params import read_params
    from flows.project import find_project
    from flows.summary import summarise

    project = find_project(Path.cwd())
    read = read_params(params or project.root / "params.yaml", settings or ())
    typer.echo(summarise(project, size=read.preprocess.size))


@app.command()
def replica(
    params: ParamsFile = None,
    settings: Settings = None,
    port: Annotated[
        int,
        typer.Option(metavar="N", min=0, max=65535, help="Port on loopback; 0 takes a free one."),
    ] = 0,
    faults: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A plan of what shall go wrong.")
    ] = None,
    log: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every request down here.")
    ] = None,
    judge: Annotated[
        Path | None,
        typer.Option(metavar="LOG", help="Serve nothing; judge a log by harvest.limits."),
    ] = None,
) -> None:
    """Serve the replica of loc.gov alone, or judge its log."""
    from flows.params import read_params
    from flows.project import find_project
    from flows.source import absolute_images
    from replica.faults import read_plan
    from replica.serving import serve

    project = find_project(Path.cwd())
    read = read_params(params or project.root / "params.yaml", settings or ())
    planned = None if faults is None else read_plan(faults)
    if judge is not None:
        from flows.judging import judge_log

        judge_log(judge, read.harvest, faults=planned)
        return
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
    if sys.stdout.isatty():
        typer.echo("Serving the replica until Ctrl-C; its address, for replica.url:", err=True)
    serve(absolute_images(project, read.replica), port=port, faults=planned, log=log)


@app.command()
def plan(params: ParamsFile = None, settings: Settings = None) -> None:
    """Say what a harvest would ask of whom, and how long that takes."""
    from flows.params import read_params
    from flows.planning import show_plan
    from flows.project import find_project

    project = find_project(Path.cwd())
    path = params or project.root / "params.yaml"
    show_plan(project, read_params(path, settings or ()), path=path)


@app.command()
def ui() -> None:
    """Start the Prefect server of this checkout and print its address."""
    from flows.project import find_project
    from flows.server import start_server

    server = start_server(find_project(Path.cwd()))
    typer.echo(f"Prefect UI: {server.url}   (end it with `photochrom down`)")


@app.command()
def down() -> None:
    """End the Prefect server of this checkout."""
    from flows.project import find_project
    from flows.server import stop_server

    stopped = stop_server(find_project(Path.cwd()))
    typer.echo("The Prefect server has ended." if stopped else "No Prefect server was running.")
