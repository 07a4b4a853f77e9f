"""What a training reads, by the settings of a project."""

from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

from flows.params import Params
from flows.project import Project
from train.checkpoints.origin import find_start
from train.run import Inputs


def find_inputs(project: Project, params: Params) -> Inputs:
    """Say where a training finds its samples; nothing is looked at yet.

    Args:
        project: Where files lie; a path of `train.data` that is not absolute starts at its root.
        params: Settings.
    """
    data, size = params.train.data, params.preprocess.size
    if data is not None and "://" not in data:
        data = str(project.root / data)
    return Inputs(
        shards=project.shards(size), size=size, indexes=project.state / "indexes", data=data
    )


def find_inputs_from(
    project: Project,
    params: Params,
    *,
    resume: str | None,
    allow: Collection[str],
    tell: Callable[[str], None],
) -> Inputs:
    """Say what a training reads, and which checkpoint of another run it starts from.

    Args:
        project: Where files lie.
        params: Settings.
        resume: A checkpoint, or a folder of such; None starts afresh.
        allow: Keys in which the other run may differ.
        tell: Takes a line for each checkpoint passed over.

    Raises:
        CheckpointError: If there is no good checkpoint, or it does not match.
        DataError: If the index is missing or malformed, or a foreign tar is.
    """
    inputs = find_inputs(project, params)
    if resume is None:
        return inputs
    start = find_start(Path(resume), params.train, inputs=inputs, allowed=allow, tell=tell)
    return replace(inputs, start=start)
