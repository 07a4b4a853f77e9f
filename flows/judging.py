"""Judges our manners by the log of a replica."""

from pathlib import Path

import typer

from flows.errors import MannersError
from harvest.params import HarvestParams
from replica.entries import read_log
from replica.faults import FaultPlan
from replica.judge import Rules, judge, to_table
from replica.serving import to_robots


def judge_log(path: Path, params: HarvestParams, *, faults: FaultPlan | None) -> None:
    """Print what a log says of our manners, by the limits of `harvest.source`.

    Args:
        path: What `photochrom replica --log` wrote.
        params: The `harvest` section.
        faults: The replica's fault plan, which may have a robots.txt of its own.

    Raises:
        LogError: If the log cannot be read.
        MannersError: If a rule was broken.
    """
    limits = params.limits.get(params.source, {})
    rules = Rules(robots=to_robots(faults), contact=params.contact or "")
    verdict = judge(read_log(path), limits, rules=rules)
    typer.echo(to_table(verdict))
    if not limits:
        typer.echo(f"harvest.limits.{params.source} has no limits: no window was judged")
    if not verdict.ok:
        raise MannersError(f"{path}: a rule was broken; the table says which")
