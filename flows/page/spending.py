"""What the report shows of the cost of each stage, in time and in bytes."""

from typing import Any

from flows.costs import Cost, measure, read_costs
from flows.project import Project

_SPACE = "\u00a0"
"""Between a number and its unit, so that no line breaks there."""

OUTS = {
    "catalog": ("catalog/{source}", "catalog.parquet"),
    "scans": ("scans/{source}", "scans.parquet"),
    "dedupe": ("dedupe", "groups.parquet"),
    "crop": ("crops", "crops.parquet"),
    "pairs": ("pairs.parquet",),
    "shards": ("shards/{size}",),
    "train": ("live", "model"),
    "evaluate": ("evaluation",),
    "report": ("report.html",),
}
"""What each stage writes below data/, in the order of the pipeline and as dvc.yaml says."""


def gather_costs(project: Project, *, source: str, size: int) -> dict[str, Any]:
    """Gather what the template shows of costs: a row for each stage.

    Args:
        project: The checkout.
        source: Name of the source, which names folders.
        size: Side of the samples, in pixels.
    """
    read = read_costs(project.state / "costs")
    costs = {stage: read[stage] for stage in OUTS if stage in read}
    sizes = {
        stage: sum(
            measure(project.data / out.format(source=source, size=size)) for out in OUTS[stage]
        )
        for stage in OUTS
        if stage != "report"  # it is being drawn
    }
    longest = max((cost.wall_s for cost in costs.values()), default=0.0) or 1.0
    largest = max(sizes.values()) or 1
    rows = [
        _row(stage, costs.get(stage), longest=longest)
        | {
            "bytes": say_bytes(sizes[stage]) if stage in sizes else "this page",
            "bytes_share": sizes.get(stage, 0) / largest,
        }
        for stage in OUTS
    ]
    return {"costs_text": _say(costs, sum(sizes.values())), "costs": rows}


def _row(stage: str, cost: Cost | None, *, longest: float) -> dict[str, Any]:
    if cost is None:
        return {"stage": stage, "wall": "", "wall_share": 0.0, "own": "", "cpu": "", "peak": ""}
    return {
        "stage": stage,
        "wall": say_seconds(cost.wall_s),
        "wall_share": cost.wall_s / longest,
        "own": say_seconds(cost.own_s),
        "cpu": say_seconds(cost.cpu_s),
        "peak": say_bytes(cost.peak_bytes),
    }


def _say(costs: dict[str, Cost], size: int) -> str:
    disk = f"What they wrote takes {say_bytes(size)} on this disk."
    if not costs:
        return f"None of the stages has run here: their data came from elsewhere. {disk}"
    own, wall = sum(cost.own_s for cost in costs.values()), sum(c.wall_s for c in costs.values())
    return (
        f"{len(costs)} of {len(OUTS)} stages have run here; the last run of each took "
        f"{say_seconds(wall)} together, {say_seconds(own)} of it the stages’ own work. {disk}"
    )


def say_seconds(seconds: float) -> str:
    """Say a duration, such as "1 min 12 s"."""
    if seconds < 9.95:
        return f"{seconds:.1f}{_SPACE}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}{_SPACE}h {minutes}{_SPACE}min"
    return f"{minutes}{_SPACE}min {rest}{_SPACE}s" if minutes else f"{rest}{_SPACE}s"


def say_bytes(count: int) -> str:
    """Say a size, such as "1.2 MB"."""
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= 0.9995 * size:
            return f"{count / size:.{0 if count >= 99.95 * size else 1}f}{_SPACE}{unit}"
    return f"{count}{_SPACE}B"
