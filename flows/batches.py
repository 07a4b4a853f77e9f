"""Batches: how a flow spreads a stage's work over Prefect tasks and shows how far it is."""

import math
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager, nullcontext
from itertools import accumulate
from multiprocessing.connection import wait
from typing import TypeVar
from uuid import UUID

from prefect import get_run_logger, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.task_runners import ThreadPoolTaskRunner

from flows.terminal import bar

T = TypeVar("T")
R = TypeVar("R")

BATCH = 50
"""Scans in a task: 50 to 100 keep Prefect's 3 to 5 ms a task out of sight."""

EVERY_S = 1.0
"""Between two updates of a progress artifact."""

MOST_TASKS = 200
"""Tasks of a stage: more are slow to show, and fill the server's database."""


def cut(jobs: Sequence[T], size: int = BATCH) -> list[list[T]]:
    """Cut jobs into batches of at most `size`, in order."""
    return [list(jobs[start : start + size]) for start in range(0, len(jobs), size)]


def spread(jobs: Sequence[T], workers: int) -> list[list[T]]:
    """Cut jobs so that each worker gets several batches, and the stage few hundred tasks."""
    size = max(1, min(BATCH, len(jobs) // (4 * workers)), math.ceil(len(jobs) / MOST_TASKS))
    return cut(jobs, size)


@contextmanager
def progress(stage: str) -> Iterator[Callable[[float], None]]:
    """Show how far a stage is: a bar on a terminal, and a progress artifact in the UI.

    Yields:
        A function that takes the share done, 0 to 1.
    """
    artifact = create_progress_artifact(
        progress=0.0, key=f"progress-{stage}", description=f"How far `{stage}` is"
    )
    assert isinstance(artifact, UUID)  # a coroutine only where there is an event loop
    shown, since = 0, time.monotonic()
    with bar(stage) as draw:

        def show(share: float) -> None:
            nonlocal shown, since
            draw(share)
            now = time.monotonic()
            # The stage waits for the request, and the artifact is a row in a database.
            if int(100 * share) > shown and (share >= 1 or now - since >= EVERY_S):
                shown, since = int(100 * share), now
                update_progress_artifact(artifact, progress=float(shown))

        yield show


def run_batches(
    function: Callable[[list[T]], R],
    batches: Sequence[list[T]],
    *,
    stage: str,
    workers: int = 1,
    executor: Executor | None = None,
    show: Callable[[float], None] | None = None,
    stop: Callable[[], None] = lambda: None,
) -> list[R]:
    """Run a function on every batch, each in a Prefect task of the calling flow.

    Args:
        function: Takes one batch. It must be picklable when `executor` has processes.
        batches: The work, in order.
        stage: Name of the stage, for the progress and the names of the tasks.
        workers: Batches at a time.
        executor: Where the batches run; the task's own thread without one.
        show: Takes the share done, 0 to 1; without one the stage gets a bar and a progress
            artifact of its own.
        stop: Called when waiting for the batches ends early, by Ctrl-C or a failed batch, so
            that those that run do not keep the stage waiting.

    Returns:
        What the function returned, in the order of the batches.
    """

    def run(batch: list[T]) -> R:
        if executor is None:
            return function(batch)
        return executor.submit(function, batch).result()

    results: list[R] = []
    log = get_run_logger()
    runner: ThreadPoolTaskRunner[R] = ThreadPoolTaskRunner(max_workers=workers)
    kind = f"{stage}-batch"
    with progress(stage) if show is None else nullcontext(show) as draw, runner:
        futures = [
            # The stages themselves skip what is done; a batch has no key worth computing.
            runner.submit(
                task(name=kind, task_run_name=name, cache_policy=NO_CACHE)(run),
                parameters={"batch": batch},
            )
            for name, batch in zip(name_batches(stage, batches), batches, strict=True)
        ]
        try:
            for number, future in enumerate(futures):
                results.append(future.result())
                log.info("%s: batch %d of %d is done", stage, number + 1, len(batches))
                draw((number + 1) / len(batches))
        except BaseException:
            stop()
            runner.cancel_all()
            raise
    return results


def name_batches(stage: str, batches: Sequence[Sequence[object]]) -> list[str]:
    """Name each batch by what it holds of the whole, such as "scans 51 to 100 of 236"."""
    ends = list(accumulate(map(len, batches)))
    return [
        f"{stage} {end - len(batch) + 1} to {end} of {ends[-1]}"
        for batch, end in zip(batches, ends, strict=True)
    ]


@contextmanager
def worker_processes(workers: int, *, preload: str) -> Iterator[Executor]:
    """Open a pool of worker processes that end with this one, however it ends.

    Args:
        workers: How many.
        preload: Module that the workers need, imported once for all of them.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([preload])
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _end_with_parent() -> None:
    """End this worker when its parent is gone, even when the parent was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
