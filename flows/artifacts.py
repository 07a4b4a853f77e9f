"""What a run leaves in the Prefect UI for a person to open."""

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from prefect import get_run_logger
from prefect.artifacts import create_image_artifact, create_markdown_artifact

from flows.account import Line, read_account, to_markdown
from flows.page.thumbnails import read_data_uri
from flows.project import Project
from harvest.records import Scan, ScanState

SHOWN = 3
LISTED = 500
"""Failures in the table; an artifact is one row of the server's database."""

PICTURES = {
    "crop-sheets": "What was found within the mounts",
    "curve": "Loss over the steps of the training",
    "test": "A print of the test split, and what the model makes of its lightness",
}

FAILURES_HEAD = "| scan | state | why | item | file | title |\n|---|---|---|---|---|---|\n"


def publish_account(project: Project, stage: str, *, size: int) -> Line:
    """Put the account up to a stage into the run, and return the stage's own line.

    Args:
        project: The checkout.
        stage: The stage that has just run.
        size: Side of the samples, in pixels.
    """
    lines = read_account(project, size=size)
    line = next(line for line in lines if line.stage == stage)
    create_markdown_artifact(
        key=f"account-{stage}",
        markdown=to_markdown(lines[: lines.index(line) + 1]),
        description=line.fault or f"What the stages up to `{stage}` saw, passed on and held back",
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


def publish_failures(scans: Sequence[Scan]) -> None:
    """Put the scans that did not come, or are of no use, into the run, with links."""
    bad = [scan for scan in scans if scan.state is not ScanState.STORED]
    more = f"\n\n{len(bad) - LISTED:,} more stand in data/scans.parquet." * (len(bad) > LISTED)
    table = "\n".join(_to_failure_row(scan) for scan in bad[:LISTED])
    create_markdown_artifact(
        key="failures-scans",
        markdown=f"{FAILURES_HEAD}{table}{more}" if bad else "Every scan came.",
        description=f"{len(bad):,} of {len(scans):,} scans are not stored",
    )


def _to_failure_row(scan: Scan) -> str:
    item, file = scan.item_id, scan.rendition or ""
    if scan.url is not None and scan.url.startswith("https://"):
        item = f"[{item}](https://www.loc.gov/item/{quote(item)}/)"
        file = f"[{file}]({scan.url})"
    title = scan.title.replace("|", "\\|")
    return f"| {scan.scan_id} | {scan.state} | {scan.reason} | {item} | {file} | {title} |"


def publish_pictures(key: str, paths: Sequence[Path]) -> None:
    """Put the first few pictures of a stage into the run.

    Args:
        key: What they are of, one of `PICTURES`.
        paths: All there are.
    """
    for number, path in enumerate(paths[:SHOWN], 1):
        create_image_artifact(
            key=f"{key}-{number}",
            image_url=read_data_uri(path, width=960),
            description=f"{PICTURES[key]}: {number} of {len(paths)}, `{path.name}`",
        )
