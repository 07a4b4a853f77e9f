"""Beside a run: shows how far it is, and heeds a Cancel in the UI.

Prefect cancels what a worker started by killing its process. A stage that was started from
a terminal has no worker: the UI would say Cancelling, and the stage would go on.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import UUID

from prefect import State, get_run_logger
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.exceptions import CancelledRun
from prefect.runtime import flow_run
from prefect.states import Cancelled

TICK_S = 1.0
"""Between two looks at the run's state: a Cancel is heeded within two of them."""


def or_cancelled(work: Callable[[], str]) -> str | State[str]:
    """Do a flow's work; if it was cancelled in the UI, end as cancelled and not as failed."""
    try:
        return work()
    except CancelledRun as exc:
        return Cancelled(message=str(exc))


@contextmanager
def watch_run(*, stop: Callable[[], None], publish: Callable[[], None]) -> Iterator[None]:
    """Watch the flow run of the calling flow from a thread while the block runs.

    Args:
        stop: Called once, from the thread, when the run is being cancelled.
        publish: Called at every tick, from the thread, and once at the end.

    Raises:
        CancelledRun: In place of what the block raises, when the run was cancelled.
    """
    run_id, log = UUID(str(flow_run.id)), get_run_logger()
    ended, cancelled = threading.Event(), threading.Event()

    def tick(client: SyncPrefectClient) -> None:
        state = client.read_flow_run(run_id).state
        is_over = state is not None and (state.is_cancelling() or state.is_cancelled())
        if is_over and not cancelled.is_set():
            log.warning("Cancelled in the UI: what came so far is kept")
            cancelled.set()
            stop()
        publish()

    def watch() -> None:
        with get_client(sync_client=True) as client:
            while not ended.wait(TICK_S):
                tick(client)

    def safely(step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as exc:  # whatever it is, the run goes on, and a Cancel is heard still
            log.warning("The run's progress could not be shown, and is tried again: %r", exc)

    def watch_on() -> None:
        while not ended.wait(TICK_S):
            safely(watch)

    thread = threading.Thread(target=watch_on, name="watch-run", daemon=True)
    thread.start()
    try:
        yield
    except Exception as exc:
        if not cancelled.is_set():
            raise
        raise CancelledRun("cancelled in the UI; what came so far is kept") from exc
    finally:
        ended.set()
        thread.join()
        safely(publish)
