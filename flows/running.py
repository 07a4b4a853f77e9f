"""From a command to its stage's flow: what must be right before a server starts, and after."""

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryFile

from flows.costs import measured
from flows.errors import CancelledError, FolderError
from flows.params import Params
from flows.project import Project
from flows.server import use_server
from flows.stages import Stage

PROBE_BYTES = 65_536


def run_flow(stage: Stage, project: Project, params: Params, options: Mapping[str, object]) -> str:
    """Run a stage's flow against a Prefect server.

    Args:
        stage: Which.
        project: The checkout.
        params: All settings.
        options: What the flow takes besides.

    Returns:
        One line that says what came of it.

    Raises:
        CancelledError: If the run was cancelled in the UI.
        FolderError: If nothing can be written in data/ or .photochrom/.
        HarvestError: If the source is `loc` and lacks a contact.
        ServerError: If there is no server to be had.
    """
    _check(stage, project, params)
    use_server(project)
    # Imported last: Prefect takes a second, and reads its environment at that moment.
    from prefect import tags
    from prefect.client.schemas.objects import FlowRun
    from prefect.exceptions import CancelledRun

    from flows.deploying.steps import RUN
    from flows.predecessors import end_dead_runs, noted

    end_dead_runs(project.state / "runs")
    module, function = stage.flow.split(":")
    given = {"root": str(project.root), "settings": params.model_dump(mode="json"), **options}
    try:
        with (
            noted(project.state / "runs") as note,
            measured(project.state / "costs", _name_cost(stage, params)) as watch,
            tags(params.harvest.source, *filter(None, [os.environ.get(RUN)])),
        ):

            def on_running(_flow: object, run: FlowRun, _state: object) -> None:
                note(run.id)
                watch.start()

            def on_completion(_flow: object, _run: FlowRun, _state: object) -> None:
                watch.stop()

            flow = getattr(importlib.import_module(module), function)
            hooked = flow.with_options(on_running=[on_running], on_completion=[on_completion])
            summary: str = hooked(**given)
    except CancelledRun as exc:
        raise CancelledError(
            f"{stage.name}: cancelled in the Prefect UI; what came so far is kept: run "
            f"`photochrom {stage.name}` to go on"
        ) from exc
    return summary


def _check(stage: Stage, project: Project, params: Params) -> None:
    """See what must be right before a server starts."""
    if stage.name in ("catalog", "scans"):
        from flows.planning import announce
        from flows.source import absolute_images, check_replica, runs_elsewhere

        announce(project, params)
        if runs_elsewhere(params):
            check_replica(absolute_images(project, params.replica))
    if stage.name == "train":
        from flows.tracking.wandb_run import check_wandb

        check_wandb(params.train.wandb)
    for folder in (project.data, project.state):
        check_writable(folder)


def _name_cost(stage: Stage, params: Params) -> str:
    """Name what a run costs: a further size of the shards is no part of the pipeline's own."""
    size = params.preprocess.size
    further = stage.name == "shards" and size in params.preprocess.also_sizes
    return f"sizes@{size}" if further else stage.name


def check_writable(folder: Path) -> None:
    """See that files can be written, before anyone is asked for any.

    Raises:
        FolderError: If they cannot.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder) as file:
            file.write(b"x" * PROBE_BYTES)
            file.flush()
            os.fsync(file.fileno())
    except OSError as exc:
        raise FolderError(
            f"{folder}: expected a folder with room, in which you may write, and cannot "
            f"({exc.strerror}); mend that and run the stage again"
        ) from exc
