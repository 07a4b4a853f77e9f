"""The commands of the Prefect server: start it, and end it."""

from pathlib import Path

import typer

app = typer.Typer()


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
