from pathlib import Path
from typing import Any

import pytest
import yaml

from flows.deploying.described import load_flow, read_deployments
from flows.errors import DeployError
from tests.pipeline import ROOT

ONE: dict[str, Any] = {
    "name": "sample",
    "entrypoint": "flows.deploying.deployed.harvest",
    "description": "One.",
    "tags": [],
    "work_pool": {"name": "photochrom", "work_queue_name": "harvest", "job_variables": {}},
}
MONDAYS = {"slug": "weekly", "cron": "0 3 * * 1", "timezone": "UTC"}


def write(folder: Path, deployments: object) -> Path:
    path = folder / "prefect.yaml"
    path.write_text(yaml.safe_dump({"deployments": deployments}))
    return path


@pytest.mark.parametrize("text", ["", "deployments", "a: [", "\0", "[" * 3000, "5", "name: x"])
def test_a_file_without_deployments_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "prefect.yaml").write_text(text)
    with pytest.raises(DeployError, match="expected deployments"):
        read_deployments(tmp_path / "prefect.yaml")


def test_the_committed_file_is_read() -> None:
    read = read_deployments(ROOT / "prefect.yaml")
    (weekly,) = [each for one in read for each in one.schedules]
    assert (weekly.slug, weekly.cron) == ("weekly", "0 3 * * 1")
    assert {load_flow(one.entrypoint).name for one in read} == {
        *("harvest", "preprocess", "train", "rebuild"),
    }


@pytest.mark.parametrize(
    ("deployments", "said"),
    [
        (5, "deployments: input should be a valid list, got 5"),
        ([], "deployments: list should have at least 1 item"),
        ([5], "deployments.0: expected a section"),
        ([{}], "deployments.0.entrypoint: expected a value, and the key is missing"),
        ([ONE, ONE | {"name": 5}], "deployments.1.name: "),
        ([ONE | {"name": "a/b"}], "deployments.0.name: "),
        ([ONE | {"entrypoint": "flows.deploying.deployed.nosuch"}], "deployments.0.entrypoint: "),
        ([ONE | {"entrypoint": "nosuch.flow"}], "No module named 'nosuch'"),
        ([ONE | {"entrypoint": "flow"}], "deployments.0.entrypoint: "),
        ([ONE | {"entrypoint": "pathlib.Path"}], "expected a flow, as package.module.flow"),
        ([ONE | {"work_pool": None}], "deployments.0.work_pool: "),
        ([ONE | {"work_pool": ONE["work_pool"] | {"name": "x"}}], "deployments.0.work_pool.name: "),
        ([ONE | {"schedules": [MONDAYS | {"cron": "61 * * * *"}]}], "schedules.0.cron: "),
        ([ONE | {"schedules": [MONDAYS | {"timezone": "Mars"}]}], "schedules.0.timezone: "),
        ([ONE | {"schedules": [{}]}], "schedules.0.slug: "),
    ],
)
def test_what_cannot_be_registered_is_named_with_its_place(
    tmp_path: Path, deployments: object, said: str
) -> None:
    path = write(tmp_path, deployments)
    with pytest.raises(DeployError) as caught:
        read_deployments(path)
    assert str(caught.value).startswith(f"{path}: expected deployments")
    assert said in str(caught.value)
