"""From nothing to a server that runs deployments: server, workers, registration, address."""

import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from filelock import FileLock
from pydantic import ValidationError

from flows.deploying.address import check_address, remove_address, write_address
from flows.deploying.processes import end_family
from flows.deploying.workers import read_token, start_workers
from flows.errors import DeployError
from flows.params import Params
from flows.predecessors import Note, crash_runs, end_dead_runs, read_notes
from flows.project import Project
from flows.server import (
    QUIET,
    Server,
    await_server,
    find_server,
    launch_server,
    own_environment,
    pass_by_proxies,
    read_record,
    stop_server,
    use_own,
    use_server,
)

if TYPE_CHECKING:
    from flows.deploying.described import Deployment


@dataclass(frozen=True, slots=True)
class Started:
    """What `photochrom ui` has to tell."""

    url: str
    """Address of the UI."""
    deployments: tuple[str, ...]
    """As `flow/deployment`; none where the folder has no prefect.yaml."""
    workers: int
    """How many live."""
    is_own: bool
    is_found: bool
    """Whether the `prefect` command finds the server by itself in this folder."""
    is_told: bool
    """Whether a webhook is told of bad runs."""


def start(project: Project, params: Params, *, workers: int) -> Started:
    """Start the server and its workers, and register the deployments; what runs is let be.

    Args:
        project: The checkout.
        params: All settings.
        workers: How many there shall be.

    Raises:
        DeployError: If prefect.yaml, prefect.toml or the address of the webhook is not as
            expected; no server is started then.
        ServerError: If the server does not start, or the one named does not answer.
    """
    project.state.mkdir(parents=True, exist_ok=True)
    with FileLock(project.state / "ui.lock"):
        is_own = not os.environ.get("PREFECT_API_URL")
        if is_own:
            os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", QUIET)
            os.environ.update(own_environment(project))
        else:
            use_server(project)
        described = _read(project)
        server = launch_server(project, keep_days=params.flows.keep_days) if is_own else None
        api = os.environ["PREFECT_API_URL"] if server is None else use_own(project, server)
        if server is not None:
            await_server(project, server)
        living = start_workers(project, count=workers, server=server) if described else 0
        deployments, is_told = _register(project, params, described) if described else ((), False)
        return Started(
            url=api.removesuffix("/api"),
            deployments=deployments,
            workers=living,
            is_own=is_own,
            is_found=server is not None and write_address(project, server),
            is_told=is_told,
        )


def stop(project: Project) -> bool:
    """End the checkout's server, its workers and all that these have started.

    Args:
        project: The checkout.

    Returns:
        Whether there was anything.
    """
    pass_by_proxies()
    record = read_record(project)
    tokens = {token for token in (record and record.token, read_token(project)) if token}
    remove_address(project)
    # Before they are ended: a run's process takes its note away with it.
    notes = read_notes(project.state / "runs")
    # The server last: those that end have a last word for it.
    spare = () if record is None else (record.pid,)
    ended = sum(end_family(token, spare) for token in tokens)
    if notes and record is not None and find_server(project) == record:
        _crash_ended(project, record, notes)
    # A worker that missed its record would end the server too, before that last word.
    (project.state / "workers.json").unlink(missing_ok=True)
    stopped = stop_server(project)
    ended += sum(end_family(token) for token in tokens)
    return stopped or ended > 0


def _crash_ended(project: Project, server: Server, notes: Sequence[Note]) -> None:
    """Tell what the runs' processes could not tell the server before they were ended."""
    use_own(project, server)
    # Neither what Prefect cannot read of its settings nor a server that does not answer may keep
    # the server from its end; the next `photochrom ui` tells of both.
    with suppress(ValueError, TypeError, OSError):
        from httpx import HTTPError
        from prefect.exceptions import PrefectException

        with suppress(PrefectException, HTTPError):
            crash_runs(notes, "Ended by `photochrom down`; what came so far is kept.")


def _read(project: Project) -> "Sequence[Deployment]":
    """Read what is to be registered, and check all that a person may have written amiss."""
    described = project.root / "prefect.yaml"
    if not described.exists():
        return ()
    check_address(project)
    try:
        # Prefect reads its settings when it is imported.
        from flows.deploying.automations import find_webhook
        from flows.deploying.described import read_deployments
    except (ValueError, TypeError) as exc:
        raise DeployError(
            f"{project.root / 'prefect.toml'}: expected settings that Prefect can read, there or "
            f"in variables PREFECT_*; it says: {_tell(exc)}; mend that, and run this again"
        ) from exc
    find_webhook()
    return read_deployments(described)


def _tell(exc: Exception) -> str:
    """Say what Prefect says, without the values: one may be a password."""
    if not isinstance(exc, ValidationError):
        return str(exc)
    return "; ".join(
        f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in exc.errors()
    )


def _register(
    project: Project, params: Params, described: "Sequence[Deployment]"
) -> tuple[tuple[str, ...], bool]:
    from prefect import get_client
    from prefect.context import refresh_global_settings_context

    from flows.deploying.automations import register_automations
    from flows.deploying.registering import register

    refresh_global_settings_context()  # it was imported before the server had an address
    end_dead_runs(project.state / "runs")
    with get_client(sync_client=True) as client:
        deployments = register(client, described, params)
        return tuple(deployments), register_automations(client, params.flows)
