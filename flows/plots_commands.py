"""The command that draws DVC's plots offline."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def plots(
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder of the drawings.")],
    revisions: Annotated[
        list[str] | None,
        typer.Argument(metavar="[REV]...", help="Commits, tags or experiments to compare."),
    ] = None,
) -> None:
    """Draw DVC's plots as SVG and PNG; of revisions, over each other."""
    from flows.plots import draw_plots
    from flows.project import find_project

    project = find_project(Path.cwd())
    for path in draw_plots(project.root, revisions or (), out=out):
        typer.echo(str(path))
