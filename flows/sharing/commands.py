"""The commands of sharing."""

import typer

app = typer.Typer()
