"""The `photochrom` command. Nothing heavy is imported before a command needs it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from flows.cluster.commands import app as cluster_commands
from flows.deploying.commands import app as server_commands
from flows.doctor.commands import app as doctor_commands
from flows.node.commands import app as node_commands
from flows.packing import app as pack_commands
from flows.plots_commands import app as plots_commands
from flows.sharing.commands import app as share_commands
from flows.stage_commands import ParamsFile, Settings, find_command
from flows.stages import STAGES

app = typer.Typer(
    help="The Library's photochrom prints as a data set, and a model that colorizes.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _say_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

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


for _stage in STAGES:
    app.command(_stage.name, help=_stage.help)(find_command(_stage))


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
def review(
    params: ParamsFile = None,
    settings: Settings = None,
    port: Annotated[
        int,
        typer.Option(metavar="N", min=0, max=65535, help="Port on loopback; 0 takes a free one."),
    ] = 0,
) -> None:
    """Show crops and merged scans on two pages, and take corrections."""
    from flows.params import read_params
    from flows.project import find_project
    from flows.review import serve_review

    project = find_project(Path.cwd())
    read = read_params(params or project.root / "params.yaml", settings or ())
    serve_review(project, source=read.harvest.source, announce=typer.echo, port=port)


for _part in (
    cluster_commands,
    doctor_commands,
    node_commands,
    pack_commands,
    plots_commands,
    server_commands,
    share_commands,
):
    app.add_typer(_part)
