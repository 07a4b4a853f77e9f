"""What a training reads, by the settings of a project."""

from flows.params import Params
from flows.project import Project
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
