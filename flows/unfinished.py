"""What an interrupted harvest has brought so far, by its ledger."""

from collections.abc import Sequence

from flows.account import Line
from flows.params import Params
from flows.project import Project
from flows.source import scope_of
from harvest.ledger import Ledger


def say_unfinished(project: Project, params: Params, *, lines: Sequence[Line]) -> str:
    """Say how far a harvest got that has not written its manifest yet.

    Args:
        project: The checkout.
        params: All settings.
        lines: The account.

    Returns:
        One line; "" where no harvest was begun, or the last one is through.

    Raises:
        HarvestError: If the ledger cannot be read.
    """
    account = {line.stage: line for line in lines}
    path = project.state / "ledger.sqlite"
    if account["scans"].run or not account["catalog"].run or not path.is_file():
        return ""
    with Ledger(path) as ledger:
        came = ledger.sum_up(scope_of(project, params)).files
    listed = account["catalog"].passed
    return (
        f"A harvest was begun: {came:,} files have come, for {listed:,} resources listed; "
        "`photochrom scans` goes on."
    )
