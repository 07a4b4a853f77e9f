"""What a prefect.yaml describes: read, typed and checked before any server is asked."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, ClassVar

import yaml
from prefect import Flow
from prefect.client.schemas.schedules import CronSchedule
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from flows.deploying.worker_process import POOL
from flows.errors import DeployError
from flows.params import NO_YAML, explain


def load_flow(entrypoint: str) -> Flow[..., Any]:
    """Import a flow.

    Args:
        entrypoint: As `package.module.flow`.

    Raises:
        ValueError: If there is none of this name, or its module cannot be imported.
    """
    module, _, name = entrypoint.rpartition(".")
    try:
        flow = getattr(import_module(module), name)
    except Exception as exc:  # a person's module may raise anything
        raise ValueError(
            f"expected a flow, as package.module.flow ({type(exc).__name__}: {exc})"
        ) from exc
    if not isinstance(flow, Flow):
        raise ValueError(f"expected a flow, as package.module.flow, found {type(flow).__name__}")
    return flow


def _is_flow(entrypoint: str) -> str:
    load_flow(entrypoint)
    return entrypoint


class Queue(BaseModel, frozen=True):
    """Where a deployment's runs wait for a worker."""

    name: str = Field(pattern=f"^{POOL}$")
    """Of the work pool; the workers take from no other."""
    work_queue_name: str
    job_variables: dict[str, Any]


class Schedule(CronSchedule):
    """When a deployment is run by itself."""

    # Whether it is active is decided by the settings.
    model_config: ClassVar[ConfigDict] = ConfigDict(extra="ignore")

    slug: str
    """Its name within the deployment."""


class Deployment(BaseModel, frozen=True):
    """One deployment; keys that only `prefect deploy` knows are let be."""

    name: str = Field(pattern=r"^[^/%&<>]+$")
    entrypoint: Annotated[str, AfterValidator(_is_flow)]
    description: str
    tags: list[str]
    work_pool: Queue
    parameters: dict[str, Any] = {}
    schedules: list[Schedule] = []


class Described(BaseModel, frozen=True):
    """A prefect.yaml."""

    deployments: list[Deployment] = Field(min_length=1)


def read_deployments(path: Path) -> list[Deployment]:
    """Read the deployments of a prefect.yaml.

    Args:
        path: The file.

    Raises:
        DeployError: If it cannot be read, names no deployment, or one that could not be
            registered or run; every fault is named with its place.
    """
    wanted = "expected deployments, in YAML"
    mend = "mend that, or take the file of the last release"
    try:
        return Described.model_validate(yaml.safe_load(path.read_text("utf-8"))).deployments
    except ValidationError as exc:
        raise DeployError(f"{path}: {wanted}; {mend}:\n{explain(exc, path=path)}") from exc
    except (OSError, *NO_YAML) as exc:
        raise DeployError(f"{path}: {wanted} ({exc}); {mend}") from exc
