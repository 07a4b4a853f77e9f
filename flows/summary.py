"""The last screen: what was made, where to look, what to run next."""

from flows.account import read_account, read_json
from flows.project import Project
from flows.server import find_server

NEXT = """\
Next
  . .venv/bin/activate                       puts photochrom and dvc on the path
  photochrom colorize PHOTO --out colorized  colours a photograph of yours
  photochrom status                          the account of every stage
  dvc repro                                  after a change in params.yaml"""


def summarise(project: Project, *, size: int) -> str:
    """Say in one screen of 80 columns what the pipeline has made.

    Args:
        project: The checkout.
        size: Side of the samples, in pixels.

    Raises:
        AccountError: If the model has not been evaluated.
    """
    lines = {line.stage: line for line in read_account(project, size=size)}
    figures = read_json(project.data / "evaluation" / "metrics.json", stage="evaluate")
    gap = figures["difference"]["lightness_by_row"]["de00"]
    server = find_server(project)
    made = (
        f"{lines['scans'].passed} prints harvested, {lines['shards'].passed} samples in shards.\n"
        f"On {figures['views']} views it has not seen, the model is off by "
        f"{figures['model']['de00']['mean']:.2f} dE00; a\n"
        f"table of lightness by row, by "
        f"{figures['baselines']['lightness_by_row']['de00']['mean']:.2f} "
        f"({gap['mean']:+.2f}, 95 % {gap['low']:+.2f} to {gap['high']:+.2f});\n"
        f"no colour at all, by {figures['baselines']['grey']['de00']['mean']:.2f}. "
        "(dE00: colour difference as people see it.)"
    )
    look = [
        "Look at",
        f"  {project.data / 'report.html'}",
        "      pictures, figures, crops, the account: open it in a browser",
    ]
    if server is None:
        look += ["  photochrom ui", "      starts the Prefect UI, where the runs are"]
    else:
        look += [f"  {server.url}", "      the runs in the Prefect UI; `photochrom down` ends it"]
    return "\n\n".join(["", made, "\n".join(look), NEXT])
