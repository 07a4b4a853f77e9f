"""The `photochrom` command. Nothing heavy is imported before a command needs it."""

import importlib
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from flows.stages import STAGES, Stage

app = typer.Typer(
    help="Photochrom: the Library's photochrom prints as a data set and a colorizing model.",
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


def main() -> None:
    """Run the command; a fault that we know is one message and exit code 1, not a traceback."""
    try:
        app()
    except known_errors() as exc:
        typer.secho(f"photochrom: {exc}", fg=typer.colors.RED, err=True)
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


def stage_command(stage: Stage) -> Callable[..., None]:
    """Make the command that runs one stage's flow."""

    def command(params: ParamsFile = None, settings: Settings = None) -> None:
        from flows.params import read_params
        from flows.project import find_project
        from flows.server import use_server

        started = time.monotonic()
        project = find_project(Path.cwd())
        read = read_params(params or project.root / "params.yaml", settings or ())
        use_server(project)
        module, function = stage.flow.split(":")
        flow = getattr(importlib.import_module(module), function)
        summary = flow(root=str(project.root), settings=read.model_dump(mode="json"))
        typer.echo(f"{stage.name:<9} {summary} ({time.monotonic() - started:.0f} s)")

    return command


for _stage in STAGES:
    app.command(_stage.name, help=_stage.help)(stage_command(_stage))


@app.command()
def status(params: ParamsFile = None, settings: Settings = None) -> None:
    """Print the account of every stage; fail if it does not add up."""
    from rich.console import Console

    from flows.account import read_account, to_table
    from flows.params import read_params
    from flows.project import find_project

    project = find_project(Path.cwd())
    read = read_params(params or project.root / "params.yaml", settings or ())
    lines = read_account(project, size=read.preprocess.size)
    Console().print(to_table(lines))
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


@app.command()
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
    port: Annotated[int, typer.Option(help="Port on loopback; 0 takes a free one.")] = 0,
) -> None:
    """Serve the replica of loc.gov alone, until Ctrl-C."""
    from flows.params import read_params
    from flows.project import find_project
    from flows.source import absolute_images
    from replica.serving import serve

    project = find_project(Path.cwd())
    read = read_params(params or project.root / "params.yaml", settings or ())
    serve(absolute_images(project, read.replica), port=port)


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
