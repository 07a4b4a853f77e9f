"""Flows: shards to a model, and the model to its figures."""

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock
from prefect import State, flow, get_run_logger
from prefect.exceptions import CancelledRun

from flows.artifacts import publish_account, publish_pictures
from flows.batches import progress
from flows.cluster.describing import describe_job
from flows.cluster.jobs import check_alone, train_on_cluster
from flows.cluster.place import find_place
from flows.cluster.watching import Watcher
from flows.errors import JobLeftError
from flows.inputs import find_inputs_from
from flows.params import Params
from flows.project import Project
from flows.tracking.board import Board
from flows.tracking.live import write_live
from flows.tracking.trackers import LIVE, open_trackers
from flows.watch import or_cancelled, watch_run
from train.launch import launch_local
from train.params import TrainParams
from train.run import RESULT, prepare_run, read_run


@flow(name="train", flow_run_name="train-{settings[train][runner]}")
def train(
    root: str, settings: dict[str, Any], resume: str | None = None, allow: tuple[str, ...] = ()
) -> str | State[str]:
    """Train the model on the shards, afresh or from a checkpoint of another run."""
    project, params = Project(Path(root)), Params.model_validate(settings)

    def work() -> str:
        try:
            run, forget = _run_job(project, params, resume=resume, allow=allow)
        except CancelledRun as exc:
            if isinstance(exc.__cause__, JobLeftError):
                raise exc.__cause__ from None  # its job may go on: it must not pass for cancelled
            raise
        model = project.data / "model"
        # Two who waited for one job take its result in turn: the second finds it taken.
        with FileLock(project.state / "collect.lock"):
            if (run / RESULT).is_dir() or not model.is_dir():
                # First, for the result tells the next run that there is nothing to train.
                write_live(run, project.data / LIVE)
                collect(run, model)
                # The model is there: its checkpoints have done their work.
                forget()
        publish_account(project, "train", size=params.preprocess.size)
        publish_pictures("curve", [model / "curve.png"])
        return say_model(json.loads((model / "model.json").read_text("utf-8")))

    return or_cancelled(work)


def collect(run: Path, model: Path) -> None:
    """Put a run's result in the place of the model; a kill leaves either of the two whole.

    Args:
        run: The run folder, maybe on another disk.
        model: Folder of the model; what stood there is removed.
    """
    part = model.with_name(f".{model.name}.part")
    if part.exists():
        shutil.rmtree(part)
    shutil.copytree(run / RESULT, part)
    if model.exists():
        shutil.rmtree(model)
    part.rename(model)
    # Half of a result would be taken for a whole one by the next run; half of this will not.
    taken = run / "taken"
    (run / RESULT).rename(taken)
    shutil.rmtree(taken)


def _run_job(
    project: Project, params: Params, *, resume: str | None, allow: tuple[str, ...]
) -> tuple[Path, Callable[[], None]]:
    """Train where `train.runner` says; return the folder of the result, and what removes the rest.

    The rest is the checkpoints, wherever they are.
    """
    log = get_run_logger()
    inputs = find_inputs_from(project, params, resume=resume, allow=allow, tell=log.warning)
    if params.train.runner == "slurm":
        job = describe_job(params.train, inputs=inputs, state=project.state)
        place = find_place(params.train.slurm, state=project.state)
        run = place.here(job.run)
        with _followed(project, params.train, key=job.key, run=run) as watcher:
            train_on_cluster(job, params.train, inputs=inputs, place=place, watcher=watcher)
        return run, lambda: place.forget(job)
    run = project.state / "runs" / "train"
    root = project.state / "checkpoints"
    prepare_run(run, params.train, inputs=inputs, checkpoints_root=root)
    key = read_run(run).checkpoints.name
    check_alone(run.with_name(key))
    with _followed(project, params.train, key=key, run=run) as watcher:
        launch_local(
            run,
            processes=params.train.processes,
            threads=params.train.threads,
            on_progress=watcher.on_progress,
            stopped=watcher.stopped,
        )
    return run, lambda: shutil.rmtree(read_run(run).checkpoints)


@contextmanager
def _followed(project: Project, params: TrainParams, *, key: str, run: Path) -> Iterator[Watcher]:
    """Show a run in the UI and to the trackers while the block lasts, and heed a Cancel."""
    cancelled = threading.Event()
    board = Board(steps=params.steps, batch=params.batch, run=run)
    with progress("train") as show:

        def publish() -> None:
            show(board.share)
            board.publish()

        with (
            watch_run(stop=cancelled.set, publish=publish),
            open_trackers(project, params, key=key, run=run, board=board) as tell,
        ):
            yield Watcher(
                on_progress=tell,
                say=get_run_logger().info,
                stopped=cancelled.is_set,
                show=board.tell,
            )


@flow(name="evaluate", flow_run_name="evaluate")
def evaluate(root: str, settings: dict[str, Any]) -> str:
    """Measure the model on the test split."""
    # It needs torch; the launcher of a training does not, and would wait seconds for it.
    from train.evaluation import evaluate as evaluate_model

    project, params = Project(Path(root)), Params.model_validate(settings)
    out = project.data / "evaluation"
    with progress("evaluate") as show:
        evaluate_model(
            shards=project.shards(params.preprocess.size),
            model=project.data / "model",
            out=out,
            on_progress=show,
        )
    publish_account(project, "evaluate", size=params.preprocess.size)
    publish_pictures("test", sorted((out / "pictures").glob("*.jpg")))
    return say_result(json.loads((out / "metrics.json").read_text("utf-8")))


def say_model(record: dict[str, Any]) -> str:
    """Say in one line what `model.json` says of a model."""
    best = record["metrics"]["val_dE00"]
    said = "no sample to validate on" if best is None else f"best validation dE00 {best:.2f}"
    return f"{record['steps']} steps; {said}"


def say_result(figures: dict[str, Any]) -> str:
    """Say in one line how the model does against the lightness-by-row table."""
    gap = figures["difference"]["lightness_by_row"]["de00"]
    return (
        f"dE00 {figures['model']['de00']['mean']:.2f}, "
        f"{gap['mean']:+.2f} [{gap['low']:+.2f}, {gap['high']:+.2f}] against the table "
        f"by row, {figures['views']} views"
    )
