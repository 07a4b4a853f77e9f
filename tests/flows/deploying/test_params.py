import pytest

from flows.deploying.deployed import check_source
from flows.deploying.registering import is_refreshing
from flows.errors import DeployError, ParamsError
from flows.params import Params, read_params
from tests.pipeline import ROOT


def read(*settings: str) -> Params:
    return read_params(ROOT / "params.yaml", settings)


def test_a_run_says_where_its_training_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PHOTOCHROM_RUNNER", "slurm")
    assert read().train.runner == "slurm"
    assert read("train.runner=local").train.runner == "local"
    monkeypatch.setenv("PHOTOCHROM_RUNNER", "moon")
    with pytest.raises(ParamsError, match=r"train\.runner"):
        read()


@pytest.mark.parametrize(
    ("settings", "weekly"),
    [
        ((), False),
        (("harvest.source=loc",), False),
        (("harvest.contact=a@example.org",), False),
        (("harvest.source=loc", "harvest.contact=a@example.org"), True),
    ],
)
def test_the_library_is_asked_weekly_only_with_a_contact(
    settings: tuple[str, ...], weekly: bool
) -> None:
    assert is_refreshing(read(*settings)) is weekly


def test_a_harvest_of_another_source_is_refused() -> None:
    with pytest.raises(DeployError, match=r"expected harvest\.source loc"):
        check_source("loc", read())
    with pytest.raises(DeployError, match="expected your address"):
        check_source("loc", read("harvest.source=loc"))
    with pytest.raises(DeployError, match=r"expected harvest\.source sample"):
        check_source("sample", read("harvest.source=folder"))
