from pathlib import Path

from flows.account import Line
from flows.params import read_params
from flows.project import Project
from flows.source import scope_of
from flows.unfinished import say_unfinished
from harvest.ledger import Ledger
from harvest.store import Store
from tests.harvest.conftest import picture
from tests.harvest.shelf import Shelf, fetch, url_of

PARAMS = read_params(Path(__file__).resolve().parents[2] / "params.yaml")


def lines(*, catalog: bool = True, scans: bool = False) -> list[Line]:
    return [
        Line("catalog", "rows", 9, 7, run=catalog),
        Line("scans", "resources", 0, 0, run=scans),
    ]


def test_status_says_how_far_a_killed_harvest_got(tmp_path: Path) -> None:
    project = Project(tmp_path)
    assert say_unfinished(project, PARAMS, lines=lines()) == ""
    assert not project.state.exists()
    with Ledger(project.state / "ledger.sqlite") as ledger:
        scope, shelf = scope_of(project, PARAMS), Shelf({url_of(1): [picture()]})
        fetch(Store(shelf, ledger, scope, project.data, "sample", project.state / "locks"))
    said = say_unfinished(project, PARAMS, lines=lines())
    assert "1 files have come, for 7 resources listed" in said
    assert say_unfinished(project, PARAMS, lines=lines(scans=True)) == ""
    assert say_unfinished(project, PARAMS, lines=lines(catalog=False)) == ""
