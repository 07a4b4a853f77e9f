"""The commands of the Prefect server: start it, and end it."""

from pathlib import Path
from typing import Annotated

import typer

from flows.stage_commands import ParamsFile, Settings

app = typer.Typer()


@app.command()
def ui(
    params: ParamsFile = None,
    settings: Settings = None,
    workers: Annotated[
        int | None, typer.Option(metavar="N", min=1, max=16, help="In place of flows.workers.")
    ] = None,
) -> None:
    """Start the Prefect UI, with workers and deployments."""
    from flows.deploying.starting import start
    from flows.params import read_params
    from flows.project import find_project

    project = find_project(Path.cwd())
    read = read_params(params or project.root / "params.yaml", settings or ())
    started = start(project, read, workers=workers or read.flows.workers)
    typer.echo(f"Prefect UI: {started.url}   (end it with `photochrom down`)")
    if not started.deployments:
        typer.echo("There is no prefect.yaml here, so there is nothing to run from it.")
        return
    wait = "1 worker waits" if started.workers == 1 else f"{started.workers} workers wait"
    typer.echo(f"{wait}. Start a run in the UI, or here with one of:")
    for name in started.deployments:
        typer.echo(f"  prefect deployment run {name}")
    if started.is_own and not started.is_found:
        typer.echo(f"There is a prefect.toml of yours: set PREFECT_API_URL={started.url}/api")
    if started.is_told:
        typer.echo("Failed, crashed and stuck runs are posted to your webhook.")


@app.command()
def down() -> None:
    """End the Prefect server, its workers and all that they run."""
    from flows.deploying.starting import stop
    from flows.project import find_project

    ended = stop(find_project(Path.cwd()))
    typer.echo("The Prefect server has ended." if ended else "No Prefect server was running.")
