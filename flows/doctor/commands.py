"""The command that looks this machine over."""

import json
from pathlib import Path
from typing import Annotated

import typer

from flows.stage_commands import ParamsFile, Settings

app = typer.Typer()


@app.command()
def doctor(
    params: ParamsFile = None,
    settings: Settings = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Say what this machine has and lacks, and what to do about it."""
    from rich.console import Console

    from flows.doctor.findings import State, examine, to_json, to_text
    from flows.project import find_project

    project = find_project(Path.cwd())
    findings = examine(project, params or project.root / "params.yaml", settings or ())
    if as_json:
        typer.echo(json.dumps(to_json(findings), indent=1))
    else:
        Console(highlight=False).print(to_text(findings))
    if any(finding.state is State.MISSING for finding in findings):
        raise typer.Exit(1)
