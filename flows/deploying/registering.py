"""Registers what prefect.yaml names with a Prefect server: work pool, queues, deployments."""

from importlib import import_module
from pathlib import Path
from typing import Any

import yaml
from prefect import Flow
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import DeploymentScheduleCreate, WorkPoolCreate
from prefect.client.schemas.schedules import CronSchedule
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.utilities.callables import parameter_schema
from prefect.workers.process import ProcessWorker

from flows.deploying.worker_process import POOL
from flows.errors import DeployError
from flows.params import Params

QUEUES = {
    "harvest": "Asks the source: one run at a time, and `rebuild/dvc` counts as one.",
    "compute": "Works on this machine or hands to the cluster: one run at a time.",
}


def register(client: SyncPrefectClient, path: Path, params: Params) -> list[str]:
    """Make the server's pool, queues and deployments be what prefect.yaml says.

    Args:
        client: Of the server.
        path: A prefect.yaml.
        params: All settings; they decide whether the weekly refresh is on.

    Returns:
        The deployments, as `flow/deployment`.

    Raises:
        DeployError: If the file is not as expected.
    """
    described = read_deployments(path)
    _register_pool(client)
    return [_register_deployment(client, one, params) for one in described]


def read_deployments(path: Path) -> list[dict[str, Any]]:
    """Read the deployments of a prefect.yaml.

    Raises:
        DeployError: If it cannot be read, or names no deployment.
    """
    try:
        described: list[dict[str, Any]] = yaml.safe_load(path.read_text("utf-8"))["deployments"]
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as exc:
        raise DeployError(
            f"{path}: expected deployments, in YAML ({exc}); take the file of the last release"
        ) from exc
    return described


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


def _register_deployment(client: SyncPrefectClient, one: dict[str, Any], params: Params) -> str:
    flow = _load(one["entrypoint"])
    pool = one["work_pool"]
    schedules = [
        DeploymentScheduleCreate(
            schedule=CronSchedule(cron=each["cron"], timezone=each["timezone"]),
            active=is_refreshing(params),
            slug=each["slug"],
        )
        for each in one.get("schedules", ())
    ]
    client.create_deployment(
        flow_id=client.create_flow_from_name(flow.name),
        name=one["name"],
        entrypoint=one["entrypoint"],
        description=one["description"],
        parameters=one.get("parameters", {}),
        tags=one["tags"],
        schedules=schedules,
        work_pool_name=pool["name"],
        work_queue_name=pool["work_queue_name"],
        job_variables=pool["job_variables"],
        parameter_openapi_schema=parameter_schema(flow).model_dump(exclude_unset=True),
        enforce_parameter_schema=True,
        pull_steps=[],
    )
    return f"{flow.name}/{one['name']}"


def _load(entrypoint: str) -> Flow[..., Any]:
    module, _, name = entrypoint.rpartition(".")
    flow: Flow[..., Any] = getattr(import_module(module), name)
    return flow
