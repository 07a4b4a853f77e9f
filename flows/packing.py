"""The command that turns anyone's WebDataset into shards that stream without decoding."""

from pathlib import Path
from typing import Annotated

import typer

from flows.stage_commands import ParamsFile, Settings

app = typer.Typer()


@app.command()
def pack(
    spec: Annotated[
        str,
        typer.Argument(
            metavar="SPEC", help="A folder of tars, or tars as 'path/{000000..000012}.tar'."
        ),
    ],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="Folder of the shards; a new one.")],
    size: Annotated[
        int | None,
        typer.Option(metavar="S", min=1, help="Side of a sample in pixels, if not the project's."),
    ] = None,
    params: ParamsFile = None,
    settings: Settings = None,
) -> None:
    """Turn a WebDataset of JPEG, PNG or WebP into shards that stream without decoding."""
    from flows.params import read_params
    from flows.project import find_project
    from flows.terminal import bar
    from train.tars.pack import pack_tars

    project = find_project(Path.cwd())
    read = read_params(params or project.root / "params.yaml", settings or ())
    side = size or read.preprocess.size
    with bar("pack") as show:
        packed = pack_tars(
            spec,
            out,
            size=side,
            cache=project.state / "indexes",
            shard_bytes=read.preprocess.shard_mb * 1e6,
            threads=read.train.threads,
            on_progress=show,
        )
    for left_out in packed.notices:
        typer.secho(left_out, err=True)
    counts = ", ".join(f"{count:,} {split}" for split, count in packed.samples.items())
    typer.echo(f"{out}: {packed.shards:,} shards of {side} px: {counts}")
