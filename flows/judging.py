"""Judges our manners by the log of a replica."""

from pathlib import Path

import typer

from flows.errors import MannersError
from harvest.params import HarvestParams
from replica.entries import read_log
from replica.judge import judge, to_table


def judge_log(path: Path, params: HarvestParams) -> None:
    """Print what a log says of our manners, by the limits of `harvest.source`.

    Args:
        path: What `photochrom replica --log` wrote.
        params: The `harvest` section.

    Raises:
        LogError: If the log cannot be read.
        MannersError: If a rule was broken.
    """
    verdict = judge(read_log(path), params.limits.get(params.source, {}))
    typer.echo(to_table(verdict))
    if not verdict.ok:
        raise MannersError(f"{path}: a rule was broken; the table says which")
