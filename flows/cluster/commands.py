"""The commands about jobs on a cluster."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from flows.stage_commands import ParamsFile, Preset, Settings

app = typer.Typer()


@app.command()
def jobs(params: ParamsFile = None, settings: Settings = None, preset: Preset = None) -> None:
    """List the jobs that this checkout has on the cluster, and had."""
    from rich.console import Console

    from flows.cluster.listing import read_rows, say_spread, to_table
    from flows.cluster.place import find_home, find_place
    from flows.params import read_params
    from flows.project import find_project

    project = find_project(Path.cwd())
    read = read_params(params or project.root / "params.yaml", settings or (), preset=preset)
    slurm = read.train.slurm
    place = find_place(slurm, state=project.state)
    tell = partial(typer.secho, fg=typer.colors.YELLOW, err=True)
    rows = read_rows(place, find_home(slurm, state=project.state), tell=tell)
    if not rows:
        typer.echo("No job was submitted; `photochrom train --set train.runner=slurm` does")
        return
    Console().print(to_table(rows))
    for line in say_spread(rows):
        typer.echo(line)


@app.command()
def seeds(
    which: Annotated[str, typer.Argument(metavar="SEEDS", help="Such as 0-4 or 1,2,7.")],
    params: ParamsFile = None,
    settings: Settings = None,
    preset: Preset = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the batch script; submit nothing.")
    ] = False,
) -> None:
    """Train several seeds on the cluster, as one job array."""
    from flows.cluster.describing import describe_array
    from flows.cluster.place import find_place
    from flows.cluster.script import render_script
    from flows.cluster.seeds import read_seeds, submit_seeds
    from flows.inputs import find_inputs
    from flows.params import read_params
    from flows.project import find_project

    project = find_project(Path.cwd())
    read = read_params(params or project.root / "params.yaml", settings or (), preset=preset)
    train, inputs, numbers = read.train, find_inputs(project, read), read_seeds(which)
    if dry_run:
        all_ = [train.model_copy(update={"seed": seed}) for seed in numbers]
        job = describe_array(all_, inputs=inputs, state=project.state)
        typer.echo(render_script(job, train.slurm), nl=False)
        return
    place = find_place(train.slurm, state=project.state)
    submit_seeds(train, numbers, inputs=inputs, place=place, state=project.state, say=typer.echo)
    typer.echo("`photochrom jobs` shows them; `photochrom train` with a seed takes its result")
