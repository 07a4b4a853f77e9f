"""The command that says whether this node can feed its GPUs."""

import json
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer()


@app.command()
def bench_node(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="[PATH]", help="Shards or foreign tars; none: the checkout's, or its disk."
        ),
    ] = None,
    gpus: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=64, help="GPUs; none: all here, or 1."),
    ] = None,
    rate: Annotated[
        float, typer.Option(metavar="S", min=1, max=1e7, help="Samples a second for each GPU.")
    ] = 1000.0,
    size: Annotated[
        int, typer.Option(metavar="PX", min=8, max=4096, help="Side of a sample, but of shards.")
    ] = 256,
    own_file: Annotated[
        bool, typer.Option("--own-file", help="Measure the disk of PATH by a file of its own.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Say whether this node can feed N GPUs, and if not, what holds it back."""
    from flows.node.measuring import find_place, find_size, measure
    from flows.node.saying import to_json, to_text
    from flows.node.verdict import Wish, judge
    from train.streaming.node import count_devices

    place = find_place(path, default=_checkout() / "shards" / str(size), own_file=own_file)
    there = gpus or count_devices() or 1
    wish = Wish(gpus=there, rate=rate, size=find_size(place, otherwise=size))
    seen = measure(place, wish)
    verdict = judge(wish, seen)
    if as_json:
        typer.echo(json.dumps(to_json(wish, seen, verdict), indent=1))
    else:
        typer.echo(to_text(wish, seen, verdict))
    if not verdict.feasible:
        raise typer.Exit(1)


def _checkout() -> Path:
    """Find the data of the checkout that this is, else of this folder: nodes have no checkout."""
    from flows.errors import ParamsError
    from flows.project import find_project

    try:
        return find_project(Path.cwd()).data
    except ParamsError:
        return Path.cwd() / "data"
