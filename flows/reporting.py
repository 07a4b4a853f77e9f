"""Flow: everything on one page."""

from pathlib import Path
from typing import Any

from prefect import flow
from prefect.artifacts import create_link_artifact

from flows.page.report import Harvested, render_report
from flows.params import Params
from flows.project import Project
from flows.source import scope_of
from harvest.files import write_bytes
from harvest.ledger import Ledger


@flow(name="report", flow_run_name="report")
def report(root: str, settings: dict[str, Any]) -> str:
    """Draw everything on one page."""
    project, params = Project(Path(root)), Params.model_validate(settings)
    with Ledger(project.state / "ledger.sqlite") as ledger:
        sums = ledger.sum_up(scope_of(project, params))
    page = render_report(
        project, params, Harvested(files=sums.files, bytes=sums.size_bytes, seconds=sums.seconds)
    )
    path = project.data / "report.html"
    write_bytes(path, page.encode())
    create_link_artifact(key="report", link=path.as_uri(), description="The report, on this disk")
    return f"data/report.html, {path.stat().st_size / 1e6:.1f} MB"
