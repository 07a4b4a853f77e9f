"""Registers what prefect.yaml names with a Prefect server: work pool, queues, deployments."""

from collections.abc import Sequence
from typing import Any

from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound, PrefectHTTPStatusError
from prefect.utilities.callables import parameter_schema
from prefect.workers.process import ProcessWorker

from flows.deploying.described import Deployment, load_flow
from flows.deploying.worker_process import POOL
from flows.errors import DeployError
from flows.params import Params

QUEUES = {
    "harvest": "Asks the source: one run at a time, and `rebuild/dvc` counts as one.",
    "compute": "Works on this machine or hands to the cluster: one run at a time.",
}


def register(
    client: SyncPrefectClient, deployments: Sequence[Deployment], params: Params
) -> list[str]:
    """Make the server's pool, queues and deployments be what prefect.yaml says.

    Args:
        client: Of the server.
        deployments: What the file describes.
        params: All settings; they decide whether the weekly refresh is on.

    Returns:
        The deployments, as `flow/deployment`.

    Raises:
        DeployError: If the server refuses one.
    """
    _register_pool(client)
    return [_register_deployment(client, one, params) for one in deployments]


def is_refreshing(params: Params) -> bool:
    """Say whether the weekly refresh may ask the Library: it is the source, and has a contact."""
    return params.harvest.source == "loc" and params.harvest.contact is not None


def _register_pool(client: SyncPrefectClient) -> None:
    template = ProcessWorker.get_default_base_job_template()
    pool = WorkPoolCreate(
        name=POOL,
        type=ProcessWorker.type,
        description="Workers that stand in the checkout's folder.",
        base_job_template=template,
    )
    try:
        client.create_work_pool(pool)
    except ObjectAlreadyExists:
        client.read_work_pool(POOL)  # an earlier `photochrom ui` has made it
    _register_queues(client)


def _register_queues(client: SyncPrefectClient) -> None:
    for name, description in QUEUES.items():
        wanted: dict[str, Any] = {"description": description, "concurrency_limit": 1}
        try:
            there = client.read_work_queue_by_name(name, work_pool_name=POOL)
        except ObjectNotFound:
            client.create_work_queue(name=name, work_pool_name=POOL, **wanted)
        else:
            client.update_work_queue(there.id, **wanted)


def _register_deployment(client: SyncPrefectClient, one: Deployment, params: Params) -> str:
    flow = load_flow(one.entrypoint)
    schedules = [
        DeploymentScheduleCreate(
            schedule=CronSchedule(cron=each.cron, timezone=each.timezone, day_or=each.day_or),
            active=is_refreshing(params),
            slug=each.slug,
        )
        for each in one.schedules
    ]
    try:
        client.create_deployment(
            flow_id=client.create_flow_from_name(flow.name),
            name=one.name,
            entrypoint=one.entrypoint,
            description=one.description,
            parameters=one.parameters,
            tags=one.tags,
            schedules=schedules,
            work_pool_name=one.work_pool.name,
            work_queue_name=one.work_pool.work_queue_name,
            job_variables=one.work_pool.job_variables,
            parameter_openapi_schema=parameter_schema(flow).model_dump(exclude_unset=True),
            enforce_parameter_schema=True,
            pull_steps=[],
        )
    except PrefectHTTPStatusError as exc:
        raise DeployError(
            f"{flow.name}/{one.name}: the Prefect server refuses it ({exc.response.text[:300]}); "
            "mend it in prefect.yaml, and run `photochrom ui` again"
        ) from exc
    return f"{flow.name}/{one.name}"
