"""What a run leaves in the Prefect UI for a person to open."""

from collections.abc import Sequence
from pathlib import Path

from prefect import get_run_logger
from prefect.artifacts import create_image_artifact, create_table_artifact

from flows.account import Line, read_account
from flows.project import Project
from flows.thumbnails import read_data_uri

SHOWN = 3


def publish_account(project: Project, stage: str, *, size: int) -> Line:
    """Put a stage's line of the account into the run, and return it.

    Args:
        project: The checkout.
        stage: The stage that has just run.
        size: Side of the samples, in pixels.
    """
    line = next(line for line in read_account(project, size=size) if line.stage == stage)
    create_table_artifact(
        key=f"account-{stage}",
        table=[
            {"unit": line.unit, "seen": line.seen, "passed on": line.passed, "held": line.held_text}
        ],
        description=line.fault or f"What `{stage}` saw, passed on, and held back.",
    )
    get_run_logger().info(
        "%s: %d %s seen, %d passed on; %s",
        stage,
        line.seen,
        line.unit,
        line.passed,
        line.held_text or "none held back",
    )
    return line


def publish_pictures(key: str, paths: Sequence[Path]) -> None:
    """Put the first few pictures of a stage into the run."""
    for number, path in enumerate(paths[:SHOWN], 1):
        create_image_artifact(
            key=f"{key}-{number}", image_url=read_data_uri(path, width=960), description=path.name
        )
